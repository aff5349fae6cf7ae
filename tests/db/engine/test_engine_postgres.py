"""What only PostgreSQL does: transactions that lose a race, connections that go away, its settings."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from db import engine
from tests.support.engine.small_database import (
    KILL_CONNECTIONS,
    count_up,
    counted,
    everything_is_free,
    from_outside,
    note,
    notes,
    on_postgres,
    opened,
    pause,
)

pytestmark = on_postgres


@pytest.fixture(autouse=True)
async def url(empty_database_url: str) -> AsyncIterator[str]:
    async with opened(empty_database_url):
        yield empty_database_url


async def raise_on_the_server(sqlstate: str) -> None:
    await engine.execute(f"DO $$ BEGIN RAISE EXCEPTION 'secret' USING ERRCODE = '{sqlstate}'; END $$")


async def test_a_deadlock_is_tried_again_until_both_are_done() -> None:
    tries = 0

    async def change(first: int, second: int) -> None:
        nonlocal tries
        tries += 1
        await count_up(first)
        await pause(0.1)
        await count_up(second)

    await asyncio.gather(engine.write(change, 1, 2), engine.write(change, 2, 1))

    assert tries == 3
    assert await counted(1) == await counted(2) == 2


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_transaction_that_loses_its_race_three_times_is_given_up(sqlstate: str) -> None:
    tries = 0

    async def change(losses: int) -> None:
        nonlocal tries
        tries += 1
        await note("won")
        if tries <= losses:
            await raise_on_the_server(sqlstate)

    with pytest.raises(engine.Unavailable):
        await engine.write(change, 3)
    assert tries == 3
    assert await notes() == 0

    tries = 0
    await engine.write(change, 2)
    assert tries == 3
    assert await notes() == 1


@pytest.mark.parametrize(
    ("sqlstate", "ours"),
    [
        ("53100", engine.Unavailable),  # disk full
        ("55P03", engine.Unavailable),  # lock not available
        ("58030", engine.Unavailable),  # I/O error
        ("57014", engine.TookTooLong),  # statement timeout
        ("42703", engine.BadQuery),  # no such column
        ("23514", engine.ConstraintViolation),  # check
    ],
)
async def test_errors_of_the_server_become_ours(sqlstate: str, ours: type[Exception]) -> None:
    with pytest.raises(ours) as caught:
        await engine.write(raise_on_the_server, sqlstate)

    assert type(caught.value) is ours
    assert "secret" not in str(caught.value)


async def test_queries_in_other_tasks_are_no_part_of_a_transaction() -> None:
    tasks: list[asyncio.Task[None]] = []

    async def change() -> None:
        tasks.append(asyncio.create_task(note("apart")))
        await note("one")

    await engine.write(change)
    with pytest.raises(engine.EngineUsageError):
        await tasks[0]

    assert await notes() == 1


async def test_it_comes_back_by_itself_after_the_server_was_gone(url: str) -> None:
    await asyncio.gather(*[engine.write(pause, 0.05) for _ in range(10)])
    from_outside(url, KILL_CONNECTIONS)
    # The event loop has had no moment to notice yet.
    assert await counted() == 0
    from_outside(url, KILL_CONNECTIONS)
    assert await engine.write(count_up) == 1
    from_outside(url, KILL_CONNECTIONS)
    assert await engine.read(counted) == 1

    await everything_is_free()


async def test_a_query_outside_of_write_changes_nothing() -> None:
    for sql in (
        "WITH gone AS (DELETE FROM counter RETURNING id) SELECT id FROM gone",
        "SELECT nextval('note_id_seq')",
    ):
        with pytest.raises(engine.EngineUsageError):
            await engine.rows(sql)

    assert await engine.rows("SELECT count(*) FROM counter") == [(2,)]


async def test_the_settings_that_bound_every_wait_are_on_each_connection(url: str) -> None:
    async def settings() -> list[str]:
        names = (
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
            "application_name",
        )
        return [(await engine.rows(f"SHOW {name}"))[0][0] for name in names]

    assert await engine.write(settings) == ["10s", "30s", "1min", "gatehouse"]
    assert await engine.read_in_background(settings) == ["10s", "2s", "1min", "gatehouse"]
    assert await engine.read(settings) == ["10s", "30s", "1min", "gatehouse"]


@pytest.mark.parametrize(
    ("bad", "ours"),
    [
        ("postgresql://gatehouse:secret@127.0.0.1:1/db", engine.Unavailable),
        ("postgresql://h:nine/x", engine.Unsupported),
    ],
)
async def test_the_error_for_a_missing_server_has_no_password(
    bad: str, ours: type[Exception], url: str
) -> None:
    await engine.stop()
    engine.use(bad)
    with pytest.raises(ours) as caught:
        await engine.start()
    engine.use(url)

    assert "secret" not in f"{caught.value}{caught.value.__cause__}"
