"""Cross-site protection: whether a form comes from our own pages, and what is wrong if it doesn't."""

import re
from typing import Final
from urllib.parse import urlsplit

from litestar.types import HTTPScope

from handlers.http.auth.cookies import SESSION_COOKIE, cookie_name
from handlers.http.context import AppContext
from handlers.http.request.mismatches import CONTINUED, Mismatch, Reason
from handlers.http.request.proxies import is_host
from handlers.http.request.types import Headers

MAX_SHOWN: Final = 100
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
# The beginnings of the paths of forms that people use without a session.
SIGNED_OUT_FORMS: Final = (
    "/setup",
    "/user/access-request",
    "/user/confirmation",
    "/user/invitation",
    "/user/login",
    "/user/password/",
    "/user/signup",
)
PORTS: Final = {"http": 80, "https": 443}


def mismatch_of_page(
    app_context: AppContext, scope: HTTPScope, headers: Headers, forwarded: str
) -> Mismatch | None:
    """Finds a form for signed-out people that was opened over http although HOST is https: it can't succeed.

    forwarded: the scheme that a trusted proxy gave. In a chain of proxies the inner one may give its own,
    so any sign of https outweighs it, and nobody is stopped twice.
    """
    if (
        not app_context.settings.https
        or forwarded != "http"
        or not scope["path"].startswith(SIGNED_OUT_FORMS)
    ):
        return None
    if _shows_https(app_context, headers) or CONTINUED.encode() in scope["query_string"].split(b"&"):
        return None
    return Mismatch(
        Reason.PLAIN, _shown(f"http://{headers.get('host', '')}"), origin_of(app_context.settings.host)
    )


def _shows_https(app_context: AppContext, headers: Headers) -> bool:
    """Only over https do browsers send Sec-Fetch-Site, a __Host- cookie, or an https page as Referer."""
    return (
        "sec-fetch-site" in headers
        or "__Host-gatehouse" in headers.get("cookie", "")
        or headers.get("referer", "").startswith(origin_of(app_context.settings.host) + "/")
    )


def mismatch_of_form(app_context: AppContext, scope: HTTPScope, headers: Headers) -> Mismatch | None:
    """None for an unsafe request from our own pages, or from no browser at all.

    The rule of Go's http.CrossOriginProtection: Sec-Fetch-Site decides where browsers send it. Without it
    (plain http on a LAN) Origin must be missing or name our host and port. On https every browser sends one
    of the two: a request with neither passes only without a session cookie, and an http:// Origin never does.
    """
    site, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
    here = f"{scope['scheme']}://{headers.get('host', '')}"
    own = origin_of(app_context.settings.host) if app_context.settings.host else _shown(here)
    if site:
        passes = site in ("same-origin", "none")
        return None if passes else Mismatch(Reason.ANOTHER_SITE, _shown(origin), own)
    if not origin:
        https = app_context.settings.https or scope["scheme"] == "https"
        suspicious = https and _has_session_cookie(app_context, scope, headers)
        return Mismatch(Reason.UNSAID, "", own) if suspicious else None
    page = _host_and_port(origin)
    if not page[0]:
        return Mismatch(Reason.UNSAID, "", own)
    known = {_host_and_port(here), *([_host_and_port(own)] if app_context.settings.host else [])}
    if app_context.is_secure(scope) and origin.lower().startswith("http:"):
        names = {host for host, _ in known}
        reason = Reason.PLAIN if page[0] in names else Reason.OTHER_ADDRESS
        return Mismatch(reason, _shown(origin), own)
    # If a proxy ends TLS, the scheme here isn't the browser's, and neither is the default port.
    known |= {(host, {80: 443, 443: 80}.get(port, port)) for host, port in known}
    return None if page in known else Mismatch(Reason.OTHER_ADDRESS, _shown(origin), own)


def origin_of(url: str) -> str:
    """Scheme, host and port of a valid URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _has_session_cookie(app_context: AppContext, scope: HTTPScope, headers: Headers) -> bool:
    return cookie_name(app_context, scope, SESSION_COOKIE) in headers.get("cookie", "")


def _shown(origin: str) -> str:
    """An origin from a header, cut to fit page and log. "" for text that is none."""
    return origin[:MAX_SHOWN] if _host_and_port(origin)[0] else ""


def _host_and_port(origin: str) -> tuple[str, int]:
    """Host and port of an origin (RFC 6454, 6.2); ("", 0) for anything else, also "null"."""
    scheme, _, host = origin.partition("://")
    if not _SCHEME.fullmatch(scheme) or not is_host(host):
        return ("", 0)
    parts = urlsplit(origin)
    return (parts.hostname or "", parts.port or PORTS.get(parts.scheme, 0))
