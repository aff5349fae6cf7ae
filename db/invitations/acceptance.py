"""Accepting an invitation: exactly once, also if several try at the same instant, with its role then."""

from dataclasses import dataclass, replace
from functools import partial

from db import activity, engine, policy
from db.auth import links, sessions
from db.auth.client import Browser, SignedIn
from db.auth.sessions import SessionLimits
from db.common import clock, normalization
from db.common.addresses import Address
from db.common.role_codes import codes
from db.errors import InvalidLink, NotAllowed, Refused
from db.mail import outbox
from db.members import changes, link_viewers, locking, new_member
from db.members.changes import Locked
from db.members.locking import ROLE_NOW
from db.members.new_member import Person
from db.policy import Actor, Role, is_active
from messages import refusals


@dataclass(frozen=True, slots=True)
class InvitationForToken:
    """What the page of an invitation says. inviter: name or address, "" when unknown. Instants in ms.

    mailed: a mail with this very link went out. member_administered: whether the account with this address
    did, lately. outlived: whoever invited, or was shown the link and so can open it, may invite no more.
    """

    id: int
    link_id: int
    nonce: str
    email: str
    email_key: str
    first_name: str
    last_name: str
    role: Role
    inviter_id: int
    inviter: str
    link_revealed_at: int
    mailed: bool
    expires_at: int
    link_ended: str
    end_reason: str
    member_role: str
    member_administered: bool
    outlived: bool

    def invalid_reason(self, now: int) -> str | None:
        """Why it can't be accepted (accepted, revoked, void, expired), None while it can."""
        if self.end_reason:
            return self.end_reason
        if self.outlived:
            return "void"
        if self.link_ended or (self.expires_at and self.expires_at <= now):
            return "expired"
        return None

    @property
    def proves_address(self) -> bool:
        """Whether the link was only ever sent by our mail, and never revealed to be copied."""
        return self.mailed and not self.link_revealed_at

    @property
    def has_account(self) -> bool:
        """Whether an account with this address exists whose member has to sign in to accept."""
        return bool(self.member_role) and not self.takes_over

    @property
    def takes_over(self) -> bool:
        """Somebody registered under this address, who perhaps isn't who is invited, and still waits.

        Only a token that proves whose address it is will do, since anybody may have seen another. Nothing
        takes the account of who was an Administrator lately: its member signs in.
        """
        waits = self.member_role == Role.PENDING.value
        return waits and self.proves_address and not self.member_administered


_FIND = f"""SELECT i.id, l.id, l.nonce, i.email, i.email_key, i.first_name, i.last_name, i.role, i.invited_by,
    COALESCE(NULLIF(TRIM(b.first_name || ' ' || b.last_name), ''), b.email, ''),
    i.link_revealed_at, EXISTS (SELECT 1 FROM outbox AS o WHERE o.invitation_id = i.id AND o.link_id = l.id
        AND o.state = 'sent'),
    l.expires_at, l.end_reason, i.end_reason, COALESCE({ROLE_NOW.format(t="m")}, ''),
    COALESCE(m.administrator_until, 0),
    EXISTS ({link_viewers.KNOWING} WHERE {ROLE_NOW.format(t="k")} NOT IN ({codes(*policy.may_invite.roles)}))
    FROM links AS l JOIN invitation AS i ON i.link_id = l.id
    LEFT JOIN member AS b ON b.id = i.invited_by
    LEFT JOIN member AS m ON m.email_key = i.email_key
    WHERE l.id = ? AND l.purpose = 'invitation'"""


async def find(link_id: int) -> InvitationForToken | None:
    """The invitation of this link, open or ended; None if there is none."""
    return await engine.read(present, link_id)


async def present(link_id: int) -> InvitationForToken | None:
    """The same, inside a read or a write."""
    now = clock.now()
    found = await engine.rows(_FIND, now, now, link_id)
    if not found:
        return None
    row = list(found[0])
    row[7], row[11], row[17] = Role(row[7]), bool(row[11]), bool(row[17])
    row[16] = policy.was_administrator(row[16], now)
    return InvitationForToken(*row)


async def accept(
    invited: InvitationForToken, person: Person, *, session_limits: SessionLimits, browser: Browser
) -> SignedIn:
    """A new account with the invitation's role, signed in; a Pending one under this address is taken over if
    the link proves that the address is theirs.

    person.address is the invited one. Raises InvalidLink when somebody was faster, and Refused when there is
    an account with the address that isn't taken over.
    """
    try:
        signed_in = await engine.write(_accept, invited.link_id, person, session_limits, browser)
    except engine.UniqueViolation:
        # Somebody registered the same address at the same instant: the second try finds that account.
        signed_in = await engine.write(_accept, invited.link_id, person, session_limits, browser)
    outbox.wake()
    return signed_in


async def accept_as(actor: Actor, invited: InvitationForToken) -> Role:
    """Accepts as the member who is signed in with the invited address; returns the role they have afterwards.

    Raises SignInFirst, InvalidLink, and NotAllowed for anybody else.
    """
    role = await changes.write(actor, policy.may_sign_in, partial(_accept_as, actor, invited.link_id))
    outbox.wake()
    return role


async def _accept(link_id: int, person: Person, session_limits: SessionLimits, browser: Browser) -> SignedIn:
    invited = await _take(link_id)
    found = await engine.rows("SELECT id FROM member WHERE email_key = ?", invited.email_key)
    roles = await locking.lock_roles([member_id for (member_id,) in found]) if found else {}
    if roles:
        (member_id,) = roles
        invited = await present(link_id) or invited
        if not invited.takes_over:
            raise Refused(refusals.ACCOUNT_EXISTS)
        await _take_over(member_id, person, invited)
    else:
        member_id = await _new(person, invited)
    actor = Actor(member_id, invited.role, address=browser.address)
    if found:
        await activity.record(
            actor, "role_changed", member_id, before=Role.PENDING.value, after=invited.role.value
        )
    await _told(actor, invited, member_id, before=Role.PENDING.value if found else "")
    token = await sessions.begin(
        member_id,
        persistent=False,
        session_limits=session_limits,
        address=browser.address,
        device=browser.device,
    )
    return SignedIn(token=token, member_id=member_id, generation=person.generation, role=invited.role)


async def _take(link_id: int) -> InvitationForToken:
    """Uses up the link, which the conditional UPDATE lets only one request do. Returns the invitation."""
    # Locked first, as in everything that ends or changes an invitation, so that one sees the other's change.
    await engine.rows(f"SELECT id FROM invitation WHERE link_id = ?{engine.for_update()}", link_id)
    await links.consume(link_id)
    invited = await present(link_id)
    if invited is None:
        raise InvalidLink
    # The link has just ended as used; nothing else may have ended the invitation.
    if reason := invited.end_reason or ("void" if invited.outlived else ""):
        raise InvalidLink(reason)
    return invited


async def _new(person: Person, invited: InvitationForToken) -> int:
    address = Address(invited.email, invited.email_key)
    own = replace(person, address=address)
    member_id = await new_member.insert(
        own, invited.role, joined_via="invitation", invited_by=invited.inviter_id
    )
    await _confirm(member_id, invited)
    return member_id


async def _take_over(member_id: int, person: Person, invited: InvitationForToken) -> None:
    """The Pending account becomes the invited person's: new password and role; its sessions end.

    Names that were given before stay where none are given now. Its address is told of the new password.
    """
    ((first_name, last_name),) = await engine.rows(
        "SELECT first_name, last_name FROM member WHERE id = ?", member_id
    )
    if person.first_name or person.last_name:
        first_name, last_name = person.first_name, person.last_name
    await sessions.end_all(member_id, "taken over by an invitation")
    for purpose in (links.RESET, links.ADDRESS):
        await links.end(purpose, "taken over", subject=member_id)
    await engine.execute(
        "UPDATE member SET password_hash = ?, password_generation = ?, role = ?,"
        " first_name = ?, last_name = ?, sort_key = ?, search_text = ?, joined_via = 'invitation',"
        " invited_by = ?"
        " WHERE id = ?",
        person.password_hash,
        person.generation,
        invited.role.value,
        first_name,
        last_name,
        normalization.sort_key(first_name, last_name, invited.email_key),
        normalization.search_text(first_name, last_name, invited.email, invited.email_key),
        invited.inviter_id,
        member_id,
    )
    await outbox.queue_password_changed(member_id)
    await _confirm(member_id, invited)


async def _confirm(member_id: int, invited: InvitationForToken) -> None:
    if invited.proves_address:
        await engine.execute(
            "UPDATE member SET confirmed_at = ? WHERE id = ? AND confirmed_at = 0", clock.now(), member_id
        )


async def _accept_as(actor: Actor, link_id: int, locked: Locked) -> Role:
    invited, has = await _take(link_id), locked.acting
    found = await engine.rows("SELECT email_key FROM member WHERE id = ?", actor.id)
    if not found or found[0][0] != invited.email_key:
        raise NotAllowed(refusals.INVITATION_OF_ANOTHER)
    role = has if is_active(has) else invited.role
    if role is not has:
        await engine.execute("UPDATE member SET role = ? WHERE id = ?", role.value, actor.id)
        await activity.record(actor, "role_changed", actor.id, before=has.value, after=role.value)
    await _confirm(actor.id, invited)
    await _told(actor, invited, actor.id, before=has.value)
    return role


async def _told(actor: Actor, invited: InvitationForToken, member_id: int, *, before: str) -> None:
    """Ends the invitation as accepted, tells the log and the inviter. before: a role, "" for who is new."""
    ended = await engine.execute(
        "UPDATE invitation SET ended_at = ?, end_reason = 'accepted', member_id = ?"
        " WHERE id = ? AND ended_at = 0",
        clock.now(),
        member_id,
        invited.id,
    )
    if not ended:
        raise InvalidLink("used")
    await outbox.void_of_invitation([invited.id])
    await activity.record(actor, "accepted_invitation", member_id, before=before, after=invited.role.value)
    found = await engine.rows(
        "SELECT email FROM member WHERE id = ? AND removed_at = 0"
        f" AND role IN ({codes(*policy.may_invite.roles)})",
        invited.inviter_id,
    )
    for (recipient,) in found:
        await outbox.queue(
            "accepted", recipient=recipient, member_id=invited.inviter_id, subject_id=member_id
        )
