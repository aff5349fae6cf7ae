"""What somebody had typed into a form when their session turned out to have ended, kept for an hour.

Only the same member gets it back, after signing in again, to look at and to send: nothing is done with it by
itself. Passwords, tokens and codes are never in it.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Collection
from typing import Final

from db import engine, policy
from db.auth import sessions
from db.auth.rate_limits import Throttle, count
from db.common import clock
from db.errors import TooManyTries
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor

KEPT_MS: Final = 3600 * 1000
MAX_BYTES: Final = 64 * 1024
MAX_PER_MEMBER: Final = 5
MAX_TRIES: Final = 20
_SECRET: Final = re.compile(r"password|token|code|secret|^draft$", re.IGNORECASE)


Fields = dict[str, list[str]]


async def keep(
    session_token: str,
    page: str,
    read_fields: Callable[[], Fields],
    *,
    names: Collection[str],
    throttle: Throttle,
) -> str | None:
    """Stores fields for the member whose ended session this token is of; returns the draft's key.

    page: the path that shows the form. names: the fields of the form; others are left out. read_fields:
    called only for such a token, since nobody else may store anything. None, and nothing is stored, for any
    other token, for somebody who may not sign in, without fields, for more than MAX_BYTES, and for more than
    MAX_TRIES in 15 minutes. The oldest draft makes room for a sixth.
    """
    member_id = await engine.read(sessions.member_of_ended, session_token)
    if not member_id:
        return None
    try:
        await count([throttle.draft(member_id, MAX_TRIES)])
    except TooManyTries:
        return None
    wanted = {name for name in names if not _SECRET.search(name)}
    kept = {name: values for name, values in read_fields().items() if name in wanted}
    content = json.dumps(kept)
    if not kept or len(content) > MAX_BYTES:
        return None
    key = secrets.token_urlsafe(24)
    is_kept = await engine.write(_insert, session_token, member_id, page, content, _hash(key))
    return key if is_kept else None


async def _insert(session_token: str, member_id: int, page: str, content: str, key_hash: str) -> bool:
    # Drafts of one member come one after the other, or each would leave room for itself alone.
    await engine.rows(f"SELECT id FROM member WHERE id = ?{engine.for_update()}", member_id)
    if not await sessions.member_of_ended(session_token):
        # All their sessions were ended meanwhile.
        return False
    await engine.execute(
        "INSERT INTO draft (member_id, key_hash, page, content, made_at) VALUES (?, ?, ?, ?, ?)",
        member_id,
        key_hash,
        page,
        content,
        clock.now(),
    )
    await engine.execute(
        "DELETE FROM draft WHERE member_id = ? AND id NOT IN"
        " (SELECT id FROM draft WHERE member_id = ? ORDER BY id DESC LIMIT ?)",
        member_id,
        member_id,
        MAX_PER_MEMBER,
    )
    return True


async def find(member_id: int, page: str, key: str) -> Fields | None:
    """The fields kept for this member and page under this key; None once the hour is over or it was sent."""
    found = await engine.read(
        engine.rows,
        "SELECT content FROM draft WHERE key_hash = ? AND member_id = ? AND page = ? AND made_at > ?",
        _hash(key),
        member_id,
        page,
        clock.now() - KEPT_MS,
    )
    kept: Fields | None = json.loads(found[0][0]) if found else None
    return kept


async def discard(actor: Actor, key: str) -> None:
    """Deletes a draft of the actor's that was sent. Raises SignInFirst."""

    async def write(_: Locked) -> None:
        await engine.execute("DELETE FROM draft WHERE key_hash = ? AND member_id = ?", _hash(key), actor.id)

    await changes.write(actor, policy.may_sign_in, write)


async def sweep() -> int:
    """Inside a write: deletes drafts older than an hour."""
    return await engine.execute("DELETE FROM draft WHERE made_at <= ?", clock.now() - KEPT_MS)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()
