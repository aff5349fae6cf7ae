"""/organization/invite and /organization/invite-link: the dialog, and Reset."""

from litestar import Response, get, post
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.organization import invite_link
from handlers.http.auth import drafts, identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from handlers.organization.dialog import FIELDS, invite_context, link_context
from messages import toasts


@get("/organization/invite", guards=[Requires(policy.may_invite)])
async def show_invite(request: AnyRequest, current: CurrentUser) -> Response[bytes]:
    """Shows the present link; only Reset makes a new one."""
    chosen = "email" if request.query_params.get("way") == "email" else "link"
    form = await drafts.form_of(request, current, FIELDS)
    context = await invite_context(request, form=form, chosen=chosen)
    if rendering.wants_fragment(request):
        return rendering.fragment(request, "organization/invitations/_invite.html", **context)
    return await rendering.page(request, "organization/invitations/invite.html", **context)


@post("/organization/invite-link/reset", guards=[Requires(policy.may_invite)], status_code=HTTP_200_OK)
async def reset_link(request: AnyRequest, current: CurrentUser) -> Response[bytes]:
    # The form sends `first` if the page behind the dialog shows the link too, which must change as well.
    form = await Form.read(request, "first")
    link = await invite_link.reset(identity.actor_of(current, request))
    if rendering.wants_fragment(request):
        context = await link_context(request, link) | {"first": bool(form["first"])}
        return rendering.fragment(
            request, "organization/invitations/_reset_link.html", toast=toasts.NEW_LINK, **context
        )
    return rendering.redirect(request, "/organization/invite", notice=toasts.NEW_LINK)
