"""Roles given at the same instant: fifty at once, ten times, on both databases. All must be applied.

Wall time from the common start to each answer; a change is acknowledged when it is on the disk.
"""

import argparse
import asyncio
import statistics
import time
from typing import Final

from db import engine
from db.auth import sessions
from db.auth.presence import Presence
from db.auth.sessions import SessionLimits
from db.common.dates import DAY_MS
from db.members import roles
from db.policy import Actor, Role
from tests.bench.support.databases import filled, say

AT_ONCE: Final = 50
ROUNDS: Final = 10
SESSION_LIMITS: Final = SessionLimits(persistent=DAY_MS, idle=DAY_MS)
GIVEN: Final = (Role.REVIEWER, Role.ANNOTATOR)


async def run(options: argparse.Namespace) -> None:
    """Prints a line for each database."""
    async for name in filled(options.url, options.members):
        await _report(name)


async def _report(name: str) -> None:
    owner = await _owner()
    found = await engine.rows(
        "SELECT id FROM member WHERE role = 'AN' AND removed_at = 0 ORDER BY id LIMIT ?", AT_ONCE
    )
    ids = [member_id for (member_id,) in found]
    ((told_before,),) = await engine.rows("SELECT COUNT(*) FROM activity")
    waits: list[float] = []
    failed = 0
    began = time.perf_counter()
    for number in range(ROUNDS):
        role = GIVEN[number % len(GIVEN)]
        ended = await asyncio.gather(*(_change(owner, id, role) for id in ids), return_exceptions=True)
        waits += [wait for wait in ended if isinstance(wait, float)]
        failed += sum(isinstance(one, BaseException) for one in ended)
    seconds = time.perf_counter() - began
    ((told,),) = await engine.rows("SELECT COUNT(*) FROM activity")
    say(
        f"# {name}: {AT_ONCE} at once, {ROUNDS} times: {told - told_before} applied, {failed} failed,"
        f" {len(waits) / seconds:,.0f}/s,"
        f" median {statistics.median(waits):.0f} ms, longest {max(waits):.0f} ms"
    )


async def _owner() -> Actor:
    """The Owner, signed in: each change locks their session and asks whether it is open."""
    ((owner_id,),) = await engine.rows("SELECT owner_id FROM organization")
    token = await engine.write(
        sessions.begin, owner_id, persistent=True, session_limits=SESSION_LIMITS, address="", device=""
    )
    current = await sessions.current(token, SESSION_LIMITS, Presence())
    assert current is not None, "it has just begun"
    return Actor(owner_id, Role.OWNER, session=current.key)


async def _change(owner: Actor, member_id: int, role: Role) -> float:
    """Gives the role; how long that took, in ms."""
    began = time.perf_counter()
    await roles.change_role(owner, member_id=member_id, role=role)
    return (time.perf_counter() - began) * 1000
