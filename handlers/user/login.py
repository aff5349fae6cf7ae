"""/user/login and /user/logout."""

from typing import Final

from litestar import Response, get, post
from litestar.exceptions import HTTPException
from litestar.status_codes import HTTP_200_OK

from db.accounts import sign_in, sign_out
from db.accounts.sign_in import IsDeactivated, WrongPassword
from db.errors import Busy, Invalid, TooManyTries
from handlers.http.auth import identity
from handlers.http.auth.cookies import no_plain_cookie, no_session_cookie, sign_in_cookies
from handlers.http.auth.guards import public, public_unchecked
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from messages import by_field

FIELDS: Final = ("email", "password", "persist_session", "next")


@get("/user/login", guards=[public])
async def show_login(request: AnyRequest) -> Response[bytes]:
    wanted = rendering.local_path(request.query_params.get("next", ""))
    if await identity.identify(request):
        return rendering.redirect(request, wanted)
    return await _page(request, Form(FIELDS, {"next": [wanted]}))


@post("/user/login", guards=[public], status_code=HTTP_200_OK)
async def log_in(request: AnyRequest) -> Response[bytes]:
    form = await Form.read(request, *FIELDS)
    app_context = context_of(request)
    persistent = form["persist_session"].lower() in ("true", "on", "1", "yes")
    if form.errors:
        return await _page(request, form, status=422)
    try:
        signed_in = await sign_in.sign_in(
            form["email"],
            form["password"],
            persistent=persistent,
            throttle=app_context.throttle,
            session_limits=app_context.session_limits,
            browser=identity.browser_of(request),
        )
    except WrongPassword:
        form.add_error("", by_field.NOT_TOGETHER)
        return await _page(request, form, status=422)
    except TooManyTries as error:
        form.add_error("", error.sentence, by_field.UNCHECKED)
        return await _page(request, form, status=429, retry_after=error.retry_after)
    except IsDeactivated:
        return await rendering.page(request, "user/deactivated.html", status=403)
    # A sign-in ends the browser's earlier session, whose cookie it replaces.
    await _end_present(request)
    cookies = [
        *sign_in_cookies(app_context, request, signed_in),
        *no_plain_cookie(request),
    ]
    return rendering.redirect(request, rendering.local_path(form["next"]), cookies=cookies)


@post("/user/logout", guards=[public_unchecked], status_code=HTTP_200_OK)
async def log_out(request: AnyRequest) -> Response[bytes]:
    """Ends the session, and redirects to `next`, such as a link that another person is to open.

    Works without a session too. A form that can't be read leads to the start page.
    """
    await _end_present(request)
    cookies = [
        no_session_cookie(request),
        *no_plain_cookie(request),
        rendering.no_notice_cookie(request),
    ]
    try:
        wanted = rendering.local_path((await Form.read(request, "next"))["next"] or "/user/login")
    except (HTTPException, Busy, Invalid):
        wanted = "/"
    response = rendering.redirect(request, wanted, cookies=cookies)
    if context_of(request).is_trustworthy(request):
        # Not cookies or storage: the device cookie stays, and the app's data isn't ours to delete.
        response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _end_present(request: AnyRequest) -> None:
    current = await identity.identify(request)
    if current is not None:
        await sign_out.sign_out(identity.actor_of(current, request), current.session_id)


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, retry_after: int | None = None
) -> Response[bytes]:
    headers = {"Retry-After": str(retry_after)} if retry_after else {}
    return await rendering.page(
        request, "user/login.html", status=status, headers=headers, form=form, retry_after=retry_after
    )
