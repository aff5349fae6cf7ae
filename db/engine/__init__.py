"""One interface to SQLite and PostgreSQL; a URL chooses the database.

The rules are the same on both:

- Pass a function to `write()` to change something, or to `read()` to read several rows of one instant. Each
  call is one transaction. Inside, call `rows()` and `execute()` and await Piccolo queries. To await anything
  else is refused, and the transaction is rolled back.
- A write transaction may be run again after a deadlock, so the function must have no other effects.
- Once a query has failed, the transaction fails, even if the function catches the error. Catch errors around
  `write()`. (PostgreSQL accepts no more queries in such a transaction; SQLite would.)
- Outside a transaction, a single query works if it changes nothing.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar

from piccolo.table import TABLE_REGISTRY

from db.engine import piccolo_conf
from db.engine.errors import (
    BadQuery,
    BeingServed,
    ConstraintViolation,
    DatabaseError,
    EngineUsageError,
    TookTooLong,
    Unavailable,
    UniqueViolation,
    Unsupported,
    reason,
)
from db.engine.postgres import PostgresEngine
from db.engine.sqlite import SqliteEngine

__all__ = [
    "BadQuery",
    "BeingServed",
    "ConstraintViolation",
    "DatabaseError",
    "Engine",
    "EngineUsageError",
    "TookTooLong",
    "Unavailable",
    "UniqueViolation",
    "Unsupported",
    "chunks",
    "dialect",
    "execute",
    "for_share",
    "for_update",
    "get",
    "is_served_here",
    "migration_lock",
    "on_commit",
    "read",
    "read_in_background",
    "reason",
    "replacement_lock",
    "rows",
    "serving_lock",
    "start",
    "stop",
    "use",
    "write",
]

P = ParamSpec("P")
T = TypeVar("T")
Engine: TypeAlias = SqliteEngine | PostgresEngine

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ROWS_PER_STATEMENT = 1_000


class _InUse:
    engine: Engine | None = None


def use(url: str) -> Engine:
    """Chooses the database. Nothing is opened before `start()`.

    url: "sqlite:///data/members.db" (from the checkout), "sqlite:////srv/members.db" (absolute) or
    "postgresql://user:password@host/name". Raises Unsupported for any other.
    """
    engine: Engine
    if url.startswith("sqlite:///") and url != "sqlite:///" and not url.endswith(("/", ":memory:")):
        engine = SqliteEngine(CHECKOUT / url.removeprefix("sqlite:///"))
    elif url.startswith(("postgresql://", "postgres://")):
        engine = PostgresEngine(url)
    else:
        raise Unsupported("A database is given as sqlite:///path or postgresql://user:password@host/name")
    _InUse.engine = piccolo_conf.DB = engine
    for table in TABLE_REGISTRY:
        # Piccolo remembers the engine with which a table was first used.
        table._meta.db = engine
    return engine


def get() -> Engine:
    """The engine in use."""
    if _InUse.engine is None:
        raise EngineUsageError("no database was chosen: call db.engine.use(url) first")
    return _InUse.engine


def dialect() -> Literal["sqlite", "postgres"]:
    """The SQL dialect of the database in use."""
    return "sqlite" if isinstance(get(), SqliteEngine) else "postgres"


def for_update() -> str:
    """Ends a SELECT that locks its rows for a change; "" on SQLite, where write() locks everything."""
    return "" if dialect() == "sqlite" else " FOR UPDATE"


def for_share() -> str:
    """Ends a SELECT that keeps others from changing its rows; "" on SQLite. Several may hold such a lock."""
    return "" if dialect() == "sqlite" else " FOR SHARE"


def literal(text: str) -> str:
    """A text of our own as an SQL literal. Pass text from outside as an argument instead.

    Raises EngineUsageError for a text with `?`, which stands for an argument.
    """
    if "?" in text:
        raise EngineUsageError(f"{text!r} can't stand in a statement: pass it as an argument.")
    return "'" + text.replace("'", "''") + "'"


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces of a list, each small enough for one statement. Both databases accept about 32,766 arguments."""
    return (items[start : start + ROWS_PER_STATEMENT] for start in range(0, len(items), ROWS_PER_STATEMENT))


async def start() -> None:
    """Opens the database; on SQLite creates the file and its folder if needed. Does nothing if it is open.

    Raises Unsupported, with one line for the person who starts the server, or Unavailable.
    """
    await get().start()


async def stop() -> None:
    """Closes the database when running transactions have ended. `start()` works again, in any event loop."""
    await get().stop()


async def write(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function(*args, **kwargs)` in a write transaction and returns its result; all or nothing.

    Once begun, the transaction goes on even if the caller is cancelled. If the caller is cancelled earlier,
    it isn't begun. Raises what the function raises; ConstraintViolation, also for deferred constraints;
    Unavailable if locks aren't free within 10 s, or at once if the database is gone or full; TookTooLong for
    a statement of over 30 s on PostgreSQL; EngineUsageError inside another transaction.
    """
    return await get().write(partial(function, *args, **kwargs))


async def read(function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `function(*args, **kwargs)` in a read transaction: its queries all see the same instant.

    Inside another transaction it joins that. `read(rows, …)` costs no more than `rows(…)`. Raises Unavailable
    as `write()` does, TookTooLong after 30 s, and EngineUsageError for a statement that changes something.
    """
    # One statement sees one instant anyway, so BEGIN and COMMIT would be two needless round trips.
    is_one_statement = function is rows
    if is_one_statement:
        return await function(*args, **kwargs)
    return await get().read(partial(function, *args, **kwargs))


async def read_in_background(
    function: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Like `read()`, for search, export and counts. No page has to wait for it; raises TookTooLong after 2 s.

    Raises EngineUsageError inside a write transaction or a read transaction of `read()`.
    """
    return await get().read(partial(function, *args, **kwargs), background=True)


def on_commit(callback: Callable[[], None]) -> None:
    """Inside `write()`: calls `callback` once the transaction is committed, and never if it isn't.

    The callback must not raise. It runs in the thread or task of the transaction.
    """
    transaction = get().inside()
    if transaction is None or not transaction.writing:
        raise EngineUsageError("on_commit() needs a write transaction")
    transaction.on_commit.append(callback)


async def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    """The rows of one hand-written statement. `?` stands for an argument, so no string literal may have one.

    Inside `write()` also for INSERT, UPDATE and DELETE with RETURNING. Values have the types that the driver
    gives them: on PostgreSQL the SUM() of a BIGINT is a Decimal unless it is cast.
    """
    return await get().rows(sql, args)


async def execute(sql: str, *args: Any) -> int:
    """Runs one hand-written statement inside `write()`. Returns how many rows it changed, 0 for DDL."""
    return await get().execute(sql, args)


def migration_lock() -> AbstractAsyncContextManager[None]:
    """The lock for migrations: one process at a time, on any machine. Others wait as long as it takes."""
    return get().migration_lock()


def serving_lock() -> AbstractAsyncContextManager[None]:
    """The lock that each running server holds. Raises Unavailable after 10 s of a replacement."""
    return get().serving_lock()


async def is_served_here() -> bool:
    """Whether a server on this computer uses the same file. False on PostgreSQL, which may serve several."""
    chosen = get()
    return isinstance(chosen, SqliteEngine) and await chosen.is_served()


def replacement_lock() -> AbstractAsyncContextManager[None]:
    """The lock for replacing the database. Raises BeingServed if a server runs. Works before `start()`."""
    return get().replacement_lock()
