"""How many members have each role: the sum of a ledger that triggers write, exact at any moment.

A counter per role would be a row that every change waits for (and deadlocks under bulk changes on
PostgreSQL); appended rows wait for nobody, and folding keeps them few.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from db import engine
from db.policy import Role

_SUMS: Final = "SELECT role, CAST(SUM(n) AS BIGINT) FROM role_count GROUP BY role"
# Rows folded at once: a bulk change is folded in bites, so that no fold holds locks for long.
_BITE: Final = 20_000


async def counts() -> Mapping[Role, int]:
    """How many members each of the seven roles has, exactly. Inside a write: as of its changes."""
    found: dict[str, int] = dict(await engine.rows(_SUMS))
    return MappingProxyType({role: found.get(role.value, 0) for role in Role})


async def fold() -> None:
    """Replaces the ledger's rows by their sums. Run each minute; may run anywhere, at the same time.

    Rows of changes not yet committed are invisible to it, rows that another fold holds are skipped, so the
    sum never moves.
    """
    while await engine.write(_fold):
        pass


async def _fold() -> bool:
    """One bite; whether there may be more."""
    few = await engine.rows("SELECT 1 FROM role_count LIMIT ?", len(Role) + 1)
    if len(few) <= len(Role):
        return False
    if engine.dialect() == "sqlite":
        return await _fold_alone()
    ((folded,),) = await engine.rows(
        """WITH gone AS (
            DELETE FROM role_count WHERE id IN (
                SELECT id FROM role_count ORDER BY id LIMIT ? FOR UPDATE SKIP LOCKED
            ) RETURNING role, n
        ), folded AS (
            INSERT INTO role_count (role, n)
            SELECT role, SUM(n) FROM gone GROUP BY role HAVING SUM(n) <> 0
        ) SELECT COUNT(*) FROM gone""",
        _BITE,
    )
    return bool(folded == _BITE)


async def _fold_alone() -> bool:
    """SQLite has one writer: nobody else changes the ledger meanwhile."""
    sums = await engine.rows(_SUMS)
    await engine.execute("DELETE FROM role_count")
    for role, n in sums:
        await engine.execute("INSERT INTO role_count (role, n) SELECT ?, ? WHERE ? <> 0", role, n, n)
    return False
