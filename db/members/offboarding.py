"""Shutting people out: at once by somebody, or by itself when the last day of a membership is over.

From the very moment it is over nobody with that membership decides or does anything, whether the chore has
come by or not: every change asks for roles here, and signing in and each request look at `ends_at` as well.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from db import activity, engine, policy
from db.auth import links, sessions
from db.common import clock
from db.mail import outbox
from db.members import demotion, invitation_ends
from db.policy import SYSTEM, Actor, Role, SessionKey

# Memberships that end in one transaction: a whole course may end on the same day.
BITE: Final = 200
LINKS_OF_MEMBERS: Final = (links.RESET, links.ADDRESS)
# The role as it is now, for queries that decide nothing; the argument is the present instant in ms.
ROLE_NOW: Final = "CASE WHEN {t}.ends_at > 0 AND {t}.ends_at <= ? THEN 'DI' ELSE {t}.role END"


async def lock_roles(member_ids: Sequence[int], session: SessionKey | None = None) -> dict[int, Role]:
    """Inside a write: locks these members in id order; returns their roles at this instant.

    Whoever's last day is over is deactivated first, in the same transaction. Who isn't there is left out.
    session: locked with them; nobody is returned unless it is open and its token hasn't changed.
    """
    wanted = sorted(set(member_ids))
    marks = ", ".join("?" * len(wanted))
    # One query: PostgreSQL looks at both rows again if somebody changed either while it waited for them.
    joined = " JOIN session AS s ON s.id = ? AND s.token_hash = ? AND s.ended_at = 0" if session else ""
    found = await engine.rows(
        f"SELECT m.id, m.role, m.ends_at FROM member AS m{joined}"
        f" WHERE m.id IN ({marks}) AND m.removed_at = 0 ORDER BY m.id{engine.for_update()}",
        *((session.id, session.token_hash) if session else ()),
        *wanted,
    )
    now = clock.now()
    roles = {member_id: Role(role) for member_id, role, _ in found}
    over = {
        member_id: roles[member_id]
        for member_id, _, ends_at in found
        if policy.has_ended(ends_at, now) and roles[member_id] is not Role.DEACTIVATED
    }
    if over:
        await _end(over)
    return roles | dict.fromkeys(over, Role.DEACTIVATED)


async def _end(before: Mapping[int, Role]) -> None:
    """Deactivates members whose last day is over. before: the roles they had."""
    marks = ", ".join("?" * len(before))
    lowered = await demotion.by_last_day(before)
    await engine.execute(f"UPDATE member SET role = 'DI' WHERE id IN ({marks})", *before)
    await shut_out(SYSTEM, tuple(before), "membership ended")
    told = [(member_id, role.value, Role.DEACTIVATED.value) for member_id, role in before.items()]
    await activity.record_many(SYSTEM, "role_changed", told)
    await demotion.tell(SYSTEM, lowered, now=clock.now())


async def end_due() -> None:
    """Chore, also at start: deactivates everybody whose last day is over; once each, whoever else does it."""
    while await engine.write(_end_some) == BITE:
        pass


async def _end_some() -> int:
    due = await engine.rows(
        "SELECT id FROM member WHERE ends_at > 0 AND ends_at <= ? AND role <> 'DI' ORDER BY id LIMIT ?",
        clock.now(),
        BITE,
    )
    if due:
        await lock_roles([member_id for (member_id,) in due])
    return len(due)


async def shut_out(actor: Actor, member_ids: Sequence[int], reason: str, *, at: int = 0) -> None:
    """Inside a write: ends every session and every link of these members, and what they invited to.

    at: the instant, by which `let_back` finds it all, in ms; 0 for now.
    """
    now = at or clock.now()
    for member_id in member_ids:
        await sessions.end_all(member_id, reason)
        for purpose in LINKS_OF_MEMBERS:
            await links.end(purpose, reason, subject=member_id, at=now)
        await invitation_ends.void_with(actor, member_id, at=now)
        await invitation_ends.revoke_of_invited(actor, member_id, at=now)
        await outbox.void_of_member(member_id, at=now)


async def let_back(actor: Actor, member_ids: Sequence[int], *, ended_at: int) -> None:
    """Inside the write that undoes a change of role: what ended with that change is as it was before.

    Sessions stay ended. ended_at: the instant of the change, in ms.
    """
    await links.bring_back(LINKS_OF_MEMBERS, member_ids, ended_at=ended_at)
    await invitation_ends.bring_back(actor, member_ids, ended_at=ended_at)
    await outbox.bring_back_of_members(member_ids, voided_at=ended_at)
