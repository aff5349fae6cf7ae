"""How an invitation ends without being accepted: revoked, or void with its inviter. Inside a write."""

from collections.abc import Sequence

from db import activity, clock, engine, outbox, request_ends
from db.policy import Actor


async def end(actor: Actor, invitation_ids: Sequence[int], link_ids: Sequence[int], reason: str) -> int:
    """Ends any number of invitations and their links; mails that haven't gone out don't. Returns when, in ms.

    reason: "revoked" or "void", as it stands in the log.
    """
    now = clock.now()
    for some, of_them in zip(engine.chunks(invitation_ids), engine.chunks(link_ids), strict=True):
        marks = ", ".join("?" * len(some))
        await engine.execute(
            f"UPDATE invitation SET ended_at = ?, end_reason = ? WHERE ended_at = 0 AND id IN ({marks})",
            now,
            reason,
            *some,
        )
        await engine.execute(
            f"UPDATE links SET ended_at = ?, end_reason = ? WHERE ended_at = 0 AND id IN ({marks})",
            now,
            reason,
            *of_them,
        )
        await outbox.void_of_invitation(some, at=now)
    told = [(invitation_id, "", "") for invitation_id in invitation_ids]
    if reason == "revoked":
        await activity.record_many(actor, "invitation_revoked", told)
    else:
        await activity.record_many(actor, "invitation_voided", told)
    return now


async def void_of_inviter(actor: Actor, inviter_id: int) -> int:
    """Where somebody loses the right to invite: their open invitations are void. Returns how many."""
    found = await engine.rows(
        "SELECT id, link_id FROM invitation WHERE invited_by = ? AND ended_at = 0", inviter_id
    )
    if found:
        await end(actor, [row[0] for row in found], [row[1] for row in found], "void")
    return len(found)


async def revoke_of_invited(actor: Actor, member_id: int) -> int:
    """Where a member is shut out or put back to waiting: an invitation that still lies around in a mail must
    not undo that. Returns how many ended."""
    found = await engine.rows(
        "SELECT i.id, i.link_id FROM invitation AS i JOIN member AS m ON m.email_key = i.email_key"
        " WHERE m.id = ? AND i.ended_at = 0",
        member_id,
    )
    if found:
        await end(actor, [row[0] for row in found], [row[1] for row in found], "revoked")
    return len(found)


async def forget(member_id: int, email_key: str) -> None:
    """Takes name and address of a removed member out of their invitations and requests, and of the mails."""
    if not email_key:
        return
    await request_ends.forget(email_key)
    await engine.execute(
        "UPDATE outbox SET recipient = '', said = '' WHERE state <> 'queued' AND (member_id = ?"
        " OR invitation_id IN (SELECT i.id FROM invitation AS i WHERE i.email_key = ?))",
        member_id,
        email_key,
    )
    await engine.execute(
        "UPDATE invitation SET email = '', email_key = '', first_name = '', last_name = '', search_key = ''"
        " WHERE (member_id = ? OR email_key = ?) AND ended_at > 0",
        member_id,
        email_key,
    )
