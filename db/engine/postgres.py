"""The PostgreSQL engine: a pool of connections, and transactions that end even if their caller is cancelled.

A connection keeps its prepared statements, so PgBouncer in transaction pooling mode isn't supported.
"""

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, TypeVar

import asyncpg
from piccolo.engine.postgres import PostgresEngine as PiccoloPostgresEngine
from piccolo.engine.postgres import PostgresTransaction
from piccolo.querystring import QueryString

from db.engine import postgres_locks, postgres_requirements
from db.engine.errors import USE_WRITE, EngineUsageError
from db.engine.postgres_connection import (
    DRIVER_ERRORS,
    TIMEOUT_SECONDS,
    Connection,
    Transaction,
    cause_of,
    end_if_silent,
    end_implicit_transaction,
    from_connecting,
    from_driver,
    is_gone,
)
from db.engine.postgres_pool import Pool
from db.engine.transaction import CallerState, GuardedAwaitable, consume_exception

T = TypeVar("T")
Function = Callable[[], Coroutine[Any, Any, T]]

MAX_ATTEMPTS = 3
BACKGROUND_SECONDS = 2
BEGIN_WRITE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# The best plan depends on the text searched for: a generic plan would read all members.
BEGIN_BACKGROUND_READ = (
    f"{BEGIN_READ}; SET LOCAL plan_cache_mode = force_custom_plan;"
    f" SET LOCAL statement_timeout = {BACKGROUND_SECONDS * 1000}"
)


class _Retry(Exception):
    """Wraps the error of an attempt that is worth another one."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class PostgresEngine(PiccoloPostgresEngine):
    """The engine for one database on a PostgreSQL server, given as postgresql://…"""

    def __init__(self, url: str) -> None:
        self.url = url
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started_by = 0
        self._running: set[asyncio.Task[Any]] = set()
        self.pool: Pool | None  # type: ignore[assignment]
        super().__init__(config={"dsn": url})

    async def get_version(self) -> float:
        """Overridden because Piccolo would connect for it as soon as the engine is made."""
        return 0.0

    # Life

    async def start(self) -> None:
        """Opens the pool. Raises Unsupported or Unavailable."""
        loop = asyncio.get_running_loop()
        if self.pool is not None and self._loop is loop and self._started_by == os.getpid():
            return
        # The pool of another event loop, or of the parent process, can't be closed from here.
        self.pool, self._running = None, set()
        postgres_requirements.refuse_url(self.url)
        pool = Pool(self.url)
        try:
            connection = await pool.acquire()
            await postgres_requirements.refuse_database(connection)
            await pool.release(connection)
        except DRIVER_ERRORS as error:
            await pool.close()
            if refused := postgres_requirements.refused_setting(self.url, error):
                raise refused from None
            raise from_connecting(error) from cause_of(error)
        except BaseException:
            await pool.close()
            raise
        self.pool, self._loop, self._started_by = pool, loop, os.getpid()

    async def stop(self) -> None:
        """Closes the pool once running transactions have ended. `start()` works again."""
        pool = self.pool
        if pool is None or self._loop is not asyncio.get_running_loop() or self._started_by != os.getpid():
            self.pool = None
            return
        if self._running:
            await asyncio.wait(self._running, timeout=TIMEOUT_SECONDS)
        self.pool = None
        await pool.close()

    # Transactions

    def inside(self) -> Transaction | None:
        """The transaction that this is called in, if any. One that is over no longer counts."""
        transaction = self.current_transaction.get()
        return transaction if isinstance(transaction, Transaction) and not transaction.over else None

    async def write(self, function: Function[T]) -> T:
        """Runs a write transaction, even if the caller is cancelled; see db.engine.write."""
        if self.inside() is not None:
            raise EngineUsageError("a write transaction can't begin inside another transaction")
        return await self._run_to_end(lambda caller: self._attempt(caller, BEGIN_WRITE, function))

    async def read(self, function: Function[T], *, background: bool = False) -> T:
        """Runs a read transaction; see db.engine.read and read_in_background."""
        if (transaction := self.inside()) is not None:
            if background and not transaction.background:
                raise EngineUsageError("a background read can't be part of another transaction")
            return await function()
        begin, seconds = (BEGIN_BACKGROUND_READ, BACKGROUND_SECONDS) if background else (BEGIN_READ, None)
        return await self._run_to_end(lambda caller: self._attempt(caller, begin, function, seconds))

    async def _run_to_end(self, work: Callable[[CallerState], Coroutine[Any, Any, T]]) -> T:
        """Runs `work` in a task of its own, which goes on if the caller is cancelled.

        asyncio.shield() would do, but some versions log what such a task raises in the end.
        """
        caller = CallerState()
        task = asyncio.create_task(_retried(caller, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            caller.cancelled = True
            task.add_done_callback(consume_exception)
            raise
        return task.result()

    async def _attempt(
        self, caller: CallerState, begin: str, function: Function[T], seconds: float | None = None
    ) -> T:
        pool, connection = await self._acquire()
        transaction = Transaction(connection, writing=begin is BEGIN_WRITE, seconds=seconds)
        try:
            caller.raise_if_cancelled()
            await transaction.start(begin)
            token = self.current_transaction.set(transaction)
            try:
                result: T = await GuardedAwaitable(function(), transaction.is_querying)
            finally:
                self.current_transaction.reset(token)
            await transaction.finish()
            for callback in transaction.on_commit:
                callback()
            return result
        except Exception as error:
            await transaction.leave()
            if transaction.may_retry:
                raise _Retry(error) from error.__cause__
            raise
        except BaseException:
            # The event loop is shutting down during a query, or the caller was cancelled before BEGIN.
            if transaction.begun:
                with contextlib.suppress(*DRIVER_ERRORS):
                    connection.terminate()
            raise
        finally:
            transaction.over = True
            await pool.release(connection)

    async def _acquire(self) -> tuple[Pool, Connection]:
        if (
            self.pool is None
            or self._started_by != os.getpid()
            or self._loop is not asyncio.get_running_loop()
        ):
            raise EngineUsageError(
                "the database isn't started in this event loop: await db.engine.start() first"
            )
        try:
            return self.pool, await self.pool.acquire()
        except DRIVER_ERRORS as error:
            raise from_connecting(error) from cause_of(error)

    # Queries

    async def rows(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement; see db.engine.rows."""
        return [tuple(record) for record in await self._fetch(_with_numbered_placeholders(sql), args)]

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """The number of rows that a statement changed; see db.engine.execute."""
        if (transaction := self.inside()) is None:
            raise EngineUsageError(USE_WRITE)
        # For example "UPDATE 3", "INSERT 0 1" or "CREATE TABLE".
        tag: str = await transaction.run(
            transaction.connection.execute, _with_numbered_placeholders(sql), args
        )
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdecimal() else 0

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[asyncpg.Record]:
        """Piccolo calls this for queries."""
        return await self._fetch(*querystring.compile_string(engine_type="postgres"))

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[asyncpg.Record]:
        """Piccolo calls this for DDL."""
        return await self._fetch(ddl, ())

    async def _fetch(self, sql: str, args: Sequence[Any]) -> list[asyncpg.Record]:
        if (transaction := self.inside()) is not None:
            return await transaction.run(transaction.connection.fetch, sql, args)
        return await self._run_to_end(lambda caller: self._fetch_outside_transaction(caller, sql, args))

    async def _fetch_outside_transaction(
        self, caller: CallerState, sql: str, args: Sequence[Any]
    ) -> list[asyncpg.Record]:
        pool, connection = await self._acquire()
        try:
            caller.raise_if_cancelled()
            return await connection.fetch(sql, *args)
        except DRIVER_ERRORS as error:
            end_if_silent(error, connection)
            ours = from_driver(error, connection)
            if is_gone(connection):
                # The connection may have been lost long ago. The statement changes nothing: send it again.
                raise _Retry(ours) from error
            await end_implicit_transaction(connection)
            raise ours from error
        except asyncio.CancelledError:
            # The event loop is shutting down: an answer that still comes must not reach another query.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

    # Locks between processes

    def migration_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.migration_lock."""
        return postgres_locks.migration_lock(self.url)

    def serving_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.serving_lock."""
        return postgres_locks.serving_lock(self.url, self.pool)

    def replacement_lock(self) -> AbstractAsyncContextManager[None]:
        """See db.engine.replacement_lock."""
        return postgres_locks.replacement_lock(self.url)

    # Methods of Piccolo's engine that this one refuses

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:
        """The current write transaction, for Piccolo's migrations. Refused outside one."""
        if (transaction := self.inside()) is None or not transaction.writing:
            raise EngineUsageError(USE_WRITE)
        return transaction

    async def get_new_connection(self) -> Any:
        """Refused: connections belong to the pool."""
        raise EngineUsageError(USE_WRITE)

    async def batch(self, query: Any, batch_size: int = 100, node: str | None = None) -> Any:
        """Refused: read long results in several transactions, by key."""
        raise EngineUsageError("read long results in several transactions: db.engine.read_in_background()")


async def _retried(caller: CallerState, work: Callable[[CallerState], Coroutine[Any, Any, T]]) -> T:
    """Does the work, again after an error that is worth a retry; MAX_ATTEMPTS in all."""
    tries = 1
    while True:
        try:
            return await work(caller)
        except _Retry as retry:
            if tries == MAX_ATTEMPTS or caller.cancelled:
                raise retry.error from retry.__cause__
        await asyncio.sleep(tries * random.uniform(0.01, 0.03))
        tries += 1


@lru_cache(maxsize=1024)
def _with_numbered_placeholders(sql: str) -> str:
    """The statement with $1, $2 … in place of each question mark."""
    pieces = sql.split("?")
    return pieces[0] + "".join(f"${n}{piece}" for n, piece in enumerate(pieces[1:], 1))
