"""/user/signup: registration by the invite link, or without it while registration is open."""

from typing import Any, Final
from urllib.parse import urlencode

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db.auth import links, passwords, rate_limits
from db.auth.links import Link
from db.errors import Invalid, InvalidLink, TooManyTries
from db.members import new_member
from db.members.new_member import Person
from db.organization import invite_link, signup
from handlers.http.auth import identity, tokens
from handlers.http.auth.cookies import sign_in_cookies
from handlers.http.auth.guards import public
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering

FIELDS: Final = ("email", "password", "first_name", "last_name", "token")


class SignupController(Controller):
    path = "/user/signup"
    guards = [public]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        form = Form(FIELDS, {"token": [tokens.in_address(request)]})
        if await identity.identify(request):
            return await _already_in(request, form)
        try:
            link = await _link(request, form["token"])
        except InvalidLink as error:
            return await _invalid(request, error)
        if link is None and context_of(request).settings.closed:
            return await _closed(request)
        return await _page(request, form)

    @post(status_code=HTTP_200_OK)
    async def register(self, request: AnyRequest) -> Response[bytes]:
        form = await Form.read(request, *FIELDS)
        if await identity.identify(request):
            return await _already_in(request, form, status=409)
        app_context = context_of(request)
        try:
            link = await _link(request, form["token"])
            if link is None and app_context.settings.closed:
                return await _closed(request)
            await rate_limits.count(
                app_context.throttle.sign_up(client.network_of(request), link is not None)
            )
            signed_in = await signup.register(
                await _person(request, form),
                link_id=link.id if link else None,
                session_limits=app_context.session_limits,
                browser=identity.browser_of(request),
            )
        except (Invalid, TooManyTries) as error:
            return await _page(request, form, **errors.in_form(form, error))
        except InvalidLink as error:
            return await _invalid(request, error, form)
        cookies = sign_in_cookies(app_context, request, signed_in)
        return rendering.redirect(request, "/", cookies=cookies)


async def _link(request: AnyRequest, token: str) -> Link | None:
    """The invite link of this token, None without a token.

    Raises InvalidLink unless it is the current link.
    """
    return await tokens.valid_link(request, links.INVITE, token, invite_link.find) if token else None


async def _person(request: AnyRequest, form: Form) -> Person:
    """The checked content of the form. Raises Invalid with every error at once."""
    first_name, last_name = form.person_name("first_name"), form.person_name("last_name")
    address = form.email()
    if address is not None:
        # A visitor who may not register doesn't learn who has.
        why = await signup.why_not_let_in(address)
        form.add_error("email", *(why or await new_member.why_taken(address)))
    hints = await passwords.password_hints(
        form["email"], first_name, last_name, *context_of(request).settings.names
    )
    requester = identity.requester_of(request)
    form.add_error("password", *await passwords.why_refused(form["password"], hints, requester=requester))
    form.check()
    assert address is not None, "checked"
    return Person(
        address, first_name, last_name, await passwords.hash_of(form["password"], requester=requester)
    )


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    context: dict[str, Any] = {
        "form": form,
        "token": form.values["token"],
        "where": (await invite_link.limits()).where,
    }
    return await rendering.page(request, "user/signup.html", status=status, headers=headers, **context)


async def _already_in(request: AnyRequest, form: Form, *, status: int = 200) -> Response[bytes]:
    query = f"?{urlencode({'token': form['token']})}" if form["token"] else ""
    return await rendering.page(
        request, "user/already_signed_in.html", status=status, again=f"/user/signup{query}"
    )


async def _closed(request: AnyRequest) -> Response[bytes]:
    return await rendering.page(request, "user/signup_closed.html", status=403)


async def _invalid(request: AnyRequest, error: InvalidLink, form: Form | None = None) -> Response[bytes]:
    """The page of an invalid link. It keeps what was typed if the link may become valid again."""
    again = form if form and error.reason in ("used_up", "expired") else None
    context: dict[str, Any] = {
        "reason": error.reason,
        "form": again,
        "token": again.values["token"] if again else "",
    }
    return await rendering.page(request, "user/invalid_link.html", status=410, **context)
