"""How an invitation ends without being accepted: revoked, or void with whoever vouches for it or has seen its
link. Inside a write."""

from collections.abc import Sequence

from db import activity, engine, policy
from db.common import clock, undo
from db.common.role_codes import codes
from db.mail import outbox
from db.members import link_viewers
from db.policy import Actor, Role


async def end(
    actor: Actor, invitation_ids: Sequence[int], link_ids: Sequence[int], reason: str, *, at: int = 0
) -> int:
    """Ends any number of invitations and their links; mails that haven't gone out don't. Returns when, in ms.

    reason: "revoked" or "void", as it stands in the log. at: the instant, 0 for now.
    """
    now = at or clock.now()
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
    events = [(invitation_id, "", "") for invitation_id in invitation_ids]
    if reason == "revoked":
        await activity.record_many(actor, "invitation_revoked", events)
    else:
        await activity.record_many(actor, "invitation_voided", events)
    return now


async def void_with(actor: Actor, member_id: int, *, at: int = 0) -> int:
    """Where somebody loses the right to invite: the open invitations that they made, or whose link they were
    shown and so could open afterwards, are void. Returns how many."""
    found = await engine.rows(
        "SELECT id, link_id FROM invitation WHERE ended_at = 0 AND (invited_by = ? OR id IN"
        " (SELECT s.invitation_id FROM invitation_link_viewer AS s WHERE s.member_id = ?))"
        # Locked: what somebody accepts or revokes at this instant has ended already, and is told once.
        f" ORDER BY id{engine.for_update()}",
        member_id,
        member_id,
    )
    if found:
        await end(actor, [row[0] for row in found], [row[1] for row in found], "void", at=at)
    return len(found)


async def revoke_of_invited(actor: Actor, member_id: int, *, at: int = 0) -> int:
    """Where a member is shut out or put back to waiting: an invitation that still lies around in a mail must
    not undo that. Returns how many ended."""
    found = await engine.rows(
        "SELECT id, link_id FROM invitation WHERE ended_at = 0"
        " AND email_key = (SELECT m.email_key FROM member AS m WHERE m.id = ?)"
        f" ORDER BY id{engine.for_update()}",
        member_id,
    )
    if found:
        await end(actor, [row[0] for row in found], [row[1] for row in found], "revoked", at=at)
    return len(found)


async def undo_ends(actor: Actor, member_ids: Sequence[int], *, ended_at: int) -> None:
    """After a change of role is undone: reopens the invitations that ended with it, by, seen by or to these
    members.

    ended_at: the instant of the change, in ms. Invitations stay ended if their address was invited again or
    has joined since, or if somebody else made or saw them who may no longer invite. Raises PasswordWanted if
    one of them is to the role Administrator: the role that is restored may be any other.
    """
    marks = ", ".join("?" * len(member_ids))
    found = await engine.rows(
        "SELECT i.id, i.link_id, i.role FROM invitation AS i"
        " LEFT JOIN member AS m ON m.email_key = i.email_key"
        " WHERE i.ended_at = ? AND i.email_key <> '' AND NOT EXISTS (SELECT 1 FROM invitation AS later"
        " WHERE later.email_key = i.email_key AND later.id > i.id) AND ((i.end_reason = 'void'"
        f" AND m.id IS NULL AND EXISTS ({link_viewers.KNOWING} WHERE k.id IN ({marks})))"
        f" OR (i.end_reason = 'revoked' AND m.id IN ({marks}))) AND NOT EXISTS ({link_viewers.KNOWING}"
        f" WHERE k.role NOT IN ({codes(*policy.may_invite.roles)}) AND k.id NOT IN ({marks})) ORDER BY i.id",
        ended_at,
        *member_ids,
        *member_ids,
        *member_ids,
    )
    policy.require_password(actor, policy.sensitive_change(Role(role) for *_, role in found), clock.now())
    for some in engine.chunks(found):
        await reopen([row[0] for row in some], [row[1] for row in some], ended_at=ended_at)
    await activity.record_many(actor, "invitation_brought_back", [(row[0], "", "") for row in found])


async def behind(member_ids: Sequence[int]) -> set[int]:
    """Who made or was shown what a change of these members may have ended, while that can be undone: they are
    locked first, so that nobody among them loses the right at the instant at which it comes back."""
    marks = ", ".join("?" * len(member_ids))
    ended = await engine.rows(
        f"SELECT i.id FROM invitation AS i WHERE i.ended_at >= ? AND (i.invited_by IN ({marks})"
        " OR i.id IN (SELECT s.invitation_id FROM invitation_link_viewer AS s WHERE s.member_id IN"
        f" ({marks}))"
        f" OR i.email_key IN (SELECT m.email_key FROM member AS m WHERE m.id IN ({marks}))) ORDER BY i.id",
        clock.now() - undo.UNDO_MS,
        *member_ids,
        *member_ids,
        *member_ids,
    )
    found = set[int]()
    for some in engine.chunks([invitation_id for (invitation_id,) in ended]):
        found.update(member_id for *_, member_id in await link_viewers.knowing(some))
    return found


async def reopen(invitation_ids: Sequence[int], link_ids: Sequence[int], *, ended_at: int) -> None:
    """Undoes what `end` did at this instant (ms), mails included."""
    of_them, of_links = (", ".join("?" * len(ids)) for ids in (invitation_ids, link_ids))
    open_again = "SET ended_at = 0, end_reason = '' WHERE ended_at = ? AND id IN"
    await engine.execute(f"UPDATE links {open_again} ({of_links})", ended_at, *link_ids)
    await engine.execute(f"UPDATE invitation {open_again} ({of_them})", ended_at, *invitation_ids)
    await outbox.requeue(f"invitation_id IN ({of_them})", *invitation_ids, voided_at=ended_at)
