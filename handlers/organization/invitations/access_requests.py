"""/organization/requests: accepting and dismissing access requests, on the page of invitations."""

from litestar import Controller, Response, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.auth.sessions import Current
from db.errors import Invalid, Refused
from db.invitations import access_requests, undo_dismissal
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, password_anew, rendering
from handlers.http.response.rendering import Undo
from handlers.organization.invitations.listing import list_context, path_of, shown_in
from handlers.organization.wording import plain
from messages import toasts


class AccessRequestsController(Controller):
    path = "/organization/requests"
    guards = [Requires(policy.may_invite)]

    @post("/{access_request_id:str}/invitation", status_code=HTTP_200_OK)
    async def invite(
        self, request: AnyRequest, current: CurrentUser, access_request_id: FromPath[str]
    ) -> Response[bytes]:
        form, app_context = await Form.read(request, "role", "filter"), context_of(request)
        role, wanted = form.role(among=policy.WORKING), row_id(access_request_id)
        try:
            form.check()
            assert role is not None, "checked"
            invited = await access_requests.invite(
                await password_anew.actor_of(current, request),
                access_request_id=wanted,
                role=role,
                days=app_context.settings.invitation_days,
                throttle=app_context.throttle,
            )
        except (Invalid, Refused) as error:
            return await _refused(request, current, form, error)
        if not app_context.settings.sends_mail:
            # The list shows the link to copy, as it always does without mail.
            notice = toasts.REQUEST_LINK_MADE.format(name=plain(invited.name), role=role.label)
            path = f"/organization/invitations?batch={invited.batch_id}"
            return rendering.redirect(request, path, notice=notice)
        notice = toasts.REQUEST_MAILED.format(name=plain(invited.name), role=role.label)
        return await _list(request, current, form, notice)

    @post("/{access_request_id:str}/dismissal", status_code=HTTP_200_OK)
    async def dismiss(
        self, request: AnyRequest, current: CurrentUser, access_request_id: FromPath[str]
    ) -> Response[bytes]:
        form, wanted = await Form.read(request, "filter"), row_id(access_request_id)
        try:
            dismissed = await access_requests.dismiss(
                identity.actor_of(current, request), access_request_id=wanted
            )
        except Refused as error:
            return await _refused(request, current, form, error)
        fields = [("dismissed_at", str(dismissed.at))]
        undo = Undo(f"/organization/requests/{wanted}/reversal", fields, target="#invitations-list")
        notice = toasts.REQUEST_DISMISSED.format(name=plain(dismissed.name))
        return await _list(request, current, form, notice, undo=undo)

    @post("/{access_request_id:str}/reversal", status_code=HTTP_200_OK)
    async def undo_dismiss(
        self, request: AnyRequest, current: CurrentUser, access_request_id: FromPath[str]
    ) -> Response[bytes]:
        """Undoes a dismissal."""
        form, wanted = await Form.read(request, "dismissed_at", "filter"), row_id(access_request_id)
        try:
            form.check()
            name = await undo_dismissal.undo(
                identity.actor_of(current, request),
                access_request_id=wanted,
                dismissed_at=row_id(form["dismissed_at"]),
            )
        except (Invalid, Refused) as error:
            return await _refused(request, current, form, error)
        return await _list(request, current, form, toasts.REQUEST_BROUGHT_BACK.format(name=plain(name)))


async def _refused(
    request: AnyRequest, current: Current, form: Form, error: Invalid | Refused
) -> Response[bytes]:
    """The present list with the reason. As a page, the reason alone."""
    if not rendering.wants_fragment(request):
        raise error
    return await _list(request, current, form, str(error), status=errors.status_of(error))


async def _list(
    request: AnyRequest,
    current: Current,
    form: Form,
    notice: str,
    *,
    status: int = 200,
    undo: Undo | None = None,
) -> Response[bytes]:
    shown = shown_in(request, form)
    if not rendering.wants_fragment(request):
        return rendering.redirect(request, path_of(shown), notice=notice, undo=undo)
    context = await list_context(request, current, shown)
    return rendering.fragment(
        request,
        "organization/invitations/_answered_access_request.html",
        status=status,
        toast=notice,
        undo=undo,
        refused=status != 200,
        **context,
    )
