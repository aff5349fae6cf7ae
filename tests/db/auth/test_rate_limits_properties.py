"""The throttle beside a model of it, whatever is tried in whatever order, on a clock that goes and is set."""

from dataclasses import dataclass
from itertools import count
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from db import engine
from db.auth import rate_limits
from db.auth.rate_limits import APART_MS, Limit
from db.common import clock
from db.errors import TooManyTries
from tests.support.examples import fewer
from tests.support.pages.site import ON_SQLITE

pytestmark = ON_SQLITE

ALLOWED: Final = {"account": 3, "network": 5}
WINDOW: Final = 1_000
# All examples share a database, where each has keys of its own.
EXAMPLES: Final = count()
STEPS = st.lists(
    st.sampled_from(["try", "try", "try", "right", "back"])
    | st.integers(1, 600)
    | st.sampled_from([WINDOW, 2 * WINDOW, -600, -3 * WINDOW, -2 * APART_MS]),
    # Without a least number most lists have five steps.
    min_size=15,
    max_size=40,
)


@dataclass
class Window:
    """What is known of one limit: how many tries were counted, and until when they count."""

    tries: int = 0
    ends_at: int = 0

    def waits(self, now: int, allowed: int) -> bool:
        # One that would end much later than a window lasts is from before the clock was set back.
        return self.tries >= allowed and now < self.ends_at <= now + WINDOW + APART_MS

    def count(self, now: int) -> None:
        if not now < self.ends_at <= now + WINDOW + APART_MS:
            self.tries, self.ends_at = 0, now + WINDOW
        self.tries += 1


def limits(example: int) -> list[Limit]:
    return [Limit(f"{name} {example}", allowed, window_ms=WINDOW) for name, allowed in ALLOWED.items()]


@given(STEPS)
@fewer(2)
async def test_as_many_tries_pass_as_the_model_says(database: str, steps: list[str | int]) -> None:
    clock.stop_at(clock.now())
    tried, model = limits(next(EXAMPLES)), {name: Window() for name in ALLOWED}
    try:
        for step in steps:
            if isinstance(step, int):
                clock.move(step)
                continue
            now = clock.now()
            waits = any(model[name].waits(now, allowed) for name, allowed in ALLOWED.items())
            assert await passes(tried) is not waits
            if waits:
                continue
            for window in model.values():
                window.count(now)
            if step == "right":
                await engine.write(rate_limits.reset, tried)
                model["account"] = Window()
            elif step == "back":
                await engine.write(rate_limits.refund, tried)
            for window in model.values() if step != "try" else ():
                window.tries = max(0, window.tries - 1)
            assert await counted(tried) == [window.tries for window in model.values()]
    finally:
        clock.go_on()


async def passes(tried: list[Limit]) -> bool:
    """Whether a try is let through; one that isn't must have left no trace."""
    before = await counted(tried)
    try:
        await rate_limits.count(tried)
    except TooManyTries:
        assert await counted(tried) == before
        return False
    return True


async def counted(tried: list[Limit]) -> list[int]:
    found = dict(await engine.rows("SELECT key, tries FROM rate_limit"))
    return [found.get(limit.key, 0) for limit in tried]
