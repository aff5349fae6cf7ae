"""The directory: who is a member, fifty at a time, in any order, searched and filtered.

Pages go by keyset: the next one begins after the cursor of the last row, which an index finds at once however
many members there are. Removed members never appear and never count.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from db import engine
from db.common import addresses, invisible
from db.common.role_codes import codes
from db.members.directory import keyset, search
from db.members.directory.filters import DEFAULT_ROLES, ROLE_ORDER, SORTS, Cursor, MemberFilter, is_grouped
from db.members.directory.role_counts import compact, counts
from db.policy import Role

__all__ = [
    "DEFAULT_ROLES",
    "PAGE_SIZE",
    "ROLE_ORDER",
    "SORTS",
    "MemberFilter",
    "MemberPage",
    "MemberRow",
    "compact",
    "counted",
    "counts",
    "everybody",
    "export",
    "one",
    "page",
    "several",
]

PAGE_SIZE: Final = 50
EXPORT_BATCH: Final = 1_000


class _Fields(NamedTuple):
    """The fields of MemberRow, in the order of keyset.COLUMNS."""

    id: int
    email: str
    domain_shown: str
    first_name: str
    last_name: str
    role: str
    joined_via: str
    inviter_name: str
    confirmed_at: int
    joined_at: int
    last_activity_at: int
    ends_at: int


class MemberRow(_Fields):
    """A member as the list shows them. Instants in ms, 0 for never; ends_at as in db/schema/tables.py.

    domain_shown: the Unicode form of an international domain, else "". role: the plain code. inviter_name: ""
    when nobody invited them, "a removed member" when whoever did is gone.
    Rendered rows are remembered by their fields, so each is exactly str or int: a Markup equals and hashes
    like the plain text that it must not stand for. The constructor raises TypeError for anything else.
    """

    __slots__ = ()

    # For mypy, the constructor is that of the fields.
    if not TYPE_CHECKING:

        def __new__(cls, *args: Any, **kwargs: Any) -> "MemberRow":
            row = super().__new__(cls, *args, **kwargs)
            for name, kind, value in zip(cls._fields, _KINDS, row, strict=True):
                if type(value) is not kind:
                    raise TypeError(f"{name} is exactly {kind.__name__}, not {type(value).__name__}")
            return row

    @property
    def name(self) -> str:
        """The full name, "" when none was given."""
        return invisible.clean_name(f"{self.first_name} {self.last_name}")

    @property
    def label(self) -> str:
        """What to call them: the name, or the address."""
        return self.name or self.email

    @property
    def initials(self) -> str:
        """Up to two capital letters for the avatar."""
        letters = [name[0] for name in map(invisible.clean_name, (self.first_name, self.last_name)) if name]
        return ("".join(letters) or self.email[:1]).upper()[:2]


_KINDS: Final = tuple(_Fields.__annotations__.values())
_WIDTH: Final = len(_KINDS)
_EMAIL: Final = _Fields._fields.index("email")
_DOMAIN: Final = _Fields._fields.index("domain_shown")
_ROLE: Final = _Fields._fields.index("role")


@dataclass(frozen=True, slots=True)
class MemberSummary:
    """What is said of a list without its rows.

    counts: all seven roles, exact. total: how many the filter shows; at least so many when it isn't exact.
    sorted_by: the order in force: by joining, whatever was asked for, when a search has too many hits, or for
    who came by one link.
    """

    counts: Mapping[Role, int]
    total: int
    total_is_exact: bool
    sorted_by: str


@dataclass(frozen=True, slots=True)
class MemberPage(MemberSummary):
    """One page of the list.

    newer, older: cursors for `before` and `after`, None where the list ends. offset: how many come before
    the first row, None when that isn't known; somebody may have joined since.
    """

    rows: tuple[MemberRow, ...]
    newer: str | None
    older: str | None
    too_many: bool
    offset: int | None = None


async def page(filter: MemberFilter) -> MemberPage:  # noqa: A002 - the word of the contract
    """The page that the filter's cursor points to.

    Raises engine.TookTooLong when a search doesn't end within two seconds, and engine.Unavailable.
    """
    if filter.terms:
        return await engine.read_in_background(_page, filter)
    return await engine.read(_page, filter)


async def summary(filter: MemberFilter) -> MemberSummary:  # noqa: A002
    """What a page of this list says beside its rows, which aren't read. Raises as `page`."""
    if filter.terms:
        return await engine.read_in_background(_summary, filter)
    return await engine.read(_summary, filter)


async def one(member_id: int) -> MemberRow | None:
    """The member of this id, None when there is none (any more). Inside a write: as of its changes."""
    rows = await several((member_id,))
    return rows[0] if rows else None


async def several(ids: Iterable[int]) -> tuple[MemberRow, ...]:
    """The members of these ids that are there, in this order. Inside a write: as of its changes."""
    wanted = tuple(ids)
    found: dict[int, MemberRow] = {}
    for start in range(0, len(wanted), EXPORT_BATCH):
        some = wanted[start : start + EXPORT_BATCH]
        marks = ", ".join("?" * len(some))
        records = await engine.rows(
            f"SELECT {keyset.COLUMNS} FROM member AS m WHERE m.id IN ({marks}) AND m.removed_at = 0", *some
        )
        found.update((row.id, row) for row in _rows(records))
    return tuple(found[member_id] for member_id in wanted if member_id in found)


async def counted(filter: MemberFilter) -> MemberSummary:  # noqa: A002
    """What can be said of a list without a look at its members, so without its search and its condition."""
    by_role = await engine.read(counts)
    total = sum(by_role[role] for role in filter.shown_roles)
    return MemberSummary(by_role, total, not (filter.q or filter.condition), filter.order)


async def everybody(filter: MemberFilter, most: int) -> list[MemberRow]:  # noqa: A002
    """Everybody the filter shows, on all its pages; some of them, more than `most`, when there are more."""
    rows: list[MemberRow] = []
    async for batch in export(filter):
        rows += batch
        if len(rows) > most:
            break
    return rows


async def export(filter: MemberFilter) -> AsyncIterator[list[MemberRow]]:  # noqa: A002
    """Everybody the filter shows, in its order, whatever page it points to, in batches of up to 1,000.

    Each batch is a read of its own, so a slow download holds no database up; who moves meanwhile may
    come twice or not at all. Raises as `page`.
    """
    cursor: Cursor | None = None
    while True:
        batch = await engine.read_in_background(_batch, filter, cursor)
        if batch.rows:
            yield list(batch.rows)
        if not batch.more:
            return
        cursor = batch.last


async def _batch(filter: MemberFilter, cursor: Cursor | None) -> "_Part":  # noqa: A002
    hits = None
    if filter.terms:
        # A second batch follows only where there are too many hits; it goes on like that whatever changes.
        hits = await search.find(filter) if cursor is None else search.too_many(filter)
    return await _part(filter, hits, cursor, False, EXPORT_BATCH)


async def _page(filter: MemberFilter) -> MemberPage:  # noqa: A002
    hits = await search.find(filter) if filter.terms else None
    sort = hits.sort if hits else filter.order
    cursor, backwards = filter.cursor(sort)
    part = await _part(filter, hits, cursor, backwards)
    if cursor is not None and len(part.rows) < (PAGE_SIZE if backwards else 1):
        # Less than a page precedes the cursor, or nothing follows it any more: that is the first page, or the
        # last one, and each of these is as full as there are members.
        cursor, backwards = None, not backwards
        part = await _part(filter, hits, cursor, backwards)
    edge = part.last if backwards else part.first
    behind = cursor is not None and bool((await _part(filter, hits, edge, not backwards, 1)).rows)
    newer, older = (part.more, behind) if backwards else (behind, part.more)
    said = await _summed_up(filter, hits)
    known = said.total if said.total_is_exact else None
    offset = _offset(part, (cursor, backwards), newer=newer, older=older, total=known)
    return MemberPage(
        counts=said.counts,
        total=said.total,
        total_is_exact=said.total_is_exact,
        sorted_by=said.sorted_by,
        rows=part.rows,
        newer=_encoded(part.first, offset) if newer else None,
        older=_encoded(part.last, None if offset is None else offset + len(part.rows)) if older else None,
        too_many=bool(hits and hits.too_many),
        offset=offset,
    )


async def _summary(filter: MemberFilter) -> MemberSummary:  # noqa: A002
    return await _summed_up(filter, await search.find(filter) if filter.terms else None)


async def _summed_up(filter: MemberFilter, hits: search.Hits | None) -> MemberSummary:  # noqa: A002
    """hits: of the filter's search, None where nothing is searched for."""
    by_role = await counts()
    total, exact = sum(by_role[role] for role in filter.shown_roles), True
    if hits:
        total, exact = (search.MAX_HITS, False) if hits.too_many else (len(hits.cursors), True)
    elif filter.condition:
        found = await _count(filter)
        total, exact = min(found, search.MAX_HITS), found <= search.MAX_HITS
    return MemberSummary(by_role, total, exact, hits.sort if hits else filter.order)


def _offset(
    part: "_Part", came: tuple[Cursor | None, bool], *, newer: bool, older: bool, total: int | None
) -> int | None:
    """How many come before this part. came: the cursor in the address, and whether it was read backwards.

    At both ends it is certain. Between them it is what the last page said, within what can be.
    """
    cursor, backwards = came
    most = None if total is None else max(total - len(part.rows), 0)
    if not newer:
        return 0
    if not older and most is not None:
        return most
    if cursor is None or cursor.passed is None:
        return None
    passed = cursor.passed - (len(part.rows) if backwards else 0)
    return max(0, passed if most is None else min(passed, most))


def _encoded(cursor: Cursor | None, passed: int | None) -> str | None:
    return cursor._replace(passed=passed).encode() if cursor else None


async def _count(filter: MemberFilter) -> int:  # noqa: A002
    """How many members of the filter's roles meet its condition, counted up to MAX_HITS + 1."""
    roles = codes(*filter.shown_roles)
    ((count,),) = await engine.rows(
        f"SELECT COUNT(*) FROM (SELECT 1 AS one FROM member AS m WHERE m.removed_at = 0"
        f" AND m.role IN ({roles}){filter.condition} LIMIT {search.MAX_HITS + 1}) AS came"
    )
    return int(count)


class _Part(NamedTuple):
    """Part of a list, in the order of display. more: whether it goes on the way that was asked for."""

    rows: tuple[MemberRow, ...]
    first: Cursor | None
    last: Cursor | None
    more: bool


async def _part(
    filter: MemberFilter,  # noqa: A002
    hits: search.Hits | None,
    cursor: Cursor | None,
    backwards: bool,
    limit: int = PAGE_SIZE,
) -> _Part:
    """Up to `limit` rows after the cursor, or before it; of the hits if something was searched for."""
    if hits is not None:
        cursors = await hits.part(cursor, backwards, limit + 1)
        found = await several(cursor.id for cursor in cursors[:limit])
        first, last = (cursors[0], cursors[:limit][-1]) if cursors else (None, None)
        more = len(cursors) > limit
    else:
        records = await keyset.query_page(filter, cursor, backwards, limit + 1)
        found = _rows(records[:limit])
        cursors = [_cursor_of(record, filter) for record in (records[:limit][:1] + records[:limit][-1:])]
        first, last = (cursors[0], cursors[-1]) if cursors else (None, None)
        more = len(records) > limit
    if backwards:
        return _Part(found[::-1], last, first, more)
    return _Part(found, first, last, more)


def _cursor_of(record: Sequence[Any], filter: MemberFilter) -> Cursor:  # noqa: A002
    return Cursor(record[_WIDTH], record[0], Role(record[_ROLE]) if is_grouped(filter.order) else None)


def _rows(records: Sequence[Sequence[Any]]) -> tuple[MemberRow, ...]:
    """Rows of records straight from a driver, whose columns are str and int already: no checks."""
    make = tuple.__new__
    return tuple(
        make(MemberRow, record[:_WIDTH] if "xn--" not in record[_EMAIL] else _international(record))
        for record in records
    )


def _international(record: Sequence[Any]) -> tuple[Any, ...]:
    domain = record[_EMAIL].rpartition("@")[2]
    return (*record[:_DOMAIN], _domain_shown(domain), *record[_DOMAIN + 1 : _WIDTH])


@lru_cache(maxsize=1024)
def _domain_shown(domain: str) -> str:
    # Taking one apart costs as much as ten rows, and whole teams share theirs.
    return addresses.unicode_domain(f"@{domain}")
