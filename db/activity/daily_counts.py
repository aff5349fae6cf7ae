"""How many people joined, were approved and signed in on each of the last days, counted from the log."""

from typing import Final, NamedTuple

from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.common.role_codes import codes
from db.policy import Role

DAYS: Final = 30
# What is counted, in the order of Day's fields; each is read from the index activity_by_kind alone.
COUNTED: Final = (
    # The Owner comes by setting up. Whoever waited already has joined before: with `before` an invitation
    # approves them.
    (
        "a.kind = 'registered'",
        "a.kind = 'accepted_invitation' AND a.before = ''",
        "a.kind = 'organization_made'",
    ),
    (
        f"a.kind = 'role_changed' AND a.before = {codes(Role.PENDING)}"
        f" AND a.after <> {codes(Role.DEACTIVATED)}",
    ),
    ("a.kind = 'signed_in'",),
)


class Day(NamedTuple):
    """at: when the day begins in UTC, in ms."""

    at: int
    joined: int
    approved: int
    signed_in: int


class Days:
    """Counts days, and remembers what can't change any more: the log is append-only.

    Yesterday is counted each time as well, since a change that began before midnight may end after it. One
    for each process, for one database.
    """

    def __init__(self) -> None:
        self._settled: dict[int, Day] = {}

    async def last(self) -> list[Day]:
        """The last thirty days, today at the end; a day on which nothing happened is one of zeros."""
        today = clock.now() // DAY_MS
        wanted = range(today - DAYS + 1, today + 1)
        self._settled = {number: day for number, day in self._settled.items() if number in wanted}
        missing = [number for number in wanted if number not in self._settled]
        days = {**self._settled, **await engine.read(_count, missing)}
        self._settled = {number: day for number, day in days.items() if number < today - 1}
        return [days[number] for number in wanted]


async def _count(numbers: list[int]) -> dict[int, Day]:
    """These days, by their number since 1970. A day at a time, so that nothing longer has to be sorted."""
    sums = ", ".join(
        " + ".join(
            f"(SELECT COUNT(DISTINCT a.subject_id) FROM activity AS a WHERE {where}"
            f" AND a.at >= day.start AND a.at < day.start + {DAY_MS})"
            for where in arms
        )
        for arms in COUNTED
    )
    starts = ", ".join(f"({number * DAY_MS})" for number in numbers)
    found = await engine.rows(
        f"SELECT day.start, {sums} FROM (SELECT column1 AS start FROM (VALUES {starts}) AS v) AS day"
    )
    return {at // DAY_MS: Day(at, joined, approved, signed_in) for at, joined, approved, signed_in in found}
