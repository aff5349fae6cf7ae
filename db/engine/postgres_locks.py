"""Locks between processes on PostgreSQL: advisory locks, which belong to a connection."""

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
    Connection,
    cause_of,
    from_connecting,
    from_driver,
)
from db.engine.postgres_pool import Pool

# Waiting for a lock has no time limit.
SETTINGS = {"application_name": "gatehouse", "lock_timeout": "0", "statement_timeout": "0"}

# Two arbitrary numbers that nobody else uses. Advisory locks belong to one database.
MIGRATING = 0x6761746501
SERVING = 0x6761746502

POLL_SECONDS = 0.1
RETRY_SECONDS = 1


@asynccontextmanager
async def migration_lock(url: str) -> AsyncIterator[None]:
    """See db.engine.migration_lock."""
    async with _connected(url) as connection:
        await _query(connection, "SELECT pg_advisory_lock($1)", MIGRATING)
        yield


@asynccontextmanager
async def replacement_lock(url: str) -> AsyncIterator[None]:
    """See db.engine.replacement_lock."""
    async with _connected(url) as connection:
        if not await _query(connection, "SELECT pg_try_advisory_lock($1)", SERVING):
            raise BeingServed(A_SERVER_RUNS)
        yield


@asynccontextmanager
async def serving_lock(url: str, pool: Pool | None) -> AsyncIterator[None]:
    """See db.engine.serving_lock. pool: the engine's; one of its connections holds the lock."""
    held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    holder = asyncio.create_task(_hold_lock(url, pool, held))
    try:
        await held
        yield
    finally:
        holder.cancel()
        await asyncio.wait((holder,))


async def _hold_lock(url: str, pool: Pool | None, held: asyncio.Future[None]) -> None:
    """Holds the lock, and takes it again when the connection was lost. Fails only if the first try does."""
    while True:
        try:
            async with _dedicated(url) if pool is None else _pooled(pool) as connection:
                if not held.done():
                    held.set_result(None)
                await _closed(connection)
        except DatabaseError as error:
            if not held.done():
                held.set_exception(error)
                return
            await asyncio.sleep(RETRY_SECONDS)


async def _closed(connection: Connection) -> None:
    """Returns when the connection is closed."""
    gone = asyncio.Event()
    connection.add_termination_listener(lambda _: gone.set())
    if not connection.is_closed():
        await gone.wait()


async def _take_shared(connection: Connection) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while not await _query(connection, "SELECT pg_try_advisory_lock_shared($1)", SERVING):
        if time.monotonic() > until:
            raise Unavailable(BEING_REPLACED)
        await asyncio.sleep(POLL_SECONDS)


async def _query(connection: Connection, sql: str, lock: int) -> Any:
    try:
        return await connection.fetchval(sql, lock)
    except DRIVER_ERRORS as error:
        raise from_driver(error, connection) from error


@asynccontextmanager
async def _dedicated(url: str) -> AsyncIterator[Connection]:
    """A connection that holds the lock and does nothing else."""
    async with _connected(url) as connection:
        await _take_shared(connection)
        yield connection


@asynccontextmanager
async def _pooled(pool: Pool) -> AsyncIterator[Connection]:
    """A connection of the pool that holds the lock and serves queries, too.

    A dedicated connection for each process would be one too many where the server allows only a few.
    """
    try:
        connection = await pool.acquire()
        try:
            await _take_shared(connection)
            pool.lock_holder = connection
        finally:
            await pool.release(connection)
    except DRIVER_ERRORS as error:
        raise from_connecting(error) from cause_of(error)
    try:
        yield connection
    finally:
        pool.lock_holder = None
        with contextlib.suppress(*DRIVER_ERRORS):
            await connection.execute("SELECT pg_advisory_unlock_all()", timeout=TIMEOUT_SECONDS)


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Connection]:
    try:
        connection = await _connect(url)
    except DRIVER_ERRORS as error:
        raise from_connecting(error) from cause_of(error)
    try:
        yield connection
        # Without this the server would free the lock only when it notices that the connection is closed.
        with contextlib.suppress(*DRIVER_ERRORS):
            await connection.execute("SELECT pg_advisory_unlock_all()", timeout=TIMEOUT_SECONDS)
    finally:
        connection.terminate()


async def _connect(url: str) -> Connection:
    """A connection outside the pool. Waits up to ten seconds while the server accepts no more."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while True:
        try:
            return await asyncpg.connect(url, timeout=TIMEOUT_SECONDS, server_settings=SETTINGS)
        except asyncpg.TooManyConnectionsError:
            if time.monotonic() > until:
                raise
        await asyncio.sleep(POLL_SECONDS)
