"""What the tests of invitations share: inviting, accepting and looking, in one line each."""

from typing import Any

from db import engine
from db.auth.client import SignedIn
from db.common import clock
from db.invitations import acceptance, creation
from db.invitations import listing as invitation_listing
from db.invitations.creation import Batch
from db.invitations.listing import InvitationFilter, InvitationRow
from db.invitations.recipients import address_list
from db.members.new_member import Person
from db.policy import Actor, Role
from tests.support.pages.site import Site, password_hash, someone
from tests.support.steps.member_steps import BROWSER, olga

DAYS = 7


async def invite(
    site: Site,
    emails: str,
    role: Role = Role.ANNOTATOR,
    *,
    by: Actor | None = None,
    skip_invalid: bool = False,
) -> Batch:
    return await creation.invite(
        by or olga(site), address_list.parse(emails), role=role, days=DAYS, skip_invalid=skip_invalid
    )


async def one(email: str) -> InvitationRow:
    """The newest invitation of this address."""
    found = await engine.rows("SELECT MAX(id) FROM invitation WHERE email_key = ?", email)
    line = await invitation_listing.one(found[0][0] or 0)
    assert line is not None, f"{email} isn't invited"
    return line


async def invited(
    site: Site, name: str, role: Role = Role.ANNOTATOR, *, by: Actor | None = None
) -> InvitationRow:
    """Invites name@example.org."""
    await invite(site, f"{name}@example.org", role, by=by)
    return await one(f"{name}@example.org")


async def state(email: str) -> str:
    return (await one(email)).state(clock.now())


def token(site: Site, line: InvitationRow) -> str:
    return site.context.signer.token("invitation", line.link_id, line.nonce)


async def accept(site: Site, line: InvitationRow, name: str = "") -> SignedIn:
    """Accepts as whoever follows the link."""
    found = await acceptance.find(line.link_id)
    assert found is not None
    person = Person(someone("ada").address, name or "Ada", "", password_hash())
    return await acceptance.accept(found, person, session_limits=site.context.session_limits, browser=BROWSER)


async def mailed(line: InvitationRow) -> None:
    """The mail of this invitation went out, if it hasn't already by a server that delivers."""
    changed = await engine.write(
        engine.execute,
        "UPDATE outbox SET state = 'sent', done_at = ? WHERE invitation_id = ? AND state <> 'failed'",
        clock.now(),
        line.id,
    )
    assert changed, "no mail was queued"


async def mails(kind: str) -> list[str]:
    """The recipients of queued mails of this kind."""
    found = await engine.rows(
        "SELECT recipient FROM outbox WHERE kind = ? AND state = 'queued' ORDER BY id", kind
    )
    return [recipient for (recipient,) in found]


async def kinds(invitation_id: int = 0, *, member_id: int = 0) -> list[str]:
    """What the log tells of an invitation, or of a member, oldest first."""
    found = await engine.rows(
        "SELECT kind FROM activity WHERE subject_id = ? AND about = ? ORDER BY id",
        member_id or invitation_id,
        "member" if member_id else "invitation",
    )
    return [kind for (kind,) in found]


async def confirmed(member_id: int) -> bool:
    ((confirmed_at,),) = await engine.rows("SELECT confirmed_at FROM member WHERE id = ?", member_id)
    return bool(confirmed_at > 0)


async def confirm(member_id: int) -> None:
    await engine.write(
        engine.execute, "UPDATE member SET confirmed_at = ? WHERE id = ?", clock.now(), member_id
    )


async def listed(**chosen: Any) -> list[str]:
    """The addresses of a page of the list, in its order."""
    page = await invitation_listing.page(InvitationFilter(**chosen))
    return [line.email for line in page.rows]
