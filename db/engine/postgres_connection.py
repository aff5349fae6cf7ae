"""One transaction on one connection of the pool, standing in Piccolo's context variable."""

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
    NO_TRANSACTION_LEFT,
    NOT_A_URL,
    BadQuery,
    DatabaseError,
    Misuse,
    TookTooLong,
    Unavailable,
    Unsupported,
    translate,
    unreachable,
)
from db.engine.transaction import EndedForIt

T = TypeVar("T")
LoneConnection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

# Everything that asyncpg raises when a connection, a query or an argument fails.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    OverflowError,
    ValueError,
)
# Serialization failure and deadlock: the function has done nothing wrong and may succeed next time. So
# may one that used a statement prepared before another process migrated.
_SQLSTATES_WORTH_A_RETRY = ("40001", "40P01")
_ERRORS_WORTH_A_RETRY = (InvalidCachedStatementError, OutdatedSchemaCacheError)
# A connection is had within this time; else Unavailable.
TIMEOUT_SECONDS = 10
ROLLBACK_SECONDS = 5


def from_driver(error: BaseException, connection: LoneConnection) -> DatabaseError | Misuse:
    """Our error for one that asyncpg raised for a query."""
    return translate(error, gone=is_gone(connection))


def is_gone(connection: LoneConnection) -> bool:
    """Whether the connection is closed, by whomever."""
    return bool(connection.is_closed())


def end_if_silent(error: BaseException, connection: LoneConnection) -> None:
    """Closes a connection on which the server hasn't answered in time: the answer may still come."""
    if isinstance(error, TimeoutError):
        connection.terminate()


async def end_implicit_transaction(connection: LoneConnection) -> None:
    """After a statement that failed outside of a transaction.

    Where the driver refuses an argument, the statement is prepared and the server still waits for it: the
    next BEGIN would come too late to choose its mode. A connection on which even that fails is closed.
    """
    try:
        await connection.execute("ROLLBACK")
    except DRIVER_ERRORS:
        connection.terminate()


def from_connecting(error: BaseException) -> DatabaseError:
    """Our error for one that asyncpg raised while it made a connection."""
    if isinstance(error, ssl.SSLError):
        # One about a certificate is a ValueError, too.
        return unreachable(error)
    if isinstance(error, ValueError):
        return Unsupported(NO_AUTHORITY if "root certificate" in str(error) else NOT_A_URL)
    return unreachable(error)


def cause_of(error: BaseException) -> BaseException | None:
    """What may be told of the driver's own words: none about a URL, which quote pieces of it."""
    return error if isinstance(error, ssl.SSLError) or not isinstance(error, ValueError) else None


class Session(EndedForIt, PostgresTransaction):
    """A change or a look: from BEGIN to COMMIT, with its queries in the one task that began it."""

    __slots__ = (
        "afterwards",
        "asking",
        "begun",
        "failure",
        "over",
        "slow",
        "stop_at",
        "task",
        "worth_a_retry",
        "writing",
    )

    def __init__(self, connection: LoneConnection, *, writing: bool, seconds: float | None) -> None:
        """`seconds` is the limit for a slow look as a whole; None sets none."""
        self.connection = connection
        self.task = asyncio.current_task()
        self.writing = writing
        self.slow = seconds is not None
        self.stop_at = None if seconds is None else time.monotonic() + seconds
        self.asking = self.begun = self.over = self.worth_a_retry = False
        self.failure: DatabaseError | Misuse | None = None
        self.afterwards: list[Callable[[], None]] = []

    def is_asking(self) -> bool:
        """Whether a query is on its way at this moment."""
        return bool(self.asking)

    async def start(self, begin: str) -> None:
        """BEGIN. One that fails because the connection was lost long ago is worth a retry on another."""
        self.begun = True
        try:
            await self.ask(self.connection.execute, begin)
        except Unavailable:
            self.worth_a_retry = True
            raise
        except BadQuery as error:
            # The server has become a standby, where nothing can be changed.
            raise Unavailable(str(error)) from error.__cause__

    async def finish(self) -> None:
        """COMMIT; refused like every other query once one has failed, or it would be a silent ROLLBACK."""
        if not self.connection.is_in_transaction():
            raise Misuse(NO_TRANSACTION_LEFT)
        await self.ask(self.connection.execute, "COMMIT")

    async def leave(self) -> None:
        """After a failure: the connection is out of the transaction, or closed."""
        try:
            if self.connection.is_in_transaction():
                await self.connection.execute("ROLLBACK", timeout=ROLLBACK_SECONDS)
        except DRIVER_ERRORS:
            with contextlib.suppress(*DRIVER_ERRORS):
                self.connection.terminate()

    async def ask(self, method: Callable[..., Awaitable[T]], sql: str, args: Sequence[Any] = ()) -> T:
        """Runs one statement. After one has failed the whole function fails, as PostgreSQL has it."""
        if asyncio.current_task() is not self.task:
            raise Misuse("a task made inside a change or a look can't take part in it")
        if self.failure is not None:
            raise self.failure
        self.asking = True
        try:
            if self.stop_at is not None and time.monotonic() > self.stop_at:
                raise TookTooLong("The look as a whole took too long.")
            return await method(sql, *args)
        except TookTooLong as failure:
            self.failure = failure
            raise
        except DRIVER_ERRORS as error:
            end_if_silent(error, self.connection)
            sqlstate = getattr(error, "sqlstate", None)
            self.worth_a_retry = sqlstate in _SQLSTATES_WORTH_A_RETRY or isinstance(
                error, _ERRORS_WORTH_A_RETRY
            )
            self.failure = from_driver(error, self.connection)
            raise self.failure from error
        finally:
            self.asking = False
