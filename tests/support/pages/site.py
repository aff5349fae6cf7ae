"""A running site for tests: the application on the database in use, and people in front of it.

People are known by first name: `await site.person("ada", Role.ANNOTATOR)` registers ada@example.org, and
`await site.sign_in("ada")` is her browser. Everybody's password is PASSWORD.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import copy
from functools import cache
from typing import Any, Self
from urllib.parse import urlsplit

import argon2
import httpx
import pytest
from litestar import Litestar

from app import furnished, routed
from db import engine
from db.auth import sessions
from db.common import addresses
from db.maintenance import secret_key
from db.members import new_member
from db.members.new_member import Person
from db.organization import setup
from db.policy import COMMAND_LINE, Role, SessionKey
from handlers.http.auth.cookies import SESSION_COOKIE, cookie_name
from handlers.http.context import AppContext
from settings import Settings

PASSWORD = "four purple lanterns by the sea"
SECRET = "a secret for tests, and for nothing else"


@cache
def password_hash() -> str:
    """PASSWORD's hash with the cheapest parameters: it is verified like any other."""
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)


@cache
def _routed(debug: bool) -> Litestar:
    """The routes of every site: registering them takes longer than most tests do."""
    return routed(debug=debug)


class Visitor(httpx.AsyncClient):
    """A browser without a script: it keeps cookies, sends what browsers send, and follows no redirect."""

    async def submit(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """A plain form's POST, as a page of ours sends it."""
        return await self.post(
            path, data={**(fields or {}), **more}, headers={"Sec-Fetch-Site": "same-origin"}
        )

    async def fragment(self, path: str, **headers: str) -> httpx.Response:
        """A GET by htmx."""
        return await self.get(path, headers={"HX-Request": "true", **headers})

    async def press(self, path: str, fields: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
        """A POST by htmx."""
        headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin"}
        return await self.post(path, data={**(fields or {}), **more}, headers=headers)


class Site:
    """The application and its people."""

    def __init__(self, app: Litestar) -> None:
        self.app = app
        self.context: AppContext = app.state.context
        self.ids: dict[str, int] = {}
        self._visitors: list[Visitor] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, settings: Settings | None = None, *, founded: bool = True) -> AsyncIterator[Self]:
        """Opens on the database in use. founded: with an organization, "Fenwick Herbarium", owned by olga."""
        chosen = settings or Settings(secret_key=SECRET)
        app = furnished(copy(_routed(chosen.debug)), chosen)
        async with app.lifespan():
            site = cls(app)
            await secret_key.remember_fingerprint(site.context.signer.fingerprint())
            if founded:
                await setup.found_by_operator("Fenwick Herbarium", someone("olga"))
                site.ids["olga"] = await new_member.id_of("olga@example.org")
            yield site
            for visitor in site._visitors:
                await visitor.aclose()

    def visitor(self, address: str = "192.0.2.1", base: str = "http://testserver") -> Visitor:
        """Somebody who isn't signed in, at this network address, who opens the site at `base`."""
        transport = httpx.ASGITransport(
            app=self.app,  # type: ignore[arg-type]
            client=(address, 40000),
            raise_app_exceptions=False,
        )
        visitor = Visitor(transport=transport, base_url=base)
        self._visitors.append(visitor)
        return visitor

    async def person(self, name: str, role: Role = Role.PENDING, *, joined_via: str = "signup") -> int:
        """Registers somebody with this role; returns their id."""

        async def change() -> int:
            return await new_member.insert(someone(name), role, joined_via=joined_via)

        self.ids[name] = await engine.write(change)
        return self.ids[name]

    async def sign_in(
        self, name: str, address: str = "192.0.2.1", base: str = "http://testserver"
    ) -> Visitor:
        """A browser in which this person is signed in already."""
        token = await engine.write(
            sessions.begin,
            self.ids[name],
            persistent=False,
            session_limits=self.context.session_limits,
            address=address,
            device="Firefox on Linux",
        )
        visitor = self.visitor(address, base)
        scope: Any = {"scheme": urlsplit(base).scheme}
        host = urlsplit(base).hostname or ""
        # Cookie jars know hosts without a dot by this name.
        domain = host if "." in host else f"{host}.local"
        visitor.cookies.set(cookie_name(self.context, scope, SESSION_COOKIE), token, domain=domain)
        return visitor

    async def expire(self, name: str) -> None:
        """The time of every open session of theirs is over, and noted."""
        for (session_id,) in await engine.rows(
            "SELECT id FROM session WHERE member_id = ? AND ended_at = 0", self.ids[name]
        ):
            await sessions.end_if_over(SessionKey(session_id, "", 0))

    async def role_of(self, name: str) -> Role:
        ((role,),) = await engine.rows("SELECT role FROM member WHERE id = ?", self.ids[name])
        return Role(role)

    async def invite_token(self) -> str:
        """The token of the present invite link."""
        from db.auth import links
        from db.organization import invite_link

        link = await invite_link.present()
        return self.context.signer.token(links.INVITE, link.id, link.nonce)

    async def setup_code(self) -> str:
        """The one-time code of the set-up link; before the organization exists."""
        from db.auth import links

        link = await setup.open_link()
        assert link is not None, "the organization exists already"
        return self.context.signer.token(links.SETUP, link.id, link.nonce)

    async def reset_token(self, name: str) -> str:
        """The token of a new password link for this person, made on the command line."""
        from db.accounts import password
        from db.auth import links

        link = await password.make_reset_link(COMMAND_LINE, member_id=self.ids[name])
        return self.context.signer.token(links.RESET, link.id, link.nonce)


# What isn't about the database is tested on one of them: pytestmark = ON_SQLITE.
ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


def someone(name: str) -> Person:
    return Person(addresses.parse(f"{name}@example.org"), name.capitalize(), "", password_hash())
