"""The first run: which key this database belongs to, the set-up link, and the organization with its Owner."""

from dataclasses import dataclass

from db import activity, engine
from db.auth import links, sessions
from db.auth.client import Browser, SignedIn
from db.auth.links import Link
from db.auth.sessions import Ages
from db.common import clock
from db.members import members
from db.members.members import Person
from db.organization import invite_link_limits
from db.policy import COMMAND_LINE, Actor, DeadLink, Role, Unknown
from db.schema.tables import Installation, Organization
from messages import refusals


@dataclass(frozen=True, slots=True)
class Site:
    """What every page may say of the organization.

    title: "" before set-up. may_ask: whoever has no link may ask to be let in, where sign-up is closed.
    """

    title: str
    exists: bool
    may_ask: bool = False


async def site() -> Site:
    found = await engine.read(engine.rows, "SELECT title, may_ask FROM organization")
    if not found:
        return Site(title="", exists=False)
    return Site(title=found[0][0], exists=True, may_ask=found[0][1] == 1)


async def known_fingerprint() -> str | None:
    """The fingerprint of the secret key this database was made with, None for an empty database."""
    found = await engine.read(engine.rows, "SELECT key_fingerprint FROM installation")
    return found[0][0] if found else None


async def remember_fingerprint(fingerprint: str) -> str:
    """Notes the key's fingerprint unless one is known; returns the one that is known afterwards."""

    async def write() -> str:
        try_first = await engine.rows("SELECT key_fingerprint FROM installation")
        if not try_first:
            await Installation.insert(Installation(id=1, key_fingerprint=fingerprint, made_at=clock.now()))
        ((known,),) = await engine.rows("SELECT key_fingerprint FROM installation")
        return str(known)

    try:
        return await engine.write(write)
    except engine.UniqueViolation:
        return await engine.write(write)


async def rotate_key(fingerprint: str) -> int:
    """Takes another key: every open link ends, the invite link is made anew. Returns how many ended."""

    async def write() -> int:
        await engine.execute("UPDATE installation SET key_fingerprint = ?", fingerprint)
        ended = 0
        for purpose in (
            links.SETUP,
            links.INVITE,
            links.INVITATION,
            links.RESET,
            links.ADDRESS,
            links.REQUEST,
        ):
            ended += await links.end(purpose, "key rotated")
        if await engine.rows("SELECT 1 FROM organization"):
            await invite_link_limits.make()
        await activity.record(COMMAND_LINE, "key_rotated")
        return ended

    return await engine.write(write)


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


async def found(title: str, owner: Person, *, link_id: int, ages: Ages, browser: Browser) -> SignedIn:
    """Makes the organization and its Owner, signed in. Of any number at once all but one get Unknown."""

    async def write() -> SignedIn:
        await links.consume(link_id)
        owner_id = await _found(title, owner)
        actor = Actor(owner_id, Role.OWNER, address=browser.address)
        await activity.record(actor, "organization_made", owner_id, after=title)
        token = await sessions.begin(
            owner_id, kept=False, ages=ages, address=browser.address, device=browser.device
        )
        return SignedIn(token=token, member_id=owner_id, generation=owner.generation, role=Role.OWNER)

    try:
        return await engine.write(write)
    except (DeadLink, engine.UniqueViolation) as error:
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
    owner_id = await members.insert(owner, Role.OWNER, came_by="setup")
    await Organization.insert(
        Organization(id=1, title=title, made_at=clock.now(), owner_id=owner_id, owner_role=Role.OWNER.value)
    )
    await invite_link_limits.make(owner_id)
    return owner_id
