"""Reads the whole database as of one instant, on a connection of its own, while others go on writing.

`db.engine.read()` has a time limit, and a backup may take longer.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Final, Protocol

import asyncpg

from db import engine
from db.engine.errors import translate
from db.engine.postgres_connection import DRIVER_ERRORS, from_connecting
from db.engine.sqlite import SqliteEngine
from db.engine.sqlite_connection import open_connection

BATCH_ROWS: Final = 1_000
# Each statement has the usual limits, but the transaction may take hours.
POSTGRES_SETTINGS: Final = {
    "application_name": "gatehouse",
    "lock_timeout": "10s",
    "statement_timeout": "30s",
}
CONNECT_SECONDS: Final = 10


class Snapshot(Protocol):
    """Queries that all see the same instant."""

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        """The rows of one statement, `?` for each argument."""
        ...


@asynccontextmanager
async def snapshot() -> AsyncIterator[Snapshot]:
    """A snapshot of the database in use. Works before `engine.start()`. Raises Unavailable."""
    chosen = engine.get()
    if isinstance(chosen, SqliteEngine):
        try:
            with closing(open_connection(chosen.file, writing=False)) as connection:
                connection.execute("BEGIN")
                yield _SqliteSnapshot(connection)
        except sqlite3.Error as error:
            raise translate(error) from error
        return
    async with _postgres_snapshot(chosen.url) as postgres_snapshot:
        yield postgres_snapshot


async def each_row(source: Snapshot, table: str, columns: list[str]) -> AsyncIterator[tuple[Any, ...]]:
    """Every row of a table, ordered by id and read in batches. `columns` must contain "id"."""
    index, last = columns.index("id"), 0
    statement = f"SELECT {', '.join(columns)} FROM {table} WHERE id > ? ORDER BY id LIMIT ?"
    while batch := await source.rows(statement, last, BATCH_ROWS):
        for row in batch:
            yield row
        last = batch[-1][index]


class _SqliteSnapshot:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, args).fetchall()


class _PostgresSnapshot:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        pieces = sql.split("?")
        numbered = pieces[0] + "".join(f"${n}{piece}" for n, piece in enumerate(pieces[1:], 1))
        return [tuple(record) for record in await self._connection.fetch(numbered, *args)]


@asynccontextmanager
async def _postgres_snapshot(url: str) -> AsyncIterator[Snapshot]:
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=POSTGRES_SETTINGS)
    except DRIVER_ERRORS as error:
        raise from_connecting(error) from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield _PostgresSnapshot(connection)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise translate(error, gone=connection.is_closed()) from error
    finally:
        connection.terminate()
