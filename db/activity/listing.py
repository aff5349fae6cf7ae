"""The list of the activity log: newest first, fifty at a time, filtered by person, kind and days.

The address holds the state, as with the members: a filter is parsed from a query string and formats one.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import urlencode

from db import activity, engine
from db.activity import Cursor, Event
from db.common import dates, ids, invisible
from db.errors import Invalid
from messages import by_field

PAGE_SIZE: Final = 50
EXPORT_BATCH: Final = 1_000
# The page counts new events only up to this.
MAX_NEW: Final = 99
MAX_CHARACTERS: Final = 200
FIELDS: Final = ("person", "invited", "kind", "from", "to", "zone", "after", "before")
_CURSOR: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show.

    person: a member's id, 0 for anybody. invited: the id of an invitation, for all invitations to its
    address, 0 for none. kind: as in the address; kinds: the kinds it stands for. first, last: days as in the
    address, both included, in the time zone `zone`, "" for UTC. after, before: at most one of them.
    """

    person: int = 0
    invited: int = 0
    kind: str = ""
    kinds: tuple[str, ...] = ()
    first: str = ""
    last: str = ""
    zone: str = ""
    after: Cursor | None = None
    before: Cursor | None = None

    @classmethod
    def parse(cls, query: Mapping[str, list[str]], kinds: Mapping[str, tuple[str, ...]]) -> "EventFilter":
        """Parses the parameters of a query string; unknown and empty ones are ignored.

        kinds: the allowed values of `kind`, each with the kinds it stands for. Raises Invalid with all
        errors.
        """
        errors: dict[str, list[str]] = {}
        typed = {name: _single(query, name, errors) for name in FIELDS}
        person, invited = (_id(name, typed[name], errors) for name in ("person", "invited"))
        if typed["kind"] and typed["kind"] not in kinds:
            errors["kind"] = [by_field.NO_SUCH_EVENT]
        for name in ("from", "to"):
            if typed[name] and dates.start_of(typed[name]) is None:
                errors[name] = [by_field.WRITE_A_DAY]
        if not errors.keys() & {"from", "to"} and typed["to"] and typed["from"] > typed["to"]:
            errors["to"] = [by_field.LAST_BEFORE_FIRST]
        cursors = {name: _decode(typed[name]) for name in ("after", "before")}
        for name, cursor in cursors.items():
            if typed[name] and cursor is None:
                errors[name] = [by_field.NO_PLACE_IN_LOG]
        if cursors["after"] and cursors["before"]:
            errors["before"] = [by_field.AFTER_OR_BEFORE]
        if errors:
            raise Invalid(errors)
        kind = typed["kind"]
        meant = kinds[kind] if kind else ()
        return cls(person, invited, kind, meant, typed["from"], typed["to"], typed["zone"], **cursors)

    @property
    def chosen(self) -> bool:
        """Whether the filter excludes anything."""
        return bool(self.person or self.invited or self.kind or self.first or self.last)

    @property
    def since(self) -> int:
        """The first day's beginning, in ms; 0 for none."""
        return max(0, dates.start_in(self.first, self.zone) or 0)

    @property
    def until(self) -> int:
        """The last day's end, in ms; 0 for none."""
        end = dates.start_in(self.last, self.zone, later=1)
        return 0 if end is None else max(1, end)

    def address(self, **changes: Any) -> str:
        """The query string of this filter with `changes`; a cursor only if it is one of them, as text."""
        cursors = {name: changes.pop(name, "") for name in ("after", "before")}
        new = replace(self, after=None, before=None, **changes)
        pairs = [("person", new.person), ("invited", new.invited), ("kind", new.kind)]
        pairs += [("from", new.first), ("to", new.last)]
        pairs += [("zone", new.zone)] if new.first or new.last else []
        return urlencode([(name, value) for name, value in (*pairs, *cursors.items()) if value])


@dataclass(frozen=True, slots=True)
class EventPage:
    """newer, older: cursors for `before` and `after`, "" where the log ends.

    top: on the first page the newest event's cursor; the page polls for events after it.
    """

    events: tuple[Event, ...]
    newer: str
    older: str
    top: str


async def page(shown: EventFilter) -> EventPage:
    """One page. Raises engine.Unavailable."""
    return await engine.read(_page, shown)


async def count_new(shown: EventFilter, top: str) -> int:
    """How many events of the filter came after the cursor `top`, up to MAX_NEW. Raises Invalid."""
    cursor = _decode(top)
    if cursor is None:
        raise Invalid({"top": [by_field.NO_TOP_OF_LOG]})
    return await engine.read(
        activity.count_newer,
        cursor,
        MAX_NEW,
        person=shown.person,
        invited=shown.invited,
        kinds=shown.kinds,
        since=shown.since,
        until=shown.until,
    )


async def export(shown: EventFilter) -> AsyncIterator[list[Event]]:
    """All events of the filter, ignoring its cursor, in batches of up to 1,000, each read on its own.

    Raises engine.Unavailable and engine.TookTooLong.
    """
    cursor: Cursor | None = None
    while events := await engine.read_in_background(_query, shown, cursor, False, EXPORT_BATCH):
        yield events
        cursor = Cursor(events[-1].at, events[-1].id)


async def _page(shown: EventFilter) -> EventPage:
    cursor, backwards = shown.after or shown.before, shown.before is not None
    events, more = await _part(shown, cursor, backwards)
    if cursor is not None and len(events) < (PAGE_SIZE if backwards else 1):
        # Less than a page precedes the cursor, or nothing follows it: show the first page, or the last one.
        cursor, backwards = None, not backwards
        events, more = await _part(shown, cursor, backwards)
    newer, older = (more, cursor is not None) if backwards else (cursor is not None, more)
    encoded = [_encode(event) for event in events]
    return EventPage(
        events=tuple(events),
        newer=encoded[0] if newer and encoded else "",
        older=encoded[-1] if older and encoded else "",
        top="" if newer else (encoded[0] if encoded else "0.0"),
    )


async def _part(shown: EventFilter, cursor: Cursor | None, backwards: bool) -> tuple[list[Event], bool]:
    """A page's events, newest first, and whether there are more that way."""
    found = await _query(shown, cursor, backwards, PAGE_SIZE + 1)
    events = found[:PAGE_SIZE]
    return (events[::-1] if backwards else events), len(found) > PAGE_SIZE


async def _query(shown: EventFilter, cursor: Cursor | None, backwards: bool, limit: int) -> list[Event]:
    return await activity.events(
        person=shown.person,
        invited=shown.invited,
        kinds=shown.kinds,
        since=shown.since,
        until=shown.until,
        cursor=cursor,
        backwards=backwards,
        limit=limit,
    )


def _single(query: Mapping[str, list[str]], name: str, errors: dict[str, list[str]]) -> str:
    values = query.get(name) or [""]
    text = invisible.stripped(values[0])
    if len(values) > 1:
        errors[name] = [by_field.GIVE_ONCE]
        return ""
    if len(text) > MAX_CHARACTERS or not text.isprintable():
        errors[name] = [by_field.PLAIN_AT_MOST.format(most=MAX_CHARACTERS)]
        return ""
    return text


def _id(name: str, text: str, errors: dict[str, list[str]]) -> int:
    """The id in this field, 0 for none."""
    found = ids.parse(text)
    if text and not found:
        errors[name] = [by_field.NO_SUCH_PERSON]
    return found


def _decode(text: str) -> Cursor | None:
    parts = _CURSOR.fullmatch(text)
    return Cursor(int(parts[1]), int(parts[2])) if parts else None


def _encode(event: Event) -> str:
    return f"{event.at}.{event.id}"
