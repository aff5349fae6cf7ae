"""How long pages of the directory take: each order, filters, deep pages, searches, counts, and an export.

Wall time of `directory.page()` as a handler awaits it, and this process's CPU time, both the median.
"""

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

from db import directory, engine
from db.filters import SORTS, Filter, Place
from db.policy import Role
from tests.bench.databases import filled, say

REPEATS: Final = 41
SEARCHES: Final = ("a", "sa", "ada", "ada v", "example.org", "vodickova", "ada vodickova", "12345", "nobody")
# For as long as a query is slow, so many seconds are enough to know it.
MAX_SECONDS: Final = 3.0


async def run(options: argparse.Namespace) -> None:
    """Prints a line for each query on each database."""
    async for name in filled(options.url, options.members):
        ((members,),) = await engine.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0")
        say(f"# {name}, {members:,} members: median ms of waiting, ms of CPU, rows, total")
        for title, shown in await _filters():
            await _report(title, lambda shown=shown: directory.page(shown))  # type: ignore[misc]
        await _report("counts", directory.counts)
        await _report("one member", lambda: directory.one(1))
        began = time.perf_counter()
        rows = [row async for batch in directory.export(Filter(sort="name")) for row in batch]
        waited = (time.perf_counter() - began) * 1000
        say(f"{'export, by name':<36}{waited:>10.1f} in all, {len(rows):,} rows")
        say()


async def _filters() -> list[tuple[str, Filter]]:
    """What to measure: names and filters."""
    found = [(f"sort={sort}", Filter(sort=sort)) for sort in SORTS]
    ((joined_at, middle),) = await engine.rows(
        "SELECT joined_at, id FROM member WHERE role = 'AN' AND removed_at = 0 AND id >="
        " (SELECT MAX(id) / 2 FROM member) ORDER BY id LIMIT 1"
    )
    place = Place(joined_at, middle).cursor()
    found += [
        ("after the middle", Filter(after=place)),
        ("before the middle", Filter(before=place)),
        ("by name, after m", Filter(sort="name", after=Place("m", 1).cursor())),
        ("role=NO", Filter(roles=(Role.PENDING,))),
        ("role=NO,RE,DI by name", Filter(roles=(Role.PENDING, Role.REVIEWER, Role.DEACTIVATED), sort="name")),
    ]
    found += [
        ("link=1", Filter(link=1)),
        ("link=1, after the middle", Filter(link=1, after=place)),
        ("link=1, role=AD", Filter(link=1, roles=(Role.ADMINISTRATOR,))),
        ("link=2, oldest first", Filter(link=2, sort="joined")),
        ("link=2, q=vodickova", Filter(link=2, q="vodickova")),
    ]
    found += [(f"q={q}", Filter(q=q)) for q in SEARCHES]
    found += [
        ("q=vodickova, by name", Filter(q="vodickova", sort="name")),
        ("q=example.org, role=AD", Filter(q="example.org", roles=(Role.ADMINISTRATOR,))),
        ("q=example.org, role=OW", Filter(q="example.org", roles=(Role.OWNER,))),
        ("q=a, role=NO", Filter(q="a", roles=(Role.PENDING,))),
    ]
    return found


async def _report(title: str, query: Callable[[], Awaitable[object]]) -> None:
    waits: list[float] = []
    cpu: list[float] = []
    answer: object = None
    until = time.perf_counter() + MAX_SECONDS
    while len(waits) < REPEATS and (len(waits) < 3 or time.perf_counter() < until):
        began, used = time.perf_counter(), time.process_time()
        try:
            answer = await query()
        except engine.TookTooLong:
            answer = "took too long"
        waits.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - used) * 1000)
    about = ""
    if isinstance(answer, directory.Page):
        total = f"{'' if answer.total_is_exact else '>'}{answer.total:,}"
        about = f"{len(answer.rows):>4} {total} {answer.sorted_by}"
    elif isinstance(answer, str):
        about = answer
    say(f"{title:<36}{statistics.median(waits):>10.2f}{statistics.median(cpu):>8.2f}  {about}")
