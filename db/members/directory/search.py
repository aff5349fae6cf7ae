"""Search by name and address: substrings, found through trigrams or among the members of the roles.

Up to 1,000 hits are all there are, so they are counted, and sorted as asked for. From 1,001 on they count as
"more than 1,000" and stand in the order of joining, which is the order of ids: a walk along these ends as
soon as a page is full.

A search begins with whichever is rarer, the members of the roles or the hits of the terms: else
"example.org" among two thousand Administrators would look at a million hits. PostgreSQL decides that by
itself, with an index of trigrams for each role. On SQLite it is decided here: the number of members by role
is known exactly, that of hits is estimated by the newest thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from db import engine
from db.common.role_codes import codes
from db.members.directory import role_counts
from db.members.directory.filters import NEWEST_FIRST, Cursor, MemberFilter, column_of, groups, is_grouped
from db.policy import Role

MAX_HITS: Final = 1_000
# So many members of roles are looked through in two milliseconds, whatever the terms are, for their index
# holds the text; so many who came by a link in ten, for their rows have to be fetched.
FEW: Final = 20_000
FEW_BY_LINK: Final = 10_000
# To step from one hit of a term to the next costs as much as to look at so many members of a role.
MEMBERS_PER_HIT: Final = 10
# To ask how many hits a term has takes milliseconds, too; the longest terms are the rarest.
MAX_ESTIMATED: Final = 3

Way = Literal["trigrams", "roles", "link"]


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found. cursors: of all hits, in order; none when there are too many. sort: in force.

    way: which index its queries use, None while that isn't decided.
    """

    filter: MemberFilter
    sort: str
    cursors: tuple[Cursor, ...]
    too_many: bool
    way: Way | None = None

    async def part(self, cursor: Cursor | None, backwards: bool, limit: int) -> list[Cursor]:
        """Up to `limit` cursors after this one, or before it; the nearest comes first."""
        descending = self.sort.startswith("-") is not backwards
        if self.too_many:
            way = self.way or await _way(self.filter)
            beyond = cursor.id if cursor else None
            found = await _query(self.filter, way, "joined_at", limit, (beyond, descending))
            return [Cursor(key, member_id) for key, member_id, _ in found]
        ahead = self.cursors[::-1] if backwards else self.cursors
        if cursor is not None:
            rank, here = _rank(self.sort), _rank(self.sort)(cursor)
            ahead = tuple(p for p in ahead if (rank(p) < here if descending else rank(p) > here))
        return list(ahead[:limit])


async def find(filter: MemberFilter) -> Hits:  # noqa: A002 - the word of the contract
    """Searches for the filter's terms among its roles; inside a read_in_background, which bounds its time."""
    way = await _way(filter)
    found = await _query(filter, way, column_of(filter.sort), MAX_HITS + 1)
    if len(found) > MAX_HITS:
        return too_many(filter, way)
    grouped = is_grouped(filter.sort)
    cursors = [Cursor(key, member_id, Role(role) if grouped else None) for key, member_id, role in found]
    cursors.sort(key=_rank(filter.sort), reverse=filter.sort.startswith("-"))
    return Hits(filter, filter.sort, tuple(cursors), False)


def too_many(filter: MemberFilter, way: Way | None = None) -> Hits:  # noqa: A002
    """The hits of a search that has more than can be sorted."""
    return Hits(filter, filter.sort if filter.sort.endswith("joined") else NEWEST_FIRST, (), True, way)


def _rank(sort: str) -> Any:
    """A function from a cursor to what it is compared by in this order."""
    if not is_grouped(sort):
        return lambda cursor: (cursor.key, cursor.id)
    group = {role: at for at, roles in enumerate(groups(sort)) for role in roles}
    return lambda cursor: (group[cursor.role], cursor.key, cursor.id)


async def _way(filter: MemberFilter) -> Way:  # noqa: A002
    """With what to begin."""
    if engine.dialect() == "postgres":
        return "roles"
    if filter.link:
        few = await engine.rows(
            "SELECT COUNT(*) FROM (SELECT 1 FROM member WHERE link_id = ? AND link_id > 0 AND removed_at = 0"
            " LIMIT ?)",
            filter.link,
            FEW_BY_LINK + 1,
        )
        if few[0][0] <= FEW_BY_LINK:
            return "link"
    by_role = await role_counts.counts()
    members = sum(by_role[role] for role in filter.shown_roles)
    if members <= FEW:
        return "roles"
    terms = sorted(filter.terms, key=lambda spellings: -min(map(len, spellings)))[:MAX_ESTIMATED]
    # With each further term there is more to step over until all have a hit in common.
    enough = members / MEMBERS_PER_HIT / len(terms)
    for spellings in terms:
        if await _estimated_hits(spellings) < enough:
            return "trigrams"
    return "roles"


async def _estimated_hits(spellings: Sequence[str]) -> float:
    """How many hits a term has in all roles, by how near each other the newest are; 0 for up to MAX_HITS."""
    ((hits, lowest, highest),) = await engine.rows(
        "SELECT COUNT(*), MIN(rowid), (SELECT MAX(id) FROM member) FROM ("
        "SELECT rowid FROM member_search WHERE search_text MATCH ? ORDER BY rowid DESC LIMIT ?)",
        _phrases((spellings,)),
        MAX_HITS + 1,
    )
    return hits * highest / (highest - lowest + 1) if hits > MAX_HITS else 0


async def _query(
    filter: MemberFilter,  # noqa: A002
    way: Way,
    column: str,
    limit: int,
    along: tuple[int | None, bool] | None = None,
) -> list[Any]:
    """Up to `limit` hits: (column, id, role) each.

    along: the ids in order, from this one on (None: from the end), descending or not. Without it any hits.
    """
    placed, order = f" AND m.removed_at = 0{filter.condition}", ""
    if along is not None:
        beyond, descending = along
        placed += "" if beyond is None else f" AND m.id {'<' if descending else '>'} {beyond:d}"
        order = f" ORDER BY id {'DESC' if descending else 'ASC'}"
    chosen = f"SELECT m.{column} AS key, m.id AS id, m.role AS role"
    if way == "trigrams":
        # The join's order is fixed: hits come from the index by rowid, so nothing has to be sorted.
        roles = codes(*filter.shown_roles)
        return await engine.rows(
            f"{chosen} FROM member_search AS s CROSS JOIN member AS m ON m.id = s.rowid"
            f" WHERE s.search_text MATCH ? AND m.role IN ({roles}){placed.replace('m.id', 's.rowid')}"
            f"{order.replace('id', 's.rowid')} LIMIT {limit}",
            _phrases(filter.terms),
        )
    condition, args = containing(filter.terms, "m.search_text")
    sqlite = engine.dialect() == "sqlite"
    hint = f" INDEXED BY {'member_by_link' if way == 'link' else 'member_search_by_role'}" if sqlite else ""
    branches = [
        f"{chosen} FROM member AS m{hint} WHERE m.role = {codes(role)}{placed} AND {condition}"
        for role in filter.shown_roles
    ]
    if not sqlite:
        # PostgreSQL merges sorted subqueries; SQLite would sort these, but merges plain branches.
        branches = [f"(SELECT * FROM ({branch}{order} LIMIT {limit}) AS branch)" for branch in branches]
    return await engine.rows(f"{' UNION ALL '.join(branches)}{order} LIMIT {limit}", *args * len(branches))


def _phrases(terms: Sequence[Sequence[str]]) -> str:
    """The terms as FTS5 has them: quoted phrases, in which only the quotation mark itself has a meaning."""
    return " AND ".join(f"({' OR '.join(map(_quoted, spellings))})" for spellings in terms)


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
