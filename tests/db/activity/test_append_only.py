"""The activity log is append-only on both databases, but for what the retention forgets."""

from types import ModuleType

import pytest

from db import activity, engine
from db.activity import retention
from db.policy import SYSTEM
from tests.support.concurrency import at_once

DAY = 24 * 3600 * 1000
FORBIDDEN = {
    "update": "UPDATE activity SET address = ''",
    "update of nothing but itself": "UPDATE activity SET kind = kind",
    "delete": "DELETE FROM activity",
    "delete of one": "DELETE FROM activity WHERE kind = 'restored'",
    "mark": "UPDATE activity_mark SET at = at - 1",
    "no mark": "DELETE FROM activity_mark",
}
FORBIDDEN_ALONE = {
    "sqlite": (
        "INSERT OR REPLACE INTO activity SELECT * FROM activity WHERE kind = 'restored'",
        "INSERT OR REPLACE INTO activity_mark (id, at) VALUES (1, 0)",
    ),
    "postgres": ("TRUNCATE activity", "TRUNCATE activity_mark", "TRUNCATE activity RESTART IDENTITY CASCADE"),
}


async def happen(kind: str, number: int = 1) -> None:
    await engine.write(activity.record_many, SYSTEM, kind, [(0, "", "")] * number)


async def kinds() -> list[str]:
    return [event.kind for event in await activity.events(limit=10_000)]


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_nothing_changes_the_log(database: str, clock: ModuleType, name: str) -> None:
    await happen("registered")
    clock.move(10 * DAY)
    await happen("restored")
    await retention.forget(5)
    before = await engine.rows("SELECT * FROM activity"), await retention.mark()

    with pytest.raises(engine.ConstraintViolation):
        await engine.write(engine.execute, FORBIDDEN[name])

    assert before == (await engine.rows("SELECT * FROM activity"), await retention.mark())
    assert await kinds() == ["restored"]


async def test_the_ways_of_one_database_alone_are_closed_as_well(database: str, clock: ModuleType) -> None:
    await happen("registered")
    clock.move(10 * DAY)
    await happen("restored")
    await retention.forget(5)

    for statement in FORBIDDEN_ALONE[engine.dialect()]:
        with pytest.raises(engine.ConstraintViolation):
            await engine.write(engine.execute, statement)

    assert await kinds() == ["restored"]
    assert await retention.mark() > 0


async def test_what_is_older_than_the_days_is_forgotten_and_nothing_else(
    database: str, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH_ROWS", 3)
    await happen("registered", 7)
    clock.move(400 * DAY)
    await happen("restored")

    on_the_day = await retention.forget(400)
    clock.move(1)
    afterwards = await retention.forget(400)

    assert (on_the_day, afterwards) == (0, 7)
    assert await kinds() == ["restored"]
    assert await retention.mark() == clock.now() - 400 * DAY


async def test_a_clock_set_back_and_more_days_move_no_mark_back(database: str, clock: ModuleType) -> None:
    await happen("registered")
    clock.move(10 * DAY)
    await retention.forget(5)
    mark = await retention.mark()
    clock.move(-9 * DAY)
    await happen("restored")
    clock.move(9 * DAY)

    assert await retention.forget(400) == 0
    assert await retention.forget(8) == 1

    assert (await retention.mark(), await kinds()) == (mark, [])


async def test_two_processes_that_forget_at_once_forget_once(database: str, clock: ModuleType) -> None:
    await happen("registered", 2_500)
    clock.move(10 * DAY)

    forgotten = await at_once(*(retention.forget(5) for _ in range(4)))

    assert sum(number for number in forgotten if isinstance(number, int)) == 2_500
    assert await kinds() == []
