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
    """What a cookie of ours is called here. Over https one without the prefix is nobody's.

    It went over http, where others may have read it, or put it there.
    """
    return f"__Host-{name}" if app_context.is_secure(scope) else name


def cookie_in(connection: AnyConnection, app_context: AppContext, name: str) -> str:
    """The value of a cookie of ours, "" without one."""
    return _value_of(connection.scope, cookie_name(app_context, connection.scope, name))


def _value_of(scope: Scope, name: str) -> str:
    """In the header as it came, which nothing keeps; of several the last."""
    sought, found = name.encode(), b""
    for header, line in scope["headers"]:
        for pair in line.split(b";") if header == b"cookie" else ():
            key, _, value = pair.strip().partition(b"=")
            if key == sought:
                found = value
    return found.decode("latin-1")


def cookie(request: AnyRequest, name: str, value: str, max_age: int | None) -> Cookie:
    """max_age: in seconds, None for as long as the browser is open, 0 takes the cookie away."""
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


def session_cookie(request: AnyRequest, token: str, *, kept: bool, age: int = 0) -> Cookie:
    """A kept one lasts as long as the session may (age in ms); any other ends with the browser."""
    age = age or context_of(request).ages.kept
    return cookie(request, SESSION_COOKIE, token, age // 1000 if kept else None)


def renewed_cookie(request: AnyRequest, current: Current, token: str) -> Cookie:
    """The same session under its new token: it ends when it would have."""
    return session_cookie(request, token, kept=current.kept, age=current.expires_at - clock.now())


def no_session_cookie(request: AnyRequest) -> Cookie:
    return cookie(request, SESSION_COOKIE, "", 0)


def no_plain_cookie(request: AnyRequest) -> list[Cookie]:
    """Takes a session's cookie away that an address over http has left in a browser now on https."""
    if not context_of(request).is_secure(request.scope) or not _value_of(request.scope, SESSION_COOKIE):
        return []
    return [replace(cookie(request, SESSION_COOKIE, "", 0), key=SESSION_COOKIE)]


def device_of(request: AnyRequest, app_context: AppContext) -> Device | None:
    """The device cookie of this browser when it is genuine. Whose it is, the caller compares."""
    value = cookie_in(request, app_context, DEVICE_COOKIE)
    return app_context.signer.device(value, clock.now() // 1000) if value else None


def device_cookie(
    request: AnyRequest, member_id: int, generation: int, known: Device | None = None
) -> Cookie:
    device_id = known.id if known and known.member_id == member_id else ""
    token = context_of(request).signer.device_token(member_id, generation, clock.now() // 1000, device_id)
    return cookie(request, DEVICE_COOKIE, token, DEVICE_SECONDS)


def sign_in_cookies(
    app_context: AppContext, request: AnyRequest, signed_in: SignedIn, *, kept: bool
) -> list[Cookie]:
    """The session's cookie and, for later tries, the device's."""
    device = device_of(request, app_context)
    # The request itself came from nobody.
    request.scope["state"]["signed_in"] = signed_in.member_id
    return [
        session_cookie(request, signed_in.token, kept=kept, age=signed_in.age),
        device_cookie(request, signed_in.member_id, signed_in.generation, device),
    ]
