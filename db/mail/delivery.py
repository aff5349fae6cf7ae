"""What becomes of queued mail: claimed by lease, sent, put off, refused, or void.

A mail goes out at least once: a process that dies between sending and marking leaves a lease that ends, and
the mail goes out again under the same Message-ID. A lease keeps two processes from sending the same mail.
A lease that ended without a mark counts as a try: the next one comes at once the first time, later ones wait
as after any other try, and after five days the mail is given up.
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
# How long a mail that the server put off waits after its first try, its second …
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
# No server, no connection, no sign-in: that is no fault of the mail, which goes out soon after it is mended.
PAUSES_MS: Final = BACK_OFF_MS[:3]
# A mail whose next try would come later than this is given up: after the eight steps above.
GIVE_UP_MS: Final = 5 * DAY_MS
# How long a mail waits whose lease has ended without a mark, by the tries it has behind it.
_AFTER_A_LOST_LEASE: Final = " ".join(
    ["CASE tries WHEN 0 THEN 0"]
    + [f"WHEN {tries} THEN {wait}" for tries, wait in enumerate(BACK_OFF_MS, 1)]
    + [f"ELSE {BACK_OFF_MS[-1]} END"]
)


class ServerUnavailable(Exception):
    """The mail server can't be used. The message is a sentence for the people who run it, without secrets."""

    heard: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Mail:
    """A claimed row. Instants in ms."""

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
    """Up to n mails that are due, outbox.SECURITY and then the longest due first; nobody else claims them for
    lease_ms.

    ended: also what another has claimed and neither marked nor renewed in time.
    """
    return await engine.write(_claim, lease, n, lease_ms, ended)


async def renew(lease: str, mail_ids: Sequence[int], lease_ms: int) -> dict[int, int]:
    """Keeps claimed mails for lease_ms from now; those that are still this lease's, each with its end."""
    until = clock.now() + lease_ms
    marks = ", ".join("?" * len(mail_ids))
    found = await engine.write(
        engine.rows,
        f"UPDATE outbox SET leased_until = ? WHERE lease = ? AND state = 'queued' AND id IN ({marks})"
        " RETURNING id",
        until,
        lease,
        *mail_ids,
    )
    return {mail_id: until for (mail_id,) in found}


async def _claim(lease: str, n: int, lease_ms: int, ended: bool) -> list[Mail]:
    now = clock.now()
    if ended:
        await _count_lost_leases(lease, now)
    warnings = await _claim_of(f" AND kind IN ({outbox.SECURITY_SQL})", lease, n, lease_ms, ended, now)
    left = n - len(warnings)
    return warnings + (await _claim_of("", lease, left, lease_ms, ended, now) if left else [])


async def _claim_of(kinds: str, lease: str, n: int, lease_ms: int, ended: bool, now: int) -> list[Mail]:
    # MATERIALIZED: the choice is made once, not once more for each row.
    chosen = f"{_DUE}{kinds} AND (leased_until <= ? OR leased_until > ?) ORDER BY due_at, id LIMIT ?{_lock()}"
    found = await engine.rows(
        f"WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE {chosen})"
        " UPDATE outbox SET lease = ?, leased_until = ? WHERE id IN (SELECT id FROM due)"
        f" RETURNING {COLUMNS}",
        now,
        now if ended else 0,
        # A lease that nobody can have made: the clock was set back since.
        now + 2 * lease_ms,
        n,
        lease,
        now + lease_ms,
    )
    return sorted((Mail(*row) for row in found), key=lambda mail: (mail.due_at, mail.id))


async def _count_lost_leases(lease: str, now: int) -> None:
    """What others have claimed and not marked in time: a try each, put off or given up by their number."""
    lost = f"SELECT id FROM outbox WHERE {_DUE} AND lease NOT IN ('', ?) AND leased_until <= ?"
    free = "tries = tries + 1, lease = '', leased_until = 0"
    await engine.execute(
        f"UPDATE outbox SET state = 'failed', server_reply = ?, done_at = ?, {free}"
        f" WHERE id IN ({lost} AND made_at + {GIVE_UP_MS} - {_AFTER_A_LOST_LEASE} < ? ORDER BY id{_lock()})",
        refusals.MAIL_NOT_NOTED,
        now,
        now,
        lease,
        now,
        now,
    )
    await engine.execute(
        f"UPDATE outbox SET due_at = CAST(? AS BIGINT) + {_AFTER_A_LOST_LEASE}, {free}"
        f" WHERE id IN ({lost} ORDER BY id{_lock()})",
        now,
        now,
        lease,
        now,
    )


_DUE: Final = "state = 'queued' AND due_at <= ?"


def _lock() -> str:
    return " FOR UPDATE SKIP LOCKED" if engine.dialect() == "postgres" else ""


async def sent(mail: Mail, said: str, newest: int = 0) -> None:
    """The server has taken it. said: its words. newest: for "somebody waits", the last member it counted.

    Also for one that was voided while it was under way, or whose lease has ended meanwhile: it is sent.
    """

    async def write() -> None:
        await _settle(mail, "sent", said, "state IN ('queued', 'void')")
        await _who_came_meanwhile(mail, newest)

    await engine.write(write)


async def sent_without_words(mail: Mail) -> None:
    """The same, when noting the words failed: nothing matters more than that it isn't sent again."""
    await engine.write(_settle, mail, "sent", "", "state IN ('queued', 'void')")


async def failed(mail: Mail, said: str) -> None:
    """The server has refused it for good, in these words."""
    await engine.write(_settle, mail, "failed", said, "state = 'queued'")


async def void(mail: Mail) -> None:
    """What it would have told is no longer so."""

    async def write() -> None:
        await _settle(mail, "void", "", "state = 'queued'")
        await _who_came_meanwhile(mail, 0)

    await engine.write(write)


async def _settle(mail: Mail, state: str, said: str, condition: str) -> None:
    await engine.execute(
        "UPDATE outbox SET state = ?, tries = tries + ?, server_reply = ?, done_at = ?, lease = '',"
        " leased_until = 0"
        f" WHERE id = ? AND {condition}",
        state,
        0 if state == "void" else 1,
        said,
        clock.now(),
        mail.id,
    )
    # Some mail goes to people who were removed meanwhile; nothing of them stays
    # (db/members/removal.py).
    await engine.execute(
        "UPDATE outbox SET recipient = '', server_reply = '' WHERE id = ?"
        " AND member_id IN (SELECT id FROM member WHERE id = ? AND removed_at > 0)",
        mail.id,
        mail.member_id,
    )


async def _who_came_meanwhile(mail: Mail, newest: int) -> None:
    """Whoever registered after the mail was written, but before it left the queue, is told of by another."""
    if mail.kind == "waiting" and await engine.rows(
        f"SELECT 1 FROM member WHERE role = {codes(Role.PENDING)} AND removed_at = 0 AND id > ? LIMIT 1",
        newest,
    ):
        await notices.queue_waiting(only=mail.member_id)


async def again(mail: Mail, said: str) -> None:
    """The server put it off, or was lost in the middle: tried again later, or given up after five days."""
    wait = BACK_OFF_MS[min(mail.tries, len(BACK_OFF_MS) - 1)]
    now = clock.now()
    if now + wait > mail.made_at + GIVE_UP_MS:
        await failed(mail, said)
        return
    await engine.write(
        engine.execute,
        "UPDATE outbox SET tries = tries + 1, due_at = ?, server_reply = ?, lease = '', leased_until = 0"
        " WHERE id = ? AND lease = ? AND state = 'queued'",
        now + wait,
        said,
        mail.id,
        mail.lease,
    )


async def put_off(lease: str, said: str, pause_ms: int, under_way: Sequence[int] = ()) -> int:
    """The mail server can't be used: everything that is due, and not leased by another, waits so long.

    Returns how many wait; those that are too old are given up. said: a sentence for the list of invitations.
    under_way: ids of mails whose fate isn't known yet.
    """
    return await engine.write(_put_off, lease, said, pause_ms, under_way)


async def _put_off(lease: str, said: str, pause_ms: int, under_way: Sequence[int]) -> int:
    now = clock.now()
    others = ", ".join(str(mail_id) for mail_id in (0, *under_way))
    ours = f"SELECT id FROM outbox WHERE {_DUE} AND (lease = ? OR leased_until <= ?) AND id NOT IN ({others})"
    free = "lease = '', leased_until = 0"
    await engine.execute(
        f"UPDATE outbox SET state = 'failed', tries = tries + 1, server_reply = ?, done_at = ?, {free}"
        f" WHERE id IN ({ours} AND made_at < ? ORDER BY id{_lock()})",
        said,
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
        said,
        now,
        lease,
        now,
    )


async def take_up(pause_ms: int = PAUSES_MS[-1]) -> int:
    """At start, when settings may have been mended: what was put off for no longer than this is due now."""
    now = clock.now()
    return await engine.write(
        engine.execute,
        "UPDATE outbox SET due_at = ? WHERE state = 'queued' AND server_reply <> '' AND due_at > ? AND"
        " due_at <= ?",
        now,
        now,
        now + pause_ms,
    )


async def let_go(mail: Mail) -> None:
    """Gives one mail back, as if it had never been claimed."""
    await _give_back("id = ? AND lease = ?", mail.id, mail.lease)


async def give_back(lease: str, *, but: Collection[int] = ()) -> None:
    """At shutdown: others, or the next start, take what this lease holds.

    but: ids of mails that were sent and could not be marked. Their lease stays, and is a try once it ends.
    """
    kept = ", ".join(str(mail_id) for mail_id in (0, *but))
    await _give_back(f"lease = ? AND id NOT IN ({kept})", lease)


async def _give_back(condition: str, *args: int | str) -> None:
    await engine.write(
        engine.execute,
        f"UPDATE outbox SET lease = '', leased_until = 0 WHERE state = 'queued' AND {condition}",
        *args,
    )
