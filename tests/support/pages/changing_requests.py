"""One request to each address that changes something for whoever is signed in: complete, about to succeed.

What it concerns is made anew each time. An address that isn't here fails tests/handlers/test_session_ends.py.
"""

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

from app import create_app
from db import engine
from db.accounts import confirmation, password
from db.auth import links
from db.invitations import access_requests, management
from db.mail import outbox
from db.members import last_day, removal, roles
from db.policy import COMMAND_LINE, Role
from settings import Settings
from tests.support.pages.site import PASSWORD, SECRET, Site, Visitor
from tests.support.steps import access_request_steps, invitation_steps
from tests.support.steps.member_steps import acting

NEW_PASSWORD: Final = "nine green herons over the marsh"
# Nobody has to be signed in there, and what is done is done for nobody who is.
FOR_VISITORS: Final = {
    "/setup",
    "/user/signup",
    "/user/access-request",
    "/user/access-request/confirmation",
    "/user/invitation/renewal",
    "/user/login",
    "/user/logout",
    "/user/password/forgot",
    "/user/password/reset",
}
# Links, which visitors follow as well: whose session has ended is one, and told what a visitor is.
FOR_BOTH: Final = {"/user/confirmation", "/user/invitation"}
# It only looks.
NOTHING_CHANGED: Final = {"/organization/invitations/preview"}
OWNERS: Final = {
    "/organization/activity/erasure",
    "/organization/ownership",
    "/organization/settings",
    "/organization/settings/test-mail",
}
TABLES: Final = (
    *("member", "organization", "session", "links", "invitation", "batch", "outbox", "activity"),
    *("activity_name", "upload", "access_request", "role_note"),
)
numbers = itertools.count()


@dataclass
class Sent:
    """What goes to an address: what stands in its braces, and the form's fields, or a file instead."""

    place: dict[str, int] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Any] | None = None

    async def by(self, visitor: Visitor, path: str, *, htmx: bool = False, **more: Any) -> Any:
        """Sends it as a page of ours does."""
        headers = {"Sec-Fetch-Site": "same-origin"} | ({"HX-Request": "true"} if htmx else {})
        path = path.format(**self.place)
        return await visitor.post(path, data=self.fields, files=self.files, headers=headers, **more)


Make = Callable[[Site, str], Awaitable[Sent]]


def posted_to() -> set[str]:
    """Every address of the application that takes a form."""
    routes = create_app(Settings(secret_key=SECRET)).routes
    return {route.path_format for route in routes if "POST" in getattr(route, "methods", ())}


async def _person(site: Site, role: Role = Role.ANNOTATOR) -> int:
    return await site.person(f"member-{next(numbers)}", role)


async def _invited(site: Site, name: str) -> int:
    """An open invitation that whoever acts has made."""
    role = await site.role_of(name)
    return (await invitation_steps.invited(site, f"guest-{next(numbers)}", by=acting(site, name, role))).id


async def _member(site: Site, name: str, **fields: str) -> Sent:
    return Sent({"member_id": await _person(site)}, fields)


async def _name(site: Site, name: str) -> Sent:
    return await _member(site, name, first_name=f"Zed {next(numbers)}", last_name="")


async def _role(site: Site, name: str) -> Sent:
    return await _member(site, name, role="RE")


async def _end(site: Site, name: str) -> Sent:
    return await _member(site, name, last_day=last_day.earliest())


async def _session_of_member(site: Site, name: str) -> Sent:
    member_id = await _person(site)
    return Sent({"member_id": member_id, "session_id": await _session(site, member_id)})


async def _sessions_of_member(site: Site, name: str) -> Sent:
    sent = await _session_of_member(site, name)
    return Sent({"member_id": sent.place["member_id"]})


async def _session(site: Site, member_id: int) -> int:
    await site.sign_in(next(name for name, id in site.ids.items() if id == member_id))
    ((session_id,),) = await engine.rows("SELECT MAX(id) FROM session WHERE member_id = ?", member_id)
    return int(session_id)


async def _roles(site: Site, name: str) -> Sent:
    return Sent(fields={"member": [str(await _person(site)) for _ in range(2)], "role": "RE"})


async def _undone_role(site: Site, name: str) -> Sent:
    member_id = await _person(site)
    await roles.change_role(COMMAND_LINE, member_id=member_id, role=Role.REVIEWER)
    return Sent(fields={"before": f"{member_id}:AN", "role": "RE"})


async def _nothing(site: Site, name: str) -> Sent:
    return Sent()


async def _addresses(site: Site, name: str) -> Sent:
    return Sent(fields={"emails": f"guest-{next(numbers)}@example.org", "role": "AN"})


async def _sending(site: Site, name: str) -> Sent:
    invitation_id = await _invited(site, name)
    ((batch_id,),) = await engine.rows("SELECT batch_id FROM invitation WHERE id = ?", invitation_id)
    return Sent({"batch_id": batch_id})


async def _undone_revocation(site: Site, name: str) -> Sent:
    wanted = await _invited(site, name)
    revoked = await management.revoke(COMMAND_LINE, invitation_ids=[wanted])
    return Sent(fields={"invitation": str(wanted), "revoked_at": str(revoked.at)})


async def _several(site: Site, name: str) -> Sent:
    return Sent(fields={"invitation": str(await _invited(site, name)), "action": "revoke"})


async def _invitation(site: Site, name: str) -> Sent:
    return Sent({"invitation_id": await _invited(site, name)}, {"role": "RE"})


async def _file(site: Site, name: str) -> Sent:
    content = f"email\nguest-{next(numbers)}@example.org\n".encode()
    return Sent(fields={"role": "AN"}, files={"file": ("people.csv", content, "text/csv")})


async def _upload(site: Site, name: str) -> Sent:
    answer = await (await _file(site, name)).by(await site.sign_in(name), "/organization/invitations/import")
    return Sent({"upload_id": int(answer.headers["location"].rpartition("/")[2])})


async def _request(site: Site, name: str) -> Sent:
    await access_request_steps.switch_on()
    return Sent(
        {"access_request_id": await access_request_steps.submitted(f"asking-{next(numbers)}")}, {"role": "AN"}
    )


async def _undone_dismissal(site: Site, name: str) -> Sent:
    sent = await _request(site, name)
    dismissed = await access_requests.dismiss(COMMAND_LINE, access_request_id=sent.place["access_request_id"])
    return Sent(sent.place, {"dismissed_at": str(dismissed.at)})


async def _erasure(site: Site, name: str) -> Sent:
    member_id = await _person(site)
    await removal.remove(COMMAND_LINE, member_id=member_id)
    return Sent(fields={"member": str(member_id)})


async def _ownership(site: Site, name: str) -> Sent:
    return Sent(fields={"member": str(await _person(site, Role.MANAGER)), "password": PASSWORD})


async def _settings(site: Site, name: str) -> Sent:
    return Sent(fields={"title": f"House {next(numbers)}"})


async def _account(site: Site, name: str) -> Sent:
    return Sent(fields={"first_name": f"Zed {next(numbers)}", "last_name": "", "theme": "dark"})


async def _password(site: Site, name: str) -> Sent:
    return Sent(fields={"current_password": PASSWORD, "password": NEW_PASSWORD})


async def _acknowledgement(site: Site, name: str) -> Sent:
    link = await password.make_reset_link(COMMAND_LINE, member_id=site.ids[name])
    return Sent(fields={"at": str(link.made_at)})


async def _own_session(site: Site, name: str) -> Sent:
    return Sent({"session_id": await _session(site, site.ids[name])})


async def _other_sessions(site: Site, name: str) -> Sent:
    await site.sign_in(name)
    return Sent()


async def _confirmation(site: Site, name: str) -> Sent:
    await confirmation.ask_again(acting(site, name))
    link = await engine.read(links.open_one, links.ADDRESS, site.ids[name])
    assert link is not None
    return Sent(fields={"token": site.context.signer.token(links.ADDRESS, link.id, link.nonce)})


async def _acceptance(site: Site, name: str) -> Sent:
    """Somebody was invited who is a member by now."""
    line = await invitation_steps.invited(site, f"guest-{next(numbers)}")
    both = [f"{name}@example.org"] * 2
    await engine.write(
        engine.execute, "UPDATE invitation SET email = ?, email_key = ? WHERE id = ?", *both, line.id
    )
    if outbox.set_up():
        # Accepting confirms the address only once the mail is sent: that mustn't depend on the mail's speed.
        await invitation_steps.mailed(line)
    return Sent(fields={"token": invitation_steps.token(site, line)})


SENT: Final[dict[str, Make]] = {
    "/user/account": _account,
    "/user/account/password": _password,
    "/user/account/acknowledgement": _acknowledgement,
    "/user/account/notices": _nothing,
    "/user/account/confirmation": _nothing,
    "/user/account/sessions/{session_id}/end": _own_session,
    "/user/account/sessions/end-others": _other_sessions,
    "/user/confirmation": _confirmation,
    "/user/invitation": _acceptance,
    "/organization/members/roles": _roles,
    "/organization/members/reversal": _undone_role,
    "/organization/members/{member_id}/role": _role,
    "/organization/members/{member_id}/name": _name,
    "/organization/members/{member_id}/sessions/{session_id}/end": _session_of_member,
    "/organization/members/{member_id}/sessions/end-all": _sessions_of_member,
    "/organization/members/{member_id}/end": _end,
    "/organization/members/{member_id}/removal": _member,
    "/organization/members/{member_id}/password-link": _member,
    "/organization/invite-link/reset": _nothing,
    "/organization/invitations": _addresses,
    "/organization/invitations/preview": _addresses,
    "/organization/invitations/links/{batch_id}": _sending,
    "/organization/invitations/reversal": _undone_revocation,
    "/organization/invitations/several": _several,
    "/organization/invitations/{invitation_id}/role": _invitation,
    "/organization/invitations/{invitation_id}/resend": _invitation,
    "/organization/invitations/{invitation_id}/revocation": _invitation,
    "/organization/invitations/{invitation_id}/link": _invitation,
    "/organization/invitations/import": _file,
    "/organization/invitations/import/{upload_id}": _upload,
    "/organization/requests/{access_request_id}/invitation": _request,
    "/organization/requests/{access_request_id}/dismissal": _request,
    "/organization/requests/{access_request_id}/reversal": _undone_dismissal,
    "/organization/activity/erasure": _erasure,
    "/organization/ownership": _ownership,
    "/organization/settings": _settings,
    "/organization/settings/test-mail": _nothing,
}


async def actor(site: Site, path: str) -> str:
    """Who may do that: the Owner, or a new Administrator; their name."""
    if path in OWNERS:
        return "olga"
    name = f"acting-{next(numbers)}"
    await site.person(name, Role.ADMINISTRATOR)
    return name


async def give_back(site: Site) -> None:
    """olga owns the house as before."""

    async def write() -> None:
        await engine.execute("UPDATE member SET role = 'AD' WHERE role = 'OW'")
        await engine.execute("UPDATE member SET role = 'OW' WHERE id = ?", site.ids["olga"])
        await engine.execute("UPDATE organization SET owner_id = ?", site.ids["olga"])

    await engine.write(write)


async def present(*but: str) -> dict[str, list[str]]:
    """Everything in the database but counts of tries, kept drafts and these tables, each row as text."""
    tables = (
        "member organization session links invitation batch outbox activity activity_name upload"
        " access_request role_note"
    )
    return {
        table: sorted(map(str, await engine.rows(f"SELECT * FROM {table}")))
        for table in {*tables.split()} - {*but}
    }
