"""The connections to one PostgreSQL database: ten at most, or as many as the server allows.

Where a server, a database or a role takes no more, callers wait for one of those that are there.
"""

import asyncio
import contextlib
import time
from collections import deque
from typing import Final

import asyncpg

from db.engine.errors import POOL_IS_CLOSED
from db.engine.postgres_connection import DRIVER_ERRORS, TIMEOUT_SECONDS, LoneConnection

MAX_CONNECTIONS: Final = 10
# What nobody has used for so long is closed, so that other processes can have it; one stays.
IDLE_SECONDS: Final = 30
# After the server has refused one more, the next is tried no earlier than this.
FULL_SECONDS: Final = 1
# The same where none is ours: nobody here will give one back.
NONE_SECONDS: Final = 0.1
# A timer may come a moment too early.
TIMER_SLACK_SECONDS: Final = 0.01
# The last try, too, is given the time to hear why it is refused.
MIN_CONNECT_SECONDS: Final = 1
CLOSING_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
# A server that doesn't answer at all, when it should have stopped the statement itself, is gone.
SILENCE_SECONDS: Final = STATEMENT_SECONDS + 5
CACHED_STATEMENTS: Final = 256
# Outside of write() every statement runs in a read-only transaction, so that a change can't slip past it.
SERVER_SETTINGS: Final = {
    "application_name": "gatehouse",
    # Whatever the URL says: the driver reads nothing else.
    "client_encoding": "UTF8",
    "default_transaction_read_only": "on",
    "lock_timeout": "10s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "idle_in_transaction_session_timeout": "60s",
}


class Pool:
    """Connections that are made when they are needed and used one caller at a time.

    kept: the one that holds a lock for the whole process; it isn't closed for being idle.
    """

    def __init__(self, url: str) -> None:
        self.kept: LoneConnection | None = None
        self._url = url
        # With the moment since when each is idle; the one used last stands last and is taken first.
        self._idle: list[tuple[LoneConnection, float]] = []
        self._used: set[LoneConnection] = set()
        self._making = 0
        self._waiting: deque[asyncio.Future[LoneConnection | None]] = deque()
        self._full_until = 0.0
        self._closing_idle: asyncio.TimerHandle | None = None
        self._closed = False

    def get_max_size(self) -> int:
        """How many there can be at once."""
        return MAX_CONNECTIONS

    async def acquire(self) -> LoneConnection:
        """A connection, after ten seconds of waiting at most; else the driver's error or TimeoutError."""
        until = time.monotonic() + TIMEOUT_SECONDS
        refusal: Exception = TimeoutError()
        has_waited = False
        while True:
            connection = self._from_idle()
            if connection is None and self._may_grow():
                try:
                    connection = await self._made(until - time.monotonic())
                except asyncpg.TooManyConnectionsError as error:
                    refusal = error
                    self._wait_for_room()
            if connection is None:
                left = until - time.monotonic()
                if left <= 0:
                    raise refusal
                connection = await self._handed(left, at_front=has_waited)
                has_waited = True
            if connection is not None:
                self._used.add(connection)
                return connection

    async def release(self, connection: LoneConnection) -> None:
        """Gives a connection back, to the caller who has waited longest."""
        self._used.discard(connection)
        if self._closed:
            connection.terminate()
        elif connection.is_closed():
            self._hand(None)
        elif not self._hand(connection):
            self._idle.append((connection, time.monotonic()))
            self._look_for_idle()

    async def close(self) -> None:
        """Closes those that are idle, in peace, and breaks off the others. Nothing is had afterwards."""
        self._closed = True
        if self._closing_idle is not None:
            self._closing_idle.cancel()
        idle, self._idle = self._idle, []
        while self._waiting:
            self._hand(None)
        for connection in list(self._used):
            connection.terminate()
        await asyncio.gather(*(_ended(connection) for connection, _ in idle))

    def _from_idle(self) -> "LoneConnection | None":
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
        # If the server was full a moment ago, one after the other tries again.
        return not self._full_until or (not self._making and time.monotonic() >= self._full_until)

    def _wait_for_room(self) -> None:
        """The server is full: in a moment the caller who has waited longest may try to make another."""
        seconds = FULL_SECONDS if self._used else NONE_SECONDS
        self._full_until = time.monotonic() + seconds
        asyncio.get_running_loop().call_later(seconds + TIMER_SLACK_SECONDS, self._hand, None)

    async def _made(self, seconds: float) -> LoneConnection:
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
            # Somebody may have waited because of this try.
            self._hand(None)
            raise
        finally:
            self._making -= 1
        self._full_until = 0.0
        return connection

    async def _handed(self, seconds: float, *, at_front: bool) -> "LoneConnection | None":
        """What is given back within so many seconds; None if nothing is, or if another may be made."""
        place: asyncio.Future[LoneConnection | None] = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if at_front else self._waiting.append)(place)
        try:
            async with asyncio.timeout(seconds):
                return await place
        except TimeoutError:
            # It may have come in the same instant.
            return place.result() if place.done() and not place.cancelled() else None
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and (connection := place.result()):
                await self.release(connection)
            raise
        finally:
            with contextlib.suppress(ValueError):
                self._waiting.remove(place)

    def _hand(self, connection: "LoneConnection | None") -> bool:
        """Lets the caller who has waited longest go on; whether there was one."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(connection)
                if connection is not None:
                    self._used.add(connection)
                return True
        return False

    def _look_for_idle(self) -> None:
        if self._closing_idle is None and len(self._idle) > 1:
            loop = asyncio.get_running_loop()
            self._closing_idle = loop.call_later(IDLE_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        """Closes what has been idle for too long, but for the one that is kept, or else was used last."""
        self._closing_idle = None
        before = time.monotonic() - IDLE_SECONDS
        idle = [connection for connection, _ in self._idle]
        stays = self.kept if self.kept in idle else idle[-1] if idle else None
        for entry in list(self._idle):
            connection, since = entry
            if since <= before and connection is not stays:
                self._idle.remove(entry)
                connection.terminate()
        self._look_for_idle()


async def _ended(connection: LoneConnection) -> None:
    try:
        await connection.close(timeout=CLOSING_SECONDS)
    except DRIVER_ERRORS:
        connection.terminate()
