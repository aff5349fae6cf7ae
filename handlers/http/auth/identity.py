"""Who is asking: the session behind the cookie, looked up once in a request."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from litestar.di import NamedDependency
from litestar.types import Scope

from db import policy
from db.auth import sessions
from db.auth.client import Browser
from db.auth.fair_queue import Requester
from db.auth.sessions import Current
from db.common import invisible
from db.errors import SignInFirst
from db.policy import Actor, Role
from handlers.http.auth.cookies import SESSION_COOKIE, cookie_in, device_of
from handlers.http.context import AppContext, context_of
from handlers.http.request import client, user_agents
from handlers.http.request.types import AnyConnection, AnyRequest


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
        letters = [part[0] for part in map(invisible.clean_name, (self.first_name, self.last_name)) if part]
        return "".join(letters or [self.email[0]]).upper()

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
    """The session of this request, or None. One query, however often it is called."""
    state = connection.scope["state"]
    if "current" not in state:
        app_context: AppContext = connection.app.state.context
        if not await app_context.is_set_up():
            raise NotSetUp
        token = cookie_in(connection, app_context, SESSION_COOKIE)
        current = (
            await sessions.current(token, app_context.session_limits, app_context.presence) if token else None
        )
        # Deactivation ends sessions. This holds even if one were left.
        if current is not None and not policy.may_sign_in(current.role):
            current = None
        if current is not None and not is_poll(connection):
            app_context.presence.seen(current.session_id, current.member_id)
        state["current"] = current
    current_or_none: Current | None = state["current"]
    return current_or_none


_POLLED_PATHS: Final = ("/", "/organization/activity/news", "/organization/members/news")


def is_poll(connection: AnyConnection) -> bool:
    """Whether an open page asks for news by itself: that is no activity, and keeps no session alive."""
    path = connection.scope["path"]
    is_polled = path in _POLLED_PATHS or path.startswith("/organization/invitations/progress/")
    return is_polled and connection.headers.get("hx-request") == "true"


async def require_session(connection: AnyConnection) -> Current:
    """The session of this request. Raises SignInFirst where nobody is signed in."""
    current = await identify(connection)
    if current is None:
        raise SignInFirst
    return current


# How a handler asks for it: `current: CurrentUser`.
CurrentUser: TypeAlias = NamedDependency[Current]


async def current_session(request: AnyRequest) -> Current:
    """Dependency `current`: the session, on routes whose guard lets only signed-in people through."""
    return await require_session(request)


def member_of(scope: Scope) -> int:
    """The member who signed in by this request, or else the one whose session it has; 0 for neither."""
    state = scope["state"]
    return state["signed_in"] if "signed_in" in state else getattr(state.get("current"), "member_id", 0)


def actor_of(current: Current, request: AnyRequest) -> Actor:
    """The current member as the author of a change.

    Their session must still be open when the change is written (db/members/changes.py).
    """
    return Actor(
        current.member_id,
        current.role,
        address=client.address_of(request),
        session=current.key,
        password_at=current.password_at,
    )


def requester_of(request: AnyRequest, member_id: int = 0) -> Requester:
    """A place in the queue for slow work, by network and account. member_id: 0 without an account yet."""
    return Requester(client.network_of(request), str(member_id) if member_id else "")


def browser_of(request: AnyRequest) -> Browser:
    """The browser that sent the request, with what its device cookie proves."""
    known = device_of(request, context_of(request))
    return Browser(
        address=client.address_of(request),
        network=client.network_of(request),
        device=user_agents.describe(request.headers.get("user-agent", "")),
        known_member=known.member_id if known else 0,
        known_generation=known.generation if known else 0,
        known_id=known.id if known else "",
    )
