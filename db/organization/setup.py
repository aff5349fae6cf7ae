"""The first run: the set-up link, and the organization with its first Owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from db import activity, engine
from db.auth import links, passwords, sessions
from db.auth.client import Browser, SignedIn
from db.auth.links import Link
from db.auth.sessions import SessionLimits
from db.common import addresses, clock, invisible
from db.errors import Invalid, InvalidLink, Unknown
from db.members import new_member
from db.members.new_member import Person
from db.organization import invite_link_limits
from db.policy import COMMAND_LINE, Actor, Role
from db.schema.tables import Organization
from messages import refusals

TITLE: Final = "Organization"
MAX_CHARACTERS: Final = 100


@dataclass(frozen=True, slots=True)
class Site:
    """What every page may say of the organization.

    title: "" before set-up. may_ask: where sign-up is closed, visitors may request access.
    """

    title: str
    exists: bool
    may_ask: bool = False


async def site() -> Site:
    found = await engine.read(engine.rows, "SELECT title, may_ask FROM organization")
    if not found:
        return Site(title="", exists=False)
    return Site(title=found[0][0], exists=True, may_ask=found[0][1] == 1)


async def open_link() -> Link | None:
    """The set-up link while nobody owns the organization (made if need be), else None."""

    async def write() -> Link | None:
        if await engine.rows("SELECT 1 FROM organization"):
            return None
        return await links.open_one(links.SETUP) or await links.make(links.SETUP, max_uses=1)

    try:
        return await engine.write(write)
    except engine.UniqueViolation:
        return await engine.write(write)


async def find_link(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.SETUP)


async def found(
    title: str, owner: Person, *, link_id: int, session_limits: SessionLimits, browser: Browser
) -> SignedIn:
    """Makes the organization and its Owner, signed in. Of any number at once all but one get Unknown."""

    async def write() -> SignedIn:
        await links.consume(link_id)
        owner_id = await _found(title, owner)
        actor = Actor(owner_id, Role.OWNER, address=browser.address)
        await activity.record(actor, "organization_made", owner_id, after=title)
        token = await sessions.begin(
            owner_id,
            persistent=False,
            session_limits=session_limits,
            address=browser.address,
            device=browser.device,
        )
        return SignedIn(token=token, member_id=owner_id, generation=owner.generation, role=Role.OWNER)

    try:
        return await engine.write(write)
    except (InvalidLink, engine.UniqueViolation) as error:
        raise Unknown(refusals.SET_UP_ALREADY) from error


async def found_by_operator(title: str, owner: Person) -> bool:
    """The same from the command line or the environment; False when somebody owns it already."""

    async def write() -> bool:
        if await engine.rows("SELECT 1 FROM organization"):
            return False
        owner_id = await _found(title, owner)
        await links.end(links.SETUP, "used")
        await activity.record(COMMAND_LINE, "organization_made", owner_id, after=title)
        return True

    try:
        return await engine.write(write)
    except engine.UniqueViolation:
        return False


async def _found(title: str, owner: Person) -> int:
    owner_id = await new_member.insert(owner, Role.OWNER, joined_via="setup")
    await Organization.insert(
        Organization(id=1, title=title, made_at=clock.now(), owner_id=owner_id, owner_role=Role.OWNER.value)
    )
    await invite_link_limits.make(owner_id)
    return owner_id


async def make_owner(
    email: str,
    password: str,
    *,
    names: Sequence[str],
    title: str = "",
    first_name: str = "",
    last_name: str = "",
) -> bool:
    """Makes the organization and its Owner; False, and nothing, when somebody owns it already.

    The rules are those of the set-up page. names: of the app and the server, which a password
    should not be made of, either.
    Raises Invalid with everything that is wrong.
    """
    if (await site()).exists:
        return False
    errors: dict[str, list[str]] = {}
    title, first_name, last_name = (
        invisible.clean_name(text) for text in (invisible.clean_name(title) or TITLE, first_name, last_name)
    )
    for field, text in (("title", title), ("first_name", first_name), ("last_name", last_name)):
        if len(text) > MAX_CHARACTERS or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
            errors[field] = [f"{text!r} is too long, or has characters that can't be typed."]
    address = None
    try:
        address = addresses.parse(email)
    except addresses.NotAnAddress as error:
        errors["email"] = [f"{email!r} isn't accepted. {error}"]
    about = (email, first_name, last_name, title, *names)
    if refused := await passwords.why_refused(password, about):
        errors["password"] = ["The password isn't accepted.", *refused]
    if errors or address is None:
        raise Invalid(errors)
    person = Person(address, first_name, last_name, await passwords.hash_of(password))
    return await found_by_operator(title, person)
