"""How long pages of the directory take: each order, filters, deep pages, searches, counts, and an export.

Wall time of `directory.page()` as a handler awaits it. The table at the end is that of docs/performance.md:
the best and the median of many, in milliseconds, since other work on the machine only ever adds to them.
"""

import argparse
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Final

from db import engine
from db.members import directory
from db.members.directory.filters import SORTS, Cursor, MemberFilter
from db.policy import Role
from tests.bench.support.databases import filled, say

REPEATS: Final = 41
# Of the seed's members 13 in 16 have this domain, 1 in 16 the next, 1 in 75 the name.
TERMS: Final = ("a", "sa", "ada", "example.org", "labs.example.com", "vodickova", "nobody")
# The worst: each word has very many hits, both together have none.
CROSSED: Final = "example.org labs.example.com"
SEARCHES: Final = (*TERMS, "ada v", "ada vodickova", "müller", "o'brien", "12345", CROSSED)
# For as long as a query is slow, so many seconds are enough to know it.
MAX_SECONDS: Final = 3.0
Figures = dict[str, list[str]]


async def run(options: argparse.Namespace) -> None:
    """Prints a table with a line for each query and two columns for each database."""
    heads: list[str] = []
    table: Figures = {}
    async for name in filled(options.url, options.members):
        ((members,),) = await engine.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0")
        heads.append(f"{name}, {members:,}")
        for title, shown in await _filters():
            await _measure(table, title, lambda shown=shown: directory.page(shown))  # type: ignore[misc]
        await _measure(table, "counts", directory.counts)
        await _measure(table, "one member", lambda: directory.one(1))
        began = time.perf_counter()
        rows = [row async for batch in directory.export(MemberFilter(sort="name")) for row in batch]
        waited = (time.perf_counter() - began) * 1000
        table.setdefault("export, by name", []).append(f"{waited:,.0f} | for {len(rows):,} rows")
    say(f"| | {' | '.join(f'{head}: best | median' for head in heads)} |")
    say(f"|---|{'---|' * 2 * len(heads)}")
    for title, cells in table.items():
        say(f"| {title} | {' | '.join(cells)} |")


async def _filters() -> list[tuple[str, MemberFilter]]:
    """What to measure: names and filters."""
    found = [("no order: who waits first", MemberFilter())]
    found += [(f"sort={sort}", MemberFilter(sort=sort)) for sort in SORTS]
    ((joined_at, middle),) = await engine.rows(
        "SELECT joined_at, id FROM member WHERE role = 'AN' AND removed_at = 0 AND id >="
        " (SELECT MAX(id) / 2 FROM member) ORDER BY id LIMIT 1"
    )
    cursor = Cursor(joined_at, middle).encode()
    among_others = Cursor(joined_at, middle, Role.ANNOTATOR).encode()
    found += [
        ("after the middle", MemberFilter(after=among_others)),
        ("before the middle", MemberFilter(before=among_others)),
        ("by joining, after the middle", MemberFilter(sort="-joined", after=cursor)),
        ("by name, after m", MemberFilter(sort="name", after=Cursor("m", 1).encode())),
        ("role=NO", MemberFilter(roles=(Role.PENDING,))),
        (
            "role=NO,RE,DI by name",
            MemberFilter(roles=(Role.PENDING, Role.REVIEWER, Role.DEACTIVATED), sort="name"),
        ),
    ]
    found += [
        ("link=1", MemberFilter(link=1)),
        ("link=1, after the middle", MemberFilter(link=1, after=cursor)),
        ("link=1, role=AD", MemberFilter(link=1, roles=(Role.ADMINISTRATOR,))),
        ("link=2, oldest first", MemberFilter(link=2, sort="joined")),
    ]
    found += [(f"q={q}", MemberFilter(q=q)) for q in SEARCHES]
    found += [
        ("q=vodickova, by name", MemberFilter(q="vodickova", sort="name")),
        ("q=vodickova, role=RE by role", MemberFilter(q="vodickova", roles=(Role.REVIEWER,), sort="role")),
    ]
    for role in directory.ROLE_ORDER:
        found += [(f"q={q}, role={role.value}", MemberFilter(q=q, roles=(role,))) for q in (*TERMS, CROSSED)]
    some = (Role.PENDING, Role.ADMINISTRATOR, Role.DEACTIVATED)
    found += [(f"q={q}, role=NO,AD,DI", MemberFilter(q=q, roles=some)) for q in TERMS]
    for role in (Role.ADMINISTRATOR, Role.REVIEWER):
        within = MemberFilter(q="example.org", roles=(role,))
        about = f"q=example.org, role={role.value}"
        found += [
            (f"{about}, after the middle", MemberFilter(within.q, within.roles, after=cursor)),
            (f"{about}, before the middle", MemberFilter(within.q, within.roles, before=cursor)),
            (f"{about}, oldest first", MemberFilter(within.q, within.roles, "joined")),
        ]
    for link in (1, 2):
        found += [(f"q={q}, link={link}", MemberFilter(q=q, link=link)) for q in TERMS]
    return found


async def _measure(table: Figures, title: str, query: Callable[[], Awaitable[object]]) -> None:
    """Adds best and median to the line of this title."""
    waits: list[float] = []
    answer: object = None
    until = time.perf_counter() + MAX_SECONDS
    while len(waits) < REPEATS and (len(waits) < 3 or time.perf_counter() < until):
        began = time.perf_counter()
        try:
            answer = await query()
        except engine.TookTooLong:
            answer = "took too long"
        waits.append((time.perf_counter() - began) * 1000)
    if isinstance(answer, str):
        cell = f"{answer} | {answer}"
    else:
        cell = f"{min(waits):.1f} | {statistics.median(waits):.1f}"
    table.setdefault(title, []).append(cell)
