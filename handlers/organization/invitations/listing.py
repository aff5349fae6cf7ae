"""The content of the invitations page: the list, the access requests, and links to copy."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from db import policy
from db.auth.sessions import Current
from db.common import clock
from db.errors import Invalid
from db.invitations import access_request_listing
from db.invitations import listing as invitation_listing
from db.invitations.listing import ASKED, InvitationFilter
from db.mail import outbox
from db.members import link_viewers
from db.policy import Role
from handlers.http.auth import identity
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.organization.sharing import invitation_address, invitation_mailto


async def list_context(request: AnyRequest, current: Current, shown: InvitationFilter) -> dict[str, Any]:
    """For organization/invitations/invitations.html and its fragments."""
    page, app_context, now = await invitation_listing.page(shown), context_of(request), clock.now()
    context: dict[str, Any] = {
        "page": page,
        "access_requests": await _access_requests(shown),
        "filter": shown,
        "typed": shown.q,
        "now": now,
        "progress": await outbox.progress(shown.batch)
        if shown.batch and app_context.settings.sends_mail
        else None,
        "links": {},
        "mailtos": {},
    }
    if shown.batch and not app_context.settings.sends_mail:
        # Without mail, links are made to be copied, so the page shows them to the person who made them.
        # Anybody else presses Copy link, which records that they have seen it.
        # With the link of an Administrator's invitation one can become an Administrator, so it needs the
        # password, like inviting one.
        actor = identity.actor_of(current, request)
        seen = await link_viewers.seen_by(actor.id, [invitation.id for invitation in page.rows])
        unsent = [
            invitation
            for invitation in page.rows
            if invitation.state(now) == "unsent"
            and invitation.id in seen
            and not policy.wants_password(actor, policy.sensitive_change((Role(invitation.role),)), now)
        ]
        context["links"] = {invitation.id: invitation_address(request, invitation) for invitation in unsent}
        context["mailtos"] = {
            invitation.id: invitation_mailto(request, current.title, invitation) for invitation in unsent
        }
    return context


async def _access_requests(shown: InvitationFilter) -> access_request_listing.AccessRequestPage:
    """The access requests: on pages of their own, or above the first page of the invitations."""
    if shown.state == ASKED:
        return await access_request_listing.page(shown.q, after=shown.after, before=shown.before)
    if shown.state or shown.batch or shown.after or shown.before:
        return access_request_listing.AccessRequestPage()
    return await access_request_listing.page(shown.q)


def filter_in(query: str) -> InvitationFilter:
    """The filter in a form's hidden field. One that can't be read shows everything."""
    try:
        return InvitationFilter.parse(parse_qs(query, max_num_fields=20))
    except (Invalid, ValueError):
        return InvitationFilter()


def shown_in(request: AnyRequest, form: Form | None = None) -> InvitationFilter:
    """The filter of the list on the screen: the form's field `filter`, or else the page's address."""
    if form is not None and form["filter"]:
        return filter_in(form["filter"])
    address = request.headers.get("hx-current-url") or request.headers.get("referer") or ""
    try:
        came_from = urlsplit(address)
    except ValueError:
        return InvitationFilter()
    return (
        filter_in(came_from.query)
        if came_from.path.endswith("/organization/invitations")
        else InvitationFilter()
    )


def path_of(shown: InvitationFilter) -> str:
    """The address of the list with this filter and its place in the list."""
    address = shown.address(after=shown.after, before=shown.before)
    return "/organization/invitations" + (f"?{address}" if address else "")
