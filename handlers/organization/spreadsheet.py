"""Members, invitation links and the activity log as CSV for spreadsheets."""

from collections.abc import AsyncIterator, Iterable
from typing import Final

from db.activity import Event
from db.common import csv_text
from db.members import last_day
from db.members.directory import MemberRow
from db.policy import Role
from handlers.http.response import rendering
from handlers.organization.wording import event_sentence

COLUMNS: Final = (
    "email",
    "first_name",
    "last_name",
    "role",
    "came_by",
    "invited_by",
    "joined",
    "last_activity",
    "last_day",
)
# At the beginning of a file, it tells spreadsheets that the file is UTF-8.
BYTE_ORDER_MARK: Final = "\ufeff".encode()
EVENT_COLUMNS: Final = (
    "time",
    "event",
    "kind",
    "actor_kind",
    "actor",
    "actor_id",
    "about",
    "subject",
    "subject_id",
    "before",
    "after",
    "network_address",
    "actor_email",
    "subject_email",
    # The number shows whether a log collector has missed a line.
    "id",
)


async def lines(first: list[MemberRow], batches: AsyncIterator[list[MemberRow]]) -> AsyncIterator[bytes]:
    """The header and the rows, a batch at a time, so that a long list doesn't fill the memory.

    first: the batch that was read before the answer began.
    """
    yield BYTE_ORDER_MARK + csv_text.encode([COLUMNS])
    yield csv_text.encode(_cells(row) for row in first)
    async for batch in batches:
        yield csv_text.encode(_cells(row) for row in batch)


def invitation_links(open_ones: Iterable[tuple[str, Role, str]]) -> bytes:
    """A whole CSV file of addresses, roles and links."""
    rows = ((email, role.label, link) for email, role, link in open_ones)
    return BYTE_ORDER_MARK + csv_text.encode([("email", "role", "link"), *rows])


def _cells(row: MemberRow) -> tuple[str, ...]:
    who = (row.email, row.first_name, row.last_name)
    times = (rendering.iso(at) if at else "" for at in (row.joined_at, row.last_activity_at))
    joined = (Role(row.role).label, row.joined_via, row.inviter_name)
    return (*who, *joined, *times, last_day.iso(row.ends_at))


async def events(first: list[Event], batches: AsyncIterator[list[Event]]) -> AsyncIterator[bytes]:
    """The rows of the activity log, a batch at a time. first: as in lines."""
    yield BYTE_ORDER_MARK + csv_text.encode([EVENT_COLUMNS])
    yield csv_text.encode(_event_cells(event) for event in first)
    async for batch in batches:
        yield csv_text.encode(_event_cells(event) for event in batch)


def _event_cells(event: Event) -> tuple[str, ...]:
    who, whom = (str(number) if number else "" for number in (event.actor_id, event.subject_id))
    done_by = (event.kind, event.actor_kind, event.actor_name, who)
    done_to = (event.about, event.subject_name, whom, event.before, event.after, event.address)
    addresses = (event.actor_email, event.subject_email)
    words = (event_sentence(event).striptags(), *done_by, *done_to, *addresses)
    return (rendering.iso(event.at), *words, str(event.id))
