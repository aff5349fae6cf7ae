"""What goes into the database and comes out of it: values, counts, and errors that tell what happened."""

from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any

import pytest

from db import engine
from tests.support.engine.small_database import count_up, note, opened


@pytest.fixture(autouse=True)
async def url(empty_database_url: str) -> AsyncIterator[str]:
    async with opened(empty_database_url):
        yield empty_database_url


async def test_values_come_back_as_they_were() -> None:
    class Colour(StrEnum):
        RED = "RE"

    row = (2**62, "Zoë \N{HAMMER}", True, None, Colour.RED)

    async def change() -> list[tuple[Any, ...]]:
        return await engine.rows(
            "INSERT INTO tag (id, name, good, n, shade) VALUES (?, ?, ?, ?, ?)"
            " RETURNING id, name, good, n, shade",
            *row,
        )

    (stored,) = await engine.write(change)
    assert stored == row
    assert [type(value) for value in stored] == [int, str, bool, type(None), str]
    assert await engine.rows("SELECT id, name, good, n, shade FROM tag") == [row]


async def test_words_of_ours_stand_in_a_statement_as_they_are() -> None:
    words = "l'ami, \"qui\" s'en va"

    message = await engine.rows(f"SELECT {engine.literal(words)}")

    assert message == [(words,)]


async def test_words_that_would_count_as_an_argument_are_misuse() -> None:
    with pytest.raises(engine.EngineUsageError, match="as an argument"):
        engine.literal("nobody?")


async def test_execute_returns_how_many_rows_changed() -> None:
    async def change() -> list[int]:
        return [
            await engine.execute("INSERT INTO note (text, place) VALUES ('a', 1), ('b', 2)"),
            await engine.execute("UPDATE note SET place = 3 WHERE place > ?", 0),
            await engine.execute("UPDATE note SET place = 4 WHERE place = ? RETURNING id", 5),
            await engine.execute("DELETE FROM note WHERE text = 'a' RETURNING id"),
            await engine.execute("CREATE TABLE other (id BIGINT)"),
        ]

    assert await engine.write(change) == [2, 2, 0, 1, 0]


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("INSERT INTO tag (id, name, good, n) VALUES (2, 'ann', true, 1)", "tag.name"),
        ("INSERT INTO tag (id, name, good, n) VALUES (1, 'bob', true, 1)", "tag.id"),
        ("INSERT INTO tag (id, name, good, shade) VALUES (2, 'bob', true, 'RED')", "tag_folded"),
        ("INSERT INTO note (text, place) VALUES ('same', 1)", "note.text, note.place"),
    ],
)
async def test_a_taken_value_is_named(statement: str, where: str) -> None:
    await engine.write(note, "same", 1)
    await engine.write(
        engine.execute, "INSERT INTO tag (id, name, good, shade) VALUES (1, 'ann', true, 'red')"
    )

    with pytest.raises(engine.UniqueViolation) as caught:
        await engine.write(engine.execute, statement)

    assert caught.value.where == where
    assert "ann" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "where"),
    [("(1, NULL, true, 1)", "tag.name"), ("(1, 'a', true, 0)", "positive")],
)
async def test_other_constraints_are_named(values: str, where: str) -> None:
    with pytest.raises(engine.ConstraintViolation) as caught:
        await engine.write(engine.execute, f"INSERT INTO tag (id, name, good, n) VALUES {values}")

    assert not isinstance(caught.value, engine.UniqueViolation)
    assert caught.value.where == where


async def test_a_deferred_constraint_is_checked_in_the_end() -> None:
    async def change(counter: int) -> None:
        await engine.execute(
            "INSERT INTO tag (id, name, good, n, counter) VALUES (1, 'a', true, 1, ?)", counter
        )
        await engine.execute("INSERT INTO counter VALUES (7, 0)")

    with pytest.raises(engine.ConstraintViolation) as caught:
        await engine.write(change, 8)

    assert caught.value.where in ("", "tag_counter_fkey")
    assert await engine.rows("SELECT id FROM counter ORDER BY id") == [(1,), (2,)]
    await engine.write(change, 7)


@pytest.mark.parametrize(
    ("sql", "argument"),
    [
        ("SELECT secret FROM nowhere WHERE n = ?", 1),
        ("SELECT n FROM counter WHERE id = ?", 2**70),
        ("SELECT text FROM note WHERE text = ?", object()),
        ("SELECT text FROM note WHERE text = ?", "\udcff secret"),
        ("SELECT n FROM counter", 1),
    ],
)
async def test_a_wrong_query_and_an_unavailable_database_raise_different_errors(
    sql: str, argument: object
) -> None:
    for attempt in (engine.rows(sql, argument), engine.write(engine.rows, sql, argument)):
        with pytest.raises(engine.BadQuery) as caught:
            await attempt
        assert caught.value.__cause__ is not None
        assert "secret" not in str(caught.value)

    assert await engine.write(count_up) == 1
