"""Runs the functions passed to `write()` and `read()`, which may await nothing but the database.

A function that awaits anything else would block the only writer on SQLite, and hold row locks while it waits
on PostgreSQL. Both engines refuse it alike, so that code written on one database works on the other.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, TypeVar

from db.engine.errors import USE_WRITE, EngineUsageError

T = TypeVar("T")


class ManagedTransaction:
    """A transaction in Piccolo's context variable. Only the engine begins and ends it."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        """`async with transaction()` inside a write transaction joins it."""
        return self

    async def __aexit__(self, exception_type: Any, exception: Any, traceback: Any) -> bool:
        return False

    async def commit(self) -> None:
        raise EngineUsageError(USE_WRITE)

    async def rollback(self) -> None:
        raise EngineUsageError(USE_WRITE)

    async def savepoint(self, name: str | None = None) -> Any:
        raise EngineUsageError(USE_WRITE)


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in this thread. Raises EngineUsageError if it suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise _usage_error(coroutine)


class GuardedAwaitable:
    """Awaits a coroutine that may suspend only while a query is running."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], is_querying: Callable[[], bool]) -> None:
        """is_querying: whether a query is running at this moment."""
        self._coroutine = coroutine
        self._is_querying = is_querying

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        try:
            awaited = coroutine.send(None)
            while True:
                if not self._is_querying():
                    raise _usage_error(coroutine)
                try:
                    answer = yield awaited
                except BaseException as error:
                    awaited = coroutine.throw(error)
                else:
                    awaited = coroutine.send(answer)
        except StopIteration as stop:
            return stop.value


class CallerState:
    """Whether the caller still waits for work that runs in a task of its own."""

    cancelled = False

    def raise_if_cancelled(self) -> None:
        """Ends the task if its caller was cancelled before the work began."""
        if self.cancelled:
            raise asyncio.CancelledError


def consume_exception(task: asyncio.Task[Any]) -> None:
    """Retrieves the exception of a task that nobody awaits, or asyncio would log it as never retrieved."""
    if not task.cancelled():
        task.exception()


def _usage_error(coroutine: Coroutine[Any, Any, Any]) -> EngineUsageError:
    """Closes a coroutine that awaits something else. The error names the lines that led there."""
    frames = []
    awaiting: Any = coroutine
    while hasattr(awaiting, "cr_await"):
        frames.append(f"{awaiting.cr_code.co_qualname}, line {awaiting.cr_frame.f_lineno}")
        awaiting = awaiting.cr_await
    # A coroutine that awaits again while it is closed raises RuntimeError.
    with contextlib.suppress(RuntimeError):
        coroutine.close()
    return EngineUsageError(f"a transaction may await nothing but the database ({' > '.join(frames)})")
