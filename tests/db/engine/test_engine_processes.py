"""Locks between processes, and processes and event loops that come and go."""

import asyncio
import time
from pathlib import Path

import pytest

from db import engine
from db.engine.file_locks import WriteLock, locked
from tests.support.engine.small_database import (
    KILL_CONNECTIONS,
    another,
    counted,
    from_outside,
    make_tables,
    on_postgres,
    on_sqlite,
    opened,
    process,
    write_lock_file,
)

# Generous: the machine of the tests is busy.
TIMEOUT_SECONDS = 30


async def test_one_process_migrates_while_the_others_wait(empty_database_url: str) -> None:
    async with opened(empty_database_url):
        async with another("migrating", empty_database_url) as holder:
            waiting = asyncio.create_task(migrate())
            await asyncio.sleep(0.3)
            assert not waiting.done()
            holder.kill()
            await asyncio.wait_for(waiting, TIMEOUT_SECONDS)

        order = await asyncio.gather(migrate(), migrate())
        assert max(begun for begun, _ in order) >= min(ended for _, ended in order)


async def migrate() -> tuple[float, float]:
    """Takes the lock; returns when it was had and when it was given back."""
    async with engine.migration_lock():
        begun = time.monotonic()
        await asyncio.sleep(0.1)
        return begun, time.monotonic()


async def test_who_gives_up_waiting_for_the_lock_does_not_get_it_later(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    async with engine.migration_lock():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(migrate(), 0.3)
    await asyncio.wait_for(migrate(), TIMEOUT_SECONDS)


async def test_a_database_that_is_served_is_not_replaced(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    async with another("serving", empty_database_url) as server, engine.serving_lock():
        with pytest.raises(engine.BeingServed):
            async with engine.replacement_lock():
                pass
        server.kill()
    await nobody_serves_soon()


async def test_no_server_starts_while_the_database_is_replaced(empty_database_url: str) -> None:
    async def serve() -> None:
        async with engine.serving_lock():
            pass

    engine.use(empty_database_url)
    async with another("replacing", empty_database_url) as restore:
        server = asyncio.create_task(serve())
        await asyncio.sleep(0.3)
        assert not server.done()
        restore.kill()
        await asyncio.wait_for(server, TIMEOUT_SECONDS)


async def nobody_serves_soon() -> None:
    """A server takes a moment to notice that a client was killed."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            async with engine.replacement_lock():
                return
        except engine.BeingServed:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)


@on_sqlite
async def test_a_file_is_opened_when_no_other_process_writes(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    async with locked(write_lock_file(empty_database_url)):
        start = asyncio.create_task(engine.start())
        await asyncio.sleep(0.2)
        assert not start.done()
    await asyncio.wait_for(start, TIMEOUT_SECONDS)
    await engine.stop()


async def test_a_write_lock_that_came_too_late_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    locks = [WriteLock(path), WriteLock(path)]
    async with locked(path):
        for lock in locks:
            with pytest.raises(TimeoutError):
                lock.acquire(0.05)
        locks[1].close()
    async with locked(path, seconds=5):
        pass

    locks[0].acquire(5)
    with pytest.raises(TimeoutError):
        async with locked(path, seconds=0):
            pass
    locks[0].release()
    locks[0].close()


async def test_a_write_lock_that_comes_in_time_is_acquired(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = WriteLock(path)
    async with locked(path):
        with pytest.raises(TimeoutError):
            lock.acquire(0.05)
        waiting = asyncio.create_task(asyncio.to_thread(lock.acquire, 5))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    await waiting

    with pytest.raises(TimeoutError):
        async with locked(path, seconds=0):
            pass
    lock.release()
    lock.close()


@on_postgres
async def test_a_server_says_again_that_it_serves_after_the_database_was_gone(
    empty_database_url: str,
) -> None:
    engine.use(empty_database_url)
    async with engine.serving_lock():
        from_outside(empty_database_url, KILL_CONNECTIONS)
        until = time.monotonic() + TIMEOUT_SECONDS
        while not await is_served():
            assert time.monotonic() < until
            await asyncio.sleep(0.2)


async def is_served() -> bool:
    try:
        async with engine.replacement_lock():
            return False
    except engine.BeingServed:
        return True


@on_sqlite
async def test_a_forked_child_starts_its_own(empty_database_url: str) -> None:
    async with opened(empty_database_url):
        forking = process("fork", empty_database_url)
        printed, _ = await asyncio.to_thread(forking.communicate)

        assert printed.split() == ["refused", "written"]
        assert await counted() == 2


def test_each_event_loop_may_start_its_own(empty_database_url: str) -> None:
    async def begin() -> None:
        await engine.start()
        await engine.write(make_tables)

    async def go_on() -> int:
        await engine.start()
        try:
            return await counted()
        finally:
            await engine.stop()

    engine.use(empty_database_url)
    asyncio.run(begin())
    if engine.dialect() == "postgres":
        with pytest.raises(engine.EngineUsageError):
            asyncio.run(engine.read(counted))

    assert asyncio.run(go_on()) == 0


async def test_five_processes_start_at_once_on_a_database_that_is_not_there(empty_database_url: str) -> None:
    starting = [process("start", empty_database_url) for _ in range(5)]

    answers = await asyncio.gather(*[asyncio.to_thread(one.communicate) for one in starting])

    assert [message for message, _ in answers] == ["started\n"] * 5
