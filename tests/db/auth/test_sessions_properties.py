"""Sessions beside a model of them, whatever happens in whatever order, on a clock that goes and is set."""

from dataclasses import dataclass
from itertools import count
from types import ModuleType
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import engine
from db.auth import sessions
from db.auth.presence import Presence
from db.auth.sessions import SessionLimits
from tests.support.examples import fewer
from tests.support.pages.site import ON_SQLITE, Site

pytestmark = ON_SQLITE

SESSION_LIMITS: Final = SessionLimits(persistent=2_000, idle=500, temporary=900)
# Few enough that most examples come to it; that it is a hundred, tests/db/auth/test_sessions.py holds.
MAX_OPEN: Final = 3
# All examples share a database, where each has a member of its own.
EXAMPLES: Final = count()
WHICH = st.integers(0, 9)
STEPS = st.lists(
    st.tuples(st.sampled_from(["persistent", "persistent", "temporary", "flush and sweep"]), st.just(0))
    | st.tuples(st.sampled_from(["look", "look", "poll", "rotate", "end others"]), WHICH)
    | st.tuples(st.just("move"), st.integers(1, 400) | st.sampled_from([500, 900, 2_000, -300, -5_000])),
    # Without a least number most lists have five steps.
    min_size=15,
    max_size=40,
)


@dataclass
class Modelled:
    """One session. noted: its last use that isn't written yet. dead: seen ended, which it stays."""

    token: str
    persistent: bool
    made_at: int
    used_at: int
    noted: int = 0
    dead: bool = False

    def is_over(self, now: int) -> bool:
        age = SESSION_LIMITS.persistent if self.persistent else SESSION_LIMITS.temporary
        return now >= min(self.made_at + age, max(self.used_at, self.noted) + SESSION_LIMITS.idle)


class House:
    """One member's sessions, and what the model says of them."""

    def __init__(self, member_id: int, clock: ModuleType) -> None:
        self._member_id, self._clock = member_id, clock
        self._presence = Presence()
        self._all: list[Modelled] = []
        # Tokens that a new one has replaced.
        self._replaced: list[str] = []

    async def step(self, what: str, number: int) -> None:
        if what == "move":
            self._clock.move(number)
        elif what in ("persistent", "temporary"):
            await self._begin(persistent=what == "persistent")
        elif what == "flush and sweep":
            await self._sweep()
        elif self._all:
            one = self._all[number % len(self._all)]
            await {"look": self._look, "poll": self._poll, "rotate": self._rotate, "end others": self._end}[
                what
            ](one)

    async def check(self) -> None:
        """As many are open as the model says, and what has ended works at no time."""
        ((found,),) = await engine.rows(
            "SELECT count(*) FROM session WHERE member_id = ? AND ended_at = 0", self._member_id
        )
        assert found == len(self._open()) <= MAX_OPEN
        ended = [one.token for one in self._all if one.dead]
        for token in (*ended, *self._replaced):
            assert await sessions.current(token, SESSION_LIMITS, self._presence) is None

    def _open(self) -> list[Modelled]:
        return [one for one in self._all if not one.dead]

    async def _begin(self, *, persistent: bool) -> None:
        token = await engine.write(
            sessions.begin,
            self._member_id,
            persistent=persistent,
            session_limits=SESSION_LIMITS,
            address="192.0.2.1",
            device="Firefox",
        )
        for oldest in self._open()[: -(MAX_OPEN - 1)]:
            oldest.dead = True
        now = self._clock.now()
        self._all.append(Modelled(token, persistent, made_at=now, used_at=now))

    async def _poll(self, one: Modelled) -> int:
        """A look that is no use of it; returns the session's id, 0 when it has ended."""
        found = await sessions.current(one.token, SESSION_LIMITS, self._presence)
        one.dead = one.dead or one.is_over(self._clock.now())
        assert (found is None) == one.dead
        assert found is None or found.member_id == self._member_id
        return found.session_id if found else 0

    async def _look(self, one: Modelled) -> None:
        if session_id := await self._poll(one):
            self._presence.seen(session_id, self._member_id)
            one.noted = self._clock.now()

    async def _rotate(self, one: Modelled) -> None:
        if session_id := await self._poll(one):
            self._replaced.append(one.token)
            one.token = await engine.write(sessions.rotate, session_id)

    async def _end(self, but: Modelled) -> None:
        if session_id := await self._poll(but):
            await self._end_all(session_id)
            for one in self._open():
                one.dead = one is not but

    async def _end_all(self, session_id: int) -> None:
        async def change() -> None:
            await sessions.end_all(self._member_id, "ended by its member", but=session_id)

        await engine.write(change)

    async def _sweep(self) -> None:
        """As the chores do it, each minute."""
        await self._presence.flush()
        await engine.write(sessions.sweep, SESSION_LIMITS)
        for one in self._all:
            one.used_at, one.noted = max(one.used_at, one.noted), 0
            one.dead = one.dead or one.is_over(self._clock.now())


@given(STEPS)
@fewer(2)
async def test_sessions_live_as_long_as_the_model_says_and_never_again(
    site: Site, clock: ModuleType, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(sessions, "MAX_OPEN", MAX_OPEN)
    house = House(await site.person(f"ada{next(EXAMPLES)}"), clock)

    for what, number in steps:
        await house.step(what, number)
        await house.check()
    clock.move(-100_000)
    await house.check()
