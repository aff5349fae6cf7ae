"""Whom the log means when it tells of somebody who was removed: a name and an address, kept for a while.

They stand beside the log, which is append-only: the Owner can erase them, and they are forgotten with the
rows of the log that need them (db/activity/retention.py).
"""

from typing import Final, NamedTuple

from db import engine
from db.common import clock

# How many others with the same address are offered at once.
MAX_OTHERS: Final = 50


class Kept(NamedTuple):
    """A removed member as the log knows them. removed_at: ms."""

    member_id: int
    name: str
    email: str
    removed_at: int

    @property
    def label(self) -> str:
        """The name, or the address where no name was given."""
        return self.name or self.email


async def keep(member_id: int) -> None:
    """Inside the write of a removal, before the row is emptied: who this was, and who their invitations."""
    now = clock.now()
    name = "TRIM(first_name || ' ' || last_name)"
    await engine.execute(
        "INSERT INTO activity_name (member_id, about, subject_id, name, email, removed_at)"
        f" SELECT id, 'member', id, {name}, email, CAST(? AS BIGINT) FROM member WHERE id = ?",
        now,
        member_id,
    )
    await engine.execute(
        "INSERT INTO activity_name (member_id, about, subject_id, name, email, removed_at)"
        f" SELECT CAST(? AS BIGINT), 'invitation', id, {name}, email, CAST(? AS BIGINT) FROM invitation"
        " WHERE email <> '' AND (member_id = ?"
        " OR email_key = (SELECT m.email_key FROM member AS m WHERE m.id = ?))",
        member_id,
        now,
        member_id,
        member_id,
    )


async def of_member(member_id: int) -> Kept | None:
    """What is kept of a removed member; None for nothing."""
    found = await engine.rows(
        "SELECT member_id, name, email, removed_at FROM activity_name"
        " WHERE about = 'member' AND subject_id = ?",
        member_id,
    )
    return Kept(*found[0]) if found else None


async def newest(limit: int) -> list[Kept]:
    """Up to so many removed members whose name is kept, those who were removed last first."""
    found = await engine.rows(
        "SELECT member_id, name, email, removed_at FROM activity_name WHERE about = 'member'"
        " ORDER BY removed_at DESC, id DESC LIMIT ?",
        limit,
    )
    return [Kept(*row) for row in found]


async def same_address(kept: Kept) -> list[Kept]:
    """Other removed members with this address, newest first: a member who came back has a new id."""
    found = await engine.rows(
        "SELECT member_id, name, email, removed_at FROM activity_name WHERE about = 'member'"
        " AND LOWER(email) = ? AND member_id <> ? ORDER BY removed_at DESC, id DESC LIMIT ?",
        kept.email.lower(),
        kept.member_id,
        MAX_OTHERS,
    )
    return [Kept(*row) for row in found]


async def forget(before: int, limit: int) -> int:
    """Inside a write: deletes up to `limit` names of those who were removed before this instant (ms)."""
    return await engine.execute(
        "DELETE FROM activity_name WHERE id IN"
        " (SELECT id FROM activity_name WHERE removed_at < ? ORDER BY removed_at LIMIT ?)",
        before,
        limit,
    )
