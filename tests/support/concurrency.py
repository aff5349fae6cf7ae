"""Things that happen at the same instant, and waiting for what happens soon."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def at_once(*calls: Awaitable[T]) -> list[T | BaseException]:
    """Lets all begin behind one barrier; what each returned or raised, in order."""
    barrier = asyncio.Barrier(len(calls))

    async def begin(call: Awaitable[T]) -> T:
        await barrier.wait()
        return await call

    return await asyncio.gather(*map(begin, calls), return_exceptions=True)


async def soon(ask: Callable[[], Any], seconds: float = 60) -> Any:
    """What `ask` answers, awaited or not, as soon as that is something."""
    async with asyncio.timeout(seconds):
        while True:
            answer = ask()
            found = await answer if isinstance(answer, Awaitable) else answer
            if found:
                return found
            await asyncio.sleep(0.02)
