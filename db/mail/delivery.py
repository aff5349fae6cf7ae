"""What becomes of queued mail: claimed under a lease, then sent, postponed, rejected or void.

Each mail is sent at least once. If a process dies after sending a mail and before marking it, its lease ends
and the mail is sent again with the same Message-ID. While a lease lasts, no other process sends the mail. A
lease that ended without a mark counts as an attempt: the first time the mail is due again at once, later it
waits as after any other attempt, and after five days it is given up.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.common.role_codes import codes
from db.mail import notices, outbox
from db.policy import Role
from messages import refusals

MINUTE_MS: Final = 60 * 1000
HOUR_MS: Final = 60 * MINUTE_MS
# How long a mail waits after its first failed attempt, its second, and so on.
BACK_OFF_MS: Final = (
    MINUTE_MS,
    5 * MINUTE_MS,
    15 * MINUTE_MS,
    HOUR_MS,
    4 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    2 * DAY_MS,
)
# When the server is unavailable the mail isn't at fault: short pauses let it leave soon afterwards.
PAUSES_MS: Final = BACK_OFF_MS[:3]
# A mail is given up if its next attempt would be later than this: after the eight waits above.
GIVE_UP_MS: Final = 5 * DAY_MS
# SQL: how long (ms) a mail waits after a lease that ended without a mark, by the number of its attempts.
_LOST_LEASE_WAIT: Final = " ".join(
    ["CASE tries WHEN 0 THEN 0"]
    + [f"WHEN {tries} THEN {wait}" for tries, wait in enumerate(BACK_OFF_MS, 1)]
    + [f"ELSE {BACK_OFF_MS[-1]} END"]
)


class ServerUnavailable(Exception):
    """The mail server can't be used. The message is a sentence for the operator, without secrets.

    steps: of a test mail, the steps that succeeded before.
    """

    steps: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A claimed row of the outbox. Times in ms; ids are 0 where the mail has none."""

    id: int
    kind: str
    recipient: str
    member_id: int
    subject_id: int
    invitation_id: int
    link_id: int
    message_id: str
    tries: int
    made_at: int
    due_at: int
    leased_until: int
    lease: str


COLUMNS: Final = (
    "id, kind, recipient, member_id, subject_id, invitation_id, link_id, message_id, tries, made_at, due_at,"
    " leased_until, lease"
)


async def claim(lease: str, n: int, lease_ms: int, *, ended: bool = True) -> list[Mail]:
    """Claims up to n due mails for lease_ms: outbox.SECURITY first, then those that have been due longest.

    ended: also mails that another process claimed and neither marked nor renewed in time.
    """
    return await engine.write(_claim, lease, n, lease_ms, ended)


async def renew(lease: str, mail_ids: Sequence[int], lease_ms: int) -> dict[int, int]:
    """Renews the lease of claimed mails for lease_ms from now.

    Returns the ids of those that still belong to this lease, each with the end of the lease (ms).
    """
    until = clock.now() + lease_ms
    marks = ", ".join("?" * len(mail_ids))
    renewed = await engine.write(
        engine.rows,
        f"UPDATE outbox SET leased_until = ? WHERE lease = ? AND state = 'queued' AND id IN ({marks})"
        " RETURNING id",
        until,
        lease,
        *mail_ids,
    )
    return {mail_id: until for (mail_id,) in renewed}


async def _claim(lease: str, n: int, lease_ms: int, ended: bool) -> list[Mail]:
    now = clock.now()
    if ended:
        await _count_lost_leases(lease, now)
    security = await _claim_kinds(f" AND kind IN ({outbox.SECURITY_SQL})", lease, n, lease_ms, ended, now)
    left = n - len(security)
    return security + (await _claim_kinds("", lease, left, lease_ms, ended, now) if left else [])


async def _claim_kinds(kinds: str, lease: str, n: int, lease_ms: int, ended: bool, now: int) -> list[Mail]:
    # MATERIALIZED: otherwise the database may choose anew for each row.
    chosen = f"{_DUE}{kinds} AND (leased_until <= ? OR leased_until > ?) ORDER BY due_at, id LIMIT ?{_lock()}"
    rows = await engine.rows(
        f"WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE {chosen})"
        " UPDATE outbox SET lease = ?, leased_until = ? WHERE id IN (SELECT id FROM due)"
        f" RETURNING {COLUMNS}",
        now,
        now if ended else 0,
        # A lease that ends this late was made before the clock was set back.
        now + 2 * lease_ms,
        n,
        lease,
        now + lease_ms,
    )
    return sorted((Mail(*row) for row in rows), key=lambda mail: (mail.due_at, mail.id))


async def _count_lost_leases(lease: str, now: int) -> None:
    """Counts an attempt for mails that others claimed and didn't mark in time; postpones or gives them up."""
    lost = f"SELECT id FROM outbox WHERE {_DUE} AND lease NOT IN ('', ?) AND leased_until <= ?"
    free = "tries = tries + 1, lease = '', leased_until = 0"
    await engine.execute(
        f"UPDATE outbox SET state = 'failed', server_reply = ?, done_at = ?, {free}"
        f" WHERE id IN ({lost} AND made_at + {GIVE_UP_MS} - {_LOST_LEASE_WAIT} < ? ORDER BY id{_lock()})",
        refusals.MAIL_NOT_NOTED,
        now,
        now,
        lease,
        now,
        now,
    )
    await engine.execute(
        f"UPDATE outbox SET due_at = CAST(? AS BIGINT) + {_LOST_LEASE_WAIT}, {free}"
        f" WHERE id IN ({lost} ORDER BY id{_lock()})",
        now,
        now,
        lease,
        now,
    )


_DUE: Final = "state = 'queued' AND due_at <= ?"


def _lock() -> str:
    return " FOR UPDATE SKIP LOCKED" if engine.dialect() == "postgres" else ""


async def sent(mail: Mail, server_reply: str, newest: int = 0) -> None:
    """Marks a mail that the server has accepted, even if it was voided or its lease ended meanwhile.

    newest: for a "waiting" mail, the highest member id it counted.
    """

    async def write() -> None:
        await _settle(mail, "sent", server_reply, "state IN ('queued', 'void')")
        await _queue_waiting_again(mail, newest)

    await engine.write(write)


async def sent_without_reply(mail: Mail) -> None:
    """Marks a mail as sent when the server's reply can't be stored, so that it isn't sent again."""
    await engine.write(_settle, mail, "sent", "", "state IN ('queued', 'void')")


async def failed(mail: Mail, server_reply: str) -> None:
    """Marks a mail that the server has rejected permanently, with this reply."""
    await engine.write(_settle, mail, "failed", server_reply, "state = 'queued'")


async def void(mail: Mail) -> None:
    """Marks a mail that is no longer relevant."""

    async def write() -> None:
        await _settle(mail, "void", "", "state = 'queued'")
        await _queue_waiting_again(mail, 0)

    await engine.write(write)


async def _settle(mail: Mail, state: str, server_reply: str, condition: str) -> None:
    await engine.execute(
        "UPDATE outbox SET state = ?, tries = tries + ?, server_reply = ?, done_at = ?, lease = '',"
        " leased_until = 0"
        f" WHERE id = ? AND {condition}",
        state,
        0 if state == "void" else 1,
        server_reply,
        clock.now(),
        mail.id,
    )
    # If the recipient was removed meanwhile, their address must not stay (db/members/removal.py).
    await engine.execute(
        "UPDATE outbox SET recipient = '', server_reply = '' WHERE id = ?"
        " AND member_id IN (SELECT id FROM member WHERE id = ? AND removed_at > 0)",
        mail.id,
        mail.member_id,
    )


async def _queue_waiting_again(mail: Mail, newest: int) -> None:
    """Queues another "waiting" mail if somebody registered after this one was read from the database."""
    if mail.kind == "waiting" and await engine.rows(
        f"SELECT 1 FROM member WHERE role = {codes(Role.PENDING)} AND removed_at = 0 AND id > ? LIMIT 1",
        newest,
    ):
        await notices.queue_waiting(only=mail.member_id)


async def retry_later(mail: Mail, server_reply: str) -> None:
    """After a temporary rejection or a lost connection: the mail waits, or is given up after five days."""
    wait = BACK_OFF_MS[min(mail.tries, len(BACK_OFF_MS) - 1)]
    now = clock.now()
    if now + wait > mail.made_at + GIVE_UP_MS:
        await failed(mail, server_reply)
        return
    await engine.write(
        engine.execute,
        "UPDATE outbox SET tries = tries + 1, due_at = ?, server_reply = ?, lease = '', leased_until = 0"
        " WHERE id = ? AND lease = ? AND state = 'queued'",
        now + wait,
        server_reply,
        mail.id,
        mail.lease,
    )


async def postpone_all(lease: str, server_reply: str, pause_ms: int, sending: Sequence[int] = ()) -> int:
    """While the mail server is unavailable: all due mails that no other process has leased wait for pause_ms.

    Mails that are too old are given up. server_reply: a sentence for the pages that show why mail waits.
    sending: ids of mails that are being sent, and are left as they are. Returns how many wait.
    """
    return await engine.write(_postpone_all, lease, server_reply, pause_ms, sending)


async def _postpone_all(lease: str, server_reply: str, pause_ms: int, sending: Sequence[int]) -> int:
    now = clock.now()
    others = ", ".join(str(mail_id) for mail_id in (0, *sending))
    ours = f"SELECT id FROM outbox WHERE {_DUE} AND (lease = ? OR leased_until <= ?) AND id NOT IN ({others})"
    free = "lease = '', leased_until = 0"
    await engine.execute(
        f"UPDATE outbox SET state = 'failed', tries = tries + 1, server_reply = ?, done_at = ?, {free}"
        f" WHERE id IN ({ours} AND made_at < ? ORDER BY id{_lock()})",
        server_reply,
        now,
        now,
        lease,
        now,
        now + pause_ms - GIVE_UP_MS,
    )
    return await engine.execute(
        f"UPDATE outbox SET tries = tries + 1, due_at = ?, server_reply = ?, {free}"
        f" WHERE id IN ({ours} ORDER BY id{_lock()})",
        now + pause_ms,
        server_reply,
        now,
        lease,
        now,
    )


async def retry_now(pause_ms: int = PAUSES_MS[-1]) -> int:
    """At start, when the settings may have been fixed: mails postponed by at most pause_ms are due now."""
    now = clock.now()
    return await engine.write(
        engine.execute,
        "UPDATE outbox SET due_at = ? WHERE state = 'queued' AND server_reply <> '' AND due_at > ? AND"
        " due_at <= ?",
        now,
        now,
        now + pause_ms,
    )


async def release(mail: Mail) -> None:
    """Ends the lease of one mail, as if it had never been claimed."""
    await _release("id = ? AND lease = ?", mail.id, mail.lease)


async def release_all(lease: str, *, but: Collection[int] = ()) -> None:
    """At shutdown: ends the lease of all its mails, so that other processes or the next start send them.

    but: ids of mails that were sent and couldn't be marked. Their lease stays, and counts as an attempt when
    it ends.
    """
    unmarked = ", ".join(str(mail_id) for mail_id in (0, *but))
    await _release(f"lease = ? AND id NOT IN ({unmarked})", lease)


async def _release(condition: str, *args: int | str) -> None:
    await engine.write(
        engine.execute,
        f"UPDATE outbox SET lease = '', leased_until = 0 WHERE state = 'queued' AND {condition}",
        *args,
    )
