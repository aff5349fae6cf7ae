"""How long the activity log is kept, and the names beside it: nothing else takes a row out of the log."""

from typing import Final

from db import engine
from db.activity import kept_names as activity_names
from db.common import clock
from db.common.dates import DAY_MS

# A batch is one short write, so nobody waits for it, however much is to be forgotten.
BATCH_ROWS: Final = 1_000


async def forget(days: int) -> int:
    """Deletes what happened more than so many days ago; returns how many rows of the log went.

    The mark goes first, in a write of its own: triggers refuse to delete anything that isn't older. It only
    moves forward, so that more days, or a clock set back, don't take it back.
    """
    before = clock.now() - days * DAY_MS
    while await engine.write(activity_names.forget, before, BATCH_ROWS):
        pass
    if not await engine.read(engine.rows, "SELECT 1 FROM activity WHERE at < ? LIMIT 1", before):
        return 0
    await engine.write(_move_mark, before)
    forgotten = 0
    while some := await engine.write(_delete_some, before):
        forgotten += some
    return forgotten


async def mark() -> int:
    """What is older may be gone, in ms; 0 as long as nothing is."""
    found = await engine.rows("SELECT at FROM activity_mark")
    return int(found[0][0]) if found else 0


async def _move_mark(at: int) -> None:
    await engine.execute(
        "INSERT INTO activity_mark (id, at) SELECT 1, ? WHERE NOT EXISTS (SELECT 1 FROM activity_mark)"
        " ON CONFLICT DO NOTHING",
        at,
    )
    await engine.execute("UPDATE activity_mark SET at = ? WHERE at < ?", at, at)


async def _delete_some(before: int) -> int:
    return await engine.execute(
        "DELETE FROM activity WHERE id IN (SELECT id FROM activity WHERE at < ? ORDER BY at, id LIMIT ?)",
        before,
        BATCH_ROWS,
    )
