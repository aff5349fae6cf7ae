"""A thread with an SQLite connection of its own, and the transactions on it."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from piccolo.engine.sqlite import SQLiteTransaction

from db.engine.errors import (
    TRANSACTION_ENDED_INSIDE,
    USE_WRITE,
    DatabaseError,
    EngineUsageError,
    Unavailable,
    Unsupported,
    translate,
)
from db.engine.transaction import ManagedTransaction

T = TypeVar("T")

# A job that hasn't begun, or has no lock, after this time raises Unavailable.
TIMEOUT_SECONDS = 10
CACHED_STATEMENTS = 512
# The time limit is checked after so many steps of SQLite's virtual machine, about every half millisecond.
STEPS_BETWEEN_CHECKS = 10_000

# Piccolo converts each INTEGER by way of Decimal, which ours don't need.
sqlite3.register_converter("INTEGER", int)


@dataclass
class Job:
    """A function for the thread to call, the future of its caller, and the time by which it must begin."""

    function: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    begin_before: float

    @property
    def cancelled(self) -> bool:
        """Whether the caller was cancelled and nobody waits for the result."""
        return self.future.cancelled()

    def finish(self, result: Any, error: BaseException | None) -> None:
        """Passes the result to the caller's event loop, unless that has been closed."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Transaction(ManagedTransaction, SQLiteTransaction):
    """A transaction, in Piccolo's context variable: queries inside it run on its connection at once."""

    __slots__ = ("background", "failure", "on_commit", "writing")

    def __init__(self, connection: sqlite3.Connection, *, writing: bool, background: bool) -> None:
        self.connection = connection
        self.writing = writing
        self.background = background
        self.failure: DatabaseError | EngineUsageError | None = None
        self.on_commit: list[Callable[[], None]] = []

    def run_statement(self, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]) -> T:
        """Runs one statement. Once one has failed, the transaction fails, as on PostgreSQL."""
        if self.failure is not None:
            raise self.failure
        try:
            return run_statement(self.connection, sql, args, shape)
        except (DatabaseError, EngineUsageError) as failure:
            self.failure = failure
            raise


def run_statement(
    connection: sqlite3.Connection, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]
) -> T:
    """Runs one statement on a connection. Raises errors of db.engine."""
    try:
        return shape(connection.execute(sql, args))
    except (sqlite3.Error, OverflowError, ValueError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY and _query_only(connection):
            raise EngineUsageError(USE_WRITE) from error
        raise translate(error) from error


def _query_only(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA query_only").fetchone()[0])


def open_connection(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Opens an existing database file. One that has vanished isn't created anew: hence `mode=rw`."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        isolation_level=None,
        cached_statements=CACHED_STATEMENTS,
        detect_types=sqlite3.PARSE_DECLTYPES,
        timeout=TIMEOUT_SECONDS,
    )
    try:
        connection.execute(f"PRAGMA busy_timeout={TIMEOUT_SECONDS * 1000}")
        (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise Unsupported(f"{path} is on a file system where SQLite can't keep a write-ahead log")
        # What was acknowledged, such as a deactivation, must survive a power cut.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if not writing:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


class ConnectionThread:
    """A thread with a connection, which runs one job after the other."""

    def __init__(self, path: Path, name: str, *, writing: bool = False, seconds: float | None = None) -> None:
        """seconds: the time limit of a job, after which its query is interrupted; None for no limit."""
        self.background = False
        self._path = path
        self._writing = writing
        self._seconds = seconds
        self._connection: sqlite3.Connection | None = None
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._current: Job | None = None
        self._stop_at = 0.0
        threading.Thread(target=self._work, name=f"sqlite-{name}", daemon=True).start()

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Calls `function()` in the thread, unless the future is cancelled before."""
        loop = asyncio.get_running_loop()
        job = Job(function, loop.create_future(), loop, time.monotonic() + TIMEOUT_SECONDS)
        self._jobs.put(job)
        return job.future

    async def close(self) -> None:
        """Closes the connection after all earlier jobs, and ends the thread."""
        try:
            await self.run(self.discard)
        finally:
            self._jobs.put(None)

    # The methods below run on this thread, for its jobs.

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the current job any more."""
        return self._current is not None and self._current.cancelled

    def seconds_left(self) -> float:
        """How long the current job may still wait for locks."""
        return TIMEOUT_SECONDS if self._current is None else self._current.begin_before - time.monotonic()

    def connection(self) -> sqlite3.Connection:
        """The connection, which is opened if needed."""
        if self._connection is None:
            try:
                self._connection = open_connection(self._path, writing=self._writing)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                    raise Unsupported(f"{self._path} is no SQLite database") from error
                raise translate(error) from error
            if self._seconds is not None:
                self._connection.set_progress_handler(self._time_is_up, STEPS_BETWEEN_CHECKS)
        return self._connection

    def discard(self) -> None:
        """Closes the connection. The next job opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def transaction(self, begin: str) -> Iterator[Transaction]:
        """From BEGIN to COMMIT. Afterwards the connection is outside the transaction, or discarded."""
        connection = self.connection()
        try:
            connection.execute(begin)
            session = Transaction(connection, writing=self._writing, background=self.background)
            yield session
            if session.failure is not None:
                # The function may have caught the error, but what it did next may rely on that statement.
                raise session.failure
            if not connection.in_transaction:
                raise EngineUsageError(TRANSACTION_ENDED_INSIDE)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            self._leave(connection)

    def _leave(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not connection.in_transaction:
                return
        self.discard()

    def _time_is_up(self) -> bool:
        return time.monotonic() > self._stop_at or self.cancelled

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.cancelled:
                continue
            self._current = job
            result, error = None, None
            try:
                if self.seconds_left() < 0:
                    raise Unavailable("The database is too busy at the moment.")
                if self._seconds is not None:
                    self._stop_at = time.monotonic() + self._seconds
                result = job.function()
            except BaseException as raised:
                error = raised
            job.finish(result, error)
            # Release the job and its objects before the thread waits for the next one.
            del job, result, error
            self._current = None
