"""Drives the functions given to `write()` and `read()`, which may await nothing but the database.

On both databases the same mistake is refused in the same way, so that a change written on one of them
doesn't hang or break the other: on SQLite it would stop the only writer, on PostgreSQL it would hold
row locks while it waits for something else.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self, TypeVar

from db.engine.errors import A_CHANGE_IS_A_FUNCTION, Misuse

T = TypeVar("T")


class EndedForIt:
    """A transaction in Piccolo's context variable that the engine begins and ends; nobody else does."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        """A `transaction()` inside a change is the change itself."""
        return self

    async def __aexit__(self, exception_type: Any, exception: Any, traceback: Any) -> bool:
        return False

    async def commit(self) -> None:
        raise Misuse(A_CHANGE_IS_A_FUNCTION)

    async def rollback(self) -> None:
        raise Misuse(A_CHANGE_IS_A_FUNCTION)

    async def savepoint(self, name: str | None = None) -> Any:
        raise Misuse(A_CHANGE_IS_A_FUNCTION)


def run_inline(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine whose queries never suspend to its end, in this thread; `Misuse` if it suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise _refused(coroutine)


class Watched:
    """Awaited, it runs a coroutine that may suspend only while it asks the database."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], asking: Callable[[], bool]) -> None:
        """`asking()` tells whether a query is on its way at this moment."""
        self._coroutine = coroutine
        self._asking = asking

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine = self._coroutine
        try:
            awaited = coroutine.send(None)
            while True:
                if not self._asking():
                    raise _refused(coroutine)
                try:
                    answer = yield awaited
                except BaseException as error:
                    awaited = coroutine.throw(error)
                else:
                    awaited = coroutine.send(answer)
        except StopIteration as stop:
            return stop.value


class Caller:
    """Who waits for a piece of work in another task, or doesn't any more."""

    given_up = False

    def has_not_given_up(self) -> None:
        """Ends the task of a caller who was cancelled before the work began."""
        if self.given_up:
            raise asyncio.CancelledError


def hear_out(task: asyncio.Task[Any]) -> None:
    """Looks at what a task raised whose caller has gone, or asyncio would log that nobody did."""
    if not task.cancelled():
        task.exception()


def _refused(coroutine: Coroutine[Any, Any, Any]) -> Misuse:
    """Ends a coroutine that awaits something foreign; its error names the lines that led there."""
    places = []
    place: Any = coroutine
    while hasattr(place, "cr_await"):
        places.append(f"{place.cr_code.co_qualname}, line {place.cr_frame.f_lineno}")
        place = place.cr_await
    # The function may try to await more while it is being closed; it is refused anyway.
    with contextlib.suppress(RuntimeError):
        coroutine.close()
    return Misuse(f"a change or a look may await nothing but the database ({' > '.join(places)})")
