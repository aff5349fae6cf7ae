"""Cancellation, contention and faults: whatever happens, the next change finds the database free."""

import asyncio
import random
import resource
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from db import engine
from db.engine.file_locks import locked
from db.engine.sqlite import SqliteEngine
from tests.support.concurrency import soon
from tests.support.engine.small_database import (
    KILL_CONNECTIONS,
    count_up,
    counted,
    everything_is_free,
    file_of,
    from_outside,
    note,
    notes,
    on_postgres,
    on_sqlite,
    opened,
    pause,
    process,
    write_lock_file,
)


@pytest.fixture(autouse=True)
async def url(empty_database_url: str) -> AsyncIterator[str]:
    async with opened(empty_database_url):
        yield empty_database_url


# Cancellation


async def test_two_thousand_transactions_cancelled_at_random_points_leave_everything_free() -> None:
    chance = random.Random(7)

    async def change(place: int) -> None:
        await note("half", place)
        await count_up()
        await engine.execute("UPDATE note SET text = 'whole' WHERE place = ?", place)

    async def counts_agree() -> bool:
        return await notes() == await counted()

    for first in range(0, 2000, 20):
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(engine.write(change, place)) for place in range(first, first + 20)
        ]
        tasks += [asyncio.create_task(engine.read(counts_agree)) for _ in range(5)]
        for task in chance.sample(tasks, len(tasks)):
            await asyncio.sleep(chance.random() * 0.0006)
            task.cancel()
        async with asyncio.timeout(30):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(result in (None, True) or isinstance(result, asyncio.CancelledError) for result in results)

    await everything_is_free()
    assert await engine.read(counts_agree)
    assert await engine.rows("SELECT count(*) FROM note WHERE text = 'half'") == [(0,)]


async def test_a_transaction_that_has_begun_ends_without_its_caller() -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    async def both_notes() -> bool:
        return await notes() == 2

    async def change() -> None:
        await note("one")
        loop.call_soon_threadsafe(begun.set)
        await pause(0.2)
        await note("two")

    caller = asyncio.create_task(engine.write(change))
    await begun.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller

    assert await notes() == 0
    await soon(both_notes)


async def test_a_transaction_whose_caller_is_cancelled_before_is_not_begun() -> None:
    # On PostgreSQL that many are done at once; what comes after them has to wait on both.
    busy = [asyncio.create_task(engine.write(pause, 0.1)) for _ in range(10)]
    await asyncio.sleep(0.05)
    caller = asyncio.create_task(engine.write(note, "never"))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(*busy)

    await everything_is_free()
    assert caller.cancelled()
    assert await notes() == 0


@on_sqlite
async def test_one_whose_caller_gave_up_while_another_process_wrote_is_not_started(url: str) -> None:
    async with locked(write_lock_file(url)):
        callers = [asyncio.create_task(engine.write(note, "late", place)) for place in range(3)]
        await asyncio.sleep(0.1)
        callers[0].cancel()
        await asyncio.sleep(0.1)
    await asyncio.gather(*callers[1:])

    assert await engine.rows("SELECT place FROM note ORDER BY place") == [(1,), (2,)]
    await everything_is_free()


# Contention


async def test_five_hundred_contended_transactions_are_all_applied() -> None:
    async def some() -> None:
        for _ in range(10):
            await engine.write(count_up)

    await asyncio.gather(*[some() for _ in range(50)])

    assert await counted() == 500


async def test_three_processes_write_at_once_and_none_starves(url: str) -> None:
    writers = [process("write", url, "300") for _ in range(3)]
    answers = await asyncio.gather(*[asyncio.to_thread(writer.communicate) for writer in writers])

    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert await counted() == 900
    assert max(float(longest_wait) for longest_wait, _ in answers) < 8


@on_sqlite
async def test_waiting_for_a_lock_ends_with_an_error_and_blocks_nobody(url: str) -> None:
    # Somebody else, who knows nothing of our lock file.
    with closing(sqlite3.connect(file_of(url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = time.monotonic()
        waiting = [asyncio.create_task(engine.write(count_up)) for _ in range(3)]
        await asyncio.sleep(0.1)
        assert await engine.read(counted) == 0
        assert not any(change.done() for change in waiting)
        results = await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(result) for result in results] == [engine.Unavailable] * 3
    assert 9 < time.monotonic() - begun < 30
    await everything_is_free()


@on_postgres
async def test_a_row_locked_for_too_long_makes_the_database_unavailable() -> None:
    begun: list[bool] = []

    async def hold() -> None:
        await count_up()
        begun.append(True)
        await pause(3)

    async def change() -> None:
        await engine.execute("SET LOCAL lock_timeout = '100ms'")
        await count_up()

    holder = asyncio.create_task(engine.write(hold))
    await soon(lambda: begun)
    with pytest.raises(engine.Unavailable):
        await engine.write(change)
    await holder

    await everything_is_free()
    assert await counted() == 1


# Faults


async def test_connections_lost_in_a_transaction_leave_everything_free(url: str) -> None:
    async def change() -> None:
        await note("never")
        chosen = engine.get()
        if isinstance(chosen, SqliteEngine):
            session = chosen.inside()
            assert session is not None
            session.connection.close()
        else:
            from_outside(url, KILL_CONNECTIONS)
        await note("neither")

    for _ in range(12):
        with pytest.raises(engine.DatabaseError):
            await engine.write(change)

    await everything_is_free()
    assert await notes() == 0


@on_sqlite
async def test_a_statement_interrupted_in_a_transaction_leaves_everything_free() -> None:
    async def change() -> None:
        await note("never")
        chosen = engine.get()
        assert isinstance(chosen, SqliteEngine)
        session = chosen.inside()
        assert session is not None
        session.connection.set_progress_handler(lambda: True, 1)
        try:
            await note("neither")
        finally:
            session.connection.set_progress_handler(None, 0)

    for _ in range(3):
        with pytest.raises(engine.TookTooLong):
            await engine.write(change)

    await everything_is_free()
    assert await notes() == 0


@on_sqlite
async def test_a_full_disk_refuses_writes_but_no_reads_and_recovers() -> None:
    megabytes = 1024 * 1024
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    await engine.write(note, "before")

    # No file may grow beyond this: for the database the same as a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * megabytes, before[1]))
    try:
        for _ in range(3):
            with pytest.raises(engine.Unavailable):
                await engine.write(note, "x" * 8 * megabytes)
            assert await notes() == 1
        await engine.write(note, "small")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    await engine.write(note, "x" * 8 * megabytes)
    assert await notes() == 3
    await everything_is_free()


@on_sqlite
async def test_a_database_file_that_vanished_is_not_made_anew(url: str) -> None:
    await engine.stop()
    await engine.start()
    file_of(url).rename(file_of(url).with_suffix(".away"))
    chosen = engine.get()
    assert isinstance(chosen, SqliteEngine)

    async def lose_connection() -> None:
        session = chosen.inside()
        assert session is not None
        session.connection.close()

    with pytest.raises(engine.DatabaseError):
        await engine.write(lose_connection)
    with pytest.raises(engine.Unavailable):
        await engine.write(count_up)

    assert not file_of(url).exists()
    file_of(url).with_suffix(".away").rename(file_of(url))
    await everything_is_free()
