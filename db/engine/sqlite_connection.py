"""A thread with one SQLite connection of its own, and how such a connection is opened and left."""

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
    A_CHANGE_IS_A_FUNCTION,
    NO_TRANSACTION_LEFT,
    DatabaseError,
    Misuse,
    Unavailable,
    Unsupported,
    translate,
)
from db.engine.transaction import EndedForIt

T = TypeVar("T")

# What is asked of the database has begun, or has the lock it needs, within this time; else Unavailable.
TIMEOUT_SECONDS = 10
CACHED_STATEMENTS = 512
# So many steps of SQLite's machine, about half a millisecond, between two looks at the time limit.
STEPS_BETWEEN_LOOKS = 10_000

# Piccolo reads each INTEGER through Decimal, for columns that hold something else; ours never do.
sqlite3.register_converter("INTEGER", int)


@dataclass
class Ticket:
    """One job for a lane: what to call, who waits for it, and until when it must have begun."""

    job: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    begin_before: float

    @property
    def given_up(self) -> bool:
        """Whether the caller was cancelled and nobody waits for the answer any more."""
        return self.future.cancelled()

    def answer(self, result: Any, error: BaseException | None) -> None:
        """Hands the result over in the caller's own event loop; one that is closed meanwhile asks no more."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._settle, result, error)

    def _settle(self, result: Any, error: BaseException | None) -> None:
        if self.future.cancelled():
            return
        if error is None:
            self.future.set_result(result)
        else:
            self.future.set_exception(error)


class Session(EndedForIt, SQLiteTransaction):
    """In Piccolo's context variable: queries inside a change or a look run on its connection, at once."""

    __slots__ = ("afterwards", "failure", "slow", "writing")

    def __init__(self, connection: sqlite3.Connection, *, writing: bool, slow: bool) -> None:
        self.connection = connection
        self.writing = writing
        self.slow = slow
        self.failure: DatabaseError | Misuse | None = None
        self.afterwards: list[Callable[[], None]] = []

    def ask(self, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]) -> T:
        """Runs one statement. After one has failed the whole function fails, as PostgreSQL has it."""
        if self.failure is not None:
            raise self.failure
        try:
            return ask(self.connection, sql, args, shape)
        except (DatabaseError, Misuse) as failure:
            self.failure = failure
            raise


def ask(
    connection: sqlite3.Connection, sql: str, args: Sequence[Any], shape: Callable[[sqlite3.Cursor], T]
) -> T:
    """Runs one statement on a connection; its errors are ours."""
    try:
        return shape(connection.execute(sql, args))
    except (sqlite3.Error, OverflowError, ValueError) as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_READONLY and _query_only(connection):
            raise Misuse(A_CHANGE_IS_A_FUNCTION) from error
        raise translate(error) from error


def _query_only(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA query_only").fetchone()[0])


def open_connection(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Opens an existing database file; `mode=rw` so that one that vanished isn't made anew, empty."""
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
        # A deactivation that was acknowledged must survive a power cut.
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if not writing:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


class Lane:
    """One thread with one connection: what is asked of it is done in order, one job at a time."""

    def __init__(self, path: Path, name: str, *, writing: bool = False, seconds: float | None = None) -> None:
        """`seconds` is the limit for one job after which its query is interrupted; None sets none."""
        self.slow = False
        self._path = path
        self._writing = writing
        self._seconds = seconds
        self._connection: sqlite3.Connection | None = None
        self._tickets: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._present: Ticket | None = None
        self._stop_at = 0.0
        threading.Thread(target=self._work, name=f"sqlite-{name}", daemon=True).start()

    def run(self, job: Callable[[], T]) -> asyncio.Future[T]:
        """Lets the thread call `job()`. If the future is cancelled before that, the job isn't begun."""
        loop = asyncio.get_running_loop()
        ticket = Ticket(job, loop.create_future(), loop, time.monotonic() + TIMEOUT_SECONDS)
        self._tickets.put(ticket)
        return ticket.future

    async def close(self) -> None:
        """Closes the connection after everything asked before; the thread ends."""
        try:
            await self.run(self.discard)
        finally:
            self._tickets.put(None)

    # What follows is for jobs: it runs on the lane's own thread.

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for the present job any more."""
        return self._present is not None and self._present.given_up

    def seconds_left(self) -> float:
        """How long the present job may still wait for locks."""
        return TIMEOUT_SECONDS if self._present is None else self._present.begin_before - time.monotonic()

    def connection(self) -> sqlite3.Connection:
        """The connection, opened when needed."""
        if self._connection is None:
            try:
                self._connection = open_connection(self._path, writing=self._writing)
            except sqlite3.Error as error:
                if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                    raise Unsupported(f"{self._path} is no SQLite database") from error
                raise translate(error) from error
            if self._seconds is not None:
                self._connection.set_progress_handler(self._time_is_up, STEPS_BETWEEN_LOOKS)
        return self._connection

    def discard(self) -> None:
        """Closes the connection; the next job opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @contextmanager
    def transaction(self, begin: str) -> Iterator[Session]:
        """From BEGIN to COMMIT. However it ends, the connection is out of the transaction or discarded."""
        connection = self.connection()
        try:
            connection.execute(begin)
            session = Session(connection, writing=self._writing, slow=self.slow)
            yield session
            if session.failure is not None:
                # The function may have swallowed it, but what it did after that rests on a failure.
                raise session.failure
            if not connection.in_transaction:
                raise Misuse(NO_TRANSACTION_LEFT)
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
        return time.monotonic() > self._stop_at or self.given_up

    def _work(self) -> None:
        while (ticket := self._tickets.get()) is not None:
            if ticket.given_up:
                continue
            self._present = ticket
            result, error = None, None
            try:
                if self.seconds_left() < 0:
                    raise Unavailable("The database is too busy at the moment.")
                if self._seconds is not None:
                    self._stop_at = time.monotonic() + self._seconds
                result = ticket.job()
            except BaseException as raised:
                error = raised
            ticket.answer(result, error)
            # Nothing of the job may live on while the thread waits for the next one.
            del ticket, result, error
            self._present = None
