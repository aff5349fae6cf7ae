"""The application's context: signer, throttle, limits of sessions, templates. app.py makes it."""

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from jinja2 import Environment
from litestar import Litestar
from litestar.types import Scope

from db.activity.daily_counts import Days
from db.auth.presence import Presence
from db.auth.rate_limits import Throttle
from db.auth.sessions import SessionLimits
from db.organization import setup
from handlers.http.request.bodies import Room
from handlers.http.request.mismatches import RecentMismatches
from handlers.http.request.types import AnyRequest
from handlers.http.static import StaticFiles
from settings import Settings
from signing import Signer


@dataclass
class AppContext:
    """What every handler may use, made once for each process.

    exists: whether the organization has been seen.
    untrusted_proxies: addresses that sent forwarded headers without being a trusted proxy.
    mismatches: the latest requests that were refused because of their address.
    room: the memory for bodies in progress.
    one_by_one: by member, the lock that their changes of themselves wait for (`guards.one_by_one`).
    """

    signer: Signer
    throttle: Throttle
    settings: Settings
    templates: Environment
    static: StaticFiles
    untrusted_proxies: set[str] = field(default_factory=set)
    mismatches: RecentMismatches = field(default_factory=RecentMismatches)
    room: Room = field(default_factory=Room)
    presence: Presence = field(default_factory=Presence)
    days: Days = field(default_factory=Days)
    one_by_one: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    exists: bool = False
    # Sends a test mail to an address; returns the steps of the dialogue, the server's answer last.
    send_test_mail: Callable[[str], Coroutine[Any, Any, list[str]]] | None = None

    @property
    def session_limits(self) -> SessionLimits:
        """How long sessions live, by the environment."""
        settings = self.settings
        return SessionLimits(
            persistent=settings.max_session_age * 1000, idle=settings.max_time_between_activity * 1000
        )

    async def is_set_up(self) -> bool:
        """Whether the organization exists. Asks the database until it does, and never again."""
        if not self.exists:
            self.exists = (await setup.site()).exists
        return self.exists

    def base_of(self, request: AnyRequest) -> str:
        """The base of links to copy: HOST, or else the address of this request."""
        if self.settings.host:
            return self.settings.host
        return f"{request.scope['scheme']}://{request.headers.get('host', '')}"

    def is_secure(self, scope: Scope) -> bool:
        """Whether visitors use https, by HOST, or else by the scheme of this request."""
        return self.settings.https if self.settings.host else scope["scheme"] == "https"

    def is_trustworthy(self, request: AnyRequest) -> bool:
        """Whether browsers treat the address as secure: it is https, or this computer itself."""
        return self.is_secure(request.scope) or self.is_only_here(request)

    def is_only_here(self, request: AnyRequest) -> bool:
        """Whether links to copy lead to this computer itself (localhost), where nobody else can open them."""
        if self.settings.host:
            return False
        try:
            name = urlsplit(self.base_of(request)).hostname or ""
            return name.split(".")[-1] == "localhost" or ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def context_of(request: AnyRequest) -> AppContext:
    """The context of the application that got this request."""
    app: Litestar = request.app
    app_context: AppContext = app.state.context
    return app_context
