"""The mail that waits to be sent.

A mail is queued in the transaction of the change that causes it, so that neither is stored without the other;
db/mail/delivery.py does the rest. Without a mail server nothing is queued, and `set_up()` is False. After a
write that queued mail, call `wake()`, so that this process sends it at once; other processes look every few
seconds.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.common.role_codes import codes
from db.policy import Role

# Each recipient gets at most one notice of a kind in this time, however many people register or ask.
PAUSE_MS: Final = 15 * 60 * 1000
# How long finished mails are kept.
KEEP_MS: Final = 30 * DAY_MS
# A mail that was voided while it was being sent has been marked as sent after this time.
SENDING_MS: Final = 30 * 1000
# Kinds that warn people of a change to their account or role. These leave before all other mail. Only an Undo
# of the change itself voids them, not what happens to the person afterwards.
SECURITY: Final = ("handed", "lowered", "ownership", "password")
SECURITY_SQL: Final = ", ".join(f"'{kind}'" for kind in SECURITY)


@dataclass
class _Installation:
    """Whether this installation sends mail, under which domain, and the events that wake() sets."""

    set_up: bool
    domain: str
    waiters: set[asyncio.Event]


_installation: Final = _Installation(set_up=False, domain="localhost", waiters=set())


def use(set_up: bool, domain: str = "localhost") -> None:
    """Sets whether mail is sent, and the domain of its Message-IDs."""
    _installation.set_up, _installation.domain = set_up, domain


def set_up() -> bool:
    """Whether this installation sends mail. If not, pages show links for copying."""
    return _installation.set_up


def wake() -> None:
    """Makes this process look for mail now. Call it after the write that queued the mail."""
    for event in _installation.waiters:
        event.set()


@contextmanager
def woken() -> Iterator[asyncio.Event]:
    """An event that `wake()` sets, until the block ends."""
    event = asyncio.Event()
    _installation.waiters.add(event)
    try:
        yield event
    finally:
        _installation.waiters.discard(event)


async def queue(
    kind: str,
    *,
    recipient: str,
    member_id: int = 0,
    subject_id: int = 0,
    invitation_id: int = 0,
    link_id: int = 0,
    batch_id: int = 0,
    due_at: int = 0,
) -> int:
    """Inside a write: queues a mail. Returns its id, or 0 if mail isn't set up.

    recipient: an address stored in a row, never one from a request.
    member_id: the member it is for, 0 for somebody who isn't one.
    subject_id: the member it is about.
    due_at: in ms, 0 for at once.
    """
    if not set_up():
        return 0
    about = (member_id, subject_id, invitation_id, link_id, batch_id)
    (mail_id,) = await _insert([(kind, recipient, *about, _message_id())], due_at or clock.now())
    return mail_id


async def queue_many(kind: str, invitations: Iterable[Sequence[Any]], *, batch_id: int = 0) -> int:
    """Inside a write: queues a mail for each invitation.

    invitations: each as (id, address, link's id). Returns how many.
    """
    if not set_up():
        return 0
    wanted = [
        (kind, email, 0, 0, invitation_id, link_id, batch_id, _message_id())
        for invitation_id, email, link_id in invitations
    ]
    for chunk in engine.chunks(wanted):
        await _insert(chunk, clock.now())
    return len(wanted)


async def queue_approved(member_ids: Sequence[int], *, not_before: int = 0) -> list[int]:
    """Inside the write that gives waiting members a role: queues "You're in". Returns the ids of the mails.

    not_before: when they may leave (ms), 0 for at once. After a change that can be undone: when Undo ends.
    """
    if not set_up() or not member_ids:
        return []
    marks = ", ".join("?" * len(member_ids))
    members = await engine.rows(
        f"SELECT id, email FROM member WHERE id IN ({marks}) AND removed_at = 0 ORDER BY id", *member_ids
    )
    return await queue_to_members(
        "approved", [(email, member_id, 0) for member_id, email in members], due_at=not_before or clock.now()
    )


async def queue_to_members(kind: str, wanted: Sequence[tuple[str, int, int]], *, due_at: int) -> list[int]:
    """Inside a write, if mail is set up: queues mails to members. Returns the ids of the mails.

    wanted: each as (address, recipient's id, id of the member it is about or 0). due_at: in ms.
    """
    mail_ids = list[int]()
    for chunk in engine.chunks(wanted):
        mails = [(kind, email, to, about, 0, 0, 0, _message_id()) for email, to, about in chunk]
        mail_ids += await _insert(mails, due_at)
    return mail_ids


async def queue_password_changed(member_id: int) -> int:
    """Inside the write that sets a new password, its member locked: warns that member. Returns the mail's id.

    A member who waits for a role may have registered with somebody else's address. To protect that mailbox
    and the queue, they have one such mail in the queue at a time, and get one in 15 minutes at most: it
    covers all changes until then. Returns 0 if one is queued already.
    """
    if not await engine.rows(
        f"SELECT 1 FROM member WHERE id = ? AND role = {codes(Role.PENDING)}", member_id
    ):
        return await _to_member("password", member_id)
    theirs = "FROM outbox WHERE kind = 'password' AND member_id = ?"
    # Locked, so that nobody claims it before this change is committed.
    if await engine.rows(
        f"SELECT id {theirs} AND state = 'queued' AND lease = ''{engine.for_update()}", member_id
    ):
        return 0
    ((last,),) = await engine.rows(f"SELECT MAX(due_at) {theirs} AND state <> 'void'", member_id)
    return await _to_member("password", member_id, due_at=next_notice_at(last or 0))


async def queue_admin_reset_link(member_id: int, *, link_id: int, made_by: int) -> int:
    """Inside the write by which an admin makes a reset link for a member: notifies that member."""
    return await _to_member("handed", member_id, link_id=link_id, subject_id=made_by)


async def queue_ownership(member_id: int, other_id: int) -> int:
    """Inside the write that hands over ownership: notifies one of the two, the old Owner or the new one."""
    return await _to_member("ownership", member_id, subject_id=other_id)


async def _to_member(
    kind: str, member_id: int, *, link_id: int = 0, subject_id: int = 0, due_at: int = 0
) -> int:
    emails = await engine.rows("SELECT email FROM member WHERE id = ? AND removed_at = 0", member_id)
    about = {"member_id": member_id, "link_id": link_id, "subject_id": subject_id}
    for (email,) in emails:
        return await queue(kind, recipient=email, due_at=due_at, **about)
    return 0


async def queue_waiting(member_id: int, recipient: str, *, due_at: int) -> None:
    """Inside a write: queues a "waiting" notice for this recipient, or locks the one that is queued."""
    await _insert(
        [("waiting", recipient, member_id, 0, 0, 0, 0, _message_id())],
        due_at,
        # DO UPDATE locks the queued row, so that its marking as sent waits for this change.
        " ON CONFLICT (member_id) WHERE kind = 'waiting' AND state = 'queued'"
        " DO UPDATE SET due_at = outbox.due_at",
    )


def next_notice_at(last: int) -> int:
    """When (ms) a recipient's next notice of a kind is due. last: when the last one was due, 0 for none."""
    now = clock.now()
    # If the clock was set back, `last` may lie far ahead.
    return min(max(now, last + PAUSE_MS), now + PAUSE_MS)


def _message_id() -> str:
    return f"<{secrets.token_hex(16)}@{_installation.domain}>"


async def _insert(wanted: Sequence[tuple[Any, ...]], due_at: int, conflict: str = "") -> list[int]:
    now = clock.now()
    row = "(?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, ?, 0, '', 0, '')"
    ids = await engine.rows(
        "INSERT INTO outbox (kind, recipient, member_id, subject_id, invitation_id, link_id, batch_id,"
        " message_id, state, tries, made_at, due_at, leased_until, lease, done_at, server_reply)"
        f" VALUES {', '.join([row] * len(wanted))}{conflict} RETURNING id",
        *(value for mail in wanted for value in (*mail, now, due_at)),
    )
    return [mail_id for (mail_id,) in ids]


# To be called inside the write after which the mails are no longer true.


async def void_of_invitation(invitation_ids: Sequence[int], *, at: int = 0) -> int:
    """Voids the queued mails of these invitations. Returns how many. at: in ms, 0 for now."""
    if not invitation_ids:
        return 0
    marks = ", ".join("?" * len(invitation_ids))
    return await _void(f"invitation_id IN ({marks})", *invitation_ids, at=at)


async def requeue(condition: str, *args: int | str, voided_at: int) -> int:
    """Queues mails again that match the condition and were voided at this time (ms). Returns how many.

    They are due after SENDING_MS: one may have been voided while it was being sent, and is marked as sent by
    then. Mails that a restore held are held again.
    """
    not_before = clock.now() + SENDING_MS
    return await engine.execute(
        "UPDATE outbox SET done_at = 0, due_at = CASE WHEN due_at > ? THEN due_at ELSE ? END,"
        " state = CASE WHEN made_at <"
        " COALESCE((SELECT MAX(a.at) FROM activity AS a WHERE a.kind = 'restored'), 0)"
        f" THEN 'held' ELSE 'queued' END WHERE state = 'void' AND done_at = ? AND {condition}",
        not_before,
        not_before,
        voided_at,
        *args,
    )


async def requeue_of_members(member_ids: Sequence[int], *, voided_at: int) -> int:
    """The same for mails to or about these members.

    Not for "waiting", which the next registration queues anew, nor for SECURITY, which only an Undo voids,
    for good (db/members/demotion.py).
    """
    marks = ", ".join("?" * len(member_ids))
    about = f"(member_id IN ({marks}) OR subject_id IN ({marks})) AND kind NOT IN ('waiting', {SECURITY_SQL})"
    return await requeue(about, *member_ids, *member_ids, voided_at=voided_at)


async def void_of_batch(batch_id: int) -> int:
    """Voids the queued mails of the invitations in this batch, before new ones are queued."""
    return await _void("invitation_id IN (SELECT i.id FROM invitation AS i WHERE i.batch_id = ?)", batch_id)


async def void_of_member(member_id: int, *, at: int = 0) -> int:
    """Voids the queued mails to or about a deactivated or removed member, except SECURITY.

    at: in ms, 0 for now.
    """
    about = f"(member_id = ? OR subject_id = ?) AND kind NOT IN ({SECURITY_SQL})"
    return await _void(about, member_id, member_id, at=at)


async def void_approved(member_ids: Sequence[int], *, at: int) -> int:
    """Voids "You're in" for members who wait again. at: in ms."""
    marks = ", ".join("?" * len(member_ids))
    return await _void(f"kind = 'approved' AND member_id IN ({marks})", *member_ids, at=at)


async def void_about(kind: str, subject_id: int, *, due_at: int = 0) -> int:
    """Voids the queued mails of a kind about this member. due_at: only those due then (ms), 0 for all."""
    return await _void(
        "kind = ? AND subject_id = ? AND CAST(? AS BIGINT) IN (0, due_at)", kind, subject_id, due_at
    )


async def _void(condition: str, *args: int | str, at: int = 0) -> int:
    return await engine.execute(
        "UPDATE outbox SET state = 'void', lease = '', leased_until = 0, done_at = ?"
        f" WHERE state IN ('queued', 'held') AND {condition}",
        at or clock.now(),
        *args,
    )


async def hold_all() -> int:
    """Inside the write of a restore: mail that was queued when the backup was made isn't sent unasked."""
    return await engine.execute(
        "UPDATE outbox SET state = 'held', lease = '', leased_until = 0 WHERE state = 'queued'"
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How many mails of a batch were sent, were refused, and wait. Void mails don't count.

    waiting_reason: why they wait, "" if nothing is wrong.
    """

    sent: int
    refused: int
    waiting: int
    waiting_reason: str = ""


async def progress(batch_id: int) -> Progress:
    """The progress of a batch of invitations."""
    rows = await engine.read(
        engine.rows,
        "SELECT state, COUNT(*), MAX(server_reply) FROM outbox WHERE batch_id = ? AND batch_id <> 0 GROUP"
        " BY state",
        batch_id,
    )
    number = {state: count for state, count, _ in rows}
    replies = {state: reply for state, _, reply in rows}
    waiting = number.get("queued", 0) + number.get("held", 0)
    return Progress(number.get("sent", 0), number.get("failed", 0), waiting, replies.get("queued", ""))


@dataclass(frozen=True, slots=True)
class Health:
    """Whether mail is being sent.

    sent_at: when the last mail was sent (ms), 0 if it was refused or there was none.
    waiting_reason: why mail waits, "" if nothing is wrong.
    refused_reason: why the last mail was refused, "" if it was sent.
    """

    sent_at: int
    waiting_reason: str
    refused_reason: str


async def health() -> Health:
    """How the last mail ended, and why mail waits."""
    return await engine.read(_health)


async def _health() -> Health:
    done = await engine.rows(
        "SELECT done_at, state, server_reply FROM outbox WHERE done_at > 0 AND state IN ('sent', 'failed')"
        " ORDER BY done_at DESC LIMIT 1"
    )
    waiting = await engine.rows(
        "SELECT server_reply FROM outbox WHERE state = 'queued' AND server_reply <> '' ORDER BY due_at"
        " LIMIT 1"
    )
    done_at, state, server_reply = done[0] if done else (0, "", "")
    waiting_reason = waiting[0][0] if waiting else ""
    return Health(
        done_at if state == "sent" else 0, waiting_reason, server_reply if state == "failed" else ""
    )


async def sweep() -> int:
    """Inside a write: deletes mails that ended 30 days ago, unless an open invitation shows them.

    Returns how many.
    """
    now = clock.now()
    # Mails queued before the clock was set back would wait until it shows that time again.
    await engine.execute(
        "UPDATE outbox SET due_at = due_at - made_at + ?, made_at = ? WHERE state = 'queued' AND made_at > ?",
        now,
        now,
        now,
    )
    return await engine.execute(
        "DELETE FROM outbox WHERE done_at > 0 AND done_at <= ?"
        " AND NOT EXISTS (SELECT 1 FROM invitation AS i WHERE i.mail_id = outbox.id AND i.ended_at = 0)",
        now - KEEP_MS,
    )
