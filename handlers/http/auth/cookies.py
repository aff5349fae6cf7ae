"""Our cookies: HttpOnly, SameSite=Lax, Path=/, and with https Secure and the prefix __Host-."""

from dataclasses import replace
from typing import Final

from litestar.datastructures import Cookie
from litestar.types import Scope

from db.auth.client import SignedIn
from db.auth.sessions import Current
from db.common import clock
from handlers.http.context import AppContext, context_of
from handlers.http.request.types import AnyConnection, AnyRequest
from signing import DEVICE_SECONDS, Device

SESSION_COOKIE: Final = "gatehouse_session"
DEVICE_COOKIE: Final = "gatehouse_device"


def cookie_name(app_context: AppContext, scope: Scope, name: str) -> str:
    """The name of one of our cookies. Over https it has the prefix, and a cookie without it is ignored.

    Such a cookie travelled over http, where others may have read it, or set it.
    """
    return f"__Host-{name}" if app_context.is_secure(scope) else name


def cookie_in(connection: AnyConnection, app_context: AppContext, name: str) -> str:
    """The value of one of our cookies, "" if it wasn't sent."""
    return _value_of(connection.scope, cookie_name(app_context, connection.scope, name))


def _value_of(scope: Scope, name: str) -> str:
    """Reads the header itself: the framework's parser caches whole headers. Of several, the last counts."""
    wanted, last = name.encode(), b""
    for header, line in scope["headers"]:
        for pair in line.split(b";") if header == b"cookie" else ():
            key, _, value = pair.strip().partition(b"=")
            if key == wanted:
                last = value
    return last.decode("latin-1")


def cookie(request: AnyRequest, name: str, value: str, max_age: int | None) -> Cookie:
    """max_age: in seconds; None for as long as the browser is open, 0 deletes the cookie."""
    app_context = context_of(request)
    return Cookie(
        key=cookie_name(app_context, request.scope, name),
        value=value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=app_context.is_secure(request.scope),
    )


def session_cookie(request: AnyRequest, token: str, age: int) -> Cookie:
    """age: how long the cookie lasts, in ms; 0 for as long as the browser is open."""
    return cookie(request, SESSION_COOKIE, token, age // 1000 if age else None)


def renewed_cookie(request: AnyRequest, current: Current, token: str) -> Cookie:
    """The same session under its new token: it ends when it would have."""
    return session_cookie(request, token, age_of(current))


def age_of(current: Current) -> int:
    """How long the cookie of this session still lasts, in ms; 0 for one that ends with the browser."""
    return current.expires_at - clock.now() if current.persistent else 0


def no_session_cookie(request: AnyRequest) -> Cookie:
    return cookie(request, SESSION_COOKIE, "", 0)


def no_plain_cookie(request: AnyRequest) -> list[Cookie]:
    """Deletes a session cookie that was set over http in a browser that is now on https."""
    if not context_of(request).is_secure(request.scope) or not _value_of(request.scope, SESSION_COOKIE):
        return []
    return [replace(cookie(request, SESSION_COOKIE, "", 0), key=SESSION_COOKIE)]


def device_of(request: AnyRequest, app_context: AppContext) -> Device | None:
    """The content of an authentic device cookie, or None. The caller compares the member."""
    value = cookie_in(request, app_context, DEVICE_COOKIE)
    return app_context.signer.device(value, clock.now() // 1000) if value else None


def device_cookie(
    request: AnyRequest, member_id: int, generation: int, known: Device | None = None
) -> Cookie:
    device_id = known.id if known and known.member_id == member_id else ""
    token = context_of(request).signer.device_token(member_id, generation, clock.now() // 1000, device_id)
    return cookie(request, DEVICE_COOKIE, token, DEVICE_SECONDS)


def sign_in_cookies(app_context: AppContext, request: AnyRequest, signed_in: SignedIn) -> list[Cookie]:
    """The session's cookie, and the device's for later sign-ins."""
    device = device_of(request, app_context)
    # The request came without a session; the log names the member who signed in by it.
    request.scope["state"]["signed_in"] = signed_in.member_id
    return [
        session_cookie(request, signed_in.token, signed_in.age),
        device_cookie(request, signed_in.member_id, signed_in.generation, device),
    ]
