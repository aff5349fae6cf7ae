"""/organization/settings: the Owner's settings. /organization/roles: the rights of each role."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.common import clock, dates
from db.errors import Invalid
from db.mail import outbox
from db.organization import invite_link, invite_link_limits
from db.organization import settings as organization_settings
from handlers.http.auth import drafts, identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from handlers.organization.dialog import role_lines
from handlers.organization.settings import settings_form
from messages import toasts

PATH = "/organization/settings"


class SettingsController(Controller):
    path = PATH
    guards = [Requires(policy.may_change_settings)]

    @get()
    async def show(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        return await _answer(request, form=await drafts.form_of(request, current, settings_form.FIELDS))

    @post(status_code=HTTP_200_OK)
    async def change(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *settings_form.FIELDS)
        change = settings_form.change_of(form, context_of(request).session_limits)
        actor = identity.actor_of(current, request)
        if form.errors:
            form.errors.update(await organization_settings.why_not(change))
            return await _answer(request, form=form, status=422)
        try:
            settings = await organization_settings.change(actor, change)
        except Invalid as error:
            form.errors.update(error.errors)
            return await _answer(request, form=form, status=422)
        await drafts.discard(actor, form)
        if settings.title == current.title and rendering.wants_fragment(request):
            return await _answer(request, toast=toasts.SAVED)
        # The page around the form shows the name as well.
        return rendering.redirect(request, PATH, notice=toasts.SAVED)


@get("/organization/roles", guards=[Requires(policy.may_manage_members)])
async def show_roles(request: AnyRequest) -> Response[bytes]:
    context: dict[str, Any] = {"roles": await role_lines(request)}
    if rendering.wants_fragment(request):
        return rendering.fragment(request, "organization/settings/_roles.html", **context)
    return await rendering.page(request, "organization/settings/roles.html", **context)


async def _answer(
    request: AnyRequest, *, form: Form | None = None, status: int = 200, **more: Any
) -> Response[bytes]:
    """The form, as it was typed or as it is stored, and the settings of the environment."""
    app_context, link = context_of(request), await invite_link.present()
    form = form or settings_form.filled(await organization_settings.current())
    form.autofocus = not rendering.wants_fragment(request)
    context: dict[str, Any] = {
        "form": form,
        "most": settings_form.most_days(app_context.session_limits),
        "most_domains": invite_link_limits.MAX_DOMAINS,
        "today": dates.iso(clock.now()),
        "domains_shown": settings_form.international(form),
        "link": link,
        "invalid_reason": link.invalid_reason(clock.now()),
        "roles": await role_lines(request),
        "environment": app_context.settings.shown(),
        "mail_health": await outbox.health() if app_context.settings.sends_mail else None,
        "untrusted_proxies": sorted(app_context.untrusted_proxies),
        "mismatches": list(app_context.mismatches),
        **more,
    }
    if rendering.wants_fragment(request):
        return rendering.fragment(request, "organization/settings/_settings.html", status=status, **context)
    return await rendering.page(request, "organization/settings/settings.html", status=status, **context)
