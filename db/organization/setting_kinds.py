"""The kinds of things that the Owner settles: how each is kept, typed and logged.

Which things there are stands in settings.py.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Generic, Literal, TypeVar, get_args

from db.auth.sessions import SessionLimits
from db.common import dates, invisible
from db.common.dates import DAY_MS
from db.errors import Invalid
from db.organization import invite_link_limits
from db.organization.invite_link_limits import MAX_DOMAINS, End, NotADomain
from messages import Plural, by_field, logbook

MAX_TITLE_CHARACTERS: Final = 100
MAX_NOTE_CHARACTERS: Final = 200
MAX_LINK_USES: Final = 1_000_000
MAX_LINK_DAYS: Final = 3_650
OFFERED_LINK_DAYS: Final = 14
# So many wrong domains are quoted in the error.
QUOTED_DOMAINS: Final = 5
# The log's `before` and `after` stand in an index, where PostgreSQL takes 2,704 bytes for all of a row.
MAX_LOGGED_CHARACTERS: Final = 1_000
# The invite link ends when the next day begins, and after this one there is none.
_LAST_DAY: Final = "9999-12-31"

T = TypeVar("T")
Who = Literal["administrators", "owner", "nobody"]


@dataclass(frozen=True, slots=True)
class Kind(ABC, Generic[T]):
    """One setting. name: its field in OrganizationSettings. event: the kind of its rows in the activity log.

    Where a class doesn't say otherwise, one column keeps the value as it is, and one input shows it.
    """

    name: str
    event: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the organization's row that keep it."""
        return (self.name,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The inputs of the form that it is typed into."""
        return (self.name,)

    @property
    def is_box(self) -> bool:
        """Whether its input is a box, of which browsers send nothing unless it is ticked."""
        return False

    def load(self, *kept: Any) -> T:
        """The value that the columns keep."""
        value: T = kept[0]
        return value

    def store(self, value: T) -> tuple[object, ...]:
        """What the columns keep of a value."""
        return (value,)

    def typed(self, value: T) -> tuple[str, ...]:
        """What stands in the inputs for a value."""
        return (str(value),)

    @abstractmethod
    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> T:
        """The value that was typed. texts: by input. limits: of the environment. Raises Invalid."""

    @abstractmethod
    def logged(self, value: T, other: T) -> str:
        """The value as the log shows it. other: the one that it replaces, or that replaces it."""


def settled(kind: Kind[T]) -> T:
    """A field of a dataclass that the Owner settles: kept, typed and logged as its kind says."""
    value: T = field(metadata={"kind": kind})
    return value


def kinds_of(table: type[Any]) -> list[Kind[Any]]:
    """The kinds of the fields of such a dataclass, in order."""
    return [one.metadata["kind"] for one in fields(table) if "kind" in one.metadata]


class Title(Kind[str]):
    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> str:
        return parse_title(texts[self.name], self.name)

    def logged(self, value: str, other: str) -> str:
        return value


class LinkEnd(Kind[End]):
    """When the invite link ends: one of three ways, two of which have an input of their own."""

    columns = ("link_ends", "link_days", "link_ends_at")
    inputs = ("link_ends", "link_days", "link_ends_on")

    def load(self, *kept: Any) -> End:
        return End(*kept)

    def store(self, value: End) -> tuple[object, ...]:
        return (value.ends, value.days, value.at)

    def typed(self, value: End) -> tuple[str, ...]:
        last_day = dates.iso(value.at - 1) if value.at else ""
        return (value.ends, str(value.days or OFFERED_LINK_DAYS), last_day)

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> End:
        match texts["link_ends"]:
            case "never":
                return End()
            case "after":
                wrong = by_field.WHOLE_LINK_DAYS.format(most=MAX_LINK_DAYS)
                return End("after", days=_number("link_days", texts, MAX_LINK_DAYS, wrong, optional=False))
            case "on":
                # The whole of that day counts.
                return End("on", at=_start_of_day("link_ends_on", texts) + DAY_MS)
        raise Invalid({"link_ends": [by_field.ONE_OF_THREE]})

    def logged(self, value: End, other: End) -> str:
        match value.ends:
            case "never":
                return logbook.LINK_NEVER_ENDS
            case "after":
                return logbook.LINK_ENDS_AFTER.format(value.days)
            case "on":
                return logbook.LINK_ENDS_ON.format(day=dates.words(value.at - 1))


class LinkUses(Kind[int]):
    """How many people may register by one link, 0 for any number."""

    def typed(self, value: int) -> tuple[str, ...]:
        return (str(value or ""),)

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> int:
        wrong = by_field.WHOLE_USES.format(most=MAX_LINK_USES)
        return _number(self.name, texts, MAX_LINK_USES, wrong)

    def logged(self, value: int, other: int) -> str:
        return logbook.LINK_USES.format(value) if value else logbook.LINK_USED_BY_ANY_NUMBER


class Domains(Kind[tuple[str, ...]]):
    """Email domains as A-labels, perhaps with `*.` in front; () for all."""

    def load(self, *kept: Any) -> tuple[str, ...]:
        return tuple(kept[0].split())

    def store(self, value: tuple[str, ...]) -> tuple[object, ...]:
        return (" ".join(value),)

    def typed(self, value: tuple[str, ...]) -> tuple[str, ...]:
        return ("\n".join(value),)

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> tuple[str, ...]:
        found: dict[str, None] = {}
        wrong: list[str] = []
        for text in filter(None, map(invisible.stripped, re.split(r"[\s,;]+", texts[self.name]))):
            try:
                found[invite_link_limits.parse_domain(text)] = None
            except NotADomain:
                wrong.append(text)
        errors = [_no_domains(wrong)] if wrong else []
        if len(found) > MAX_DOMAINS:
            errors.append(by_field.TOO_MANY_DOMAINS.format(most=MAX_DOMAINS, count=len(found)))
        if errors:
            raise Invalid({self.name: errors})
        return tuple(found)

    def logged(self, value: tuple[str, ...], other: tuple[str, ...]) -> str:
        """All domains; of a long list the beginning, with those first that the other one lacks."""
        if sum(map(len, value)) > MAX_LOGGED_CHARACTERS:
            value = tuple(sorted(value, key=other.__contains__))
        named: list[str] = []
        for domain in value:
            if sum(map(len, named)) + len(domain) > MAX_LOGGED_CHARACTERS:
                more = len(value) - len(named)
                return logbook.DOMAINS_AND_MORE.format(domains=", ".join(named), count=more)
            named.append(domain)
        return ", ".join(named) or logbook.ANY_DOMAIN


@dataclass(frozen=True, slots=True)
class NoticeTo(Kind[Who]):
    """Who gets a notice by mail. sentence: of the log, with {who}."""

    sentence: str

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> Who:
        chosen: Who | None = next((who for who in get_args(Who) if who == texts[self.name]), None)
        if chosen is None:
            raise Invalid({self.name: [by_field.ONE_OF_THREE]})
        return chosen

    def logged(self, value: Who, other: Who) -> str:
        return self.sentence.format(who=logbook.TOLD[value])


@dataclass(frozen=True, slots=True)
class SessionDays(Kind[int]):
    """How long sessions last, in ms, typed in days; 0 for as long as the environment allows.

    variable: what the environment allows it by. age: reads this limit, in ms. days, unset: for the log.
    """

    variable: str
    age: Callable[[SessionLimits], int]
    days: Plural
    unset: str

    def most_days(self, limits: SessionLimits) -> int:
        """How many whole days the environment allows; 0 for less than one."""
        return self.age(limits) // DAY_MS

    def typed(self, value: int) -> tuple[str, ...]:
        return (str(value // DAY_MS or ""),)

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> int:
        most = self.most_days(limits)
        words = by_field.WHOLE_SESSION_DAYS if most else by_field.LESS_THAN_A_DAY
        return _number(self.name, texts, most, words.format(most=most, setting=self.variable)) * DAY_MS

    def logged(self, value: int, other: int) -> str:
        return self.days.format(value // DAY_MS) if value else self.unset


class Switch(Kind[bool]):
    """A box to tick."""

    is_box = True

    def load(self, *kept: Any) -> bool:
        return bool(kept[0])

    def store(self, value: bool) -> tuple[object, ...]:
        return (int(value),)

    def typed(self, value: bool) -> tuple[str, ...]:
        return ("true" if value else "",)

    def parse(self, texts: Mapping[str, str], limits: SessionLimits) -> bool:
        return bool(texts[self.name])

    def logged(self, value: bool, other: bool) -> str:
        return "on" if value else "off"


def parse_title(text: str, field: str = "title") -> str:
    """The organization's name: trimmed, with something to be seen, not too long. Raises Invalid."""
    title = invisible.clean_name(text)
    if not title:
        raise Invalid({field: [by_field.ENTER_TITLE]})
    return _short(field, title, MAX_TITLE_CHARACTERS)


def parse_note(text: str, field: str) -> str:
    """What the Owner says of a role: trimmed, "" for nothing, not too long. Raises Invalid."""
    return _short(field, invisible.clean_name(text), MAX_NOTE_CHARACTERS)


def _short(field: str, text: str, most: int) -> str:
    if len(text) > most:
        raise Invalid({field: [by_field.AT_MOST.format(most=most, count=len(text))]})
    return text


def _number(field: str, texts: Mapping[str, str], most: int, wrong: str, *, optional: bool = True) -> int:
    """A whole number from 1 to `most`; when it is optional, 0 for nothing. Raises Invalid with `wrong`."""
    text = texts[field].strip()
    if not text and optional:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
        return int(text)
    raise Invalid({field: [wrong]})


def _start_of_day(field: str, texts: Mapping[str, str]) -> int:
    """When a day begins, in ms. Raises Invalid."""
    text = texts[field].strip()
    start = dates.start_of(text)
    if start is None or text == _LAST_DAY:
        raise Invalid({field: [by_field.CHOOSE_A_DAY]})
    return start


def _no_domains(wrong: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    named = ", ".join(
        by_field.QUOTED.format(text=invisible.escape(text[:60])) for text in wrong[:QUOTED_DOMAINS]
    )
    if len(wrong) > QUOTED_DOMAINS:
        return by_field.NO_DOMAIN_AND_MORE.format(domains=named, count=len(wrong) - QUOTED_DOMAINS)
    return by_field.NO_DOMAIN.format(len(wrong), domains=named)
