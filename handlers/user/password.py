"""/user/password/…: a new password by a link from a mail, an Administrator or the command line."""

from dataclasses import replace
from typing import Any, Final

from litestar import Response, get, post
from litestar.status_codes import HTTP_200_OK

from db.accounts import password, sign_out
from db.auth import links, passwords, rate_limits
from db.auth.links import Link
from db.common import addresses
from db.errors import Invalid, TooManyTries
from handlers.http.auth import identity, tokens
from handlers.http.auth.cookies import device_cookie, device_of, no_session_cookie
from handlers.http.auth.guards import public
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import toasts

FIELDS: Final = ("token", "password")
RESET_LINK: Final = {errors.INVALID_LINK: "user/invalid_reset.html"}


@get("/user/password/forgot", guards=[public])
async def show_forgot(request: AnyRequest) -> Response[bytes]:
    return await rendering.page(request, "user/forgot.html", form=Form(("email",)), done=False)


@post("/user/password/forgot", guards=[public], status_code=HTTP_200_OK)
async def ask(request: AnyRequest) -> Response[bytes]:
    """The answer is the same whether the address is known or not."""
    form = await Form.read(request, "email")
    form.email()
    app_context = context_of(request)
    if form.errors or not app_context.settings.sends_mail:
        return await rendering.page(
            request, "user/forgot.html", status=422 if form.errors else 200, form=form, done=False
        )
    account = addresses.account_key(form["email"])
    await rate_limits.count(app_context.throttle.forgot(account, client.network_of(request)))
    await password.ask_reset(form["email"], client.address_of(request))
    return await rendering.page(request, "user/forgot.html", form=form, done=True)


@get("/user/password/reset", guards=[public], opt=RESET_LINK)
async def show_reset(request: AnyRequest) -> Response[bytes]:
    """GET and HEAD don't use up the link: mail scanners open every link."""
    token = tokens.in_address(request)
    email, _ = await password.whose(await _link(request, token))
    return await _page(request, Form(FIELDS, {"token": [token]}), email)


@post("/user/password/reset", guards=[public], opt=RESET_LINK, status_code=HTTP_200_OK)
async def reset(request: AnyRequest) -> Response[bytes]:
    form, app_context = await Form.read(request, *FIELDS), context_of(request)
    link = await _link(request, form["token"])
    email, name = await password.whose(link)
    try:
        known = await password.has_role(link)
        # Anybody can make accounts without a role. They don't use up the tries of members in their network.
        network = "" if known else client.network_of(request)
        await rate_limits.count(app_context.throttle.new_password(network, link_id=link.id))
        about = await passwords.password_hints(email, name, *app_context.settings.names)
        requester = replace(identity.requester_of(request, link.subject), known=known)
        form.add_error("password", *await passwords.why_refused(form["password"], about, requester=requester))
        form.check()
        address = client.address_of(request)
        generation = await password.reset_password(
            link, password=form["password"], address=address, requester=requester
        )
    except (Invalid, TooManyTries) as error:
        return await _page(request, form, email, **errors.in_form(form, error))
    # A reset signs nobody in, and signs out the session of this browser.
    current = await identity.identify(request)
    if current is not None:
        await sign_out.sign_out(identity.actor_of(current, request), current.session_id)
        request.scope["state"]["signed_in"] = 0
    cookies = [no_session_cookie(request)]
    device = device_of(request, app_context)
    if device is None or device.member_id == link.subject:
        # The person at this browser knows the password, so guesses of others don't lock it out any more.
        cookies.append(device_cookie(request, link.subject, generation, device))
    return rendering.redirect(request, "/user/login", notice=toasts.PASSWORD_RESET, cookies=cookies)


async def _link(request: AnyRequest, token: str) -> Link:
    return await tokens.valid_link(request, links.RESET, token, password.find_reset_link)


async def _page(
    request: AnyRequest,
    form: Form,
    email: str,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    context: dict[str, Any] = {"form": form, "token": form.values["token"], "email": email}
    return await rendering.page(request, "user/reset.html", status=status, headers=headers, **context)
