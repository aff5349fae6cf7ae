"""Access requests, where sign-up is closed: a name, an address and a line of text. An invitation answers one.

The visitor sees the same answer for every address. What depends on the address is only ever mailed to that
address (docs/security.md).
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
from db.errors import InvalidLink, Refused, Unknown
from db.invitations import creation
from db.invitations.recipients import address_list
from db.invitations.recipients.address_list import AddressList
from db.mail import notices, outbox
from db.members import changes
from db.members.changes import Locked
from db.policy import SYSTEM, Actor, Role
from messages import refusals

# How long the mailed link works, and how long an unconfirmed request is kept.
CONFIRM_MS: Final = DAY_MS
OPEN_MS: Final = 90 * DAY_MS
# How long an ended request is kept. A dismissed address can't request access again before that.
REMEMBER_MS: Final = 30 * DAY_MS
MAX_WORDS: Final = 200
# The most open requests, unconfirmed ones included, so that nobody fills the database or the list.
MAX_OPEN: Final = 1_000


@dataclass(frozen=True, slots=True)
class AccessRequestForm:
    """The content of the form, checked. words: what they do or why they want access, "" for nothing."""

    address: Address
    name: str
    words: str


async def submit(form: AccessRequestForm, address: str) -> None:
    """Stores an access request and mails the answer. address: the network address.

    Raises Refused when too many requests are open, and Unknown when the Owner accepts none.
    """
    await engine.write(_submit, form, address)
    outbox.wake()


async def _submit(form: AccessRequestForm, address: str) -> None:
    # The organization's row is the lock: requests are stored one at a time, so the limit holds.
    ((may_ask,),) = await engine.rows(f"SELECT may_ask FROM organization{engine.for_update()}")
    if not may_ask:
        raise Unknown(refusals.NOBODY_IS_ASKED)
    ((open_ones,),) = await engine.rows("SELECT COUNT(*) FROM access_request WHERE ended_at = 0")
    if open_ones >= MAX_OPEN:
        raise Refused(refusals.TOO_MANY_REQUESTS)
    visitor = policy.visitor(address)
    if await _is_known(form.address.key):
        await activity.record(visitor, "request_left_alone")
        return
    # The earlier request was never confirmed, so the newer one replaces it.
    replaced = await engine.rows(
        "DELETE FROM access_request WHERE email_key = ? AND ended_at = 0 RETURNING id", form.address.key
    )
    for (access_request_id,) in replaced:
        await links.end(links.ACCESS_REQUEST, "replaced", subject=access_request_id)
    access_request_id = await _insert(form)
    await activity.record(visitor, "request_made", after=str(access_request_id))
    if outbox.set_up():
        link = await links.make(
            links.ACCESS_REQUEST, subject=access_request_id, expires_at=clock.now() + CONFIRM_MS, max_uses=1
        )
        await engine.execute("UPDATE access_request SET link_id = ? WHERE id = ?", link.id, access_request_id)
        await outbox.queue("request", recipient=form.address.email, link_id=link.id)


async def _is_known(email_key: str) -> bool:
    """Whether the address needs no new request: a member, an open request, or one dismissed lately.

    Then a mail goes to the stored address. It doesn't reveal what was decided.
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


async def _insert(form: AccessRequestForm) -> int:
    email, key = form.address.email, form.address.key
    ((access_request_id,),) = await engine.rows(
        "INSERT INTO access_request (email, email_key, name, message, search_text, link_id, made_at,"
        " confirmed_at,"
        " invitation_id, ended_at, end_reason) VALUES (?, ?, ?, ?, ?, 0, ?, 0, 0, 0, '') RETURNING id",
        email,
        key,
        form.name,
        form.words,
        normalization.search_text(form.name, "", email, key),
        clock.now(),
    )
    return int(access_request_id)


async def find_link(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.ACCESS_REQUEST)


async def of_link(link: Link) -> AccessRequestForm:
    """The request that a link confirms.

    Raises InvalidLink when the request has ended, its address has joined, or the Owner accepts none any more.
    """
    return await engine.read(_of_link, link)


async def _of_link(link: Link) -> AccessRequestForm:
    found = await engine.rows(
        "SELECT r.email, r.email_key, r.name, r.message FROM access_request AS r CROSS JOIN organization AS g"
        " WHERE r.id = ? AND r.link_id = ? AND r.ended_at = 0 AND r.confirmed_at = 0 AND g.may_ask = 1"
        " AND NOT EXISTS (SELECT 1 FROM member AS m WHERE m.email_key = r.email_key)",
        link.subject,
        link.id,
    )
    if not found:
        raise InvalidLink("void")
    email, email_key, name, words = found[0]
    return AccessRequestForm(Address(email, email_key), name, words)


async def confirm(link: Link, address: str) -> None:
    """Confirms the address of a request, which is listed from now on, and ends its link.

    Raises InvalidLink.
    """
    await engine.write(_confirm, link, address)
    outbox.wake()


async def _confirm(link: Link, address: str) -> None:
    await engine.rows(f"SELECT id FROM organization{engine.for_update()}")
    await _of_link(link)
    await links.consume(link.id)
    if not await engine.execute(
        "UPDATE access_request SET confirmed_at = ? WHERE id = ? AND ended_at = 0", clock.now(), link.subject
    ):
        raise InvalidLink("void")
    await activity.record(policy.visitor(address), "request_confirmed", after=str(link.subject))
    await notices.access_requested()


# How Owner and Administrators answer


@dataclass(frozen=True, slots=True)
class DismissedAccessRequest:
    """name: who made the request. at: when it was dismissed, in ms, which its undo needs."""

    name: str
    at: int


@dataclass(frozen=True, slots=True)
class AccessRequestAnswer:
    """name: who was invited. batch_id: the batch of their invitation."""

    name: str
    batch_id: int


async def invite(
    actor: Actor, *, access_request_id: int, role: Role, days: int, throttle: Throttle | None = None
) -> AccessRequestAnswer:
    """Answers a request with an invitation, as if its address had been typed. days: how long that works.

    Raises SignInFirst, NotAllowed, Unknown, and Refused when the request is answered already or its address
    belongs to a member by now.
    """
    answer = partial(_invite, actor, access_request_id, role, days, throttle)
    invited = await changes.write(actor, policy.may_invite, answer, organization=True)
    outbox.wake()
    if invited is None:
        # Raised after the commit, so that the request stays ended.
        raise Refused(refusals.REQUEST_OF_MEMBER)
    return invited


async def _invite(
    actor: Actor, access_request_id: int, role: Role, days: int, throttle: Throttle | None, _: Locked
) -> AccessRequestAnswer | None:
    email, email_key, name = await _open(access_request_id)
    if await engine.rows("SELECT 1 FROM member WHERE email_key = ?", email_key):
        await _end(access_request_id, "joined")
        return None
    listed = AddressList((address_list.entry(email, name),))
    batch = await creation.invite_within(actor, listed, role, days, throttle=throttle)
    # The batch has answered the request, unless somebody dismissed it at the same instant.
    ((batch_of_answer,),) = await engine.rows(
        "SELECT COALESCE(MAX(i.batch_id), 0) FROM access_request AS r JOIN invitation AS i ON i.id ="
        " r.invitation_id"
        " WHERE r.id = ? AND r.end_reason = 'invited'",
        access_request_id,
    )
    if batch_of_answer != batch.id:
        raise Refused(refusals.REQUEST_ENDED_BY["dismissed"])
    return AccessRequestAnswer(name, batch.id)


async def dismiss(actor: Actor, *, access_request_id: int) -> DismissedAccessRequest:
    """Ends a request without an answer; the same address can't request access again for 30 days.

    Raises SignInFirst, NotAllowed, Unknown and Refused.
    """

    async def write(_locked: Locked) -> DismissedAccessRequest:
        _, _, name = await _open(access_request_id)
        at = await _end(access_request_id, "dismissed")
        await activity.record(actor, "request_dismissed", after=str(access_request_id))
        return DismissedAccessRequest(name, at)

    return await changes.write(actor, policy.may_invite, write)


async def _open(access_request_id: int) -> tuple[str, str, str]:
    """The address, its canonical form and the name of an open, listed request. Raises Unknown, Refused."""
    found = await engine.rows(
        "SELECT email, email_key, name, end_reason FROM access_request"
        " WHERE id = ? AND (confirmed_at > 0 OR link_id = 0 OR ended_at > 0)",
        access_request_id,
    )
    if not found:
        raise Unknown(refusals.NO_SUCH_REQUEST)
    email, email_key, name, end_reason = found[0]
    if end_reason:
        raise Refused(refusals.REQUEST_ENDED_BY[end_reason])
    return email, email_key, name


async def _end(access_request_id: int, reason: str) -> int:
    """Ends a request and returns when, in ms. Conditional: of two answers at once one is refused."""
    now = clock.now()
    if not await engine.execute(
        "UPDATE access_request SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at = 0",
        now,
        reason,
        access_request_id,
    ):
        raise Refused(refusals.REQUEST_ANSWERED)
    return now


async def sweep() -> int:
    """Chore: ends requests that are too old or whose address has joined, deletes those that ended long ago.

    Returns how many ended.
    """
    now = clock.now()
    # A stranger may have typed the address, so nothing is kept that its owner didn't confirm.
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
        SYSTEM, "request_expired", [(0, "", str(access_request_id)) for (access_request_id,) in expired]
    )
    return joined + len(expired)
