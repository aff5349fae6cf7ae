"""/user/account: a member's own name, password and sessions."""

import re
import zoneinfo
from dataclasses import replace
from functools import cache
from typing import Final

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from db import engine
from db.accounts import confirmation, password, profile, sign_in, sign_out
from db.accounts.sign_in import WrongPassword
from db.auth import passwords, rate_limits, sessions
from db.auth.sessions import Current
from db.common import addresses, ids
from db.errors import Invalid, TooManyTries
from db.members import last_day
from handlers.http.auth import drafts, identity
from handlers.http.auth.cookies import age_of, sign_in_cookies
from handlers.http.auth.guards import one_by_one, signed_in
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import by_field, toasts

NAME_FIELDS: Final = ("first_name", "last_name", "time_zone", "theme")
_ZONE: Final = re.compile(r"[A-Za-z_]{1,30}(/[A-Za-z0-9_+-]{1,30}){0,2}", re.ASCII)
PASSWORD_FIELDS: Final = ("current_password", "password")


class AccountController(Controller):
    path = "/user/account"
    guards = [signed_in]

    @get()
    async def show(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        return await _page(request, current, form=await drafts.form_of(request, current, NAME_FIELDS))

    @post(status_code=HTTP_200_OK)
    @one_by_one
    async def change(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *NAME_FIELDS)
        first_name, last_name = form.person_name("first_name"), form.person_name("last_name")
        if form["time_zone"] and not _is_zone(form["time_zone"]):
            form.add_error("time_zone", by_field.CHOOSE_TIME_ZONE)
        if form["theme"] not in ("system", "light", "dark"):
            form.add_error("theme", by_field.ONE_OF_THREE)
        if form.errors:
            return await _page(request, current, form=form, status=422)
        try:
            await _count_change(request, current)
        except TooManyTries as error:
            return await _page(request, current, form=form, **errors.in_form(form, error))
        actor = identity.actor_of(current, request)
        await profile.change(
            actor,
            first_name=first_name,
            last_name=last_name,
            time_zone=form["time_zone"],
            theme=form["theme"],
        )
        await drafts.discard(actor, form)
        return rendering.redirect(request, "/user/account", notice=toasts.SAVED)

    @post("/notices", status_code=HTTP_200_OK)
    @one_by_one
    async def change_notices(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, "wants_notices")
        form.check()
        await _count_change(request, current)
        await profile.change_notices(identity.actor_of(current, request), wanted=bool(form["wants_notices"]))
        return rendering.redirect(request, "/user/account", notice=toasts.SAVED)

    @post("/confirmation", status_code=HTTP_200_OK)
    @one_by_one
    async def confirm_again(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        # By address: a member who is removed and registers again gets no new allowance of mails.
        account = addresses.account_key(current.email)
        limits = context_of(request).throttle.confirmation(account, client.network_of(request))
        await rate_limits.count(limits)
        await confirmation.ask_again(identity.actor_of(current, request))
        return rendering.redirect(request, "/user/account", notice=toasts.MAIL_ON_ITS_WAY)

    @post("/acknowledgement", status_code=HTTP_200_OK)
    @one_by_one
    async def acknowledge(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        """Hides the note that an Administrator made a password link. htmx gets a newer note, if any."""
        form = await Form.read(request, "at")
        at = ids.parse(form["at"])
        await _count_change(request, current)
        await password.acknowledge(identity.actor_of(current, request), at)
        if not rendering.wants_fragment(request):
            return rendering.redirect(request, "/")
        if current.reset_link_made_at in (0, at):
            return Response(b"", status_code=HTTP_200_OK, media_type=rendering.HTML)
        newer = await password.admin_reset_link(current.member_id, current.reset_link_made_at)
        return rendering.fragment(request, "_admin_reset_link.html", admin_reset_link=newer)

    @post("/password", status_code=HTTP_200_OK)
    @one_by_one
    async def change_password(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *PASSWORD_FIELDS)
        app_context = context_of(request)
        about = (
            current.email,
            current.first_name,
            current.last_name,
            current.title,
            *app_context.settings.names,
        )
        if not form["current_password"]:
            form.add_error("current_password", by_field.ENTER_PRESENT_PASSWORD)
        actor, browser = identity.actor_of(current, request), identity.browser_of(request)
        try:
            network = sign_in.network_counted(actor.role, browser)
            await rate_limits.count(app_context.throttle.new_password(network, session_id=current.session_id))
            requester = sign_in.requester_of(actor, browser)
            form.add_error(
                "password", *await passwords.why_refused(form["password"], about, requester=requester)
            )
            # The present password is checked even if the new one is refused, to show every error at once.
            if form.errors and form["current_password"]:
                await sign_in.check_password(
                    actor, form["current_password"], throttle=app_context.throttle, browser=browser
                )
            form.check()
            signed_in = await password.change_password(
                actor,
                session_id=current.session_id,
                current_password=form["current_password"],
                password=form["password"],
                throttle=app_context.throttle,
                browser=browser,
            )
        except WrongPassword:
            form.add_error("current_password", by_field.NOT_PRESENT_PASSWORD)
            return await _page(request, current, password_form=form, status=422)
        except (Invalid, TooManyTries) as error:
            answer = errors.in_form(form, error, "current_password")
            return await _page(request, current, password_form=form, **answer)
        # The session goes on under a new token, and ends at the same time as before.
        signed_in = replace(signed_in, age=age_of(current))
        cookies = sign_in_cookies(app_context, request, signed_in)
        return rendering.redirect(request, "/user/account", notice=toasts.PASSWORD_CHANGED, cookies=cookies)

    # Neither a lock nor a limit applies to ending sessions: a thief's requests must not delay it.

    @post("/sessions/{session_id:str}/end", status_code=HTTP_200_OK)
    async def end_session(
        self, request: AnyRequest, current: CurrentUser, session_id: FromPath[str]
    ) -> Response[bytes]:
        await sign_out.end_own(identity.actor_of(current, request), row_id(session_id))
        return rendering.redirect(request, "/user/account", notice=toasts.SESSION_ENDED)

    @post("/sessions/end-others", status_code=HTTP_200_OK)
    async def end_others(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        await sign_out.end_others(identity.actor_of(current, request), current.session_id)
        return rendering.redirect(request, "/user/account", notice=toasts.OTHER_SESSIONS_ENDED)


async def _count_change(request: AnyRequest, current: Current) -> None:
    """Counts a member's change of their own account, so that nobody fills the log. Raises TooManyTries."""
    network = sign_in.network_counted(current.role, identity.browser_of(request))
    await rate_limits.count(context_of(request).throttle.own_changes(current.member_id, network))


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _is_zone(text: str) -> bool:
    """Whether `text` is in the system's list of time zones; without a list, whether it looks like one."""
    zones = _zones()
    return text in zones if zones else bool(_ZONE.fullmatch(text))


async def _page(
    request: AnyRequest,
    current: Current,
    *,
    form: Form | None = None,
    password_form: Form | None = None,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    own = {name: [getattr(current, name)] for name in NAME_FIELDS}
    open_ones = await engine.read(sessions.of_member, current.member_id)
    return await rendering.page(
        request,
        "user/account.html",
        own=await profile.own(current.member_id),
        ends_at=current.ends_at if last_day.near(current.ends_at) else 0,
        status=status,
        headers=headers,
        form=form or Form(NAME_FIELDS, own),
        password_form=password_form or Form(PASSWORD_FIELDS),
        # This browser's session comes first, though others may have a later activity.
        sessions=sorted(open_ones, key=lambda session: session.id != current.session_id),
        session_id=current.session_id,
    )
