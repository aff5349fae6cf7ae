"""SQLite behind the face of db.engine: one thread that writes, two that read, each with its connection.

Piccolo's stock engine opens a connection and a thread for each query, and its transactions can leave the
writer stuck when a task is cancelled at the wrong moment. Here a change is a coroutine that is driven to
its end on the writer's thread.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from piccolo.engine.sqlite import SQLiteEngine, SQLiteTransaction, TransactionType
from piccolo.querystring import QueryString

from db.common.disk import describe, refuse_unwritable
from db.engine.errors import (
    A_CHANGE_IS_A_FUNCTION,
    A_SERVER_RUNS,
    BEING_REPLACED,
    BeingServed,
    Misuse,
    Unavailable,
)
from db.engine.file_locks import PRIVATE, Turn, locked
from db.engine.sqlite_connection import TIMEOUT_SECONDS, Lane, Session, ask
from db.engine.sqlite_places import refuse_unsuitable
from db.engine.transaction import run_inline

T = TypeVar("T")

PAGE_SECONDS = 30
SLOW_SECONDS = 2

# A lane that was inherited through fork() is neither used nor closed, since its files are the parent's.
_left_behind: list[object] = []


class SqliteEngine(SQLiteEngine):
    """The engine for one database file. `path` is where it is, symbolic links followed."""

    def __init__(self, path: Path) -> None:
        # Unlike resolve(), it takes a link that leads back to itself, which opening then refuses.
        self.file = Path(os.path.realpath(path))
        self._writer: Lane | None = None
        self._reader: Lane | None = None
        self._slow_reader: Lane | None = None
        self._turn: Turn | None = None
        self._started_by = 0
        super().__init__(path=str(self.file))

    def beside(self, ending: str) -> Path:
        """The path of a file that belongs to the database, such as "members.db.lock" for ".lock"."""
        return self.file.with_name(self.file.name + ending)

    # Life

    async def start(self) -> None:
        """Opens the file, makes it if there is none. Raises Unsupported or Unavailable."""
        if self._writer is not None:
            if self._started_by == os.getpid():
                return
            _left_behind.extend([self._writer, self._reader, self._slow_reader, self._turn])
        refuse_unsuitable(self.file)
        try:
            self._make_private_files()
            self._turn = Turn(self.beside(".lock"))
        except OSError as error:
            # The sentence says all that the error knew.
            raise Unavailable(describe(error)) from None
        self._started_by = os.getpid()
        self._writer = Lane(self.file, "writer", writing=True)
        self._reader = Lane(self.file, "reader", seconds=PAGE_SECONDS)
        self._slow_reader = Lane(self.file, "slow-reader", seconds=SLOW_SECONDS)
        self._slow_reader.slow = True
        try:
            await self._writer.run(partial(self._open_in_turn, self._writer, self._turn))
            for lane in (self._reader, self._slow_reader):
                await lane.run(lane.connection)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes everything, after the changes that were asked for before. `start()` works again."""
        lanes, turn = (self._slow_reader, self._reader, self._writer), self._turn
        self._writer = self._reader = self._slow_reader = self._turn = None
        if self._started_by != os.getpid():
            _left_behind.extend([*lanes, turn])
            return
        for lane in lanes:
            if lane is not None:
                await lane.close()
        if turn is not None:
            turn.close()

    def remove(self) -> None:
        """Removes the database itself, which is stopped and which nobody else has open. Raises OSError."""
        for path in (self.file, self.beside("-wal"), self.beside("-shm")):
            path.unlink(missing_ok=True)

    def _make_private_files(self) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unwritable(self.file.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        # SQLite gives its other files the mode of the database. An existing file isn't opened here: closing
        # it would drop the locks of every other connection this process has on it.
        for path in (self.file, self.beside("-wal"), self.beside("-shm")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mode & 0o777 != PRIVATE:
                    path.chmod(PRIVATE)
        refuse_unwritable(self.file, self.beside("-wal"), self.beside("-shm"))

    def _open_in_turn(self, writer: Lane, turn: Turn) -> None:
        # A new file is given its write-ahead log by one process, while no other has it open.
        with self._had(writer, turn):
            writer.connection()

    def _lane(self, lane: Lane | None) -> Lane:
        if lane is None or self._started_by != os.getpid():
            raise Misuse("the database isn't started in this process: await db.engine.start() first")
        return lane

    # Changes and looks

    def inside(self) -> Session | None:
        """The change or look this is called in, if any."""
        session = self.current_transaction.get()
        return session if isinstance(session, Session) else None

    async def write(self, change: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs a change to its end on the writer's thread; see db.engine.write."""
        if self.inside() is not None:
            raise Misuse("a change can't begin inside another change or a look")
        lane, turn = self._lane(self._writer), self._turn
        assert turn is not None
        return await lane.run(partial(copy_context().run, self._change, lane, turn, change))

    def _change(self, lane: Lane, turn: Turn, change: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with self._had(lane, turn):
            if lane.given_up:
                raise asyncio.CancelledError
            result = self._drive(lane, "BEGIN IMMEDIATE", change)
        session = self.inside()
        for tell in session.afterwards if session else ():
            tell()
        return result

    @contextmanager
    def _had(self, lane: Lane, turn: Turn) -> Iterator[None]:
        try:
            turn.take(lane.seconds_left())
        except TimeoutError as error:
            raise Unavailable("Another process keeps the database locked.") from error
        try:
            yield
        finally:
            turn.give_back()

    async def read(self, look: Callable[[], Coroutine[Any, Any, T]], *, slowly: bool = False) -> T:
        """Runs a look in one snapshot on a reader's thread; see db.engine.read and read_slowly."""
        if (session := self.inside()) is not None:
            if slowly and not session.slow:
                raise Misuse("a slow look can't be part of a change or of a quick look")
            return await look()
        lane = self._lane(self._slow_reader if slowly else self._reader)
        return await lane.run(partial(copy_context().run, self._drive, lane, "BEGIN", look))

    def _drive(self, lane: Lane, begin: str, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        with lane.transaction(begin) as session:
            # The thread runs this in a copy of the caller's context, which ends with it.
            self.current_transaction.set(session)
            return run_inline(function())

    # Queries

    async def rows(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows a statement gives; see db.engine.rows."""
        return await self._ask(sql, args, sqlite3.Cursor.fetchall)

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """The number of rows a statement changed; see db.engine.execute."""
        return await self._ask(sql, args, _rows_changed)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> list[dict[str, Any]]:
        """Piccolo's way in for queries."""
        sql, args = querystring.compile_string(engine_type="sqlite")
        return await self._ask(sql, args, _dictionaries)

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> list[dict[str, Any]]:
        """Piccolo's way in for definitions."""
        return await self._ask(ddl, (), _dictionaries)

    async def _ask(self, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]) -> T:
        if (session := self.inside()) is not None:
            return session.ask(sql, args, shape)
        lane = self._lane(self._reader)
        return await lane.run(lambda: ask(lane.connection(), sql, args, shape))

    # Locks between processes

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Held by who migrates; see db.engine.exclusive."""
        return locked(self.beside(".migrate.lock"))

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Held by a running server; see db.engine.serving."""
        return locked(
            self.beside(".serving"),
            shared=True,
            seconds=TIMEOUT_SECONDS,
            otherwise=Unavailable(BEING_REPLACED),
        )

    def nobody_is_serving(self) -> AbstractAsyncContextManager[None]:
        """Held by who replaces the database; see db.engine.nobody_is_serving."""
        return locked(self.beside(".serving"), seconds=0, otherwise=BeingServed(A_SERVER_RUNS))

    async def is_served(self) -> bool:
        """Whether a server runs on this file at this moment."""
        try:
            async with self.nobody_is_serving():
                return False
        except BeingServed:
            return True

    # What Piccolo's engine could do and this one refuses

    def transaction(
        self, transaction_type: TransactionType = TransactionType.deferred, allow_nested: bool = True
    ) -> SQLiteTransaction:
        """Inside a change, the change itself (Piccolo's migrations ask for one); refused elsewhere."""
        if (session := self.inside()) is None or not session.writing:
            raise Misuse(A_CHANGE_IS_A_FUNCTION)
        return session

    async def get_connection(self) -> Any:
        """Refused: connections belong to their threads."""
        raise Misuse(A_CHANGE_IS_A_FUNCTION)

    async def batch(self, query: Any, batch_size: int = 100, node: str | None = None) -> Any:
        """Refused: a long read is cut into looks by key."""
        raise Misuse("cut a long read into several looks: db.engine.read_slowly()")


def _dictionaries(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _rows_changed(cursor: sqlite3.Cursor) -> int:
    # With RETURNING the rows count only once they have been fetched.
    cursor.fetchall()
    return max(cursor.rowcount, 0)
