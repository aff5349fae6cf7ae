"""The mail that is owed: queued in the transaction of its cause, so that neither exists without the other.

What becomes of it afterwards is in db/mail/delivery.py. Without a mail server nothing is queued: whoever
wants to know asks `set_up()`. After a write that queued something, `wake()` lets this process deliver at
once; other processes look every few seconds.
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

# Of one kind of notice each gets at most one mail in this time, however many people register or ask.
PAUSE_MS: Final = 15 * 60 * 1000
KEEP_MS: Final = 30 * DAY_MS
# A mail that became void while a mail server had it is marked as sent by then.
UNDER_WAY_MS: Final = 30 * 1000
# What tells people that something of theirs was changed. It leaves before all other mail, and whatever is
# done to them next takes none of it away: only an Undo of the very change does.
SECURITY: Final = ("handed", "lowered", "ownership", "password")
SECURITY_SQL: Final = ", ".join(f"'{kind}'" for kind in SECURITY)


@dataclass
class _Mail:
    """What app.py says of the installation, and who wants to be woken."""

    set_up: bool
    domain: str
    sleepers: set[asyncio.Event]


_mail: Final = _Mail(set_up=False, domain="localhost", sleepers=set())


def use(set_up: bool, domain: str = "localhost") -> None:
    """Says whether mail is set up, and the domain under which its Message-IDs are unique."""
    _mail.set_up, _mail.domain = set_up, domain


def set_up() -> bool:
    """Whether mail is set up: if not, links are shown to copy."""
    return _mail.set_up


def wake() -> None:
    """Lets this process look for mail now; called after the write that queued it."""
    for event in _mail.sleepers:
        event.set()


@contextmanager
def woken() -> Iterator[asyncio.Event]:
    """An event that `wake()` sets, as long as somebody waits for it."""
    event = asyncio.Event()
    _mail.sleepers.add(event)
    try:
        yield event
    finally:
        _mail.sleepers.discard(event)


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
    """Inside a write: owes somebody a mail. Returns its id, 0 when mail isn't set up and nothing is owed.

    recipient: the address stored in a row, never one from a request. member_id: the member it is for, 0 for
    somebody invited. subject_id: whom it tells of. due_at: in ms, 0 for at once.
    """
    if not set_up():
        return 0
    about = (member_id, subject_id, invitation_id, link_id, batch_id)
    (mail_id,) = await _insert([(kind, recipient, *about, _message_id())], due_at or clock.now())
    return mail_id


async def queue_many(kind: str, found: Iterable[Sequence[Any]], *, batch_id: int = 0) -> int:
    """Inside a write: a mail for each invitation, given as (id, address, link's id). Returns how many."""
    if not set_up():
        return 0
    wanted = [
        (kind, email, 0, 0, invitation_id, link_id, batch_id, _message_id())
        for invitation_id, email, link_id in found
    ]
    for some in engine.chunks(wanted):
        await _insert(some, clock.now())
    return len(wanted)


async def queue_approved(member_ids: Sequence[int], *, not_before: int = 0) -> list[int]:
    """Inside the write that gives people who waited a role: "you're in". Returns the ids of the mails.

    not_before: when they may leave, in ms, 0 for at once; for a change that can be undone, when it can't be
    any more.
    """
    if not set_up() or not member_ids:
        return []
    marks = ", ".join("?" * len(member_ids))
    found = await engine.rows(
        f"SELECT id, email FROM member WHERE id IN ({marks}) AND removed_at = 0 ORDER BY id", *member_ids
    )
    return await queue_to_members(
        "approved", [(email, member_id, 0) for member_id, email in found], due_at=not_before or clock.now()
    )


async def queue_to_members(kind: str, wanted: Sequence[tuple[str, int, int]], *, due_at: int) -> list[int]:
    """Inside a write: a mail for each, given as (address, whom it is for, whom it tells of or 0).

    Mail is set up. due_at: in ms. Returns the ids of the mails.
    """
    mail_ids = list[int]()
    for some in engine.chunks(wanted):
        mails = [(kind, email, for_id, of_id, 0, 0, 0, _message_id()) for email, for_id, of_id in some]
        mail_ids += await _insert(mails, due_at)
    return mail_ids


async def queue_password_changed(member_id: int) -> int:
    """Inside the write that sets a new password, its member locked: tells its owner. Returns the mail's id.

    Who waits may have registered with a stranger's address. So that nobody fills that mailbox, or keeps the
    mails of others waiting, one for them is queued at a time, and 15 minutes lie between two: it tells of all
    that was changed until then. 0 when there is one already.
    """
    if not await engine.rows(
        f"SELECT 1 FROM member WHERE id = ? AND role = {codes(Role.PENDING)}", member_id
    ):
        return await _to_member("password", member_id)
    of_theirs = "FROM outbox WHERE kind = 'password' AND member_id = ?"
    # Locked, so that nobody begins to write it before this is committed.
    if await engine.rows(
        f"SELECT id {of_theirs} AND state = 'queued' AND lease = ''{engine.for_update()}", member_id
    ):
        return 0
    ((last,),) = await engine.rows(f"SELECT MAX(due_at) {of_theirs} AND state <> 'void'", member_id)
    return await _to_member("password", member_id, due_at=after_pause(last or 0))


async def queue_handed(member_id: int, *, link_id: int, made_by: int) -> int:
    """Inside the write that makes a password link to hand over: tells whose account it is."""
    return await _to_member("handed", member_id, link_id=link_id, subject_id=made_by)


async def queue_ownership(member_id: int, other_id: int) -> int:
    """Inside the write of a hand-over: tells one of the two, the old Owner and the new one."""
    return await _to_member("ownership", member_id, subject_id=other_id)


async def _to_member(
    kind: str, member_id: int, *, link_id: int = 0, subject_id: int = 0, due_at: int = 0
) -> int:
    found = await engine.rows("SELECT email FROM member WHERE id = ? AND removed_at = 0", member_id)
    about = {"member_id": member_id, "link_id": link_id, "subject_id": subject_id}
    for (email,) in found:
        return await queue(kind, recipient=email, due_at=due_at, **about)
    return 0


async def queue_waiting(member_id: int, recipient: str, *, due_at: int) -> None:
    """Inside a write: "somebody waits" for this member; one that is queued already is locked instead."""
    await _insert(
        [("waiting", recipient, member_id, 0, 0, 0, 0, _message_id())],
        due_at,
        # Somebody was faster: their row is locked, so that a mail being sent waits for this change.
        " ON CONFLICT (member_id) WHERE kind = 'waiting' AND state = 'queued'"
        " DO UPDATE SET due_at = outbox.due_at",
    )


def after_pause(last: int) -> int:
    """When the next notice of a kind is due for somebody whose last one was due then, 0 for none. In ms."""
    now = clock.now()
    # Never later than that, also when the clock was set back since.
    return min(max(now, last + PAUSE_MS), now + PAUSE_MS)


def _message_id() -> str:
    return f"<{secrets.token_hex(16)}@{_mail.domain}>"


async def _insert(wanted: Sequence[tuple[Any, ...]], due_at: int, conflict: str = "") -> list[int]:
    now = clock.now()
    row = "(?, ?, ?, ?, ?, ?, ?, ?, 'queued', 0, ?, ?, 0, '', 0, '')"
    found = await engine.rows(
        "INSERT INTO outbox (kind, recipient, member_id, subject_id, invitation_id, link_id, batch_id,"
        " message_id, state, tries, made_at, due_at, leased_until, lease, done_at, server_reply)"
        f" VALUES {', '.join([row] * len(wanted))}{conflict} RETURNING id",
        *(value for mail in wanted for value in (*mail, now, due_at)),
    )
    return [mail_id for (mail_id,) in found]


# What is no longer true isn't said: called inside the write that ends the cause.


async def void_of_invitation(invitation_ids: Sequence[int], *, at: int = 0) -> int:
    """Queued mails of these invitations are void. Returns how many. at: in ms, 0 for now."""
    if not invitation_ids:
        return 0
    marks = ", ".join("?" * len(invitation_ids))
    return await _void(f"invitation_id IN ({marks})", *invitation_ids, at=at)


async def bring_back(condition: str, *args: int | str, voided_at: int) -> int:
    """The mails of this condition that became void at this instant (ms) are queued again.

    Not at once: one of them may have been under way, and is marked as sent within that time. What a restore
    held before stays held. Returns how many.
    """
    not_before = clock.now() + UNDER_WAY_MS
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


async def bring_back_of_members(member_ids: Sequence[int], *, voided_at: int) -> int:
    """The same for mails to or about these members; who waits is told of by the next registration.

    SECURITY is void after an Undo alone, and for good (db/members/demotion.py).
    """
    marks = ", ".join("?" * len(member_ids))
    about = f"(member_id IN ({marks}) OR subject_id IN ({marks})) AND kind NOT IN ('waiting', {SECURITY_SQL})"
    return await bring_back(about, *member_ids, *member_ids, voided_at=voided_at)


async def void_where_invited(batch_id: int) -> int:
    """Queued mails of the invitations that belong to this batch now are void: new ones follow."""
    return await _void("invitation_id IN (SELECT i.id FROM invitation AS i WHERE i.batch_id = ?)", batch_id)


async def void_of_member(member_id: int, *, at: int = 0) -> int:
    """Queued mails to or about a member who was deactivated or removed are void, but SECURITY.

    at: in ms, 0 for now.
    """
    about = f"(member_id = ? OR subject_id = ?) AND kind NOT IN ({SECURITY_SQL})"
    return await _void(about, member_id, member_id, at=at)


async def void_approved(member_ids: Sequence[int], *, at: int) -> int:
    """These members wait again: they aren't told that they are in. at: in ms."""
    marks = ", ".join("?" * len(member_ids))
    return await _void(f"kind = 'approved' AND member_id IN ({marks})", *member_ids, at=at)


async def void_about(kind: str, subject_id: int, *, due_at: int = 0) -> int:
    """Queued mails of a kind about this member are void: it is no longer so. due_at: in ms, 0 for any."""
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
    """Inside the write of a restore: nothing that was queued when the backup was made goes out by itself."""
    return await engine.execute(
        "UPDATE outbox SET state = 'held', lease = '', leased_until = 0 WHERE state = 'queued'"
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the mails of a batch are. trouble: what was said of those that wait, "" for nothing."""

    sent: int
    refused: int
    waiting: int
    trouble: str = ""


async def progress(batch_id: int) -> Progress:
    """Mails that are void count as none of these."""
    found = await engine.read(
        engine.rows,
        "SELECT state, COUNT(*), MAX(server_reply) FROM outbox WHERE batch_id = ? AND batch_id <> 0 GROUP"
        " BY state",
        batch_id,
    )
    number = {state: count for state, count, _ in found}
    said = {state: words for state, _, words in found}
    waiting = number.get("queued", 0) + number.get("held", 0)
    return Progress(number.get("sent", 0), number.get("failed", 0), waiting, said.get("queued", ""))


@dataclass(frozen=True, slots=True)
class Health:
    """Whether mail leaves. sent_at: when the last was taken, in ms, 0 for never. trouble: why one waits.

    refused: why the last one was refused for good, "" when it was taken.
    """

    sent_at: int
    trouble: str
    refused: str


async def health() -> Health:
    """How the last mails fared."""
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
    done_at, state, said = done[0] if done else (0, "", "")
    trouble = waiting[0][0] if waiting else ""
    return Health(done_at if state == "sent" else 0, trouble, said if state == "failed" else "")


async def sweep() -> int:
    """Inside a write: what was done 30 days ago is forgotten, unless an open invitation shows it."""
    now = clock.now()
    # Queued before the clock was set back: nobody waits for their mail until it is that late again.
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
