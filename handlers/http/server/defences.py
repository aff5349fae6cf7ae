"""The layer around the whole application: proxies, methods, cross-site protection, headers.

It is a plain ASGI layer, since the framework's middleware doesn't run for unknown addresses (404) and methods
(405).
"""

import logging
import re
from typing import Any, Final

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from handlers.http.auth import identity, origins
from handlers.http.context import AppContext
from handlers.http.request import client, paths, proxies
from handlers.http.request.bodies import MAX_BODY_BYTES, Body
from handlers.http.request.forms import FORM_TYPE
from handlers.http.request.mismatches import Mismatch, Reason
from handlers.http.request.proxies import Proxies
from handlers.http.request.types import Headers
from handlers.http.request.uploads import MAX_UPLOAD_BYTES, UPLOAD_PATH, UPLOAD_TYPE
from handlers.http.response import compression, errors
from messages import refusals

METHODS: Final = ("GET", "HEAD", "POST")
# Scripts and styles are files of this server: nothing inline, nothing from elsewhere.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PERMISSIONS: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
HSTS_SECONDS: Final = 365 * 24 * 3600
MAX_QUERY_BYTES: Final = 8_192

# Also as amp;token= and token%3D, as some programs write links.
_SECRET: Final = re.compile(rb"(?:^|[&;])(?:token|code)(?:=|%3D)", re.IGNORECASE)

log = logging.getLogger("gatehouse")


class Defences:
    """Wraps the application's ASGI handler. Client, scheme and host of a request are decided here, once."""

    def __init__(self, app: ASGIApp, app_context: AppContext) -> None:
        self._app = app
        self._context = app_context
        self._proxies = Proxies(
            app_context.settings.trusted_proxies,
            app_context.untrusted_proxies,
            named=bool(app_context.settings.host),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            return
        refusal = _malformed(scope)
        headers = _headers(scope)
        scheme = self._proxies.look_through(scope, headers)
        self._strip_root(scope)
        refusal = refusal or _misdirected(scope, headers)
        secret = _SECRET.search(scope["query_string"]) is not None
        answer = _AnswerWithHeaders(
            send, headers_of_every_answer(https=self._context.settings.https, secret=secret)
        )
        try:
            if refusal:
                await _send_text(answer, *refusal)
            elif mismatch := self._mismatch(scope, headers, scheme):
                await self._refuse(scope, receive, answer, mismatch)
            else:
                await self._dispatch(scope, receive, answer, headers)
        except Exception:
            # The application shows its own error pages; this is for when one of them fails.
            log.exception("the error page itself failed")
            if answer.status == 0:
                await _send_text(answer, 500, refusals.BROKEN)
        if scope["method"] == "POST" or answer.status in (403, 429):
            _log_request(scope, answer.status)

    async def _dispatch(self, scope: HTTPScope, receive: Receive, send: Send, headers: Headers) -> None:
        method = scope["method"]
        if method not in METHODS:
            await _send_text(send, 405, refusals.GET_AND_POST, {"Allow": ", ".join(METHODS)})
        elif method == "POST" and not _is_form(scope, headers):
            await _send_text(send, 415, refusals.FORMS_ONLY)
        elif method == "POST" and _is_too_large(scope, headers):
            await _send_text(send, 413, refusals.TOO_LARGE)
        else:
            if method == "HEAD":
                # A copy: the server looks at its own scope to know that no body follows.
                scope, send = {**scope, "method": "GET"}, _without_body(send)
            if compression.may_compress(scope, headers, https=self._context.settings.https):
                send = compression.Compressing(send)
            if method == "POST":
                await self._with_body(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    async def _with_body(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Reads the form before anyone looks up its session, which may end while the form arrives."""
        body = scope["state"]["body"] = Body(self._context.room, client.network_in(scope))
        try:
            if scope["path"] != UPLOAD_PATH:
                await body.read(receive)
            await self._app(scope, receive, send)
        finally:
            body.release()

    def _strip_root(self, scope: HTTPScope) -> None:
        """With a sub-path in HOST, requests work with and without it."""
        root = self._context.settings.root
        if root and (scope["path"] == root or scope["path"].startswith(root + "/")):
            scope["path"] = scope["path"][len(root) :] or "/"
            scope["raw_path"] = scope["path"].encode()

    def _mismatch(self, scope: HTTPScope, headers: Headers, forwarded: str) -> Mismatch | None:
        """Why not to answer this request at this address, or None. forwarded: see mismatch_of_page."""
        if scope["method"] == "POST":
            return origins.mismatch_of_form(self._context, scope, headers)
        if scope["method"] not in METHODS:
            return None
        return origins.mismatch_of_page(self._context, scope, headers, forwarded)

    async def _refuse(self, scope: HTTPScope, receive: Receive, send: Send, mismatch: Mismatch) -> None:
        # The log has a line for the request itself; an attack from another site needs no second one.
        if mismatch.reason is not Reason.ANOTHER_SITE and self._context.mismatches.add(mismatch):
            log.warning(
                "address: a browser says %s, this server calls itself %s; see HOST in docs/deploy.md",
                mismatch.browser_origin or "nothing",
                mismatch.server_origin,
            )
        if scope["method"] == "HEAD":
            send = _without_body(send)
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        response = errors.wrong_address(request, mismatch)
        await response.to_asgi_response(app=None, request=request)(scope, receive, send)


def headers_of_every_answer(*, https: bool, secret: bool = False) -> Headers:
    """secret: whether the address holds a token. Static files set their own Cache-Control."""
    headers = {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        # With no-referrer browsers post `Origin: null`, and over plain http only Origin identifies our forms.
        "Referrer-Policy": "strict-origin" if secret else "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": PERMISSIONS,
        "Cache-Control": "no-store",
        "Vary": "HX-Request, Accept-Encoding",
    }
    if https:
        headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}"
    return headers


def _headers(scope: HTTPScope) -> Headers:
    """Headers by lower-case name. One sent twice means the same as one with both values (RFC 9110, 5.3)."""
    values: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return {name: ", ".join(several) for name, several in values.items()}


def _malformed(scope: HTTPScope) -> tuple[int, str] | None:
    """The status and sentence for a request that no page should see, or None."""
    hosts = sum(name.lower() == b"host" for name, _ in scope["headers"])
    if hosts > 1 or (hosts == 0 and scope["http_version"] == "1.1"):
        # RFC 9112, 3.2.
        return 400, refusals.NOT_ONE_HOST
    if len(scope["query_string"]) > MAX_QUERY_BYTES:
        return 414, refusals.ADDRESS_TOO_LONG
    return None


def _misdirected(scope: HTTPScope, headers: Headers) -> tuple[int, str] | None:
    """The same, after proxies and sub-path have settled the host and path."""
    if "host" in headers and not proxies.is_host(headers["host"]):
        return 400, refusals.NOT_ONE_HOST
    if scope["path"].startswith("//"):
        # The framework would drop one slash; in a link, two slashes begin the name of another host.
        return 404, refusals.PAGES[404][0]
    return None


class _AnswerWithHeaders:
    """Adds the headers of every answer to this one. status: 0 until the answer has begun."""

    def __init__(self, send: Send, headers: Headers) -> None:
        self._send = send
        self._added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name for name, _ in message["headers"]}
            missing = (pair for pair in self._added if pair[0] not in present)
            message["headers"] = [*message["headers"], *missing]
        await self._send(message)


def _log_request(scope: HTTPScope, status: int) -> None:
    """Logs a sign-in, change or refusal (ASVS 16.3), without the query, which may hold a token."""
    client = scope["client"][0] if scope["client"] else "-"
    log.info(
        "%s %s status=%d member=%d from=%s",
        scope["method"],
        paths.logged(scope["path"]),
        status,
        identity.member_of(scope),
        client,
    )


def _is_form(scope: HTTPScope, headers: Headers) -> bool:
    """Whether the body, if there is one, is a form. A request without a body needs no type."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind in ("", UPLOAD_TYPE if scope["path"] == UPLOAD_PATH else FORM_TYPE)


def _is_too_large(scope: HTTPScope, headers: Headers) -> bool:
    """Whether Content-Length says so. Bodies without one are measured while they are read."""
    length = headers.get("content-length", "")
    limit = MAX_UPLOAD_BYTES if scope["path"] == UPLOAD_PATH else MAX_BODY_BYTES
    return length.isdecimal() and int(length[:20]) > limit


def _without_body(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body":
            message["body"] = b""
        await send(message)

    return sending


async def _send_text(send: Send, status: int, text: str, headers: Headers | None = None) -> None:
    """A short plain-text answer, for programs and broken requests."""
    body = f"{text}\n".encode()
    all_headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(body)),
        **(headers or {}),
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
