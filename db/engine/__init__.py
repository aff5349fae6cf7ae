"""The database behind one face: SQLite or PostgreSQL, chosen by a URL.

Rules, the same on both:

- A change is a function given to `write()`, a look at several rows that belong together one given to
  `read()`. Inside, `rows()`, `execute()` and awaited Piccolo queries run in its transaction; anything else
  that is awaited is refused, and the transaction is rolled back.
- A change may be tried again after a deadlock, so it has no effect but on the database.
- After a query has failed inside, the whole function fails, even if it swallows the error: catch errors
  around `write()`. (PostgreSQL can do nothing more in such a transaction; SQLite could.)
- Outside of both, a single query works too, and one that would change something is refused.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeAlias, TypeVar

from piccolo.table import TABLE_REGISTRY

from db.engine import piccolo_conf
from db.engine.errors import (
    BadQuery,
    BeingServed,
    ConstraintViolation,
    DatabaseError,
    Misuse,
    TookTooLong,
    Unavailable,
    UniqueViolation,
    Unsupported,
    reason,
)
from db.engine.sqlite import SqliteEngine

if TYPE_CHECKING:
    from db.engine.postgres import PostgresEngine

__all__ = [
    "BadQuery",
    "BeingServed",
    "ConstraintViolation",
    "DatabaseError",
    "Engine",
    "Misuse",
    "TookTooLong",
    "Unavailable",
    "UniqueViolation",
    "Unsupported",
    "afterwards",
    "chunks",
    "dialect",
    "exclusive",
    "execute",
    "for_share",
    "for_update",
    "get",
    "is_served_here",
    "nobody_is_serving",
    "read",
    "read_slowly",
    "reason",
    "rows",
    "serving",
    "start",
    "stop",
    "use",
    "write",
]

P = ParamSpec("P")
T = TypeVar("T")
Engine: TypeAlias = "SqliteEngine | PostgresEngine"

CHECKOUT = Path(__file__).resolve().parent.parent.parent
ROWS_PER_STATEMENT = 1_000


class _Chosen:
    engine: "Engine | None" = None


def use(url: str) -> Engine:
    """Chooses the database, without touching it: `start()` does that.

    url: "sqlite:///data/members.db" (from the checkout), "sqlite:////srv/members.db" (absolute) or
    "postgresql://user:password@host/name". Raises Unsupported for any other.
    """
    engine: Engine
    if url.startswith("sqlite:///") and url != "sqlite:///" and not url.endswith(("/", ":memory:")):
        engine = SqliteEngine(CHECKOUT / url.removeprefix("sqlite:///"))
    elif url.startswith(("postgresql://", "postgres://")):
        # Its driver is imported only by those who need it.
        from db.engine.postgres import PostgresEngine

        engine = PostgresEngine(url)
    else:
        raise Unsupported("A database is given as sqlite:///path or postgresql://user:password@host/name")
    _Chosen.engine = piccolo_conf.DB = engine
    for table in TABLE_REGISTRY:
        # Piccolo remembers the engine a table was first used with.
        table._meta.db = engine
    return engine


def get() -> Engine:
    """The engine in use."""
    if _Chosen.engine is None:
        raise Misuse("no database was chosen: db.engine.use(url) first")
    return _Chosen.engine


def dialect() -> Literal["sqlite", "postgres"]:
    """Which SQL the database in use speaks."""
    return "sqlite" if isinstance(get(), SqliteEngine) else "postgres"


def for_update() -> str:
    """What a SELECT inside a change ends with to lock its rows; nothing on SQLite, where a change has all."""
    return "" if dialect() == "sqlite" else " FOR UPDATE"


def for_share() -> str:
    """The same to keep its rows as they are, which many may do at once."""
    return "" if dialect() == "sqlite" else " FOR SHARE"


def literal(text: str) -> str:
    """Words of our own as they stand in a statement. What people typed is an argument of it instead.

    Raises Misuse for a `?`, which would count as the place of an argument.
    """
    if "?" in text:
        raise Misuse(f"{text!r} can't stand in a statement: pass it as an argument.")
    return "'" + text.replace("'", "''") + "'"


def chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Pieces of a list, each for one statement: SQLite and PostgreSQL take some 32,766 values in it."""
    return (items[start : start + ROWS_PER_STATEMENT] for start in range(0, len(items), ROWS_PER_STATEMENT))


async def start() -> None:
    """Opens the database (SQLite: makes the file and its folder if needed). Nothing happens if it is open.

    Raises Unsupported (one line, for the person who starts the server) or Unavailable.
    """
    await get().start()


async def stop() -> None:
    """Closes the database after the changes under way. `start()` opens it again, in any event loop."""
    await get().stop()


async def write(change: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `change(*args, **kwargs)` in a transaction and returns what it returns; all or nothing.

    A change that has begun runs to its end even if the caller is cancelled; one whose caller gave up
    before it began isn't started. Raises what the change raises, ConstraintViolation (also for deferred
    constraints), Unavailable after 10 s of waiting for locks or at once if the database is gone or full,
    TookTooLong (a statement of 30 s on PostgreSQL), and Misuse for a change inside a change.
    """
    return await get().write(partial(change, *args, **kwargs))


async def read(look: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs `look(*args, **kwargs)`, whose queries all see the database as it is at one instant.

    Inside a change or another look it is part of it. `read(rows, …)` costs no more than `rows(…)`.
    Raises Unavailable as `write()` does, TookTooLong after 30 s, and Misuse if something is changed.
    """
    # One statement is a snapshot already, without two more questions for BEGIN and COMMIT.
    is_one_statement = look is rows
    if is_one_statement:
        return await look(*args, **kwargs)
    return await get().read(partial(look, *args, **kwargs))


async def read_slowly(look: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `read()`, for search, export and counts: keeps no page waiting, raises TookTooLong after 2 s.

    Inside a change or a quick look it is refused with Misuse.
    """
    return await get().read(partial(look, *args, **kwargs), slowly=True)


def afterwards(tell: Callable[[], None]) -> None:
    """Inside `write()`: `tell` is called once when the change is committed, and never when it isn't.

    It must raise nothing, and is called by whatever thread or task has made the change.
    """
    session = get().inside()
    if session is None or not session.writing:
        raise Misuse("only a change has an end that something may follow")
    session.afterwards.append(tell)


async def rows(sql: str, *args: Any) -> list[tuple[Any, ...]]:
    """The rows of one hand-written statement, `?` for each argument (never inside a string literal).

    Also for INSERT, UPDATE and DELETE with RETURNING, inside `write()`. The types of the values are the
    drivers': on PostgreSQL sum() of BIGINT is a Decimal unless it is cast.
    """
    return await get().rows(sql, args)


async def execute(sql: str, *args: Any) -> int:
    """Runs one hand-written statement inside `write()`; the number of rows it changed, 0 for a definition."""
    return await get().execute(sql, args)


def exclusive() -> AbstractAsyncContextManager[None]:
    """Held while migrating: one process at a time, on any machine; the others wait as long as it takes."""
    return get().exclusive()


def serving() -> AbstractAsyncContextManager[None]:
    """Held by each running server. Raises Unavailable if the database is being replaced for over 10 s."""
    return get().serving()


async def is_served_here() -> bool:
    """Whether a process on this computer serves the same file; PostgreSQL may well serve several."""
    chosen = get()
    return isinstance(chosen, SqliteEngine) and await chosen.is_served()


def nobody_is_serving() -> AbstractAsyncContextManager[None]:
    """Held while the database is replaced; raises BeingServed if a server runs. Works without `start()`."""
    return get().nobody_is_serving()
