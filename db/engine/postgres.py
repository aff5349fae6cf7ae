"""PostgreSQL behind the face of db.engine: a pool of connections, and transactions that go to their end.

Prepared statements are kept for the life of a connection, so PgBouncer in transaction pooling mode is not
supported.
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

from db.engine import postgres_fitness, postgres_locks
from db.engine.errors import A_CHANGE_IS_A_FUNCTION, Misuse
from db.engine.postgres_connection import (
    DRIVER_ERRORS,
    TIMEOUT_SECONDS,
    LoneConnection,
    Session,
    cause_of,
    end_if_silent,
    end_implicit_transaction,
    from_connecting,
    from_driver,
    is_gone,
)
from db.engine.postgres_pool import Pool
from db.engine.transaction import Caller, Watched, hear_out

T = TypeVar("T")
Function = Callable[[], Coroutine[Any, Any, T]]

TRIES = 3
SLOW_SECONDS = 2
CHANGE = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
LOOK = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
# What is searched for decides the plan, so it is made anew each time: one for any text looks at everybody.
SLOW_LOOK = (
    f"{LOOK}; SET LOCAL plan_cache_mode = force_custom_plan;"
    f" SET LOCAL statement_timeout = {SLOW_SECONDS * 1000}"
)


class _TryAgain(Exception):
    """Wraps the error of a try after which another one makes sense."""

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
        """Unknown to Piccolo, which would connect for it as soon as the engine is made."""
        return 0.0

    # Life

    async def start(self) -> None:
        """Opens the pool. Unsupported if this database can't be used at all, Unavailable if not now."""
        loop = asyncio.get_running_loop()
        if self.pool is not None and self._loop is loop and self._started_by == os.getpid():
            return
        # What another event loop or the parent of this process left behind can't be closed from here.
        self.pool, self._running = None, set()
        postgres_fitness.refuse_url(self.url)
        pool = Pool(self.url)
        try:
            connection = await pool.acquire()
            await postgres_fitness.refuse_database(connection)
            await pool.release(connection)
        except DRIVER_ERRORS as error:
            await pool.close()
            if refused := postgres_fitness.refused_setting(self.url, error):
                raise refused from None
            raise from_connecting(error) from cause_of(error)
        except BaseException:
            await pool.close()
            raise
        self.pool, self._loop, self._started_by = pool, loop, os.getpid()

    async def stop(self) -> None:
        """Closes the pool, after the changes that were asked for before. `start()` works again."""
        pool = self.pool
        if pool is None or self._loop is not asyncio.get_running_loop() or self._started_by != os.getpid():
            self.pool = None
            return
        if self._running:
            await asyncio.wait(self._running, timeout=TIMEOUT_SECONDS)
        self.pool = None
        await pool.close()

    # Changes and looks

    def inside(self) -> Session | None:
        """The change or look this is called in, if any; not one that is over and has left a task behind."""
        session = self.current_transaction.get()
        return session if isinstance(session, Session) and not session.over else None

    async def write(self, change: Function[T]) -> T:
        """Runs a change to its end, whatever becomes of the caller; see db.engine.write."""
        if self.inside() is not None:
            raise Misuse("a change can't begin inside another change or a look")
        return await self._to_its_end(lambda caller: self._once(caller, CHANGE, change))

    async def read(self, look: Function[T], *, slowly: bool = False) -> T:
        """Runs a look in one snapshot; see db.engine.read and read_slowly."""
        if (session := self.inside()) is not None:
            if slowly and not session.slow:
                raise Misuse("a slow look can't be part of a change or of a quick look")
            return await look()
        begin, seconds = (SLOW_LOOK, SLOW_SECONDS) if slowly else (LOOK, None)
        return await self._to_its_end(lambda caller: self._once(caller, begin, look, seconds))

    async def _to_its_end(self, work: Callable[[Caller], Coroutine[Any, Any, T]]) -> T:
        """Runs `work` in a task of its own, which goes on when the caller is cancelled.

        (asyncio.shield() would do, but some versions of it log what such a task raises in the end.)
        """
        caller = Caller()
        task = asyncio.create_task(_tried(caller, work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            caller.given_up = True
            task.add_done_callback(hear_out)
            raise
        return task.result()

    async def _once(
        self, caller: Caller, begin: str, function: Function[T], seconds: float | None = None
    ) -> T:
        pool, connection = await self._acquired()
        session = Session(connection, writing=begin is CHANGE, seconds=seconds)
        try:
            caller.has_not_given_up()
            await session.start(begin)
            token = self.current_transaction.set(session)
            try:
                result: T = await Watched(function(), session.is_asking)
            finally:
                self.current_transaction.reset(token)
            await session.finish()
            for tell in session.afterwards:
                tell()
            return result
        except Exception as error:
            await session.leave()
            if session.worth_a_retry:
                raise _TryAgain(error) from error.__cause__
            raise
        except BaseException:
            # The event loop is being shut down in the middle of a query, or the caller gave up before BEGIN.
            if session.begun:
                with contextlib.suppress(*DRIVER_ERRORS):
                    connection.terminate()
            raise
        finally:
            session.over = True
            await pool.release(connection)

    async def _acquired(self) -> tuple[Pool, LoneConnection]:
        if (
            self.pool is None
            or self._started_by != os.getpid()
            or self._loop is not asyncio.get_running_loop()
        ):
            raise Misuse("the database isn't started in this event loop: await db.engine.start() first")
        try:
            return self.pool, await self.pool.acquire()
        except DRIVER_ERRORS as error:
            raise from_connecting(error) from cause_of(error)

    # Queries

    async def rows(self, sql: str, args: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows a statement gives; see db.engine.rows."""
        return [tuple(record) for record in await self._fetched(_spelled(sql), args)]

    async def execute(self, sql: str, args: Sequence[Any]) -> int:
        """The number of rows a statement changed; see db.engine.execute."""
        if (session := self.inside()) is None:
            raise Misuse(A_CHANGE_IS_A_FUNCTION)
        # Such as "UPDATE 3", "INSERT 0 1", "CREATE TABLE".
        tag: str = await session.ask(session.connection.execute, _spelled(sql), args)
        last = tag.rpartition(" ")[2]
        return int(last) if last.isdecimal() else 0

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> list[asyncpg.Record]:
        """Piccolo's way in for queries."""
        return await self._fetched(*querystring.compile_string(engine_type="postgres"))

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> list[asyncpg.Record]:
        """Piccolo's way in for definitions."""
        return await self._fetched(ddl, ())

    async def _fetched(self, sql: str, args: Sequence[Any]) -> list[asyncpg.Record]:
        if (session := self.inside()) is not None:
            return await session.ask(session.connection.fetch, sql, args)
        return await self._to_its_end(lambda caller: self._fetched_alone(caller, sql, args))

    async def _fetched_alone(self, caller: Caller, sql: str, args: Sequence[Any]) -> list[asyncpg.Record]:
        pool, connection = await self._acquired()
        try:
            caller.has_not_given_up()
            return await connection.fetch(sql, *args)
        except DRIVER_ERRORS as error:
            end_if_silent(error, connection)
            ours = from_driver(error, connection)
            if is_gone(connection):
                # It may have been lost long ago; a statement that changes nothing does no harm twice.
                raise _TryAgain(ours) from error
            await end_implicit_transaction(connection)
            raise ours from error
        except asyncio.CancelledError:
            # The event loop is being shut down: the answer that is still to come belongs to nobody.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

    # Locks between processes

    def exclusive(self) -> AbstractAsyncContextManager[None]:
        """Held by who migrates; see db.engine.exclusive."""
        return postgres_locks.exclusive(self.url)

    def serving(self) -> AbstractAsyncContextManager[None]:
        """Held by a running server; see db.engine.serving."""
        return postgres_locks.serving(self.url, self.pool)

    def nobody_is_serving(self) -> AbstractAsyncContextManager[None]:
        """Held by who replaces the database; see db.engine.nobody_is_serving."""
        return postgres_locks.nobody_is_serving(self.url)

    # What Piccolo's engine could do and this one refuses

    def transaction(self, allow_nested: bool = True) -> PostgresTransaction:
        """Inside a change, the change itself (Piccolo's migrations ask for one); refused elsewhere."""
        if (session := self.inside()) is None or not session.writing:
            raise Misuse(A_CHANGE_IS_A_FUNCTION)
        return session

    async def get_new_connection(self) -> Any:
        """Refused: connections belong to the pool."""
        raise Misuse(A_CHANGE_IS_A_FUNCTION)

    async def batch(self, query: Any, batch_size: int = 100, node: str | None = None) -> Any:
        """Refused: a long read is cut into looks by key."""
        raise Misuse("cut a long read into several looks: db.engine.read_slowly()")


async def _tried(caller: Caller, work: Callable[[Caller], Coroutine[Any, Any, T]]) -> T:
    """Does the work, up to three times if it is worth it."""
    tries = 1
    while True:
        try:
            return await work(caller)
        except _TryAgain as again:
            if tries == TRIES or caller.given_up:
                raise again.error from again.__cause__
        await asyncio.sleep(tries * random.uniform(0.01, 0.03))
        tries += 1


@lru_cache(maxsize=1024)
def _spelled(sql: str) -> str:
    """The statement with $1, $2 … in place of each question mark."""
    pieces = sql.split("?")
    return pieces[0] + "".join(f"${n}{piece}" for n, piece in enumerate(pieces[1:], 1))
