"""Two or more writers behind one barrier, 10,000 times: half of them on SQLite, half on PostgreSQL.

A kind of race is a function that prepares one try: the contestants, what each must have told the log, and
the rule that holds afterwards. It stands in the module of its subject, and says how many tries are its own.
"""

import asyncio
import itertools
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

from db import engine
from db.schema import migrate
from tests.support.servers import postgres
from tests.trials.races import budgets, first_day, invariants, once, ownership, people, rights
from tests.trials.races.arena import Arena
from tests.trials.races.race import kinds
from tests.trials.sample import Sample

SUBJECTS: Final = (budgets, once, ownership, people, rights)
SET_UP: Final = "set_up_at_once"
# What fits into half an hour on two cores.
MAX_RACES: Final = 10_000
NewDatabase = Callable[[], str]


@dataclass
class Tally:
    """What was tried, what came back, and what broke."""

    tried: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __add__(self, other: Self) -> "Tally":
        return Tally(self.tried + other.tried, self.statuses + other.statuses, [*self.broken, *other.broken])


def all_tries() -> list[str]:
    """The kind of each try on one database."""
    parts = {**{name: kind.times for name, kind in kinds.known.items()}, SET_UP: first_day.TIMES}
    return [name for name, times in parts.items() for _ in range(times)]


def run(sample: Sample) -> list[str]:
    tally = Tally()
    for name in ("sqlite", "postgres"):
        chosen = sample.draw(f"races on {name}", all_tries(), MAX_RACES // 2)
        began = time.monotonic()
        with (
            tempfile.TemporaryDirectory(prefix="gatehouse-races-") as folder,
            databases(name, Path(folder)) as new_database,
        ):
            part = hold(f"{sample.seed} {name}", chosen, new_database, Path(folder))
        seconds = time.monotonic() - began
        statuses = ", ".join(f"{status}: {times:,}" for status, times in sorted(part.statuses.items()))
        print(f"{name}: {part.tried.total():,} tries, {seconds:.0f} s; answers {statuses}")
        tally += part
    for kind, times in sorted(tally.tried.items()):
        print(f"{times:6,}  {kind}")
    if busy := tally.statuses[503]:
        print(f"{busy:,} were answered by 503, which asks to come again")
    return tally.broken


@contextmanager
def databases(name: str, folder: Path) -> Iterator[NewDatabase]:
    """Makes empty databases of this kind, which go in the end."""
    if name == "sqlite":
        numbers = itertools.count()
        yield lambda: f"sqlite:///{folder}/races-{next(numbers)}.db"
        return
    server, made = postgres.start(folder), list[str]()

    def new() -> str:
        made.append(f"races_{uuid4().hex}")
        return postgres.create_database(server, made[-1])

    try:
        yield new
    finally:
        for database in made:
            postgres.drop_database(server, database)
        postgres.stop(folder)


def hold(seed: str, chosen: list[str], new_database: NewDatabase, folder: Path) -> Tally:
    """Holds the races of these kinds, those of the first day on databases of their own."""
    others = [name for name in chosen if name != SET_UP]
    tally = asyncio.run(_hold(seed, others, new_database(), folder))
    for number in range(len(chosen) - len(others)):
        rng = random.Random(f"{seed} {SET_UP} {number}")
        tally.broken += asyncio.run(_set_up(new_database(), rng))
        tally.tried[SET_UP] += 1
    return tally


async def _hold(seed: str, chosen: list[str], url: str, folder: Path) -> Tally:
    tally = Tally()
    async with Arena.opened(url, folder) as arena:
        for kind, rng in kinds.drawn(seed, chosen):
            tally.broken += await arena.attempt(kind, rng)
            tally.tried[kind.name] += 1
        tally.broken += [*arena.faults_in_the_logs(), *await invariants.broken_at_the_end()]
        tally.statuses = arena.statuses
    return tally


async def _set_up(url: str, rng: random.Random) -> list[str]:
    engine.use(url)
    await engine.start()
    try:
        await migrate.migrate()
        return await first_day.attempt(rng)
    finally:
        await engine.stop()
