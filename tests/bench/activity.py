"""How long the activity page waits for the database: first page, each filter, deep pages, the drawing.

Seeds a million rows unless `--rows` says otherwise. Wall time as a handler awaits it, the median of many
looks, and the worst one: each must stay under 50 ms.
"""

import argparse
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, Final

from db import engine
from db.activity import listing as activity_listing
from db.activity.daily_counts import Days
from db.activity.listing import EventFilter
from db.common import clock
from db.common.dates import DAY_MS
from handlers.organization.activity.kinds import KINDS
from tests.bench.support import seed
from tests.bench.support.databases import filled, say

REPEATS: Final = 41
DAYS_KEPT: Final = 400
COLUMNS: Final = {
    "at": "bigint",
    "actor_kind": "text",
    "actor_id": "bigint",
    "kind": "text",
    "about": "text",
    "subject_id": "bigint",
    "before": "text",
    "after": "text",
    "address": "text",
}
# Kind and how many of a thousand events are of it.
PER_MILLE: Final = (
    ("signed_in", 560),
    ("signed_out", 180),
    ("sign_in_refused", 90),
    ("role_changed", 60),
    ("registered", 40),
    ("accepted_invitation", 20),
    ("password_changed", 20),
    ("name_changed", 14),
    ("reset_link_made", 10),
    ("invitation_made", 5),
    ("invite_link_reset", 1),
)
# An Administrator with some fifty thousand of a million events.
BUSY: Final = 2


async def run(options: argparse.Namespace) -> None:
    """Prints a line for each look on each database."""
    async for name in filled(options.url, options.members):
        await _seed(options.rows, options.members)
        ((rows,),) = await engine.rows("SELECT COUNT(*) FROM activity")
        say(f"# {name}, {rows:,} events: median and worst ms of waiting, events")
        for title, shown in await _filters():
            await _report(title, partial(activity_listing.page, shown))
        top = (await activity_listing.page(EventFilter())).top
        await _report("what is new", partial(activity_listing.count_new, EventFilter(), top))
        days = Days()
        await _report("the drawing, the first time", lambda: Days().last())
        await _report("the drawing", days.last)
        began = time.perf_counter()
        number = 0
        async for batch in activity_listing.export(EventFilter(kind="roles", kinds=KINDS["roles"])):
            number += len(batch)
        say(f"{'export of the roles':<36}{(time.perf_counter() - began) * 1000:>10.1f} in all, {number:,}")
        say()


async def _filters() -> list[tuple[str, EventFilter]]:
    """What to look at: names and filters."""
    now = clock.now()
    day = {n: time.strftime("%Y-%m-%d", time.gmtime((now - n * DAY_MS) / 1000)) for n in (0, 200, 210, 399)}
    busy: dict[str, Any] = {"person": BUSY}
    rare, roles = _kind("password_changed"), _kind("roles")
    span: dict[str, Any] = {"first": day[210], "last": day[200]}
    ((at, middle),) = await engine.rows(
        "SELECT at, id FROM activity WHERE at >= ? LIMIT 1", now - 200 * DAY_MS
    )
    deep = EventFilter.parse({"after": [f"{at}.{middle}"]}, KINDS)
    old = EventFilter.parse({"after": [f"{now - 399 * DAY_MS}.1"]}, KINDS)
    return [
        ("first page", EventFilter()),
        ("a page in the middle", deep),
        ("a page near the end", old),
        ("a page before the middle", EventFilter(before=deep.after)),
        ("by person, busy", EventFilter(**busy)),
        ("by person, anybody", EventFilter(person=4321)),
        ("by kind, signed in", EventFilter(**_kind("signed_in"))),
        ("by kind, invite link reset", EventFilter(**_kind("invite_link_reset"))),
        ("by group, accounts", EventFilter(**_kind("accounts"))),
        ("by dates, ten days", EventFilter(**span)),
        ("by kind and dates", EventFilter(**roles, **span)),
        ("by person and kind, busy", EventFilter(**busy, **roles)),
        ("by person and a kind never done", EventFilter(**busy, **_kind("key_rotated"))),
        ("by person, kind and dates, busy", EventFilter(**busy, **rare, **span)),
        ("by person, kind and dates, anybody", EventFilter(person=4321, **rare, **span)),
    ]


def _kind(code: str) -> dict[str, Any]:
    return {"kind": code, "kinds": KINDS[code]}


async def _report(title: str, look: Callable[[], Awaitable[object]]) -> None:
    waits = list[float]()
    answer: object = None
    for _ in range(REPEATS):
        began = time.perf_counter()
        answer = await look()
        waits.append((time.perf_counter() - began) * 1000)
    about = f"{len(answer.events):>5}" if isinstance(answer, activity_listing.EventPage) else ""
    say(f"{title:<36}{statistics.median(waits):>10.2f}{max(waits):>8.2f}{about}")


async def _seed(number: int, members: int) -> None:
    ((present,),) = await engine.rows("SELECT COUNT(*) FROM activity")
    if present >= number:
        return
    began = time.perf_counter()
    rows = _events(number - present, members)
    while some := list(islice(rows, seed.ROWS_PER_WRITE)):
        await engine.write(seed.insert_into, "activity", COLUMNS, some)
    if engine.dialect() == "postgres":
        # What autovacuum does a minute later.
        await engine.write(engine.execute, "ANALYZE activity")
    say(f"# {engine.dialect()}: seeded {number:,} events in {time.perf_counter() - began:.1f} s")


def _events(number: int, members: int) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of time over DAYS_KEPT days; a twentieth of them the busy Administrator's."""
    chance, now = random.Random(number), clock.now()
    kinds, weights = zip(*PER_MILLE, strict=True)
    for count, kind in enumerate(chance.choices(kinds, weights, k=number)):
        at = now - DAYS_KEPT * DAY_MS + DAYS_KEPT * DAY_MS * count // number
        somebody = chance.randrange(20, members + 1)
        # Twenty people administer, the busy one as much as five others.
        administrator = chance.choice((BUSY,) * 5 + tuple(range(1, 20)))
        before, after = ("NO", "AN") if kind == "role_changed" else ("", "")
        address = f"192.0.2.{somebody % 250}"
        if kind in ("role_changed", "reset_link_made", "invitation_made", "invite_link_reset"):
            subject = 0 if kind == "invite_link_reset" else somebody
            about = "invitation" if kind == "invitation_made" else "member" if subject else ""
            yield (at, "member", administrator, kind, about, subject, before, after, address)
        elif kind == "sign_in_refused":
            yield (at, "visitor", 0, kind, "member", somebody, "", "", address)
        else:
            who = BUSY if chance.random() < 0.05 else somebody
            yield (at, "member", who, kind, "member", who, before, after, address)
