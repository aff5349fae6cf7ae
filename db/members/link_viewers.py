"""Who was shown which invitation's link: whoever has seen one can open it, so it lives no longer than they
administer, and never comes to give Administrator. What changes something is inside a write.
"""

from collections.abc import Collection, Sequence
from typing import Final

from db import engine
from db.auth import links
from db.common import clock
from db.policy import Actor, Role

# For an invitation `i`: a member `k` who made it or was shown its link; WHERE follows.
KNOWING: Final = (
    "SELECT 1 FROM (SELECT i.invited_by AS id UNION ALL"
    " SELECT s.member_id FROM invitation_link_viewer AS s WHERE s.invitation_id = i.id) AS who"
    " JOIN member AS k ON k.id = who.id"
)


async def note(actor: Actor, invitation_ids: Sequence[int]) -> None:
    """The actor is shown these links. Noted is the first time; the command line knows everything anyway."""
    now = clock.now()
    for some in engine.chunks(invitation_ids):
        marks = ", ".join("?" * len(some))
        await engine.execute(
            f"UPDATE invitation SET link_revealed_at = ? WHERE link_revealed_at = 0 AND id IN ({marks})",
            now,
            *some,
        )
        await engine.execute(
            "INSERT INTO invitation_link_viewer (invitation_id, member_id, viewed_at)"
            f" SELECT i.id, m.id, ? FROM invitation AS i JOIN member AS m ON m.id = ? WHERE i.id IN ({marks})"
            " ON CONFLICT DO NOTHING",
            now,
            actor.id,
            *some,
        )


async def seen_by(member_id: int, invitation_ids: Sequence[int]) -> set[int]:
    """Those of these invitations whose link, as it is now, this member was shown."""
    if not invitation_ids:
        return set()
    marks = ", ".join("?" * len(invitation_ids))
    found = await engine.rows(
        "SELECT invitation_id FROM invitation_link_viewer WHERE member_id = ? AND invitation_id IN"
        f" ({marks})",
        member_id,
        *invitation_ids,
    )
    return {invitation_id for (invitation_id,) in found}


async def knowing(invitation_ids: Sequence[int]) -> list[tuple[int, str, int]]:
    """Who made or was shown these: id, address and a member's id, one for each of them."""
    marks = ", ".join("?" * len(invitation_ids))
    found = await engine.rows(
        "SELECT i.id, i.email, i.invited_by FROM invitation AS i"
        f" WHERE i.invited_by > 0 AND i.id IN ({marks})"
        " UNION SELECT i.id, i.email, s.member_id FROM invitation AS i"
        f" JOIN invitation_link_viewer AS s ON s.invitation_id = i.id WHERE i.id IN ({marks}) ORDER BY 1, 3",
        *invitation_ids,
        *invitation_ids,
    )
    return [(invitation_id, email, member_id) for invitation_id, email, member_id in found]


async def make_anew(actor: Actor, invitation_ids: Collection[int], expires_at: int) -> list[int]:
    """Where these rise to Administrator, before they do: links that somebody has seen end, and new ones take
    their place, which nobody has seen and no mail has carried. Returns the ids of those it was done to.

    The invitations are locked. expires_at: when the new links end, in ms.
    """
    anew = list[int]()
    for some in engine.chunks(sorted(invitation_ids)):
        marks = ", ".join("?" * len(some))
        found = await engine.rows(
            "SELECT i.id, i.link_id FROM invitation AS i WHERE i.link_revealed_at > 0 AND i.ended_at = 0"
            f" AND i.role <> ? AND i.id IN ({marks}) ORDER BY i.id",
            Role.ADMINISTRATOR.value,
            *some,
        )
        if found:
            ids = [invitation_id for invitation_id, _ in found]
            await _replace(actor, ids, [link_id for _, link_id in found], expires_at)
            anew += ids
    return anew


async def _replace(actor: Actor, ids: Sequence[int], old: Sequence[int], expires_at: int) -> None:
    new = await links.make_many(links.INVITATION, len(ids), actor.id, expires_at)
    pairs = ", ".join(["(CAST(? AS BIGINT), CAST(? AS BIGINT))"] * len(ids))
    marks = ", ".join("?" * len(ids))
    await engine.execute(
        "UPDATE invitation SET link_id = n.column2, link_revealed_at = 0, mail_id = 0 FROM (VALUES"
        f" {pairs}) AS n"
        " WHERE invitation.id = n.column1",
        *(number for pair in zip(ids, new, strict=True) for number in pair),
    )
    await engine.execute(
        f"UPDATE links SET ended_at = ?, end_reason = 'replaced' WHERE ended_at = 0 AND id IN ({marks})",
        clock.now(),
        *old,
    )
    await engine.execute(f"DELETE FROM invitation_link_viewer WHERE invitation_id IN ({marks})", *ids)
