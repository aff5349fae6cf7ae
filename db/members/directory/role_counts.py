"""How many members have each role: the sum of rows that triggers append, exact at any moment.

A single counter for each role would be a row that every change has to lock, and bulk changes would deadlock
on PostgreSQL. Appended rows wait for nobody, and compacting keeps them few.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from db import engine
from db.policy import Role

_SUMS: Final = "SELECT role, CAST(SUM(n) AS BIGINT) FROM role_count GROUP BY role"
# Compacted in one transaction, so that locks are short even after a bulk change.
_BATCH_ROWS: Final = 20_000


async def counts() -> Mapping[Role, int]:
    """How many members each of the seven roles has, exactly. Inside a write: as of its changes."""
    found: dict[str, int] = dict(await engine.rows(_SUMS))
    return MappingProxyType({role: found.get(role.value, 0) for role in Role})


async def compact() -> None:
    """Replaces the appended rows by their sums. Runs each minute; several processes may do it at once.

    It doesn't see rows of open transactions and skips rows that another process has locked, so the sums stay
    exact.
    """
    while await engine.write(_compact_batch):
        pass


async def _compact_batch() -> bool:
    """Compacts one batch. Returns whether there may be more."""
    few = await engine.rows("SELECT 1 FROM role_count LIMIT ?", len(Role) + 1)
    if len(few) <= len(Role):
        return False
    if engine.dialect() == "sqlite":
        return await _compact_all()
    ((compacted,),) = await engine.rows(
        """WITH gone AS (
            DELETE FROM role_count WHERE id IN (
                SELECT id FROM role_count ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED
            ) RETURNING role, n
        ), compacted AS (
            INSERT INTO role_count (role, n)
            SELECT role, SUM(n) FROM gone GROUP BY role HAVING SUM(n) <> 0
        ) SELECT COUNT(*) FROM gone""",
        _BATCH_ROWS,
    )
    return bool(compacted == _BATCH_ROWS)


async def _compact_all() -> bool:
    """Compacts all rows at once: SQLite has one writer, so nobody appends meanwhile."""
    sums = await engine.rows(_SUMS)
    await engine.execute("DELETE FROM role_count")
    for role, n in sums:
        await engine.execute("INSERT INTO role_count (role, n) SELECT ?, ? WHERE ? <> 0", role, n, n)
    return False
