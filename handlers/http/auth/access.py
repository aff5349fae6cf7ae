"""Who is asking: the session behind the cookie, asked for once in a request, and the guards of the routes."""

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope

from db import policy
from db.auth import sessions
from db.auth.client import Browser, SignedIn
from db.auth.sessions import Current
from db.auth.turns import Turn
from db.common import clock, visible
from db.errors import NotAllowed, SignInFirst
from db.policy import Actor, Role
from handlers.http.house import House, house_of
from handlers.http.request import proxies
from handlers.http.request.bodies import body_of
from handlers.http.request.types import AnyConnection, AnyRequest
from messages import phrases, refusals
from signing import DEVICE_SECONDS, Device

SESSION_COOKIE: Final = "gatehouse_session"
DEVICE_COOKIE: Final = "gatehouse_device"
P = ParamSpec("P")
R = TypeVar("R")


class NotSetUp(Exception):
    """Nobody owns the organization yet: everything but set-up, health and files answers 503."""


@dataclass(frozen=True, slots=True)
class Me:
    """The person in front of the screen, for templates."""

    id: int
    email: str
    name: str
    first_name: str
    last_name: str
    role: Role
    theme: str
    time_zone: str

    @property
    def initials(self) -> str:
        letters = [part[0] for part in map(visible.name, (self.first_name, self.last_name)) if part]
        return "".join(letters or [self.email[0]]).upper()

    @property
    def administers(self) -> bool:
        return policy.administers(self.role)

    @property
    def owns(self) -> bool:
        return policy.owns(self.role)

    @property
    def pending(self) -> bool:
        return self.role is Role.PENDING


def me_of(current: Current | None) -> Me | None:
    if current is None:
        return None
    return Me(
        id=current.member_id,
        email=current.email,
        name=current.name,
        first_name=current.first_name,
        last_name=current.last_name,
        role=current.role,
        theme=current.theme,
        time_zone=current.time_zone,
    )


async def identify(connection: AnyConnection) -> Current | None:
    """The session of this request, None for nobody; one query, however often it is asked."""
    state = connection.scope["state"]
    if "current" not in state:
        house: House = connection.app.state.house
        if not await house.is_set_up():
            raise NotSetUp
        token = cookie_in(connection, house, SESSION_COOKIE)
        current = await sessions.current(token, house.ages, house.presence) if token else None
        # A session of somebody deactivated has ended with it; this holds even if one were left.
        if current is not None and not policy.may_sign_in(current.role):
            current = None
        if current is not None and not is_poll(connection):
            house.presence.seen(current.session_id, current.member_id)
        state["current"] = current
    found: Current | None = state["current"]
    return found


_LOOKED_AT_AGAIN: Final = ("/", "/organization/activity/news", "/organization/members/news")


def is_poll(connection: AnyConnection) -> bool:
    """A page looking for itself, waiting or watching: no activity, and it keeps no session alive."""
    path = connection.scope["path"]
    looks_again = path in _LOOKED_AT_AGAIN or path.startswith("/organization/invitations/progress/")
    return looks_again and connection.headers.get("hx-request") == "true"


async def whoever_leaves(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: everyone, whatever is wrong with what they sent; for signing out."""
    await identify(connection)


async def anybody(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: everyone, signed in or not."""
    await identify(connection)
    body_of(connection.scope).check()


async def signed_in(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: whoever has a session, Pending people too."""
    await _current(connection)
    body_of(connection.scope).check()


async def administrators(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: Owner and Administrators."""
    _check_administers(await _current(connection))
    body_of(connection.scope).check()


async def owners(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: the Owner."""
    if not policy.owns((await _current(connection)).role):
        raise NotAllowed(refusals.OWNER_ALONE)
    body_of(connection.scope).check()


async def decided_again(request: AnyRequest) -> Current:
    """Who is asking, after what they sent took its time: still an Owner or Administrator with a session.

    Raises SignInFirst and NotAllowed.
    """
    del request.scope["state"]["current"]
    current = await _current(request)
    _check_administers(current)
    return current


async def _current(connection: AnyConnection) -> Current:
    current = await identify(connection)
    if current is None:
        raise SignInFirst
    return current


def _check_administers(current: Current) -> None:
    if not policy.administers(current.role):
        raise NotAllowed(refusals.OWNER_AND_ADMINISTRATORS)


def nobody_yet(_: AnyConnection, __: BaseRouteHandler) -> None:
    """Guard: everyone, without asking who; for set-up, health and files."""


# How a handler asks for it: `current: Asking`.
Asking: TypeAlias = NamedDependency[Current]


async def current_session(request: AnyRequest) -> Current:
    """Dependency `current`: who is asking, on routes whose guard lets only signed-in people through."""
    return await _current(request)


def member_of(scope: Scope) -> int:
    """Whose browser it is once this request is answered: who signed in by it, else who asks; 0 for nobody."""
    state = scope["state"]
    return state["signed_in"] if "signed_in" in state else getattr(state.get("current"), "member_id", 0)


def actor_of(current: Current, request: AnyRequest) -> Actor:
    """Whoever asks, with the session that must still be open when their change is written
    (db/members/changes.py).
    """
    return Actor(
        current.member_id,
        current.role,
        address=address_of(request),
        session=current.key,
        password_at=current.password_at,
    )


def address_of(request: AnyRequest) -> str:
    """The client's network address; the defences have looked through trusted proxies already."""
    return _client_of(request.scope)


def _client_of(scope: Scope) -> str:
    client = scope["client"]
    return client[0] if client else ""


def network_of(request: AnyRequest) -> str:
    """What limits count by: an IPv4 address, or the /64 of an IPv6 one."""
    return network_in(request.scope)


def network_in(scope: Scope) -> str:
    """The same, before there is a request of the framework's."""
    return network_of_address(_client_of(scope))


def network_of_address(text: str) -> str:
    """The same of a network address, "" for what is none."""
    address = proxies.parse(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address or "")


def one_by_one(handle: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Of one member's requests to such handlers one goes on at a time; the others wait at no cost.

    Whoever sends over a hundred connections thus has no more of the server than by one.
    """

    @wraps(handle)
    async def handle_alone(*args: P.args, **kwargs: P.kwargs) -> R:
        # The framework passes both by name.
        request: Any = kwargs["request"]
        current: Any = kwargs["current"]
        async with house_of(request).one_by_one.setdefault(current.member_id, asyncio.Lock()):
            return await handle(*args, **kwargs)

    return handle_alone


def turn_of(request: AnyRequest, member_id: int = 0) -> Turn:
    """Whose turn it is, of those who wait for work that takes long. member_id: 0 for nobody's account yet."""
    return Turn(network_of(request), str(member_id) if member_id else "")


def browser_of(request: AnyRequest) -> Browser:
    """Where the request comes from, with what its device cookie proves."""
    known = device_of(request, house_of(request))
    return Browser(
        address=address_of(request),
        network=network_of(request),
        device=describe(request.headers.get("user-agent", "")),
        known_member=known.member_id if known else 0,
        known_generation=known.generation if known else 0,
        known_id=known.id if known else "",
    )


_BROWSERS: Final = (
    ("Edge", r"\bEdgA?/"),
    ("Opera", r"\bOPR/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|CriOS|Chromium)/"),
    ("Safari", r"\bSafari/"),
)
_SYSTEMS: Final = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("Mac", r"\bMacintosh\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
)


def describe(user_agent: str) -> str:
    """A browser in words, like "Firefox on Linux"; what isn't known is shown by its first word."""
    browser = next((name for name, sign in _BROWSERS if re.search(sign, user_agent)), "")
    system = next((name for name, sign in _SYSTEMS if re.search(sign, user_agent)), "")
    if browser and system:
        return phrases.BROWSER_ON_SYSTEM.format(browser=browser, system=system)
    first = "".join(sign for sign in user_agent.split(" ")[0] if sign.isprintable())
    return browser or first[:40] or phrases.UNNAMED_PROGRAM


# Cookies: HttpOnly, SameSite=Lax, Path=/, and with https Secure and the prefix __Host-.


def cookie_name(house: House, scope: Scope, name: str) -> str:
    """What a cookie of ours is called here. Over https one without the prefix is nobody's.

    It went over http, where others may have read it, or put it there.
    """
    return f"__Host-{name}" if house.is_secure(scope) else name


def cookie_in(connection: AnyConnection, house: House, name: str) -> str:
    """The value of a cookie of ours, "" without one."""
    return _value_of(connection.scope, cookie_name(house, connection.scope, name))


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
    house = house_of(request)
    return Cookie(
        key=cookie_name(house, request.scope, name),
        value=value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=house.is_secure(request.scope),
    )


def session_cookie(request: AnyRequest, token: str, *, kept: bool, age: int = 0) -> Cookie:
    """A kept one lasts as long as the session may (age in ms); any other ends with the browser."""
    age = age or house_of(request).ages.kept
    return cookie(request, SESSION_COOKIE, token, age // 1000 if kept else None)


def renewed_cookie(request: AnyRequest, current: Current, token: str) -> Cookie:
    """The same session under its new token: it ends when it would have."""
    return session_cookie(request, token, kept=current.kept, age=current.expires_at - clock.now())


def no_session_cookie(request: AnyRequest) -> Cookie:
    return cookie(request, SESSION_COOKIE, "", 0)


def no_plain_cookie(request: AnyRequest) -> list[Cookie]:
    """Takes a session's cookie away that an address over http has left in a browser now on https."""
    if not house_of(request).is_secure(request.scope) or not _value_of(request.scope, SESSION_COOKIE):
        return []
    return [replace(cookie(request, SESSION_COOKIE, "", 0), key=SESSION_COOKIE)]


def device_of(request: AnyRequest, house: House) -> Device | None:
    """The device cookie of this browser when it is genuine. Whose it is, the caller compares."""
    value = cookie_in(request, house, DEVICE_COOKIE)
    return house.signer.device(value, clock.now() // 1000) if value else None


def device_cookie(
    request: AnyRequest, member_id: int, generation: int, known: Device | None = None
) -> Cookie:
    device_id = known.id if known and known.member_id == member_id else ""
    token = house_of(request).signer.device_token(member_id, generation, clock.now() // 1000, device_id)
    return cookie(request, DEVICE_COOKIE, token, DEVICE_SECONDS)


def sign_in_cookies(house: House, request: AnyRequest, signed_in: SignedIn, *, kept: bool) -> list[Cookie]:
    """The session's cookie and, for later tries, the device's."""
    device = device_of(request, house)
    # The request itself came from nobody.
    request.scope["state"]["signed_in"] = signed_in.member_id
    return [
        session_cookie(request, signed_in.token, kept=kept, age=signed_in.age),
        device_cookie(request, signed_in.member_id, signed_in.generation, device),
    ]
