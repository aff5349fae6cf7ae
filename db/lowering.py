"""Who is told when an Administrator's role is taken, by whatever way: they themselves, and the Owner.

Only when it is too late to undo that, and never after an Undo. What is done to them next takes no mail away
(outbox.SECURITY); whoever is shut out by the very change hears of it by signing in. Everything here is inside
a write.
"""

from collections.abc import Sequence
from typing import Final

from db import clock, engine, outbox, undo
from db.policy import Actor, Role

KIND: Final = "lowered"


async def tell(actor: Actor, lowered: Sequence[int], *, now: int) -> None:
    """Owes the mails: to those who may still sign in, and to the Owner unless they did it. now: in ms.

    Called when it stands in the log, where the mail finds who did it.
    """
    if not lowered or not outbox.set_up():
        return
    marks = ", ".join("?" * len(lowered))
    found = await engine.rows(
        f"SELECT id, email FROM member WHERE id IN ({marks}) AND role <> 'DI' ORDER BY id", *lowered
    )
    wanted = [(email, member_id, member_id) for member_id, email in found]
    for owner_id, email in await engine.rows(
        "SELECT id, email FROM member WHERE role = ? AND id <> ?", Role.OWNER.value, actor.id
    ):
        wanted += [(email, owner_id, member_id) for member_id in lowered]
    await outbox.queue_to_members(KIND, wanted, due_at=now + undo.NOT_BEFORE_MS)


async def taken_by_undo(actor: Actor, lowered: Sequence[int]) -> list[int]:
    """Of those who lose the role by an Undo: from whom it is taken all the same. Before it stands in the log.

    Not from whoever this actor raised just now, by a slip. But from whoever somebody else raised, and who was
    an Administrator before that: else an Undo, and one more, would lower them in silence.
    """
    if not lowered:
        return []
    marks = ", ".join("?" * len(lowered))
    found = await engine.rows(
        f"SELECT m.id FROM member AS m WHERE m.id IN ({marks}) AND EXISTS (SELECT 1 FROM activity AS a"
        " WHERE a.subject_id = m.id AND a.subject_id > 0 AND a.about = 'member' AND a.kind = 'role_changed'"
        " AND a.at >= ? AND (a.before = 'AD' OR (a.after = 'AD' AND a.actor_id <> ?)))",
        *lowered,
        # Two changes back, each undone in time.
        clock.now() - 2 * undo.NOT_BEFORE_MS,
        actor.id,
    )
    return [member_id for (member_id,) in found]


async def take_back(member_ids: Sequence[int]) -> None:
    """These are Administrators again, by an Undo: nobody is told that they weren't."""
    await outbox.void_about(KIND, member_ids)
