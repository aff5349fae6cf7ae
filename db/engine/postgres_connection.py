"""A transaction on a connection of the pool, and errors of connections."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import asyncpg
from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError
from piccolo.engine.postgres import PostgresTransaction

from db.engine.errors import (
    NO_AUTHORITY,
    NOT_A_URL,
    TRANSACTION_ENDED_INSIDE,
    BadQuery,
    DatabaseError,
    EngineUsageError,
    TookTooLong,
    Unavailable,
    Unsupported,
    translate,
    unreachable,
)
from db.engine.transaction import ManagedTransaction

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# asyncpg raises these when a connection, a query or an argument fails.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    OverflowError,
    ValueError,
)
# After a serialization failure or a deadlock, the same function may succeed. So may one whose statement was
# prepared before another process migrated.
_RETRY_SQLSTATES = ("40001", "40P01")
_RETRY_ERRORS = (InvalidCachedStatementError, OutdatedSchemaCacheError)
# If no connection is free after this time, Unavailable is raised.
TIMEOUT_SECONDS = 10
ROLLBACK_SECONDS = 5


def from_driver(error: BaseException, connection: Connection) -> DatabaseError | EngineUsageError:
    """Our error for one that asyncpg raised for a query."""
    return translate(error, gone=is_gone(connection))


def is_gone(connection: Connection) -> bool:
    """Whether the connection is closed, by us or by the server."""
    return bool(connection.is_closed())


def end_if_silent(error: BaseException, connection: Connection) -> None:
    """Closes a connection after a timeout, since the server's answer may still come."""
    if isinstance(error, TimeoutError):
        connection.terminate()


async def end_implicit_transaction(connection: Connection) -> None:
    """Ends the implicit transaction after a statement has failed outside a transaction.

    If the driver refuses an argument, the statement is already prepared and the server still waits for it.
    The next BEGIN would come too late to choose its mode. If the ROLLBACK fails, the connection is closed.
    """
    try:
        await connection.execute("ROLLBACK")
    except DRIVER_ERRORS:
        connection.terminate()


def from_connecting(error: BaseException) -> DatabaseError:
    """Our error for one that asyncpg raised while connecting."""
    if isinstance(error, ssl.SSLError):
        # An error about a certificate is a ValueError, too.
        return unreachable(error)
    if isinstance(error, ValueError):
        return Unsupported(NO_AUTHORITY if "root certificate" in str(error) else NOT_A_URL)
    return unreachable(error)


def cause_of(error: BaseException) -> BaseException | None:
    """The driver's error if it may be logged. One about the URL may not, since it quotes parts of it."""
    return error if isinstance(error, ssl.SSLError) or not isinstance(error, ValueError) else None


class Transaction(ManagedTransaction, PostgresTransaction):
    """A transaction from BEGIN to COMMIT. All its queries run in the task that began it."""

    __slots__ = (
        "background",
        "begun",
        "failure",
        "may_retry",
        "on_commit",
        "over",
        "querying",
        "stop_at",
        "task",
        "writing",
    )

    def __init__(self, connection: Connection, *, writing: bool, seconds: float | None) -> None:
        """seconds: the time limit of a background read as a whole; None for no limit."""
        self.connection = connection
        self.task = asyncio.current_task()
        self.writing = writing
        self.background = seconds is not None
        self.stop_at = None if seconds is None else time.monotonic() + seconds
        self.querying = self.begun = self.over = self.may_retry = False
        self.failure: DatabaseError | EngineUsageError | None = None
        self.on_commit: list[Callable[[], None]] = []

    def is_querying(self) -> bool:
        """Whether a query is running at this moment."""
        return bool(self.querying)

    async def start(self, begin: str) -> None:
        """BEGIN. If it fails because the connection was lost long ago, another connection is worth a try."""
        self.begun = True
        try:
            await self.run(self.connection.execute, begin)
        except Unavailable:
            self.may_retry = True
            raise
        except BadQuery as error:
            # The server has become a standby, which refuses writes.
            raise Unavailable(str(error)) from error.__cause__

    async def finish(self) -> None:
        """COMMIT. Refused once a query has failed, when PostgreSQL would turn it into a silent ROLLBACK."""
        if not self.connection.is_in_transaction():
            raise EngineUsageError(TRANSACTION_ENDED_INSIDE)
        await self.run(self.connection.execute, "COMMIT")

    async def leave(self) -> None:
        """Ends the transaction after a failure, or closes the connection."""
        try:
            if self.connection.is_in_transaction():
                await self.connection.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
        except DRIVER_ERRORS:
            with contextlib.suppress(*DRIVER_ERRORS):
                self.connection.terminate()

    async def run(self, method: Callable[..., Awaitable[T]], sql: str, args: Sequence[Any] = ()) -> T:
        """Runs one statement. Once one has failed, the transaction fails."""
        if asyncio.current_task() is not self.task:
            raise EngineUsageError("a task made inside a transaction can't take part in it")
        if self.failure is not None:
            raise self.failure
        self.querying = True
        try:
            if self.stop_at is not None and time.monotonic() > self.stop_at:
                raise TookTooLong("The background read took too long.")
            return await method(sql, *args)
        except TookTooLong as failure:
            self.failure = failure
            raise
        except DRIVER_ERRORS as error:
            end_if_silent(error, self.connection)
            sqlstate = getattr(error, "sqlstate", None)
            self.may_retry = sqlstate in _RETRY_SQLSTATES or isinstance(error, _RETRY_ERRORS)
            self.failure = from_driver(error, self.connection)
            raise self.failure from error
        finally:
            self.querying = False
