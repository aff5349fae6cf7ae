"""Who is told when an Administrator's role is taken: they themselves, and the Owner.

Only when it is too late to undo that, and never after an Undo. Everything here is inside a write.
"""

from collections.abc import Sequence
from typing import Final

from db import engine, outbox, undo
from db.policy import Actor, Role

KIND: Final = "lowered"


async def tell(actor: Actor, lowered: Sequence[int], *, now: int) -> None:
    """Owes the mails: to those who may still sign in, and to the Owner unless they did it. now: in ms."""
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


async def take_back(member_ids: Sequence[int]) -> None:
    """These are Administrators again, by an Undo: nobody is told that they weren't."""
    await outbox.void_about(KIND, member_ids)
