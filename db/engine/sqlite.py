"""The SQLite engine: one thread that writes and two that read, each with a connection of its own.

Piccolo's own engine opens a connection and a thread for each query, and a task cancelled at the wrong moment
can leave its writer stuck. Here the writer's thread runs each write transaction to its end.
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
    A_SERVER_RUNS,
    BEING_REPLACED,
    USE_WRITE,
    BeingServed,
    EngineUsageError,
    Unavailable,
)
from db.engine.file_locks import PRIVATE, WriteLock, locked
from db.engine.sqlite_connection import TIMEOUT_SECONDS, ConnectionThread, Transaction, run_statement
from db.engine.sqlite_requirements import refuse_unsuitable
from db.engine.transaction import run_inline

T = TypeVar("T")

PAGE_SECONDS = 30
BACKGROUND_SECONDS = 2

# The parent's threads and locks after fork(), kept alive: to close their files would drop the parent's locks.
_left_behind: list[object] = []


class SqliteEngine(SQLiteEngine):
    """The engine for one database file."""

    def __init__(self, path: Path) -> None:
        # Unlike resolve(), realpath() accepts a link to itself, which is refused when the file is opened.
        self.file = Path(os.path.realpath(path))
        self._writer: ConnectionThread | None = None
        self._reader: ConnectionThread | None = None
        self._background_reader: ConnectionThread | None = None
        self._write_lock: WriteLock | None = None
        self._started_by = 0
        super().__init__(path=str(self.file))

    def beside(self, ending: str) -> Path:
        """The path of a file beside the database, such as "members.db.lock" for ".lock"."""
        return self.file.with_name(self.file.name + ending)

    # Life

    async def start(self) -> None:
        """Opens the file, and creates it if needed. Raises Unsupported or Unavailable."""
        if self._writer is not None:
            if self._started_by == os.getpid():
                return
            _left_behind.extend([self._writer, self._reader, self._background_reader, self._write_lock])
        refuse_unsuitable(self.file)
        try:
            self._make_private_files()
            self._write_lock = WriteLock(self.beside(".lock"))
        except OSError as error:
            # The sentence says all that the OSError knew.
            raise Unavailable(describe(error)) from None
        self._started_by = os.getpid()
        self._writer = ConnectionThread(self.file, "writer", writing=True)
        self._reader = ConnectionThread(self.file, "reader", seconds=PAGE_SECONDS)
        self._background_reader = ConnectionThread(self.file, "background-reader", seconds=BACKGROUND_SECONDS)
        self._background_reader.background = True
        try:
            await self._writer.run(partial(self._open_locked, self._writer, self._write_lock))
            for thread in (self._reader, self._background_reader):
                await thread.run(thread.connection)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes everything once running transactions have ended. `start()` works again."""
        threads, write_lock = (self._background_reader, self._reader, self._writer), self._write_lock
        self._writer = self._reader = self._background_reader = self._write_lock = None
        if self._started_by != os.getpid():
            _left_behind.extend([*threads, write_lock])
            return
        for thread in threads:
            if thread is not None:
                await thread.close()
        if write_lock is not None:
            write_lock.close()

    def remove(self) -> None:
        """Deletes the database, which must be stopped and not in use elsewhere. Raises OSError."""
        for path in (self.file, self.beside("-wal"), self.beside("-shm")):
            path.unlink(missing_ok=True)

    def _make_private_files(self) -> None:
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_unwritable(self.file.parent)
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE))
        # SQLite gives its other files the mode of the database. Don't open an existing file here: to close it
        # would drop the locks that other connections of this process have on it.
        for path in (self.file, self.beside("-wal"), self.beside("-shm")):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mode & 0o777 != PRIVATE:
                    path.chmod(PRIVATE)
        refuse_unwritable(self.file, self.beside("-wal"), self.beside("-shm"))

    def _open_locked(self, writer: ConnectionThread, write_lock: WriteLock) -> None:
        # The first connection to a new file makes its write-ahead log, so no other process may have it open.
        with self._holding(writer, write_lock):
            writer.connection()

    def _started_thread(self, thread: ConnectionThread | None) -> ConnectionThread:
        if thread is None or self._started_by != os.getpid():
            raise EngineUsageError(
                "the database isn't started in this process: await db.engine.start() first"
            )
        return thread

    # Transactions

    def inside(self) -> Transaction | None:
        """The transaction that this is called in, if any."""
        transaction = self.current_transaction.get()
        return transaction if isinstance(transaction, Transaction) else None

    async def write(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Runs a write transaction on the writer's thread; see db.engine.write."""
        if self.inside() is not None:
            raise EngineUsageError("a write transaction can't begin inside another transaction")
        thread, write_lock = self._started_thread(self._writer), self._write_lock
        assert write_lock is not None
        return await thread.run(partial(copy_context().run, self._run_write, thread, write_lock, function))

    def _run_write(
        self, thread: ConnectionThread, write_lock: WriteLock, function: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        with self._holding(thread, write_lock):
            if thread.cancelled:
                raise asyncio.CancelledError
            result = self._run_in_transaction(thread, "BEGIN IMMEDIATE", function)
        transaction = self.inside()
        for callback in transaction.on_commit if transaction else ():
            callback()
        return result

    @contextmanager
    def _holding(self, thread: ConnectionThread, write_lock: WriteLock) -> Iterator[None]:
        try:
            write_lock.acquire(thread.seconds_left())
        except TimeoutError as error:
            raise Unavailable("Another process keeps the database locked.") from error
        try:
            yield
        finally:
            write_lock.release()

    async def read(self, function: Callable[[], Coroutine[Any, Any, T]], *, background: bool = False) -> T:
        """Runs a read transaction on a reader's thread; see db.engine.read and read_in_background."""
        if (transaction := self.inside()) is not None:
            if background and not transaction.background:
                raise EngineUsageError("a background read can't be part of another transaction")
            return await function()
        thread = self._started_thread(self._background_reader if background else self._reader)
        return await thread.run(
            partial(copy_context().run, self._run_in_transaction, thread, "BEGIN", function)
        )

    def _run_in_transaction(
        self, thread: ConnectionThread, begin: str, function: Callable[[], Coroutine[Any, Any, T]]
    ) -> T:
        with thread.transaction(begin) as transaction:
            # The thread runs this in a copy of the caller's context, so nothing has to be reset.
            self.current_transaction.set(transaction)
            return run_inline(function())

    # Queries

    async def rows(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement; see db.engine.rows."""
        return await self._run(sql, args, sqlite3.Cursor.fetchall)

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """The number of rows that a statement changed; see db.engine.execute."""
        return await self._run(sql, args, _rows_changed)

    async def run_querystring(self, querystring: QueryString, in_pool: bool = False) -> list[dict[str, Any]]:
        """Piccolo calls this for queries."""
        sql, args = querystring.compile_string(engine_type="sqlite")
        return await self._run(sql, args, _dictionaries)

    async def run_ddl(self, ddl: str, in_pool: bool = False) -> list[dict[str, Any]]:
        """Piccolo calls this for DDL."""
        return await self._run(ddl, (), _dictionaries)

    async def _run(self, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]) -> T:
        if (transaction := self.inside()) is not None:
            return transaction.run_statement(sql, args, shape)
        thread = self._started_thread(self._reader)
        return await thread.run(lambda: run_statement(thread.connection(), sql, args, shape))

    # Locks between processes

    def migration_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.migration_lock."""
        return locked(self.beside(".migrate.lock"))

    def serving_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.serving_lock."""
        return locked(
            self.beside(".serving"),
            shared=True,
            seconds=TIMEOUT_SECONDS,
            otherwise=Unavailable(BEING_REPLACED),
        )

    def replacement_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.replacement_lock."""
        return locked(self.beside(".serving"), seconds=0, otherwise=BeingServed(A_SERVER_RUNS))

    async def is_served(self) -> bool:
        """Whether a server runs on this file."""
        try:
            async with self.replacement_lock():
                return False
        except BeingServed:
            return True

    # Methods of Piccolo's engine that this one refuses

    def transaction(
        self, transaction_type: TransactionType = TransactionType.deferred, allow_nested: bool = True
    ) -> SQLiteTransaction:
        """The current write transaction, for Piccolo's migrations. Refused outside one."""
        if (transaction := self.inside()) is None or not transaction.writing:
            raise EngineUsageError(USE_WRITE)
        return transaction

    async def get_connection(self) -> Any:
        """Refused: each connection belongs to its thread."""
        raise EngineUsageError(USE_WRITE)

    async def batch(self, query: Any, batch_size: int = 100, node: str | None = None) -> Any:
        """Refused: read long results in several transactions, by key."""
        raise EngineUsageError("read long results in several transactions: db.engine.read_in_background()")


def _dictionaries(cursor: sqlite3.Cursor) -> list[dict[str, Any]]:
    if cursor.description is None:
        return []
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _rows_changed(cursor: sqlite3.Cursor) -> int:
    # With RETURNING, rowcount is right only after all rows have been fetched.
    cursor.fetchall()
    return max(cursor.rowcount, 0)
