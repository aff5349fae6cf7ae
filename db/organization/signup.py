"""Signing up without an invitation, by the invite link or the open sign-up page; a role comes later."""

from db import activity, engine
from db.accounts import confirmation
from db.auth import links, sessions
from db.auth.client import Browser, SignedIn
from db.auth.sessions import SessionLimits
from db.common.addresses import Address
from db.errors import Invalid
from db.mail import notices, outbox
from db.members import new_member
from db.members.new_member import Person
from db.organization import invite_link_limits
from db.policy import Actor, Role
from messages import by_field


async def why_not_let_in(address: Address) -> list[str]:
    """The same for the domains that may register; empty when this address may."""
    return (await engine.read(invite_link_limits.settled)).why_not(address)


async def register(
    person: Person, *, link_id: int | None, session_limits: SessionLimits, browser: Browser
) -> SignedIn:
    """Makes a Pending account and signs it in.

    link_id: the invite link they came by, None for the open sign-up page. Raises Invalid when the address is
    taken or of a domain that isn't let in, InvalidLink when the link ended meanwhile; then nothing is made.
    """
    try:
        signed_in = await engine.write(_register, person, link_id, session_limits, browser)
    except engine.UniqueViolation as error:
        if error.where != new_member.EMAIL_KEY:
            raise
        raise Invalid({"email": [by_field.ADDRESS_TAKEN]}) from error
    outbox.wake()
    return signed_in


async def _register(
    person: Person, link_id: int | None, session_limits: SessionLimits, browser: Browser
) -> SignedIn:
    # Held until the end: who changes the limits waits for this, or this is decided by the new ones.
    limits = await invite_link_limits.held()
    if link_id is not None:
        await links.use(link_id)
    if why := limits.why_not(person.address):
        raise Invalid({"email": why})
    joined_via = "signup" if link_id is None else "link"
    member_id = await new_member.insert(person, Role.PENDING, joined_via=joined_via, link_id=link_id or 0)
    actor = Actor(member_id, Role.PENDING, address=browser.address)
    await activity.record(actor, "registered", member_id, after=joined_via)
    token = await sessions.begin(
        member_id,
        persistent=False,
        session_limits=session_limits,
        address=browser.address,
        device=browser.device,
    )
    await confirmation.ask(member_id, person.address.email)
    await notices.member_registered()
    return SignedIn(token=token, member_id=member_id, generation=person.generation, role=Role.PENDING)
