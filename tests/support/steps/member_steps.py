"""What the tests of members share: who acts, and changes in one line."""

from typing import Any

from db import engine
from db.auth import sessions
from db.auth.client import Browser, SignedIn
from db.common import clock
from db.members import new_member
from db.organization import ownership, signup
from db.policy import Actor, Role
from tests.support.pages.site import PASSWORD, Site, someone

BROWSER = Browser("192.0.2.1", "192.0.2.1", "Firefox on Linux")


def acting(site: Site, name: str, role: Role = Role.ADMINISTRATOR) -> Actor:
    """Who has just given their password."""
    return Actor(site.ids[name], role, password_at=clock.now())


def olga(site: Site) -> Actor:
    return acting(site, "olga", Role.OWNER)


async def signed_in(site: Site, name: str) -> Actor:
    """Somebody who acts by a new session of theirs."""
    token = await engine.write(
        sessions.begin,
        site.ids[name],
        persistent=False,
        session_limits=site.context.session_limits,
        address="",
        device="",
    )
    current = await sessions.current(token, site.context.session_limits, site.context.presence)
    assert current is not None
    return Actor(current.member_id, current.role, session=current.key, password_at=current.password_at)


async def owners() -> list[int]:
    """Who is the Owner by role, and whom the organization names."""
    by_role = await engine.rows("SELECT id FROM member WHERE role = 'OW'")
    named = await engine.rows("SELECT owner_id FROM organization")
    return [id for (id,) in by_role + named]


async def hand_over(site: Site, to: str, password: str = PASSWORD, *, by: str = "olga") -> Any:
    return await ownership.hand_over(
        acting(site, by, Role.OWNER),
        session_id=0,
        member_id=site.ids[to],
        password=password,
        throttle=site.context.throttle,
        browser=BROWSER,
    )


async def register(site: Site, name: str, link_id: int | None = None) -> SignedIn:
    return await signup.register(
        someone(name), link_id=link_id, session_limits=site.context.session_limits, browser=BROWSER
    )


async def add(names: list[str]) -> list[int]:
    """Registers many at once, Pending; returns their ids."""

    async def change() -> list[int]:
        return [await new_member.insert(someone(name), Role.PENDING, joined_via="link") for name in names]

    return await engine.write(change)
