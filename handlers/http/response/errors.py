"""One table maps each error to a status, and to a page or toast. Nothing of a database driver gets out."""

import contextlib
import errno
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypedDict

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, ExceptionHandlersMap, Receive, Scope, Send

from db import engine
from db.common import disk
from db.errors import (
    Busy,
    DomainError,
    Invalid,
    InvalidLink,
    NotAllowed,
    PasswordWanted,
    Refused,
    SignInFirst,
    TooManyTries,
    Unknown,
)
from handlers.http.auth import drafts
from handlers.http.auth.identity import NotSetUp
from handlers.http.context import context_of
from handlers.http.request import paths
from handlers.http.request.forms import Form
from handlers.http.request.mismatches import CONTINUED, Mismatch, Reason
from handlers.http.request.types import AnyRequest
from handlers.http.response import password_anew, rendering
from messages import refusals

log = logging.getLogger("gatehouse")

RETRY_SECONDS: Final = 5
# The status for each kind of refusal.
STATUSES: Final[dict[type[DomainError], int]] = {
    NotAllowed: 403,
    Unknown: 404,
    Refused: 409,
    InvalidLink: 410,
    Invalid: 422,
    TooManyTries: 429,
}
# The option of a route that names its template for a link that doesn't work (410). Inputs: site, me, reason.
INVALID_LINK: Final = "invalid_link"


class FormAnswer(TypedDict):
    """What the page with a refused form is answered with."""

    status: int
    headers: dict[str, str]


def status_of(error: DomainError) -> int:
    return next(status for kind, status in STATUSES.items() if isinstance(error, kind))


def in_form(form: Form, error: Invalid | Refused | TooManyTries, field: str = "") -> FormAnswer:
    """Says a refusal in the form that it is about, whose page the handler then shows again.

    field: where a sentence stands that is about no field by itself; "" for the whole form.
    """
    headers = {}
    if isinstance(error, Invalid):
        form.errors.update(error.errors)
    else:
        form.add_error(field, str(error))
    if isinstance(error, TooManyTries):
        headers["Retry-After"] = str(error.retry_after)
    return {"status": status_of(error), "headers": headers}


async def _answer(
    request: AnyRequest,
    status: int,
    text: str = "",
    *,
    retry_after: int | None = None,
    error_id: str | None = None,
    database: bool = True,
) -> Response[bytes]:
    """database: whether the page may look up the organization's title: not after the database has failed."""
    heading, usual = refusals.PAGES.get(status, refusals.PAGES[400])
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if rendering.wants_fragment(request):
        in_a_line = refusals.PAGE_IN_A_LINE.format(heading=heading, text=usual)
        response = rendering.toast(request, text or in_a_line, status=status)
        response.headers.update(headers)
        return response
    context: dict[str, Any] = {
        "heading": heading,
        "text": text or usual,
        "retry_after": retry_after,
        "error_id": error_id,
    }
    if database:
        with contextlib.suppress(engine.DatabaseError):
            return await rendering.page(request, "error.html", status=status, headers=headers, **context)
    # Without the database, the page has no title of the organization.
    site = rendering.Site(title="Gatehouse", closed=context_of(request).settings.closed)
    return rendering.fragment(
        request, "error.html", status=status, headers=headers, site=site, toast=None, **context
    )


def wrong_address(request: AnyRequest, mismatch: Mismatch) -> Response[bytes]:
    """403 for a request that can't be answered at the address it was sent to. Needs no database."""
    if rendering.wants_fragment(request):
        sentence = refusals.WRONG_ADDRESS[mismatch.reason].format(
            browser_origin=mismatch.browser_origin, server_origin=mismatch.server_origin
        )
        return rendering.toast(request, sentence, status=403)
    app_context, page = context_of(request), rendering.current_page(request)
    if mismatch.reason is Reason.PLAIN and request.method != "POST":
        page += f"{'&' if '?' in page else '?'}{CONTINUED}"
    return rendering.fragment(
        request,
        "wrong_address.html",
        status=403,
        site=rendering.Site(title="Gatehouse", closed=app_context.settings.closed),
        reason=mismatch.reason.value,
        browser_origin=mismatch.browser_origin,
        server_origin=mismatch.server_origin,
        proper=app_context.settings.host and app_context.settings.host + page,
    )


async def not_set_up(request: AnyRequest, _: NotSetUp) -> Response[bytes]:
    return await rendering.page(request, "home/not_set_up.html", status=503, headers={"Retry-After": "60"})


async def sign_in_first(request: AnyRequest, _: SignInFirst) -> Response[bytes]:
    """303 to the login page that leads back here, or 401 with HX-Redirect. Keeps a draft of the form."""
    app_context = context_of(request)
    login = rendering.login_path(request, await drafts.keep(request))
    if rendering.is_htmx(request):
        return Response(
            b"",
            status_code=401,
            media_type=rendering.HTML,
            headers={"HX-Redirect": app_context.settings.root + login},
        )
    return rendering.redirect(request, login)


async def refused(request: AnyRequest, error: DomainError) -> Response[bytes]:
    return await _answer(request, status_of(error), str(error))


async def invalid_link(request: AnyRequest, error: InvalidLink) -> Response[bytes]:
    """The page that the route names for this, which says what to do, or else the page of errors."""
    if template := request.route_handler.opt.get(INVALID_LINK):
        return await rendering.page(request, template, status=status_of(error), reason=error.reason)
    return await _answer(request, status_of(error))


async def too_many(request: AnyRequest, error: TooManyTries) -> Response[bytes]:
    return await _answer(request, status_of(error), retry_after=error.retry_after)


async def unavailable(request: AnyRequest, error: Exception) -> Response[bytes]:
    log.warning("unavailable path=%s reason=%r", paths.logged(request.scope["path"]), str(error))
    if isinstance(error, engine.TookTooLong):
        return await _answer(request, 503, refusals.SEARCH_TOOK_TOO_LONG, retry_after=RETRY_SECONDS)
    # To ask the same database for a title could take another ten seconds.
    return await _answer(request, 503, retry_after=RETRY_SECONDS, database=isinstance(error, Busy))


async def os_error(request: AnyRequest, error: OSError) -> Response[bytes]:
    """503 when file descriptors run out, since others will be free again; 500 for any other OSError."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return await unavailable(request, engine.Unavailable(disk.describe(error)))
    return await internal_error(request, error)


async def http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if error.status_code >= 500:
        return await internal_error(request, error)
    try:
        if error.status_code in (404, 405) and not await context_of(request).is_set_up():
            return await not_set_up(request, NotSetUp())
    except engine.DatabaseError as database_error:
        return await unavailable(request, database_error)
    response = await _answer(request, error.status_code)
    if error.status_code == 408:
        # The server doesn't wait for the rest of the body.
        response.headers["Connection"] = "close"
    if allowed := (error.headers or {}).get("allow"):
        # The framework lists OPTIONS, which server/defences.py refuses, but not HEAD, which it handles.
        methods = [method for method in allowed.split(", ") if method != "OPTIONS"]
        response.headers["Allow"] = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
    return response


async def internal_error(request: AnyRequest, error: Exception) -> Response[bytes]:
    """500 for anything else. An id connects page and log; the page says nothing about the error itself."""
    error_id = secrets.token_hex(4)
    log.error("error id=%s path=%s", error_id, paths.logged(request.scope["path"]), exc_info=error)
    return await _answer(request, 500, error_id=error_id)


Handler = Callable[[AnyRequest, Any], Coroutine[Any, Any, Response[bytes]]]


class _DeferredResponse(Response[bytes]):
    """An answer that awaits its handler: the framework takes only plain functions as exception handlers."""

    def __init__(self, answer: Coroutine[Any, Any, Response[bytes]]) -> None:
        super().__init__(b"")
        self._answer = answer

    def to_asgi_response(  # type: ignore[override]
        self, *_: Any, request: Request[Any, Any, Any], **__: Any
    ) -> ASGIApp:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await self._answer
            await response.to_asgi_response(app=None, request=request)(scope, receive, send)

        return answer


def _deferred(handler: Handler) -> Callable[[AnyRequest, Any], Response[bytes]]:
    return lambda request, error: _DeferredResponse(handler(request, error))


_ANSWERS: dict[type[Exception], Handler] = {
    NotSetUp: not_set_up,
    SignInFirst: sign_in_first,
    Refused: refused,
    NotAllowed: refused,
    PasswordWanted: password_anew.ask,
    Unknown: refused,
    Invalid: refused,
    InvalidLink: invalid_link,
    TooManyTries: too_many,
    Busy: unavailable,
    engine.Unavailable: unavailable,
    engine.TookTooLong: unavailable,
    OSError: os_error,
    HTTPException: http_error,
    Exception: internal_error,
}
HANDLERS: ExceptionHandlersMap = {kind: _deferred(handler) for kind, handler in _ANSWERS.items()}
