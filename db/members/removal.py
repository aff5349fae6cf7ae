"""Removing a member, and everything that names them."""

from collections.abc import Sequence
from functools import partial

from db import activity, engine, policy
from db.activity import kept_names as activity_names
from db.common import clock
from db.common.role_codes import codes
from db.errors import Refused, Unknown
from db.members import changes, demotion, directory, offboarding
from db.members.changes import Locked
from db.policy import Actor, Role
from messages import refusals


async def remove(actor: Actor, *, member_id: int) -> str:
    """Removes a member: account, sessions and tokens go, the address may be invited again.

    Returns the name they had. The row stays as a tombstone without name, address and password; who it was
    stands beside the log for as long as that is kept.
    Raises SignInFirst, NotAllowed, Unknown and Refused.
    """
    return await changes.write(
        actor, policy.may_manage_members, partial(_remove, actor, member_id), members=(member_id,)
    )


async def _remove(actor: Actor, member_id: int, locked: Locked) -> str:
    reason = policy.why_untouchable(actor.id, locked.acting, member_id, locked.roles[member_id])
    if reason is not None:
        raise Refused(reason)
    row = await directory.one(member_id)
    ((email_key,),) = await engine.rows("SELECT email_key FROM member WHERE id = ?", member_id)
    lowered = policy.is_administrator(locked.roles[member_id]) or await demotion.lately(
        {member_id: locked.roles[member_id]}
    )
    await offboarding.shut_out(actor, (member_id,), "removed")
    await activity_names.keep(member_id)
    await engine.execute(
        "UPDATE member SET email = '', email_key = NULL, first_name = '', last_name = '', sort_key = '',"
        f" search_text = '', password_hash = '', role = {codes(Role.DEACTIVATED)}, ends_at = 0,"
        " end_notified_at = 0,"
        " reset_link_made_at = 0, removed_at = ? WHERE id = ?",
        clock.now(),
        member_id,
    )
    await _forget(member_id, email_key)
    await activity.record(actor, "removed", member_id, before=locked.roles[member_id].value)
    if lowered:
        await demotion.tell(actor, (member_id,), now=clock.now())
    return row.label if row else ""


async def _forget(member_id: int, email_key: str) -> None:
    """Takes name and address of a removed member out of their invitations and requests, and of the mails."""
    if not email_key:
        return
    await forget_access_requests(email_key)
    await engine.execute(
        "UPDATE outbox SET recipient = '', server_reply = '' WHERE state <> 'queued' AND (member_id = ?"
        " OR invitation_id IN (SELECT i.id FROM invitation AS i WHERE i.email_key = ?))",
        member_id,
        email_key,
    )
    await engine.execute(
        "UPDATE invitation SET email = '', email_key = '', first_name = '', last_name = '', search_text = ''"
        " WHERE (member_id = ? OR email_key = ?) AND ended_at > 0",
        member_id,
        email_key,
    )


async def forget_access_requests(email_key: str) -> None:
    """Deletes the requests of a removed member, and takes their address out of the mails about them."""
    await engine.execute(
        "UPDATE outbox SET state = 'void', lease = '', leased_until = 0, done_at = ?"
        " WHERE kind = 'request' AND state IN ('queued', 'held') AND LOWER(recipient) = ?",
        clock.now(),
        email_key,
    )
    await engine.execute(
        "UPDATE outbox SET recipient = '', server_reply = '' WHERE kind = 'request' AND LOWER(recipient) = ?",
        email_key,
    )
    await engine.execute("DELETE FROM access_request WHERE email_key = ?", email_key)


async def erase_names(actor: Actor, *, member_ids: Sequence[int]) -> int:
    """Erases what the log keeps of removed members. Returns of how many.

    Those erased already are passed over. Raises SignInFirst, NotAllowed, and Unknown where nothing is kept of
    any.
    """
    return await changes.write(
        actor, policy.may_erase_names, partial(_erase_names, actor, sorted(set(member_ids)))
    )


async def _erase_names(actor: Actor, member_ids: Sequence[int], _: Locked) -> int:
    marks = ", ".join("?" * len(member_ids))
    erased = await engine.rows(
        f"DELETE FROM activity_name WHERE member_id IN ({marks}) RETURNING member_id", *member_ids
    )
    numbers = sorted({member_id for (member_id,) in erased})
    if not numbers:
        raise Unknown(refusals.NO_NAME_KEPT)
    await activity.record_many(actor, "name_erased", [(number, "", str(number)) for number in numbers])
    return len(numbers)
