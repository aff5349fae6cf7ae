"""What db.engine promises, on both databases."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from db import engine
from tests.support.engine.small_database import Note, count_up, counted, from_outside, note, notes, opened

FOR_EVER = "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"


@pytest.fixture(autouse=True)
async def url(empty_database_url: str) -> AsyncIterator[str]:
    async with opened(empty_database_url):
        yield empty_database_url


# Write transactions


async def test_a_write_is_stored_and_returns_its_result(url: str) -> None:
    assert await engine.write(count_up, counter=2) == 1

    assert from_outside(url, "SELECT n FROM counter ORDER BY id") == [(0,), (1,)]


async def test_a_write_that_raises_leaves_nothing_behind() -> None:
    async def change() -> None:
        await note("half")
        raise LookupError

    with pytest.raises(LookupError):
        await engine.write(change)

    assert await notes() == 0


async def test_piccolo_and_hand_written_queries_share_the_transaction() -> None:
    async def change() -> None:
        await Note.insert(Note(text="one", place=1))
        assert await engine.rows("SELECT text, place FROM note") == [("one", 1)]
        await Note.update({Note.text: "two"}).where(Note.place == 1)
        async with engine.get().transaction():
            await Note.raw("INSERT INTO note (text, place) VALUES ({}, {})", "three", 3)

    await engine.write(change)

    assert await Note.select(Note.text).order_by(Note.place) == [{"text": "two"}, {"text": "three"}]


async def test_ddl_is_part_of_a_transaction() -> None:
    async def change() -> None:
        await Note.alter().drop_table()
        await engine.execute("CREATE TABLE other (id BIGINT)")
        raise LookupError

    with pytest.raises(LookupError):
        await engine.write(change)

    assert await notes() == 0
    with pytest.raises(engine.BadQuery):
        await engine.rows("SELECT id FROM other")


async def test_a_write_inside_another_transaction_is_refused() -> None:
    async def outer() -> None:
        await note("outer")
        await engine.write(note, "inner")

    for run in (engine.write, engine.read, engine.read_in_background):
        with pytest.raises(engine.EngineUsageError):
            await run(outer)

    assert await notes() == 0


async def test_awaiting_anything_but_the_database_is_refused_and_rolled_back() -> None:
    async def change() -> None:
        await note("one")
        await foreign()

    async def foreign() -> None:
        await asyncio.sleep(0)

    with pytest.raises(engine.EngineUsageError, match=r"foreign, line \d+"):
        await engine.write(change)
    with pytest.raises(engine.EngineUsageError, match="foreign"):
        await engine.read(foreign)

    assert await notes() == 0
    assert await engine.write(count_up) == 1


async def test_an_error_that_the_function_catches_fails_the_transaction() -> None:
    async def change() -> None:
        await note("one")
        for _ in range(2):
            with pytest.raises(engine.UniqueViolation):
                await note("one")

    with pytest.raises(engine.UniqueViolation):
        await engine.write(change)

    assert await notes() == 0


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK"])
async def test_a_function_that_ends_its_transaction_is_refused(statement: str) -> None:
    async def change() -> None:
        await engine.execute(statement)

    with pytest.raises(engine.EngineUsageError):
        await engine.write(change)

    assert await engine.write(count_up) == 1


async def test_what_piccolo_does_without_a_function_is_refused() -> None:
    with pytest.raises(engine.EngineUsageError):
        engine.get().transaction()


# Read transactions


async def test_single_queries_need_no_function() -> None:
    await engine.write(note, "one", 1)

    assert await engine.rows("SELECT text, place FROM note") == [("one", 1)]
    assert await engine.read(engine.rows, "SELECT text FROM note WHERE place = ?", 1) == [("one",)]
    assert await Note.select(Note.text, Note.place) == [{"text": "one", "place": 1}]
    assert await Note.count() == 1


async def test_a_write_outside_of_write_is_refused() -> None:
    statement = "INSERT INTO note (text, place) VALUES ('one', 1) RETURNING id"

    async def change() -> None:
        await engine.rows(statement)

    for attempt in (
        change(),
        engine.read(change),
        engine.read_in_background(change),
        engine.execute(statement),
    ):
        with pytest.raises(engine.EngineUsageError):
            await attempt
    for query in (Note.insert(Note(text="one")), Note.delete(force=True), Note.alter().drop_table()):
        with pytest.raises(engine.EngineUsageError):
            await query

    assert await notes() == 0


async def test_a_read_sees_one_instant(url: str) -> None:
    async def read_twice() -> tuple[int, int]:
        before = await notes()
        from_outside(url, "INSERT INTO note (text, place) VALUES ('new', 1)")
        return before, await notes()

    assert await engine.read(read_twice) == (0, 0)
    assert await notes() == 1


async def test_a_read_inside_a_write_sees_its_changes() -> None:
    async def change() -> int:
        await note("one")
        with pytest.raises(engine.EngineUsageError):
            await engine.read_in_background(notes)
        return await engine.read(notes)

    assert await engine.write(change) == 1


async def test_a_slow_background_read_is_stopped_and_blocks_nobody() -> None:
    begun = time.monotonic()
    slow = asyncio.create_task(engine.read_in_background(engine.rows, FOR_EVER))
    await asyncio.sleep(0.1)

    assert await engine.read(notes) == 0
    assert await engine.write(count_up) == 1
    assert not slow.done()
    with pytest.raises(engine.TookTooLong):
        await slow
    assert time.monotonic() - begun < 10
    assert await engine.read_in_background(notes) == 0


# Life


async def test_it_starts_again_after_a_stop() -> None:
    await engine.write(count_up)
    await engine.stop()
    with pytest.raises(engine.EngineUsageError):
        await engine.write(count_up)

    await engine.start()
    await engine.start()

    assert await engine.write(count_up) == 2


async def test_a_stop_waits_for_earlier_transactions() -> None:
    writes = [asyncio.create_task(engine.write(count_up)) for _ in range(20)]
    await asyncio.sleep(0)
    await engine.stop()

    assert sorted(await asyncio.gather(*writes)) == list(range(1, 21))
    await engine.start()
    assert await counted() == 20
