"""A pool of connections to one PostgreSQL database: ten at most, or as many as the server accepts.

If the server, the database or the role accepts no more, callers wait for one that exists.
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

import asyncpg

from db.engine.errors import POOL_IS_CLOSED
from db.engine.postgres_connection import DRIVER_ERRORS, TIMEOUT_SECONDS, Connection

MAX_CONNECTIONS: Final = 10
# A connection idle for so long is closed, so that other processes can have one. The last one stays.
IDLE_SECONDS: Final = 30
# After the server has refused a connection, the next attempt waits for so long.
FULL_RETRY_SECONDS: Final = 1
# The same if this pool has none, so that nobody will release one.
EMPTY_RETRY_SECONDS: Final = 0.1
# A timer may fire a moment too early.
TIMER_SLACK_SECONDS: Final = 0.01
# Even the last attempt gets enough time to learn why it is refused.
MIN_CONNECT_SECONDS: Final = 1
CLOSING_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
# The server stops a statement after STATEMENT_SECONDS. If it still hasn't answered then, it is gone.
SILENCE_SECONDS: Final = STATEMENT_SECONDS + 5
CACHED_STATEMENTS: Final = 256
# Outside write() every statement runs in a read-only transaction, so nothing can be changed there.
SERVER_SETTINGS: Final = {
    "application_name": "gatehouse",
    # Overrides the URL, since the driver reads nothing else.
    "client_encoding": "UTF8",
    "default_transaction_read_only": "on",
    "lock_timeout": "10s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}


class Pool:
    """Connections that are made when needed and used by one caller at a time.

    lock_holder: the connection that holds the process's lock, if any; it isn't closed for being idle.
    """

    def __init__(self, url: str) -> None:
        self.lock_holder: Connection | None = None
        self._url = url
        # Each with the time since when it is idle. The one used last is at the end and is taken first.
        self._idle: list[tuple[Connection, float]] = []
        self._used: set[Connection] = set()
        self._making = 0
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._full_until = 0.0
        self._closing_idle: asyncio.TimerHandle | None = None
        self._closed = False

    def get_max_size(self) -> int:
        """How many connections there can be at once."""
        return MAX_CONNECTIONS

    async def acquire(self) -> Connection:
        """A connection. After ten seconds raises the driver's error or TimeoutError."""
        until = time.monotonic() + TIMEOUT_SECONDS
        refusal: Exception = TimeoutError()
        has_waited = False
        while True:
            connection = self._from_idle()
            if connection is None and self._may_grow():
                try:
                    connection = await self._connect(until - time.monotonic())
                except asyncpg.TooManyConnectionsError as error:
                    refusal = error
                    self._retry_later()
            if connection is None:
                left = until - time.monotonic()
                if left <= 0:
                    raise refusal
                connection = await self._wait(left, at_front=has_waited)
                has_waited = True
            if connection is not None:
                self._used.add(connection)
                return connection

    async def release(self, connection: Connection) -> None:
        """Gives a connection back. The caller who has waited longest gets it."""
        self._used.discard(connection)
        if self._closed:
            connection.terminate()
        elif connection.is_closed():
            self._hand_over(None)
        elif not self._hand_over(connection):
            self._idle.append((connection, time.monotonic()))
            self._schedule_idle_check()

    async def close(self) -> None:
        """Closes idle connections properly and terminates the others. `acquire()` fails from now on."""
        self._closed = True
        if self._closing_idle is not None:
            self._closing_idle.cancel()
        idle, self._idle = self._idle, []
        while self._waiting:
            self._hand_over(None)
        for connection in list(self._used):
            connection.terminate()
        await asyncio.gather(*(_close(connection) for connection, _ in idle))

    def _from_idle(self) -> "Connection | None":
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    def _may_grow(self) -> bool:
        if self._closed:
            raise asyncpg.InterfaceError(POOL_IS_CLOSED)
        if len(self._used) + len(self._idle) + self._making >= MAX_CONNECTIONS:
            return False
        # After a refusal only one caller at a time tries again.
        return not self._full_until or (not self._making and time.monotonic() >= self._full_until)

    def _retry_later(self) -> None:
        """In a moment lets the caller who has waited longest try again: the server accepts no more now."""
        seconds = FULL_RETRY_SECONDS if self._used else EMPTY_RETRY_SECONDS
        self._full_until = time.monotonic() + seconds
        asyncio.get_running_loop().call_later(seconds + TIMER_SLACK_SECONDS, self._hand_over, None)

    async def _connect(self, seconds: float) -> Connection:
        self._making += 1
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=max(seconds, MIN_CONNECT_SECONDS),
                command_timeout=SILENCE_SECONDS,
                statement_cache_size=CACHED_STATEMENTS,
                server_settings=SERVER_SETTINGS,
            )
        except asyncpg.TooManyConnectionsError:
            raise
        except BaseException:
            # Another caller may be waiting because of this attempt.
            self._hand_over(None)
            raise
        finally:
            self._making -= 1
        self._full_until = 0.0
        return connection

    async def _wait(self, seconds: float, *, at_front: bool) -> "Connection | None":
        """Waits for a connection. None if none is released in time, or if this caller may make one."""
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if at_front else self._waiting.append)(waiter)
        try:
            async with asyncio.timeout(seconds):
                return await waiter
        except TimeoutError:
            # A connection may have come at the same instant.
            return waiter.result() if waiter.done() and not waiter.cancelled() else None
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and (connection := waiter.result()):
                await self.release(connection)
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(waiter)

    def _hand_over(self, connection: "Connection | None") -> bool:
        """Wakes the caller who has waited longest, with a connection or None; False if nobody waits."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                if connection is not None:
                    self._used.add(connection)
                return True
        return False

    def _schedule_idle_check(self) -> None:
        if self._closing_idle is None and len(self._idle) > 1:
            loop = asyncio.get_running_loop()
            self._closing_idle = loop.call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        """Closes connections idle for too long, except the lock holder or else the one used last."""
        self._closing_idle = None
        before = time.monotonic() - IDLE_SECONDS
        idle = [connection for connection, _ in self._idle]
        stays = self.lock_holder if self.lock_holder in idle else idle[-1] if idle else None
        for entry in list(self._idle):
            connection, since = entry
            if since <= before and connection is not stays:
                self._idle.remove(entry)
                connection.terminate()
        self._schedule_idle_check()


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSING_SECONDS)
    except DRIVER_ERRORS:
        connection.terminate()
