"""Asking to be let in, where sign-up is closed: by name, address and a line, answered by an invitation.

Nothing of what the visitor is shown depends on whether the address is known: what there is to say about it
goes to the address by mail, or to nobody (docs/security.md).
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from db import activity, engine, policy
from db.auth import links
from db.auth.links import Link
from db.auth.rate_limits import Throttle
from db.common import clock, normalization
from db.common.addresses import Address
from db.common.dates import DAY_MS
from db.errors import DeadLink, Refused, Unknown
from db.invitations import creation
from db.invitations.recipients import address_list
from db.invitations.recipients.address_list import AddressList
from db.mail import notices, outbox
from db.members import changes
from db.members.changes import Locked
from db.policy import SYSTEM, Actor, Role
from messages import refusals

# The mailed link's life, and that of a request which nobody has confirmed.
CONFIRM_MS: Final = DAY_MS
OPEN_MS: Final = 90 * DAY_MS
# So long an ended request is kept; who was dismissed isn't heard again before.
REMEMBER_MS: Final = 30 * DAY_MS
MAX_WORDS: Final = 200
# So many open requests at most, unconfirmed ones included: nobody fills the database or the list.
MAX_OPEN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody says of themself. words: what they do or why they ask, "" for nothing."""

    address: Address
    name: str
    words: str


async def ask(wish: Wish, address: str) -> None:
    """Notes a request, and mails what there is to say. Raises Refused when there are too many, Unknown when
    the Owner takes none. address: of the network."""
    await engine.write(_ask, wish, address)
    outbox.wake()


async def _ask(wish: Wish, address: str) -> None:
    # The organization's row is the lock: asking goes one after the other, so the limit holds.
    ((may_ask,),) = await engine.rows(f"SELECT may_ask FROM organization{engine.for_update()}")
    if not may_ask:
        raise Unknown(refusals.NOBODY_IS_ASKED)
    ((open_ones,),) = await engine.rows("SELECT COUNT(*) FROM access_request WHERE ended_at = 0")
    if open_ones >= MAX_OPEN:
        raise Refused(refusals.TOO_MANY_REQUESTS)
    visitor = policy.visitor(address)
    if await _is_known(wish.address.key):
        await activity.record(visitor, "request_left_alone")
        return
    # Nobody has confirmed the one before, so the newer one counts.
    replaced = await engine.rows(
        "DELETE FROM access_request WHERE email_key = ? AND ended_at = 0 RETURNING id", wish.address.key
    )
    for (request_id,) in replaced:
        await links.end(links.REQUEST, "replaced", subject=request_id)
    request_id = await _insert(wish)
    await activity.record(visitor, "request_made", after=str(request_id))
    if outbox.set_up():
        link = await links.make(
            links.REQUEST, subject=request_id, expires_at=clock.now() + CONFIRM_MS, max_uses=1
        )
        await engine.execute("UPDATE access_request SET link_id = ? WHERE id = ?", link.id, request_id)
        await outbox.queue("request", recipient=wish.address.email, link_id=link.id)


async def _is_known(email_key: str) -> bool:
    """Whether there is nothing to note: a member, somebody who asks already, somebody lately dismissed.

    They are told by mail, at the address that is stored; it leaves open what was decided.
    """
    for member_id, recipient in await engine.rows(
        "SELECT id, email FROM member WHERE email_key = ?", email_key
    ):
        await outbox.queue("request", recipient=recipient, member_id=member_id)
        return True
    for (recipient,) in await engine.rows(
        "SELECT email FROM access_request WHERE email_key = ?"
        " AND (ended_at = 0 AND (confirmed_at > 0 OR link_id = 0)"
        " OR end_reason = 'dismissed' AND ended_at > ?) ORDER BY id DESC LIMIT 1",
        email_key,
        clock.now() - REMEMBER_MS,
    ):
        await outbox.queue("request", recipient=recipient)
        return True
    return False


async def _insert(wish: Wish) -> int:
    email, key = wish.address.email, wish.address.key
    ((request_id,),) = await engine.rows(
        "INSERT INTO access_request (email, email_key, name, message, search_text, link_id, made_at,"
        " confirmed_at,"
        " invitation_id, ended_at, end_reason) VALUES (?, ?, ?, ?, ?, 0, ?, 0, 0, 0, '') RETURNING id",
        email,
        key,
        wish.name,
        wish.words,
        normalization.search_text(wish.name, "", email, key),
        clock.now(),
    )
    return int(request_id)


async def find_link(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.REQUEST)


async def of_link(link: Link) -> Wish:
    """What a link confirms. Raises DeadLink when that has ended, is needless, or isn't taken any more."""
    return await engine.read(_of_link, link)


async def _of_link(link: Link) -> Wish:
    found = await engine.rows(
        "SELECT r.email, r.email_key, r.name, r.message FROM access_request AS r CROSS JOIN organization AS g"
        " WHERE r.id = ? AND r.link_id = ? AND r.ended_at = 0 AND r.confirmed_at = 0 AND g.may_ask = 1"
        " AND NOT EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = r.email_key)",
        link.subject,
        link.id,
    )
    if not found:
        raise DeadLink("void")
    email, email_key, name, words = found[0]
    return Wish(Address(email, email_key), name, words)


async def confirm(link: Link, address: str) -> None:
    """Confirms the address of a request, which is seen from now on; its link ends. Raises DeadLink."""
    await engine.write(_confirm, link, address)
    outbox.wake()


async def _confirm(link: Link, address: str) -> None:
    await engine.rows(f"SELECT id FROM organization{engine.for_update()}")
    await _of_link(link)
    await links.consume(link.id)
    if not await engine.execute(
        "UPDATE access_request SET confirmed_at = ? WHERE id = ? AND ended_at = 0", clock.now(), link.subject
    ):
        raise DeadLink("void")
    await activity.record(policy.visitor(address), "request_confirmed", after=str(link.subject))
    await notices.access_requested()


# What Owner and Administrators answer


@dataclass(frozen=True, slots=True)
class Dismissed:
    """name: whose request it was. at: the instant, in ms, by which it can be brought back."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class Invited:
    """name: who was invited. batch_id: the sending their invitation belongs to."""

    name: str
    batch_id: int


async def invite(
    actor: Actor, *, request_id: int, role: Role, days: int, throttle: Throttle | None = None
) -> Invited:
    """Answers a request by an invitation, as if its address had been typed. days: life of the invitation.

    Raises SignInFirst, NotAllowed, Unknown, and Refused when it is answered already or its address became a
    member's.
    """
    answer = partial(_invite, actor, request_id, role, days, throttle)
    invited = await changes.write(actor, policy.may_invite, answer, organization=True)
    outbox.wake()
    if invited is None:
        # What was found out is kept: the request has ended.
        raise Refused(refusals.REQUEST_OF_MEMBER)
    return invited


async def _invite(
    actor: Actor, request_id: int, role: Role, days: int, throttle: Throttle | None, _: Locked
) -> Invited | None:
    email, email_key, name = await _open(request_id)
    if await engine.rows("SELECT 1 FROM member WHERE email_key = ?", email_key):
        await _end(request_id, "joined")
        return None
    listed = AddressList((address_list.entry(email, name),))
    batch = await creation.invite_within(actor, listed, role, days, throttle=throttle)
    # The sending has ended the request, unless somebody dismissed it at this very instant.
    ((batch_of_answer,),) = await engine.rows(
        "SELECT COALESCE(MAX(i.batch_id), 0) FROM access_request AS r JOIN invitation AS i ON i.id ="
        " r.invitation_id"
        " WHERE r.id = ? AND r.end_reason = 'invited'",
        request_id,
    )
    if batch_of_answer != batch.id:
        raise Refused(refusals.REQUEST_ENDED_BY["dismissed"])
    return Invited(name, batch.id)


async def dismiss(actor: Actor, *, request_id: int) -> Dismissed:
    """Ends a request without an answer; the same address isn't heard again for 30 days.

    Raises SignInFirst, NotAllowed, Unknown and Refused.
    """

    async def write(_locked: Locked) -> Dismissed:
        _, _, name = await _open(request_id)
        at = await _end(request_id, "dismissed")
        await activity.record(actor, "request_dismissed", after=str(request_id))
        return Dismissed(name, at)

    return await changes.write(actor, policy.may_invite, write)


async def _open(request_id: int) -> tuple[str, str, str]:
    """Address, its canonical form, and name, of an open request that is seen. Raises Unknown, Refused."""
    found = await engine.rows(
        "SELECT email, email_key, name, end_reason FROM access_request"
        " WHERE id = ? AND (confirmed_at > 0 OR link_id = 0 OR ended_at > 0)",
        request_id,
    )
    if not found:
        raise Unknown(refusals.NO_SUCH_REQUEST)
    email, email_key, name, end_reason = found[0]
    if end_reason:
        raise Refused(refusals.REQUEST_ENDED_BY[end_reason])
    return email, email_key, name


async def _end(request_id: int, reason: str) -> int:
    """One conditional UPDATE: of two answers at the same instant one is refused. Returns when, in ms."""
    now = clock.now()
    if not await engine.execute(
        "UPDATE access_request SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at = 0",
        now,
        reason,
        request_id,
    ):
        raise Refused(refusals.REQUEST_ANSWERED)
    return now


async def sweep() -> int:
    """Chore: ends what is too old or has come true otherwise, and forgets what has ended long ago.

    Returns how many ended.
    """
    now = clock.now()
    # Perhaps a stranger typed the address: nothing is kept of what its owner didn't confirm.
    await engine.execute(
        "DELETE FROM access_request WHERE ended_at = 0 AND confirmed_at = 0 AND link_id > 0 AND made_at <= ?",
        now - CONFIRM_MS,
    )
    await engine.execute("DELETE FROM access_request WHERE ended_at > 0 AND ended_at <= ?", now - REMEMBER_MS)
    joined = await engine.execute(
        "UPDATE access_request SET ended_at = ?, end_reason = 'joined' WHERE ended_at = 0"
        " AND EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = access_request.email_key)",
        now,
    )
    expired = await engine.rows(
        "UPDATE access_request SET ended_at = ?, end_reason = 'expired' WHERE ended_at = 0 AND made_at <= ?"
        " RETURNING id",
        now,
        now - OPEN_MS,
    )
    await activity.record_many(
        SYSTEM, "request_expired", [(0, "", str(request_id)) for (request_id,) in expired]
    )
    return joined + len(expired)
