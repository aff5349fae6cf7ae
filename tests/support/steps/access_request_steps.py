"""What the tests of access requests share: submitting, confirming and looking, in one line each."""

from typing import Any

from db import engine
from db.auth.links import Link
from db.common import addresses
from db.invitations import access_request_listing, access_requests
from db.invitations.access_request_listing import AccessRequestRow
from db.invitations.access_requests import AccessRequestAnswer, AccessRequestForm
from db.mail import outbox
from db.policy import Role
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import DAYS
from tests.support.steps.member_steps import olga

VISITOR = "192.0.2.7"


async def switch_on() -> None:
    """The Owner accepts access requests."""
    await engine.write(engine.execute, "UPDATE organization SET may_ask = 1")


async def submit(name: str, words: str = "") -> None:
    """Somebody requests access with name@example.org."""
    await access_requests.submit(
        AccessRequestForm(addresses.parse(f"{name}@example.org"), name.capitalize(), words), VISITOR
    )


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


async def submitted(name: str, words: str = "") -> int:
    """Submits an access request and, where mail is set up, confirms it; returns its id."""
    await submit(name, words)
    if outbox.set_up():
        await confirm(name)
    return await id_of(name)


async def id_of(name: str) -> int:
    """The newest access request with name@example.org."""
    ((access_request_id,),) = await engine.rows(
        "SELECT MAX(id) FROM access_request WHERE email_key = ?", f"{name}@example.org"
    )
    return int(access_request_id)


async def invite(site: Site, name: str, role: Role = Role.ANNOTATOR, **more: Any) -> AccessRequestAnswer:
    actor = more.get("by") or olga(site)
    return await access_requests.invite(actor, access_request_id=await id_of(name), role=role, days=DAYS)


async def listed(q: str = "") -> list[str]:
    """Who stands in the list, in its order, by name."""
    return [row.name for row in (await access_request_listing.page(q)).rows]


async def row(name: str) -> AccessRequestRow:
    (found,) = (await access_request_listing.page(name)).rows
    return found


async def end(name: str) -> str:
    """How the newest access request of name@example.org ended, "" while it is open."""
    ((reason,),) = await engine.rows("SELECT end_reason FROM access_request WHERE id = ?", await id_of(name))
    return str(reason)


async def events() -> list[str]:
    """The events of access requests, oldest first."""
    found = await engine.rows("SELECT kind FROM activity WHERE kind LIKE 'request#_%' ESCAPE '#' ORDER BY id")
    return [kind for (kind,) in found]
