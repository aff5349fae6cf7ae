"""Locks between processes on PostgreSQL: advisory locks, each on a connection of its own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from db.engine.errors import A_SERVER_RUNS, BEING_REPLACED, BeingServed, DatabaseError, Unavailable
from db.engine.postgres_connection import (
    DRIVER_ERRORS,
    TIMEOUT_SECONDS,
    LoneConnection,
    cause_of,
    from_connecting,
    from_driver,
)
from db.engine.postgres_pool import Pool

# A lock is waited for as long as it takes.
SETTINGS = {"application_name": "gatehouse", "lock_timeout": "0", "statement_timeout": "0"}

# Any two numbers that nobody else uses; advisory locks belong to one database.
MIGRATING = 0x6761746501
SERVING = 0x6761746502

POLL_SECONDS = 0.1
RETRY_SECONDS = 1


@asynccontextmanager
async def exclusive(url: str) -> AsyncIterator[None]:
    """See db.engine.exclusive."""
    async with _connected(url) as connection:
        await _ask(connection, "SELECT pg_advisory_lock($1)", MIGRATING)
        yield


@asynccontextmanager
async def nobody_is_serving(url: str) -> AsyncIterator[None]:
    """See db.engine.nobody_is_serving."""
    async with _connected(url) as connection:
        if not await _ask(connection, "SELECT pg_try_advisory_lock($1)", SERVING):
            raise BeingServed(A_SERVER_RUNS)
        yield


@asynccontextmanager
async def serving(url: str, pool: Pool | None) -> AsyncIterator[None]:
    """See db.engine.serving. pool: of the engine, one of whose connections keeps the lock beside its work."""
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    keeper = asyncio.create_task(_keep(url, pool, held))
    try:
        await held
        yield
    finally:
        keeper.cancel()
        await asyncio.wait((keeper,))


async def _keep(url: str, pool: Pool | None, held: asyncio.Future[None]) -> None:
    """Holds the lock, and takes it again after the server was gone. Gives up only before it was held once."""
    while True:
        try:
            async with _lone(url) if pool is None else _of_pool(pool) as connection:
                if not held.done():
                    held.set_result(None)
                await _lost(connection)
        except DatabaseError as error:
            if not held.done():
                held.set_exception(error)
                return
            await asyncio.sleep(RETRY_SECONDS)


async def _lost(connection: LoneConnection) -> None:
    """Returns when the connection is gone."""
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    if not connection.is_closed():
        await gone.wait()


async def _take_shared(connection: LoneConnection) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while not await _ask(connection, "SELECT pg_try_advisory_lock_shared($1)", SERVING):
        if time.monotonic() > until:
            raise Unavailable(BEING_REPLACED)
        await asyncio.sleep(POLL_SECONDS)


async def _ask(connection: LoneConnection, sql: str, lock: int) -> Any:
    try:
        return await connection.fetchval(sql, lock)
    except DRIVER_ERRORS as error:
        raise from_driver(error, connection) from error


@asynccontextmanager
async def _lone(url: str) -> AsyncIterator[LoneConnection]:
    """A connection that has the lock and does nothing else."""
    async with _connected(url) as connection:
        await _take_shared(connection)
        yield connection


@asynccontextmanager
async def _of_pool(pool: Pool) -> AsyncIterator[LoneConnection]:
    """A connection of the pool that has the lock, and does the work of any other meanwhile.

    A second one for each process would be too many where a server allows only a few.
    """
    try:
        connection = await pool.acquire()
        try:
            await _take_shared(connection)
            pool.kept = connection
        finally:
            await pool.release(connection)
    except DRIVER_ERRORS as error:
        raise from_connecting(error) from cause_of(error)
    try:
        yield connection
    finally:
        pool.kept = None
        with contextlib.suppress(*DRIVER_ERRORS):
            await connection.execute("SELECT pg_advisory_unlock_all()", timeout=TIMEOUT_SECONDS)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[LoneConnection]:
    try:
        connection = await _connect(url)
    except DRIVER_ERRORS as error:
        raise from_connecting(error) from cause_of(error)
    try:
        yield connection
        # The server frees the lock now, not when it notices that the connection is gone.
        with contextlib.suppress(*DRIVER_ERRORS):
            await connection.execute("SELECT pg_advisory_unlock_all()", timeout=TIMEOUT_SECONDS)
    finally:
        connection.terminate()


async def _connect(url: str) -> LoneConnection:
    """A connection of its own, as soon as the server has room for it, within ten seconds."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return await asyncpg.connect(url, timeout=TIMEOUT_SECONDS, server_settings=SETTINGS)
        except asyncpg.TooManyConnectionsError:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(POLL_SECONDS)
