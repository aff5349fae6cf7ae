"""The open access requests, newest first, fifty at a time; shown beside the list of invitations."""

from dataclasses import dataclass
from typing import Final, NamedTuple

from db import engine
from db.common import addresses, normalization
from db.members.directory import search

PAGE_SIZE: Final = 50

# What Owner and Administrators see: requests confirmed by mail, or made while no mail could be sent. A
# request disappears once its address belongs to a member.
SEEN: Final = (
    "r.ended_at = 0 AND (r.confirmed_at > 0 OR r.link_id = 0)"
    " AND NOT EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = r.email_key)"
)


class AccessRequestRow(NamedTuple):
    """One open access request. invited_at: when its address was invited, 0 for never. Instants in ms."""

    id: int
    email: str
    name: str
    words: str
    made_at: int
    confirmed_at: int
    invited_at: int

    @property
    def domain_shown(self) -> str:
        """An international domain as it is read, "" for any other."""
        return addresses.unicode_domain(self.email)


@dataclass(frozen=True, slots=True)
class AccessRequestPage:
    """newer, older: ids for `before` and `after`, 0 where the list ends. total: of all that match.

    offset: how many come before the first row.
    """

    rows: tuple[AccessRequestRow, ...] = ()
    newer: int = 0
    older: int = 0
    total: int = 0
    offset: int = 0


_COLUMNS: Final = (
    "r.id, r.email, r.name, r.message, r.made_at, r.confirmed_at, COALESCE((SELECT i.made_at FROM invitation"
    " AS i WHERE i.email_key = r.email_key AND i.ended_at = 0), 0)"
)


async def page(q: str = "", *, after: int = 0, before: int = 0) -> AccessRequestPage:
    """One page. q: parts of address and name. Raises engine.TookTooLong and engine.Unavailable."""
    return await (engine.read_in_background if q else engine.read)(_page, q, after, before)


async def _page(q: str, after: int, before: int) -> AccessRequestPage:
    where, args = SEEN, list[object]()
    words = normalization.search_words(q)
    if words:
        condition, looked_for = search.containing(words, "r.search_text")
        where += f" AND {condition}"
        args += looked_for
    ((total,),) = await engine.rows(f"SELECT COUNT(*) FROM access_request AS r WHERE {where}", *args)
    place, order = ("r.id > ?", "ASC") if before else ("r.id < ?", "DESC")
    beyond = f" AND {place}" if before or after else ""
    found = await engine.rows(
        f"SELECT {_COLUMNS} FROM access_request AS r WHERE {where}{beyond} ORDER BY r.id {order} LIMIT ?",
        *args,
        *((before or after,) if beyond else ()),
        PAGE_SIZE + 1,
    )
    more = len(found) > PAGE_SIZE
    rows = [AccessRequestRow(*row) for row in found[:PAGE_SIZE]]
    if before:
        rows.reverse()
    newer, older = (more, True) if before else (after > 0, more)
    offset = 0
    if rows and newer:
        counted = f"SELECT COUNT(*) FROM access_request AS r WHERE {where} AND r.id > ?"
        ((offset,),) = await engine.rows(counted, *args, rows[0].id)
    return AccessRequestPage(
        rows=tuple(rows),
        newer=rows[0].id if rows and newer else 0,
        older=rows[-1].id if rows and older else 0,
        total=total,
        offset=offset,
    )


async def count() -> int:
    """How many access requests are open. Works inside a read or a write."""
    ((number,),) = await engine.rows(f"SELECT COUNT(*) FROM access_request AS r WHERE {SEEN}")
    return int(number)
