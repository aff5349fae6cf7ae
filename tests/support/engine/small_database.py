"""A small database for the tests of the engine: three tables, and a way to query it from outside."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from piccolo.columns import BigInt, Text
from piccolo.table import Table

from db import engine
from db.engine.sqlite import SqliteEngine
from tests.support.servers.postgres import run_apart

PROCESS = Path(__file__).with_name("engine_process.py")
ROOT = Path(__file__).parents[3]


class Note(Table, tablename="note"):
    """A Piccolo table over one of ours."""

    text = Text()
    place = BigInt()


TABLES = (
    "CREATE TABLE counter (id BIGINT PRIMARY KEY, n BIGINT NOT NULL)",
    "INSERT INTO counter VALUES (1, 0), (2, 0)",
    "CREATE TABLE note (id <id>, text TEXT NOT NULL, place BIGINT NOT NULL, UNIQUE (text, place))",
    "CREATE TABLE tag (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, good BOOLEAN NOT NULL, "
    "n BIGINT, shade TEXT, counter BIGINT REFERENCES counter (id) DEFERRABLE INITIALLY DEFERRED, "
    "CONSTRAINT positive CHECK (n > 0))",
    "CREATE UNIQUE INDEX tag_folded ON tag (lower(shade))",
)
KEYS = {
    "sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[str]:
    """Uses and starts the engine on an empty database and makes the tables; stops it in the end."""
    engine.use(url)
    await engine.start()
    try:
        await engine.write(make_tables)
        yield url
    finally:
        await engine.stop()


async def make_tables() -> None:
    for statement in TABLES:
        await engine.execute(statement.replace("<id>", KEYS[engine.dialect()]))


async def count_up(counter: int = 1) -> int:
    """Reads, adds one, writes: what loses counts when two do it at once."""
    ((count,),) = await engine.rows(f"SELECT n FROM counter WHERE id = ?{engine.for_update()}", counter)
    await engine.execute("UPDATE counter SET n = ? WHERE id = ?", count + 1, counter)
    return int(count) + 1


async def counted(counter: int = 1) -> int:
    ((count,),) = await engine.rows("SELECT n FROM counter WHERE id = ?", counter)
    return int(count)


async def note(text: str, place: int = 0) -> None:
    await engine.execute("INSERT INTO note (text, place) VALUES (?, ?)", text, place)


async def notes() -> int:
    ((count,),) = await engine.rows("SELECT count(*) FROM note")
    return int(count)


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def write_lock_file(url: str) -> Path:
    """The file of the write lock."""
    return file_of(f"{url}.lock")


def from_outside(url: str, sql: str) -> Sequence[Any]:
    """Runs a statement on a connection of somebody else, and waits for it without any event loop."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(file_of(url), isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()
    return run_apart(_from_outside(url, sql))


async def _from_outside(url: str, sql: str) -> Sequence[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


def process(role: str, url: str, *more: str) -> subprocess.Popen[str]:
    """Another process that plays a role of engine_process.py."""
    return subprocess.Popen(
        [sys.executable, str(PROCESS), role, url, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@asynccontextmanager
async def another(role: str, url: str) -> AsyncIterator[subprocess.Popen[str]]:
    """Another process that holds a lock; killed in the end, if it still lives."""
    holder = process(role, url)
    assert holder.stdout is not None
    try:
        assert await asyncio.to_thread(holder.stdout.readline) == "held\n"
        yield holder
    finally:
        holder.kill()
        await asyncio.to_thread(holder.communicate)


# Marks


def _on(kind: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("database_kind", [kind], indirect=True)


on_sqlite = _on("sqlite")
on_postgres = _on(pytest.param("postgres", marks=pytest.mark.postgres))


# Faults

KILL_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def pause(seconds: float) -> None:
    """A query that takes a while."""
    if engine.dialect() == "sqlite":
        time.sleep(seconds)  # noqa: ASYNC251 - this is the writer's thread
    else:
        await engine.rows("SELECT pg_sleep(?)", seconds)


async def everything_is_free() -> None:
    """Fails if the writer, a reader or a slot of the pool is stuck or in a transaction."""
    async with asyncio.timeout(30):
        before = await counted(2)
        await asyncio.gather(*[engine.write(count_up, 2) for _ in range(20)])
        assert await counted(2) == before + 20
        await asyncio.gather(engine.read(notes), engine.read_in_background(notes))
        chosen = engine.get()
        if not isinstance(chosen, SqliteEngine):
            pool = chosen.pool
            assert pool is not None
            connections = [await pool.acquire() for _ in range(pool.get_max_size())]
            assert not any(connection.is_in_transaction() for connection in connections)
            for connection in connections:
                await pool.release(connection)
