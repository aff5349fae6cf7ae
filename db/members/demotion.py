"""Who is told when an Administrator's role is taken, by whatever way: they themselves, and the Owner; and for
30 days after it when they are shut out or get a last day.

Only when it is too late to undo that, and never after an Undo. What is done to them next takes no mail away
(outbox.SECURITY); whoever is shut out by the very change hears of it by signing in. Everything here is inside
a write.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from db import engine, policy
from db.common import clock, undo
from db.common.role_codes import codes
from db.mail import outbox
from db.policy import Actor, Role

KIND: Final = "lowered"


async def tell(actor: Actor, lowered: Sequence[int], *, now: int, wait_ms: int = undo.NOT_BEFORE_MS) -> None:
    """Owes the mails: to those who may still sign in, and to the Owner unless they did it.

    now: the instant of the change, in ms. wait_ms: how long it can be undone, with a margin.
    Called when it stands in the log, where the mail finds who did it.
    """
    if not lowered or not outbox.set_up():
        return
    marks = ", ".join("?" * len(lowered))
    found = await engine.rows(
        f"SELECT id, email FROM member WHERE id IN ({marks})"
        f" AND role <> {codes(Role.DEACTIVATED)} ORDER BY id",
        *lowered,
    )
    wanted = [(email, member_id, member_id) for member_id, email in found]
    for owner_id, email in await engine.rows(
        f"SELECT id, email FROM member WHERE role = {codes(Role.OWNER)} AND id <> ?", actor.id
    ):
        wanted += [(email, owner_id, member_id) for member_id in lowered]
    await outbox.queue_to_members(KIND, wanted, due_at=now + wait_ms)


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
        f" AND a.at >= ? AND (a.before = {codes(Role.ADMINISTRATOR)}"
        f" OR (a.after = {codes(Role.ADMINISTRATOR)} AND a.actor_id <> ?)))",
        *lowered,
        # Two changes back, each undone in time.
        clock.now() - 2 * undo.NOT_BEFORE_MS,
        actor.id,
    )
    return [member_id for (member_id,) in found]


async def undo_notices(member_id: int, *, at: int) -> None:
    """Voids the mails about a change made at this instant (ms), which is undone. Other mails stay queued."""
    await outbox.void_about(KIND, member_id, due_at=at + undo.NOT_BEFORE_MS)


async def lately(roles: Mapping[int, Role]) -> list[int]:
    """Of these members, with the roles they have: who is no Administrator, but was one within 30 days."""
    others = [member_id for member_id, role in roles.items() if not policy.is_administrator(role)]
    if not others:
        return []
    marks = ", ".join("?" * len(others))
    found = await engine.rows(
        f"SELECT id, administrator_until FROM member WHERE id IN ({marks}) ORDER BY id", *others
    )
    return [member_id for member_id, until in found if policy.was_administrator(until, clock.now())]


async def by_last_day(roles: Mapping[int, Role]) -> list[int]:
    """Of these members, whose last day is over, with the roles they had: for whom mails are queued.

    Of whoever was an Administrator, also lately; but not where the day was given after the role was taken,
    since that was told when it was.
    """
    found = await lately(roles)
    if found:
        marks = ", ".join("?" * len(found))
        theirs = "a.subject_id = m.id AND a.subject_id > 0 AND a.about = 'member'"
        given_since = await engine.rows(
            f"SELECT m.id FROM member AS m WHERE m.id IN ({marks})"
            f" AND (SELECT MAX(a.id) FROM activity AS a WHERE {theirs} AND a.kind = 'end_set')"
            f" > COALESCE((SELECT MAX(a.id) FROM activity AS a WHERE {theirs} AND a.kind = 'role_changed'"
            f" AND a.before IN ({codes(*policy.ADMINISTRATORS)})), 0)",
            *found,
        )
        found = sorted({*found} - {member_id for (member_id,) in given_since})
    return [member_id for member_id, role in roles.items() if policy.is_administrator(role)] + found
