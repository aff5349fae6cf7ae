"""Search by name and address: substrings, found through trigrams.

The newest 1,001 hits tell everything: up to 1,000 are all there are, so they are counted, and sorted as asked
for. From 1,001 on they count as "more than 1,000" and stand in the order of joining, which is the order of
ids: a walk along these ends as soon as a page is full.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from db import engine
from db.filters import ROLE_ORDER, SORT_COLUMNS, Filter, Place
from db.policy import Role

MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found. places: all of them, in order; none when there are too many. sort: in force."""

    filter: Filter
    sort: str
    places: tuple[Place, ...]
    too_many: bool

    async def part(self, place: Place | None, backwards: bool, limit: int) -> list[Place]:
        """Up to `limit` places after this one, or before it; the nearest comes first."""
        descending = self.sort.startswith("-") is not backwards
        if self.too_many:
            found = await _walk(self.filter, "joined_at", place.id if place else None, descending, limit)
            return [Place(key, member_id) for key, member_id, _ in found]
        ahead = self.places[::-1] if backwards else self.places
        if place is not None:
            rank, here = _rank(self.sort), _rank(self.sort)(place)
            ahead = tuple(p for p in ahead if (rank(p) < here if descending else rank(p) > here))
        return list(ahead[:limit])


async def find(filter: Filter) -> Hits:  # noqa: A002 - the word of the contract
    """Searches for the filter's terms among its roles; inside a read_slowly, which bounds its time."""
    column = SORT_COLUMNS[filter.sort.removeprefix("-")]
    found = await _walk(filter, column, None, True, MOST + 1)
    if len(found) > MOST:
        return too_many(filter)
    by_role = filter.sort.endswith("role")
    places = [Place(key, member_id, Role(role) if by_role else None) for key, member_id, role in found]
    places.sort(key=_rank(filter.sort), reverse=filter.sort.startswith("-"))
    return Hits(filter, filter.sort, tuple(places), False)


def too_many(filter: Filter) -> Hits:  # noqa: A002
    """The hits of a search that has more than can be sorted."""
    return Hits(filter, filter.sort if filter.sort.endswith("joined") else "-joined", (), True)


def _rank(sort: str) -> Any:
    """A function from a place to what it is compared by in this order."""
    if sort.endswith("role"):
        return lambda place: (ROLE_ORDER.index(place.role), place.key, place.id)
    return lambda place: (place.key, place.id)


async def _walk(filter: Filter, column: str, beyond: int | None, descending: bool, limit: int) -> list[Any]:  # noqa: A002
    """The next hits along the ids: (column, id, role) each. beyond: the id to go on from."""
    source, key, args = _matching(filter.terms)
    roles = ", ".join(f"'{role.value}'" for role in filter.shown_roles)
    direction, sign = ("DESC", "<") if descending else ("ASC", ">")
    placed = "" if beyond is None else f" AND {key} {sign} ?"
    placed += f" AND m.link_id = {filter.link}" if filter.link else ""
    return await engine.rows(
        f"SELECT m.{column}, m.id, m.role FROM {source}"
        f" AND m.removed_at = 0 AND m.role IN ({roles}){placed} ORDER BY {key} {direction} LIMIT ?",
        *args,
        *(() if beyond is None else (beyond,)),
        limit,
    )


def _matching(terms: Sequence[Sequence[str]]) -> tuple[str, str, list[str]]:
    """FROM and the beginning of WHERE, the id by which it is walked along, and the arguments."""
    if engine.dialect() == "sqlite":
        # Each term is a quoted phrase of FTS5, in which only the quotation mark itself has a meaning. The
        # join's order is fixed: hits come from the index by rowid, so nothing has to be sorted.
        phrases = " AND ".join(f"({' OR '.join(map(_quoted, spellings))})" for spellings in terms)
        source = "member_search AS s CROSS JOIN member AS m ON m.id = s.rowid WHERE s.search_key MATCH ?"
        return source, "s.rowid", [phrases]
    condition, args = containing(terms, "m.search_key")
    return f"member AS m WHERE {condition}", "m.id", args


def _quoted(term: str) -> str:
    return '"' + term.replace('"', '""') + '"'


def containing(terms: Sequence[Sequence[str]], *columns: str) -> tuple[str, list[str]]:
    """A condition, and its arguments: of each term one spelling occurs in one of the columns."""
    conditions, args = [], list[str]()
    for spellings in terms:
        ways = [f"{column} LIKE ? ESCAPE '\\'" for column in columns for _ in spellings]
        conditions.append(f"({' OR '.join(ways)})")
        args += [f"%{_escaped(spelling)}%" for spelling in spellings] * len(columns)
    return " AND ".join(conditions), args


def _escaped(term: str) -> str:
    """The term as LIKE takes it literally."""
    return "".join(f"\\{sign}" if sign in "%_\\" else sign for sign in term)
