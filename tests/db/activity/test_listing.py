"""Pages, filters and the export of the activity log are those of a plain list."""

import random
from types import ModuleType
from typing import Final

import pytest

from db import activity, engine
from db.activity import listing as activity_listing
from db.activity.listing import EventFilter
from db.errors import Invalid
from db.policy import COMMAND_LINE, SYSTEM, Actor, Role, visitor
from handlers.organization.activity.kinds import KINDS

DAY = 24 * 3600 * 1000
SOME = ("signed_in", "role_changed", "removed", "invitation_made", "invite_link_reset")
QUERIES: Final[tuple[dict[str, list[str]], ...]] = (
    {},
    {"person": ["2"]},
    {"person": ["999"]},
    {"kind": ["roles"]},
    {"kind": ["signed_in"]},
    {"kind": ["accounts"]},
    {"person": ["3"], "kind": ["invitations"]},
    {"person": ["1"], "kind": ["signed_in"]},
    {"from": ["2026-01-03"]},
    {"to": ["2026-01-03"]},
    {"from": ["2026-01-02"], "to": ["2026-01-02"]},
    {"person": ["2"], "kind": ["role_changed"], "from": ["2026-01-02"], "to": ["2026-01-04"]},
)
START = 1_767_225_600_000  # 2026-01-01, midnight in UTC


@pytest.fixture
async def log(database: str, clock: ModuleType) -> list[activity.Event]:
    """Three hundred events of five days, many of them in one millisecond; the clock once goes back."""
    chance = random.Random(1)
    actors = [Actor(number, Role.ADMINISTRATOR) for number in (1, 2, 3)] + [COMMAND_LINE, SYSTEM, visitor("")]
    clock.stop_at(START)

    async def happen() -> None:
        for count in range(300):
            clock.move(chance.choice((0, 0, 0, 1, DAY // 40)) if count != 150 else -DAY)
            kind = chance.choice(SOME)
            subject = 0 if kind == "invite_link_reset" else chance.choice((1, 2, 3, 4))
            await activity.record(chance.choice(actors), kind, subject)

    await engine.write(happen)
    return await activity.events(limit=1_000)


def shown(log: list[activity.Event], chosen: EventFilter) -> list[int]:
    """The plain list: ids of what the filter shows, in the order of time."""
    return [
        event.id
        for event in sorted(log, key=lambda event: (event.at, event.id), reverse=True)
        if (not chosen.kinds or event.kind in chosen.kinds)
        and event.at >= chosen.since
        and (not chosen.until or event.at < chosen.until)
        and (
            not chosen.person
            or event.actor_id == chosen.person
            or (event.about == "member" and event.subject_id == chosen.person)
        )
    ]


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_pages_forth_and_back_are_the_plain_list(
    log: list[activity.Event], query: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_listing, "PAGE_SIZE", 7)
    expected = shown(log, EventFilter.parse(query, KINDS))
    page = await activity_listing.page(EventFilter.parse(query, KINDS))
    forth, back = [[event.id for event in page.events]], list[list[int]]()
    assert page.newer == ""

    while page.older:
        page = await activity_listing.page(EventFilter.parse({**query, "after": [page.older]}, KINDS))
        forth.append([event.id for event in page.events])
    while page.newer:
        page = await activity_listing.page(EventFilter.parse({**query, "before": [page.newer]}, KINDS))
        back.append([event.id for event in page.events])

    assert [number for numbers in forth for number in numbers] == expected
    assert all(len(numbers) == 7 for numbers in forth[:-1])
    assert back[::-1] == forth[:-1]
    assert page.top


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_the_export_is_the_plain_list_whatever_page_is_shown(
    log: list[activity.Event], query: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_listing, "EXPORT_BATCH", 11)
    chosen = EventFilter.parse({**query, "after": [f"{log[40].at}.{log[40].id}"]}, KINDS)

    batches = [batch async for batch in activity_listing.export(chosen)]

    assert [event.id for batch in batches for event in batch] == shown(log, chosen)
    assert all(len(batch) <= 11 for batch in batches)


@pytest.mark.parametrize("query", QUERIES, ids=str)
async def test_what_is_new_is_counted_from_any_cursor_up_to_a_limit(
    log: list[activity.Event], query: dict[str, list[str]]
) -> None:
    chosen = EventFilter.parse(query, KINDS)
    expected, top = shown(log, chosen), log[120]
    ids = {event.id: (event.at, event.id) for event in log}

    newer = [number for number in expected if ids[number] > (top.at, top.id)]

    assert await activity_listing.count_new(chosen, f"{top.at}.{top.id}") == min(len(newer), 99)
    assert await activity_listing.count_new(chosen, "0.0") == min(len(expected), 99)


async def test_a_page_beyond_the_end_is_the_last_one(log: list[activity.Event]) -> None:
    beyond = await activity_listing.page(EventFilter.parse({"after": ["1.1"]}, KINDS))

    assert [event.id for event in beyond.events] == [event.id for event in log[-50:]]
    assert (bool(beyond.newer), beyond.older, beyond.top) == (True, "", "")


WRONG = {
    "person=0": "person",
    "person=1_0": "person",
    "person=x": "person",
    "kind=salary": "kind",
    "from=yesterday": "from",
    "from=2026-02-30": "from",
    "from=2026-1-1": "from",
    "to=٢٠٢٦-٠١-٠١": "to",
    "to=0000-01-01": "to",
    f"from={'1' * 201}": "from",
    "after=1": "after",
    "after=-1.5": "after",
    f"before={'9' * 19}.1": "before",
}


@pytest.mark.parametrize("query", WRONG)
def test_a_wrong_filter_is_told_by_its_field(query: str) -> None:
    name, _, value = query.partition("=")

    with pytest.raises(Invalid) as refusal:
        EventFilter.parse({name: [value]}, KINDS)

    assert list(refusal.value.errors) == [WRONG[query]]


def test_every_error_is_told_at_once_and_the_days_go_forward() -> None:
    with pytest.raises(Invalid) as refusal:
        EventFilter.parse({"person": ["x"], "kind": ["x"], "from": ["x"], "to": ["a", "b"]}, KINDS)
    with pytest.raises(Invalid) as backwards:
        EventFilter.parse({"from": ["2026-01-02"], "to": ["2026-01-01"]}, KINDS)

    assert set(refusal.value.errors) == {"person", "kind", "from", "to"}
    assert list(backwards.value.errors) == ["to"]


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "1970-01-01", "9999-12-31"])
async def test_days_at_the_edges_of_the_calendar_are_days(log: list[activity.Event], day: str) -> None:
    until, since = (EventFilter.parse({name: [day]}, KINDS) for name in ("to", "from"))

    both = [len((await activity_listing.page(chosen)).events) for chosen in (until, since)]

    assert both == ([50, 0] if day.startswith("9") else [0, 50])
