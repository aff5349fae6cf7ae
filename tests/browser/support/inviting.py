"""Invitations in every state there is, made by the domain itself and by a real mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser

from db import engine
from db.auth.client import Browser as Device
from db.auth.sessions import SessionLimits
from db.common import addresses, clock
from db.common.dates import DAY_MS
from db.invitations import acceptance, creation, management
from db.invitations.recipients import address_list
from db.members import roles
from db.members.new_member import Person
from db.policy import Actor, Role
from settings import Settings
from tests.browser.support.desk import Desk
from tests.support.pages.site import SECRET, Site, password_hash
from tests.support.servers import smtp
from tests.support.servers.smtp import Server
from tests.support.steps import mail_steps

INVITATIONS: Final = "/organization/invitations"
LONG_ADDRESS: Final = (
    f"leopold.the-younger-and-without-any-end{'x' * 10}@{'herbarium-of-the-north.' * 7}{'x' * 27}.example.org"
)
REFUSED: Final = "550 5.1.2 Bad destination system address: no such domain"
BUSY: Final = "451 4.2.1 This mailbox is busy, try again later"


async def invite(site: Site, who: str, *typed: str, role: Role = Role.ANNOTATOR) -> int:
    """Somebody invites these addresses; returns the id of the sending."""
    listed = address_list.parse("\n".join(typed))
    batch = await creation.invite(await actor(site, who), listed, role=role, days=7)
    return batch.id


async def actor(site: Site, who: str) -> Actor:
    return Actor(site.ids[who], await site.role_of(who), address="192.0.2.1")


async def id_of(email: str) -> int:
    """The newest invitation of this address."""
    found = await engine.rows(
        "SELECT id FROM invitation WHERE email_key = ? ORDER BY id DESC LIMIT 1", addresses.parse(email).key
    )
    number: int = found[0][0]
    return number


async def path_for(site: Site, email: str) -> str:
    """The path of the newest invitation of this address, as its mail has it."""
    ((link_id, nonce),) = await engine.rows(
        "SELECT l.id, l.nonce FROM links AS l JOIN invitation AS i ON i.link_id = l.id WHERE i.id = ?",
        await id_of(email),
    )
    return f"/user/invitation?token={site.context.signer.token('invitation', link_id, nonce)}"


async def expire(email: str) -> None:
    """The time of this invitation has run out a day ago."""
    await engine.write(
        engine.execute,
        "UPDATE links SET expires_at = ? WHERE id = (SELECT link_id FROM invitation WHERE id = ?)",
        clock.now() - DAY_MS,
        await id_of(email),
    )


async def accept(email: str) -> None:
    """Whoever is invited under this address gets in."""
    ((link_id,),) = await engine.rows("SELECT link_id FROM invitation WHERE id = ?", await id_of(email))
    invited = await acceptance.find(link_id)
    assert invited is not None
    person = Person(addresses.parse(email), "Lena", "Hartmann", password_hash())
    session_limits, device = (
        SessionLimits(persistent=14 * DAY_MS, idle=5 * DAY_MS),
        Device(address="192.0.2.9", device="Chrome on Android"),
    )
    await acceptance.accept(invited, person, session_limits=session_limits, browser=device)


async def delivered() -> None:
    """Returns once each mail that was due has been tried; some wait until Undo is over."""
    await mail_steps.soon(all_tried)


async def all_tried() -> bool:
    return not await engine.rows(
        "SELECT id FROM outbox WHERE state = 'queued' AND tries = 0 AND due_at <= ?", clock.now()
    )


async def every_state(site: Site, server: Server) -> None:
    """Queued, tried in vain, sent, refused, accepted, joined, revoked, void, expired and asked for."""
    await site.person("tomas", Role.ADMINISTRATOR)
    server.refuse |= {"dr.feng@museum-of-natural-histroy.example": REFUSED, "busy@fenwick.example": BUSY}
    await invite(site, "tomas", "b.oyelaran@fenwick.example", role=Role.REVIEWER)
    await delivered()
    await roles.change_role(await actor(site, "olga"), member_id=site.ids["tomas"], role=Role.ANNOTATOR)
    await invite(
        site,
        "olga",
        "Mei-Ling Tsai <mltsai@fenwick.example>",
        "Lena Hartmann <l.hartmann@botanik-graz.example>",
        "revoked@fenwick.example",
        "late@fenwick.example",
        "asks.again@fenwick.example",
        "busy@fenwick.example",
        "dr.feng@museum-of-natural-histroy.example",
        "s.iyer@fenwick.example",
        "فاطمة الحسن <fatima@fenwick.example>",
        LONG_ADDRESS,
        "kofi.asante@fenwick.example",
    )
    await delivered()
    await accept("l.hartmann@botanik-graz.example")
    await management.revoke(
        await actor(site, "olga"), invitation_ids=[await id_of("revoked@fenwick.example")]
    )
    joined = await site.person("joined", joined_via="link")
    await invite(site, "olga", "joined@example.org")
    await roles.change_role(await actor(site, "olga"), member_id=joined, role=Role.ANNOTATOR)
    for email in ("late@fenwick.example", "asks.again@fenwick.example"):
        await expire(email)
    ((link_id,),) = await engine.rows(
        "SELECT link_id FROM invitation WHERE id = ?", await id_of("asks.again@fenwick.example")
    )
    asking = await acceptance.find(link_id)
    assert asking is not None
    await management.note_new_invitation_wanted(asking)
    # As if it had been queued this very moment.
    await engine.write(
        engine.execute,
        "UPDATE outbox SET state = 'queued', tries = 0, done_at = 0, server_reply = '', due_at = ?"
        " WHERE recipient = ?",
        clock.now() + DAY_MS,
        "kofi.asante@fenwick.example",
    )


@asynccontextmanager
async def with_mail(browser: Browser) -> AsyncIterator[tuple[Desk, Server]]:
    """A site on the database in use whose mail goes to a server of our own, in front of the browser."""
    async with smtp.serving() as server:
        settings = Settings(secret_key=SECRET, mail=server.account(), app_url="https://label.example.org/")
        async with Site.opened(settings) as site, Desk.of(site, browser) as desk:
            yield desk, server
