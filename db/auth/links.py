"""Rows of signed links. The signer makes their tokens, which are never stored.

The row alone holds the state. Pages may show it only after the token's mac was checked.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import InvalidLink
from db.policy import Actor, Role
from db.schema.tables import Link as LinkRow

SETUP, INVITE, INVITATION, RESET, ADDRESS = "setup", "invite", "invitation", "reset", "address"
ACCESS_REQUEST = "request"
# How long ended links are kept. Later their tokens are answered like unknown ones.
KEPT_MS: Final = 90 * DAY_MS
# Each batch is one short write, so that it blocks nobody for long.
BATCH_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Link:
    """One row. Instants in ms, 0 for never; max_uses 0 for no limit."""

    id: int
    purpose: str
    subject: int
    nonce: str
    made_at: int
    made_by: int
    expires_at: int
    ended_at: int
    end_reason: str
    uses: int
    max_uses: int

    def invalid_reason(self, now: int) -> str | None:
        """Why the link is invalid (reset, expired, used_up, …); None while it is valid."""
        if self.ended_at:
            return self.end_reason
        if self.expires_at and self.expires_at <= now:
            return "expired"
        if self.max_uses and self.uses >= self.max_uses:
            return "used_up"
        return None


COLUMNS = "id, purpose, subject, nonce, made_at, made_by, expires_at, ended_at, end_reason, uses, max_uses"


async def find(link_id: int, purpose: str) -> Link | None:
    """The link of this id and purpose, open or ended."""
    found = await engine.rows(f"SELECT {COLUMNS} FROM links WHERE id = ? AND purpose = ?", link_id, purpose)
    return Link(*found[0]) if found else None


async def open_one(purpose: str, subject: int = 0) -> Link | None:
    """The newest link that hasn't ended. It may have expired."""
    found = await engine.rows(
        f"SELECT {COLUMNS} FROM links WHERE purpose = ? AND subject = ? AND ended_at = 0"
        " ORDER BY id DESC LIMIT 1",
        purpose,
        subject,
    )
    return Link(*found[0]) if found else None


async def newest(purpose: str) -> Link | None:
    """The newest link of a purpose without a subject, open or ended."""
    found = await engine.rows(
        f"SELECT {COLUMNS} FROM links WHERE purpose = '{purpose}' ORDER BY id DESC LIMIT 1"
    )
    return Link(*found[0]) if found else None


async def make(
    purpose: str, *, subject: int = 0, made_by: int = 0, expires_at: int = 0, max_uses: int = 0
) -> Link:
    """Inside a write: makes a link. expires_at: ms, 0 for never."""
    values: dict[str, Any] = {
        "purpose": purpose,
        "subject": subject,
        "nonce": secrets.token_hex(16),
        "made_at": clock.now(),
        "made_by": made_by,
        "expires_at": expires_at,
        "ended_at": 0,
        "end_reason": "",
        "uses": 0,
        "max_uses": max_uses,
    }
    inserted = await LinkRow.insert(LinkRow(**values))
    return Link(id=inserted[0]["id"], **values)


async def use(link_id: int) -> None:
    """Inside a write: counts one use. The UPDATE is conditional, so max_uses is never exceeded.

    Raises InvalidLink with the reason when it has ended, expired or is used up.
    """
    now = clock.now()
    counted = await engine.execute(
        "UPDATE links SET uses = uses + 1 WHERE id = ? AND ended_at = 0"
        " AND (expires_at = 0 OR expires_at > ?) AND (max_uses = 0 OR uses < max_uses)",
        link_id,
        now,
    )
    if counted == 0:
        found = await engine.rows(f"SELECT {COLUMNS} FROM links WHERE id = ?", link_id)
        raise InvalidLink((Link(*found[0]).invalid_reason(now) if found else None) or "unknown")


async def consume(link_id: int) -> None:
    """Uses a link that works once, and ends it; raises InvalidLink when somebody was faster."""
    await use(link_id)
    await engine.execute(
        "UPDATE links SET ended_at = ?, end_reason = 'used' WHERE id = ? AND ended_at = 0",
        clock.now(),
        link_id,
    )


async def consume_as_member(link: Link, address: str) -> Actor:
    """Inside a write: ends a link that works once; the member it is for acts by it. address: of the network.

    Raises InvalidLink when somebody was faster, or the member is gone.
    """
    found = await engine.rows(
        f"SELECT role FROM member WHERE id = ? AND removed_at = 0{engine.for_update()}", link.subject
    )
    if not found:
        raise InvalidLink("void")
    await consume(link.id)
    return Actor(link.subject, Role(found[0][0]), address=address)


async def end(
    purpose: str, reason: str, *, subject: int | None = None, made_by: int | None = None, at: int = 0
) -> int:
    """Ends all open rows of a purpose, of one subject or of all, by one maker or by all; returns how many.

    at: in ms, 0 for now.
    """
    asked = {"subject": subject, "made_by": made_by}
    args = [value for value in asked.values() if value is not None]
    about = "".join(f" AND {column} = ?" for column, value in asked.items() if value is not None)
    return await engine.execute(
        f"UPDATE links SET ended_at = ?, end_reason = ? WHERE purpose = ? AND ended_at = 0{about}",
        at or clock.now(),
        reason,
        purpose,
        *args,
    )


async def reopen(purposes: Sequence[str], subjects: Sequence[int], *, ended_at: int) -> None:
    """Reopens links of these members that ended at this instant (ms), because what ended them was undone."""
    kinds, marks = ", ".join("?" * len(purposes)), ", ".join("?" * len(subjects))
    await engine.execute(
        "UPDATE links SET ended_at = 0, end_reason = ''"
        f" WHERE ended_at = ? AND purpose IN ({kinds}) AND subject IN ({marks})",
        ended_at,
        *purposes,
        *subjects,
    )


async def stamp_expired() -> int:
    """Marks expired links as ended, so that setting the clock back revives none. Returns how many."""
    now = clock.now()
    # Links from before the clock was set back: their time begins now, except that of the invite link, whose
    # end the Owner has chosen.
    await engine.execute(
        "UPDATE links SET expires_at = expires_at - made_at + ?, made_at = ?"
        " WHERE ended_at = 0 AND made_at > ? AND expires_at > 0 AND purpose <> ?",
        now,
        now,
        now,
        INVITE,
    )
    return await engine.execute(
        "UPDATE links SET ended_at = ?, end_reason = 'expired'"
        " WHERE ended_at = 0 AND expires_at > 0 AND expires_at <= ?",
        now,
        now,
    )


async def make_many(purpose: str, count: int, made_by: int, expires_at: int) -> list[int]:
    """Makes `count` links that work once, in one statement. Returns their ids."""
    row = "(?, 0, ?, ?, ?, ?, 0, '', 0, 1)"
    values: list[object] = []
    for _ in range(count):
        values += [purpose, secrets.token_hex(16), clock.now(), made_by, expires_at]
    found = await engine.rows(
        "INSERT INTO links (purpose, subject, nonce, made_at, made_by, expires_at, ended_at, end_reason,"
        f" uses, max_uses) VALUES {', '.join([row] * count)} RETURNING id",
        *values,
    )
    return sorted(link_id for (link_id,) in found)


async def extend(link_ids: Sequence[int], expires_at: int) -> None:
    """Extends unused links. Expired ones work again, in earlier mails too.

    Links that ended with a changed secret key are reopened as well: old mails stay invalid, new ones work.
    """
    marks = ", ".join("?" * len(link_ids))
    await engine.execute(
        "UPDATE links SET expires_at = ?, ended_at = 0, end_reason = '' WHERE uses = 0"
        f" AND (ended_at = 0 OR end_reason IN ('expired', 'key rotated')) AND id IN ({marks})",
        expires_at,
        *link_ids,
    )


async def forget() -> int:
    """Deletes those for a new password or a request that ended long ago; how many. Not inside a write.

    Anybody may ask for them, as often as they like.
    """
    forgotten, before = 0, clock.now() - KEPT_MS
    while some := await engine.write(_delete_some, before):
        forgotten += some
    return forgotten


async def _delete_some(before: int) -> int:
    return await engine.execute(
        "DELETE FROM links WHERE id IN (SELECT id FROM links WHERE purpose IN (?, ?)"
        " AND ended_at > 0 AND ended_at <= ? ORDER BY id LIMIT ?)",
        RESET,
        ACCESS_REQUEST,
        before,
        BATCH_ROWS,
    )
