"""Whom the log can be asked about: members, removed ones as long as their name is kept, and the invited."""

import asyncio
from collections.abc import Sequence
from typing import Final, NamedTuple

from db import engine
from db.activity import kept_names as activity_names
from db.activity.kept_names import Kept
from db.common import invisible, normalization
from db.members import directory
from db.members.directory import search

# Of more than this many people the page asks for more letters.
MAX_PEOPLE: Final = 20
# Names of removed members have no index: so many of the newest are looked through.
MAX_REMOVED: Final = 10_000


class Found(NamedTuple):
    """person: the id of a member, or of one who was removed; invitation: of one to somebody who never came.

    The other of them is 0. name: "" for none.
    """

    name: str
    email: str
    person: int = 0
    invitation: int = 0
    removed: bool = False

    @property
    def label(self) -> str:
        """The name, or the address where no name was given."""
        return self.name or self.email


async def find(text: str) -> tuple[Found, ...]:
    """People whose name or address holds this text, up to MAX_PEOPLE and one more; members come first.

    Just the one of whom it is the whole name or address, if there is exactly one. Raises engine.TookTooLong.
    """
    wanted = directory.MemberFilter(q=text, roles=directory.ROLE_ORDER)
    if not wanted.terms:
        return ()
    members = [Found(row.name, row.email, row.id) for row in (await directory.page(wanted)).rows]
    kept = await engine.read(activity_names.newest, MAX_REMOVED)
    # Thousands take a while: other people's pages don't wait for it.
    removed = await asyncio.to_thread(_among, kept, wanted.terms)
    found = [*members, *removed, *await engine.read_in_background(_invited, text)]
    typed = invisible.stripped(text).casefold()
    whole = [one for one in found if typed in (one.email.casefold(), one.name.casefold())]
    return tuple(whole if len(whole) == 1 else found[: MAX_PEOPLE + 1])


async def one(*, person: int, invitation: int) -> Found | None:
    """The person of this id; None if nothing is known of them, or no longer."""
    return await engine.read(_one, person, invitation)


async def _one(person: int, invitation: int) -> Found | None:
    if row := await directory.one(person):
        return Found(row.name, row.email, row.id)
    if kept := await activity_names.of_member(person):
        return Found(kept.name, kept.email, kept.member_id, removed=True)
    found = await engine.rows(f"{_INVITED} WHERE i.id = ? AND i.email <> ''", invitation)
    return _of_invitation(*found[0]) if found else None


def _among(kept: Sequence[Kept], terms: Sequence[Sequence[str]]) -> list[Found]:
    """Those whose name or address holds the terms, as in the search for members."""
    found = list[Found]()
    for one in kept:
        key = normalization.search_text(one.name, "", one.email, one.email.lower())
        if all(any(way in key for way in ways) for ways in terms):
            found.append(Found(one.name, one.email, one.member_id, removed=True))
    return found


_INVITED: Final = "SELECT i.id, i.first_name, i.last_name, i.email FROM invitation AS i"


async def _invited(text: str) -> list[Found]:
    """Of each address that no member has the newest invitation in which this is found."""
    condition, args = search.containing(normalization.search_words(text), "i.search_text")
    found = await engine.rows(
        f"{_INVITED} WHERE i.id IN (SELECT MAX(i.id) FROM invitation AS i WHERE {condition}"
        " AND i.email_key <> '' AND NOT EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = i.email_key)"
        " GROUP BY i.email_key) ORDER BY i.id DESC LIMIT ?",
        *args,
        MAX_PEOPLE + 1,
    )
    return [_of_invitation(*row) for row in found]


def _of_invitation(invitation_id: int, first_name: str, last_name: str, email: str) -> Found:
    return Found(f"{first_name} {last_name}".strip(), email, invitation=invitation_id)
