"""What an Administrator puts right for a member: their name, and sessions of theirs that should end."""

from db import activity, engine, policy
from db.accounts import profile
from db.auth import sessions
from db.common import clock
from db.errors import Refused, Unknown
from db.members import changes, directory
from db.members.changes import Locked
from db.members.directory import MemberRow
from db.policy import Actor, SensitiveChange
from messages import refusals


async def set_name(actor: Actor, *, member_id: int, first_name: str, last_name: str) -> MemberRow:
    """Gives a member another name, already checked by the form.

    Raises SignInFirst, NotAllowed, Unknown and Refused.
    """

    async def write(locked: Locked) -> MemberRow:
        if why := policy.why_not_named(actor.id, locked.acting, member_id, locked.roles[member_id]):
            raise Refused(why)
        if await profile.set_name(member_id, first_name, last_name):
            if actor.id == member_id:
                await activity.record(actor, "name_changed", member_id)
            else:
                await activity.record(actor, "name_corrected", member_id)
        return await _row(member_id)

    return await changes.write(actor, policy.may_manage_members, write, members=(member_id,))


async def end_session(actor: Actor, *, member_id: int, session_id: int) -> MemberRow:
    """Ends one session of a member.

    Raises SignInFirst, NotAllowed, Refused, PasswordWanted, and Unknown for anybody else's session.
    """

    async def write(locked: Locked) -> MemberRow:
        _check(actor, member_id, locked)
        ended = await engine.execute(
            "UPDATE session SET ended_at = ?, end_reason = 'ended by an administrator'"
            " WHERE id = ? AND member_id = ? AND ended_at = 0",
            clock.now(),
            session_id,
            member_id,
        )
        if not ended:
            raise Unknown(refusals.NO_SUCH_SESSION)
        await activity.record(actor, "member_session_ended", member_id)
        return await _row(member_id)

    return await changes.write(actor, policy.may_manage_members, write, members=(member_id,))


async def end_sessions(actor: Actor, *, member_id: int) -> MemberRow:
    """Ends every session of a member, who stays a member.

    Raises SignInFirst, NotAllowed, Unknown, Refused and PasswordWanted.
    """

    async def write(locked: Locked) -> MemberRow:
        _check(actor, member_id, locked)
        if ended := await sessions.end_all(member_id, "ended by an administrator"):
            await activity.record(actor, "member_sessions_ended", member_id, after=str(ended))
        return await _row(member_id)

    return await changes.write(actor, policy.may_manage_members, write, members=(member_id,))


def _check(actor: Actor, member_id: int, locked: Locked) -> None:
    if why := policy.why_not_signed_out(actor.id, locked.acting, member_id, locked.roles[member_id]):
        raise Refused(why)
    own = actor.id == member_id
    policy.require_password(actor, None if own else SensitiveChange.ENDS_SESSIONS, clock.now())


async def _row(member_id: int) -> MemberRow:
    row = await directory.one(member_id)
    assert row is not None, "its row is locked"
    return row
