"""Signed-in browsers: an own table of hashed tokens, absolute and idle ends, read afresh for each request."""

import contextlib
import hashlib
import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

from db import engine
from db.auth.presence import Presence
from db.common import clock, invisible
from db.common.role_codes import codes
from db.policy import Role, SessionKey, has_ended
from db.schema.tables import Session

TEMPORARY_AGE_MS: Final = 12 * 60 * 60 * 1000
MAX_DEVICE_CHARACTERS: Final = 80
# Of one member, at the same time.
MAX_OPEN: Final = 100
# Whose session has ended is known for so long, so that what they typed can be kept (db/accounts/drafts.py).
REMEMBERED_MS: Final = 12 * 60 * 60 * 1000


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How long sessions last, in ms.

    persistent: the whole life of one that outlives the browser. temporary: of any other. idle: the longest
    gap between two requests.
    """

    persistent: int
    idle: int
    temporary: int = TEMPORARY_AGE_MS

    def within(self, persistent: int, idle: int) -> "SessionLimits":
        """These limits, or the Owner's where they are shorter; 0 means that the Owner has set none."""
        return replace(
            self,
            persistent=min(self.persistent, persistent or self.persistent),
            idle=min(self.idle, idle or self.idle),
        )


@dataclass(frozen=True)
class Current:
    """Who is asking: the session and its member, as of this request.

    Instants in ms, as in db/schema/tables.py.
    """

    session_id: int
    member_id: int
    persistent: bool
    made_at: int
    used_at: int
    expires_at: int
    password_at: int
    email: str
    first_name: str
    last_name: str
    role: Role
    theme: str
    time_zone: str
    joined_at: int
    joined_via: str
    ends_at: int
    reset_link_made_at: int
    title: str
    key: SessionKey

    @cached_property
    def name(self) -> str:
        """The full name, or the address when none was given."""
        return invisible.clean_name(f"{self.first_name} {self.last_name}") or self.email


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One line of the list of sessions on the account page and in a member's panel."""

    id: int
    device: str
    address: str
    made_at: int
    used_at: int
    persistent: bool


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


_CURRENT = (
    "SELECT s.id, m.id, s.persistent, s.made_at, s.used_at, s.expires_at, s.password_at, m.email,"
    " m.first_name, m.last_name, m.role, m.theme, m.time_zone, m.joined_at, m.joined_via, m.ends_at,"
    " m.reset_link_made_at, o.title, o.session_age, o.session_idle"
    " FROM session AS s JOIN member AS m ON m.id = s.member_id CROSS JOIN organization AS o"
    " WHERE s.token_hash = ? AND s.ended_at = 0"
)


async def current(token: str, session_limits: SessionLimits, presence: Presence) -> Current | None:
    """The session behind a cookie's token, None when it has ended. One query.

    A session seen past its absolute or idle end is marked as ended, so that no clock revives it (ASVS 7.3).
    """
    hashed = token_hash(token)
    found = await engine.read(engine.rows, _CURRENT, hashed)
    if not found:
        return None
    session_id, member_id, persistent, made_at, used_at, expires_at, password_at, email, *rest = found[0]
    first, last, role, *rest, max_age, max_idle = rest
    session_limits, now = session_limits.within(max_age, max_idle), clock.now()
    last_use = max(used_at, presence.of_session(session_id))
    over_at = min(
        expires_at, made_at + (session_limits.persistent if persistent else session_limits.temporary)
    )
    if await end_if_over(SessionKey(session_id, hashed, min(over_at, last_use + session_limits.idle))):
        return None
    # This request is a use of it.
    key = SessionKey(session_id, hashed, min(over_at, now + session_limits.idle))
    instants = (made_at, used_at, expires_at, password_at)
    member = (email, first, last, Role(role), *rest, key)
    current = Current(session_id, member_id, bool(persistent), *instants, *member)
    if has_ended(current.ends_at, now):
        with contextlib.suppress(engine.Unavailable):
            await engine.write(_end_with_membership, member_id)
        return None
    return current


async def end_if_over(key: SessionKey) -> bool:
    """Notes that a session has ended whose time is over; returns whether it is."""
    if clock.now() < key.ends_at:
        return False
    # A full disk must not make a page fail that only looks; the sweeper comes again.
    with contextlib.suppress(engine.Unavailable):
        await engine.write(_end, key.id, "expired")
    return True


async def _end_with_membership(member_id: int) -> None:
    # The member first, as every change locks them. What else ends with it, the chore does within a minute.
    await engine.rows(f"SELECT id FROM member WHERE id = ?{engine.for_update()}", member_id)
    await end_all(member_id, "membership ended")


async def begin(
    member_id: int, *, persistent: bool, session_limits: SessionLimits, address: str, device: str
) -> str:
    """Inside a write: makes a session and returns its token (256 random bits); only its hash is stored.

    The member has just entered or chosen their password. session_limits: the environment's; the Owner's are
    read here. If the member has MAX_OPEN sessions, the oldest ends.
    """
    # Sessions of one member begin one after the other, or each would leave room for itself alone.
    await engine.rows(f"SELECT id FROM member WHERE id = ?{engine.for_update()}", member_id)
    await engine.execute(
        "UPDATE session SET ended_at = ?, end_reason = 'too many sessions'"
        " WHERE member_id = ? AND ended_at = 0 AND id <= (SELECT id FROM session"
        " WHERE member_id = ? AND ended_at = 0 ORDER BY id DESC LIMIT 1 OFFSET ?)",
        clock.now(),
        member_id,
        member_id,
        MAX_OPEN - 1,
    )
    token = secrets.token_urlsafe(32)
    session_limits, now = await in_force(session_limits), clock.now()
    await Session.insert(
        Session(
            member_id=member_id,
            token_hash=token_hash(token),
            persistent=int(persistent),
            made_at=now,
            used_at=now,
            expires_at=now + (session_limits.persistent if persistent else session_limits.temporary),
            ended_at=0,
            end_reason="",
            address=address,
            device=device[:MAX_DEVICE_CHARACTERS],
            password_at=now,
        )
    )
    return token


async def in_force(session_limits: SessionLimits) -> SessionLimits:
    """Inside a read or write: the environment's limits, or the Owner's where they are shorter."""
    found = await engine.rows("SELECT session_age, session_idle FROM organization")
    return session_limits.within(*found[0]) if found else session_limits


async def rotate(session_id: int) -> str:
    """Inside a write: a new token for the same session, whose member has just given their password (ASVS
    7.2.4); returns it."""
    token = secrets.token_urlsafe(32)
    await engine.execute(
        "UPDATE session SET token_hash = ?, password_at = ? WHERE id = ?",
        token_hash(token),
        clock.now(),
        session_id,
    )
    return token


async def of_member(member_id: int) -> list[OpenSession]:
    """The open sessions of a member, last used first: all there can be."""
    found = await engine.rows(
        "SELECT id, device, address, made_at, used_at, persistent FROM session"
        " WHERE member_id = ? AND ended_at = 0 AND expires_at > ? ORDER BY used_at DESC, id DESC LIMIT ?",
        member_id,
        clock.now(),
        MAX_OPEN,
    )
    return [
        OpenSession(session_id, device, address, made_at, used_at, bool(persistent))
        for session_id, device, address, made_at, used_at, persistent in found
    ]


async def end_all(member_id: int, reason: str, *, but: int = 0) -> int:
    """Inside a write: ends every session of a member but one; returns how many.

    Whoever had one of them may not have been that member: what they typed is forgotten, and those that ran
    out before keep nothing any more.
    """
    await engine.execute("DELETE FROM draft WHERE member_id = ?", member_id)
    await engine.execute(
        "UPDATE session SET end_reason = ? WHERE member_id = ? AND end_reason = 'expired'", reason, member_id
    )
    return await engine.execute(
        "UPDATE session SET ended_at = ?, end_reason = ? WHERE member_id = ? AND ended_at = 0 AND id <> ?",
        clock.now(),
        reason,
        member_id,
        but,
    )


async def _end(session_id: int, reason: str) -> int:
    return await engine.execute(
        "UPDATE session SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at = 0",
        clock.now(),
        reason,
        session_id,
    )


async def sweep(session_limits: SessionLimits) -> int:
    """Inside a write: ends sessions whose time is over, deletes those that ended REMEMBERED_MS ago or more.

    Returns how many it deleted.
    """
    session_limits, now = await in_force(session_limits), clock.now()
    # The clock was set back since: their lives begin now, or they would live longer than they may.
    await engine.execute(
        "UPDATE session SET expires_at = expires_at - made_at + ?, made_at = ?"
        " WHERE ended_at = 0 AND made_at > ?",
        now,
        now,
        now,
    )
    await engine.execute("UPDATE session SET used_at = ? WHERE ended_at = 0 AND used_at > ?", now, now)
    await engine.execute(
        "UPDATE session SET ended_at = ?, end_reason = 'expired'"
        " WHERE ended_at = 0 AND (expires_at <= ? OR used_at <= ? OR (persistent = 1 AND made_at <= ?))",
        now,
        now,
        now - session_limits.idle,
        now - session_limits.persistent,
    )
    return await engine.execute(
        "DELETE FROM session WHERE ended_at > 0 AND ended_at <= ?", now - REMEMBERED_MS
    )


async def member_of_ended(token: str) -> int:
    """Inside a read: whose ended session this was, 0 for none, an open one, or somebody shut out.

    It must have run out by itself: whoever was thrown out may not have been that member, and whoever signs
    out types nothing more. It tells whose typed text to keep, and opens nothing.
    """
    found = await engine.rows(
        "SELECT m.id FROM session AS s JOIN member AS m ON m.id = s.member_id"
        " WHERE s.token_hash = ? AND s.ended_at > ? AND s.end_reason = 'expired'"
        f" AND m.removed_at = 0 AND m.role <> {codes(Role.DEACTIVATED)}",
        token_hash(token),
        max(0, clock.now() - REMEMBERED_MS),
    )
    return int(found[0][0]) if found else 0
