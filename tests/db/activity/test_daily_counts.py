"""The counts behind the drawing: joined, approved and signed in on each of the last thirty days."""

from types import ModuleType

from db import activity, engine
from db.activity.daily_counts import Day, Days
from db.common import clock
from db.common.dates import DAY_MS
from db.policy import Actor, Role
from tests.support.pages.site import Site


async def happen(member_id: int, kind: str, before: str = "", after: str = "") -> None:
    actor = Actor(member_id, Role.ANNOTATOR)
    await engine.write(activity.record, actor, kind, member_id, before=before, after=after)


def numbers(day: Day) -> tuple[int, int, int]:
    return day.joined, day.approved, day.signed_in


async def test_people_are_counted_once_a_day_by_what_happened(database: str, clock: ModuleType) -> None:
    await happen(1, "registered", after="link")
    await happen(2, "accepted_invitation", after="AN")
    await happen(3, "accepted_invitation", before="NO", after="AN")
    await happen(3, "role_changed", "NO", "AN")
    await happen(4, "role_changed", "NO", "DI")
    await happen(5, "role_changed", "AN", "MA")
    for member_id in (6, 6, 7):
        await happen(member_id, "signed_in")

    days = await Days().last()

    assert numbers(days[-1]) == (2, 1, 2)
    assert [numbers(day) for day in days[:-1]] == [(0, 0, 0)] * 29


async def test_who_sets_up_has_joined(site: Site) -> None:
    days = await Days().last()

    assert numbers(days[-1]) == (1, 0, 0)


async def test_days_are_those_of_utc_and_end_today(database: str, clock: ModuleType) -> None:
    midnight = clock.now() // DAY_MS * DAY_MS
    for at in (midnight - 29 * DAY_MS - 1, midnight - 29 * DAY_MS, midnight - 1, midnight):
        clock.stop_at(at)
        await happen(1, "signed_in")

    days = await Days().last()

    assert [day.signed_in for day in days] == [1, *[0] * 27, 1, 1]
    assert [day.at for day in days] == [midnight - n * DAY_MS for n in range(29, -1, -1)]


async def test_what_is_remembered_of_past_days_is_what_would_be_counted(
    database: str, clock: ModuleType
) -> None:
    remembering = Days()
    for number in range(45):
        for member_id in range(number % 4):
            await happen(member_id + 1, "signed_in")

        assert await remembering.last() == await Days().last()
        clock.move(DAY_MS)


async def test_a_clock_set_back_is_no_fault(database: str, clock: ModuleType) -> None:
    days = Days()
    await days.last()
    clock.move(-40 * DAY_MS)
    await happen(1, "signed_in")

    assert (await days.last())[-1] == Day(clock_day(), 0, 0, 1)


def clock_day() -> int:
    return clock.now() // DAY_MS * DAY_MS
