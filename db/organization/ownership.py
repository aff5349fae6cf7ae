"""Handing the organization over: one Owner before, one afterwards, whoever else acts at the same instant."""

from functools import partial

from db import activity, engine, policy
from db.accounts import sign_in
from db.auth import sessions
from db.auth.client import Browser
from db.auth.rate_limits import Throttle
from db.common.role_codes import codes
from db.errors import NotAllowed, Refused
from db.mail import outbox
from db.members import changes, directory, last_day
from db.members.changes import Locked
from db.members.directory import MemberRow
from db.policy import Actor, Role
from messages import refusals


async def hand_over(
    actor: Actor, *, session_id: int, member_id: int, password: str, throttle: Throttle, browser: Browser
) -> tuple[MemberRow, str]:
    """Makes an active member the Owner; the old Owner becomes Administrator. Both are told by mail.

    No session has more rights afterwards than it was begun for (ASVS 7.2.4): the new Owner's end, and they
    sign in anew; the one it is done in, session_id, gets a new token.
    password: the Owner's own; a wrong one counts as a failed sign-in. Returns the new Owner's row and that
    token. Raises WrongPassword, TooManyTries, SignInFirst, NotAllowed, Unknown and Refused.
    """
    if not policy.may_transfer_ownership(actor.role):
        raise NotAllowed(refusals.HAND_OVER)
    await sign_in.check_password(actor, password, throttle=throttle, browser=browser)
    # The organization's row is the lock: of two hand-overs at once the second finds another Owner.
    hand = partial(_hand_over, actor, session_id, member_id)
    handed = await changes.write(
        actor, policy.may_transfer_ownership, hand, members=(member_id,), organization=True
    )
    outbox.wake()
    return handed


async def _hand_over(actor: Actor, session_id: int, member_id: int, locked: Locked) -> tuple[MemberRow, str]:
    roles = locked.roles
    if member_id == actor.id:
        raise Refused(refusals.YOU_OWN)
    if not policy.is_active(roles[member_id]):
        raise Refused(refusals.OWNER_TO_BE_INACTIVE)
    # An Owner without an end: there would be none afterwards.
    await last_day.change(actor, member_id, 0)
    # Demote, promote, point: the other order breaks the index that allows one Owner.
    await engine.execute(f"UPDATE member SET role = {codes(Role.ADMINISTRATOR)} WHERE id = ?", actor.id)
    await engine.execute(f"UPDATE member SET role = {codes(Role.OWNER)} WHERE id = ?", member_id)
    await engine.execute("UPDATE organization SET owner_id = ?", member_id)
    await activity.record(
        actor, "ownership_handed_over", member_id, before=roles[member_id].value, after=Role.OWNER.value
    )
    await activity.record(
        actor, "role_changed", actor.id, before=Role.OWNER.value, after=Role.ADMINISTRATOR.value
    )
    await sessions.end_all(member_id, "became owner")
    token = await sessions.rotate(session_id)
    await outbox.queue_ownership(actor.id, member_id)
    await outbox.queue_ownership(member_id, actor.id)
    row = await directory.one(member_id)
    assert row is not None, "its row is locked"
    return row, token
