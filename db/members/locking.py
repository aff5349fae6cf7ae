"""Locks members and says which role each has at this instant.

A membership ends at its very last moment, whether the chore has come by or not: every change asks for roles
here. Signing in and each request look at `ends_at` as well.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from db import activity, engine, policy
from db.common import clock
from db.common.role_codes import codes
from db.members import demotion, offboarding
from db.policy import SYSTEM, Role, SessionKey

# The role as it is now, for queries that decide nothing; the argument is the present instant in ms.
ROLE_NOW: Final = (
    f"CASE WHEN {{t}}.ends_at > 0 AND {{t}}.ends_at <= ? THEN {codes(Role.DEACTIVATED)} ELSE {{t}}.role END"
)


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
    await engine.execute(f"UPDATE member SET role = {codes(Role.DEACTIVATED)} WHERE id IN ({marks})", *before)
    await offboarding.shut_out(SYSTEM, tuple(before), "membership ended")
    events = [(member_id, role.value, Role.DEACTIVATED.value) for member_id, role in before.items()]
    await activity.record_many(SYSTEM, "role_changed", events)
    await demotion.tell(SYSTEM, lowered, now=clock.now())
