"""What the tests of requests to be let in share: asking, confirming and looking, in one line each."""

from typing import Any

from db import engine
from db.auth.links import Link
from db.common import addresses
from db.invitations import access_request_listing, access_requests
from db.invitations.access_request_listing import Line
from db.invitations.access_requests import Invited, Wish
from db.mail import outbox
from db.policy import Role
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import DAYS
from tests.support.steps.member_steps import olga

VISITOR = "192.0.2.7"


async def switch_on() -> None:
    """The Owner lets people ask."""
    await engine.write(engine.execute, "UPDATE organization SET may_ask = 1")


async def ask(name: str, words: str = "") -> None:
    """Somebody asks with name@example.org."""
    await access_requests.ask(Wish(addresses.parse(f"{name}@example.org"), name.capitalize(), words), VISITOR)


async def link_of(name: str) -> Link:
    """The link that was mailed to name@example.org last."""
    ((link_id,),) = await engine.rows(
        "SELECT link_id FROM access_request WHERE email_key = ? ORDER BY id DESC LIMIT 1",
        f"{name}@example.org",
    )
    link = await access_requests.find_link(link_id)
    assert link is not None, f"{name} was sent no link"
    return link


async def confirm(name: str) -> None:
    await access_requests.confirm(await link_of(name), VISITOR)


async def asked(name: str, words: str = "") -> int:
    """Somebody asks, and confirms it where mail is set up; returns the request's id."""
    await ask(name, words)
    if outbox.set_up():
        await confirm(name)
    return await id_of(name)


async def id_of(name: str) -> int:
    """The newest request with name@example.org."""
    ((request_id,),) = await engine.rows(
        "SELECT MAX(id) FROM access_request WHERE email_key = ?", f"{name}@example.org"
    )
    return int(request_id)


async def invite(site: Site, name: str, role: Role = Role.ANNOTATOR, **more: Any) -> Invited:
    actor = more.get("by") or olga(site)
    return await access_requests.invite(actor, request_id=await id_of(name), role=role, days=DAYS)


async def listed(q: str = "") -> list[str]:
    """Who stands in the list, in its order, by name."""
    return [line.name for line in (await access_request_listing.page(q)).lines]


async def line(name: str) -> Line:
    (found,) = (await access_request_listing.page(name)).lines
    return found


async def end(name: str) -> str:
    """How the newest request of name@example.org ended, "" while it is open."""
    ((reason,),) = await engine.rows("SELECT end_reason FROM access_request WHERE id = ?", await id_of(name))
    return str(reason)


async def events() -> list[str]:
    """What the log tells of requests, oldest first."""
    found = await engine.rows("SELECT kind FROM activity WHERE kind LIKE 'request#_%' ESCAPE '#' ORDER BY id")
    return [kind for (kind,) in found]
