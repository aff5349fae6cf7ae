"""How a request to be let in ends, other than by an answer to it alone. Inside a write."""

from typing import Final

from db import activity, engine
from db.common import clock
from db.common.dates import DAY_MS
from db.policy import SYSTEM

# The mailed link's life, and that of a request which nobody has confirmed.
CONFIRM_MS: Final = DAY_MS
OPEN_MS: Final = 90 * DAY_MS
# So long an ended request is kept; who was dismissed isn't heard again before.
REMEMBER_MS: Final = 30 * DAY_MS


async def answer(batch_id: int) -> None:
    """Whoever is invited by this sending has the answer to their request, whichever way they were invited."""
    of_batch = "FROM invitation AS i WHERE i.batch_id = ? AND i.email_key = request.email_key"
    await engine.execute(
        "UPDATE request SET ended_at = ?, end_reason = 'invited',"
        f" invitation_id = (SELECT i.id {of_batch})"
        f" WHERE ended_at = 0 AND EXISTS (SELECT 1 {of_batch})",
        clock.now(),
        batch_id,
        batch_id,
    )


async def forget(email_key: str) -> None:
    """Deletes the requests of a removed member, and takes their address out of the mails about them."""
    await engine.execute(
        "UPDATE outbox SET state = 'void', lease = '', leased_until = 0, done_at = ?"
        " WHERE kind = 'request' AND state IN ('queued', 'held') AND LOWER(recipient) = ?",
        clock.now(),
        email_key,
    )
    await engine.execute(
        "UPDATE outbox SET recipient = '', said = '' WHERE kind = 'request' AND LOWER(recipient) = ?",
        email_key,
    )
    await engine.execute("DELETE FROM request WHERE email_key = ?", email_key)


async def sweep() -> int:
    """Chore: ends what is too old or has come true otherwise, and forgets what has ended long ago.

    Returns how many ended.
    """
    now = clock.now()
    # Perhaps a stranger typed the address: nothing is kept of what its owner didn't confirm.
    await engine.execute(
        "DELETE FROM request WHERE ended_at = 0 AND confirmed_at = 0 AND link_id > 0 AND made_at <= ?",
        now - CONFIRM_MS,
    )
    await engine.execute("DELETE FROM request WHERE ended_at > 0 AND ended_at <= ?", now - REMEMBER_MS)
    joined = await engine.execute(
        "UPDATE request SET ended_at = ?, end_reason = 'joined' WHERE ended_at = 0"
        " AND EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = request.email_key)",
        now,
    )
    expired = await engine.rows(
        "UPDATE request SET ended_at = ?, end_reason = 'expired' WHERE ended_at = 0 AND made_at <= ?"
        " RETURNING id",
        now,
        now - OPEN_MS,
    )
    await activity.record_many(
        SYSTEM, "request_expired", [(0, "", str(request_id)) for (request_id,) in expired]
    )
    return joined + len(expired)
