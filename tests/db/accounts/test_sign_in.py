"""Signing in, below the pages: the throttle with the password, and the devices that know their account."""

import asyncio
from types import ModuleType
from typing import Any

import pytest

from db import engine
from db.accounts import sign_in
from db.accounts.sign_in import IsDeactivated, WrongPassword
from db.auth.client import Browser, SignedIn
from db.common import addresses
from db.errors import TooManyTries
from db.members import removal
from db.policy import COMMAND_LINE, Actor, Role
from signing import Device
from tests.support.pages.site import PASSWORD, Site

SECOND = 1_000


async def attempt(site: Site, password: str = "wrong", **browser: Any) -> SignedIn | type[Exception]:
    """Ada tries to sign in."""
    fields = {"address": "192.0.2.1", "network": "192.0.2.1", **browser}
    try:
        return await sign_in.sign_in(
            "ada@example.org",
            password,
            persistent=False,
            throttle=site.context.throttle,
            session_limits=site.context.session_limits,
            browser=Browser(**fields),
        )
    except (WrongPassword, IsDeactivated, TooManyTries) as error:
        return type(error)


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("Ada@Example.ORG", "ada@example.org"),
        (" Ada ", "ada"),
        ("X" * 320, "x" * 320),
        ("X" * 320 + "y", "x" * 320),
        (" " * 9 + "x" * 319 + "y" + " " * 9, "x" * 319 + "y"),
    ],
)
def test_what_is_no_address_stands_for_itself_folded_and_no_longer_than_an_address(
    typed: str, key: str
) -> None:
    assert addresses.account_key(typed) == key


async def device(site: Site) -> dict[str, Any]:
    """What the device cookie says in a browser in which Ada has signed in before."""
    ((generation,),) = await engine.rows(
        "SELECT password_generation FROM member WHERE id = ?", site.ids["ada"]
    )
    cookie = site.context.signer.device_token(site.ids["ada"], generation, 1_000)
    known = site.context.signer.device(cookie, 1_000)
    assert isinstance(known, Device)
    return {
        "known_member": known.member_id,
        "known_generation": known.generation,
        "known_id": known.id,
    }


async def test_after_five_failures_even_the_right_password_waits(site: Site, clock: ModuleType) -> None:
    await site.person("ada")

    failures = [await attempt(site) for _ in range(5)]

    assert failures == [WrongPassword] * 5
    assert await attempt(site, PASSWORD) is TooManyTries
    clock.move(SECOND)
    assert isinstance(await attempt(site, PASSWORD), SignedIn)


async def test_a_password_does_not_grow_old(site: Site, clock: ModuleType) -> None:
    await site.person("ada")

    clock.move(10 * 365 * 24 * 3600 * SECOND)

    assert isinstance(await attempt(site, PASSWORD), SignedIn)


async def test_a_success_clears_the_count(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    for _ in range(4):
        await attempt(site)

    await attempt(site, PASSWORD)

    assert [await attempt(site) for _ in range(5)] == [WrongPassword] * 5


async def test_a_hundred_guesses_at_the_same_instant_are_five(site: Site, clock: ModuleType) -> None:
    await site.person("ada")

    answers = await asyncio.gather(*(attempt(site) for _ in range(100)))

    assert answers.count(WrongPassword) == 5
    assert answers.count(TooManyTries) == 95


async def test_nobody_is_locked_out_by_others_where_they_have_signed_in_before(
    site: Site, clock: ModuleType
) -> None:
    await site.person("ada")
    known = await device(site)
    for number in range(51):
        await attempt(site, network=f"198.51.100.{number}")

    assert await attempt(site, PASSWORD, network="203.0.113.1") is TooManyTries
    assert isinstance(await attempt(site, PASSWORD, network="203.0.113.1", **known), SignedIn)


async def test_a_known_device_has_five_failures_too(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    known = await device(site)

    failures = [await attempt(site, **known) for _ in range(6)]

    assert failures == [WrongPassword] * 5 + [TooManyTries]


async def test_a_new_password_makes_devices_strangers(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    known = await device(site)
    await engine.write(engine.execute, "UPDATE member SET password_generation = 1")
    for _ in range(5):
        await attempt(site)

    assert await attempt(site, PASSWORD, **known) is TooManyTries


async def test_the_device_of_somebody_else_is_a_stranger(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    known = {**await device(site), "known_member": site.ids["olga"]}
    for _ in range(5):
        await attempt(site)

    assert await attempt(site, PASSWORD, **known) is TooManyTries


async def test_a_deactivation_in_the_same_instant_wins(site: Site) -> None:
    await site.person("ada")
    read_before = await engine.rows("SELECT password_hash FROM member WHERE id = ?", site.ids["ada"])
    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE id = ?", site.ids["ada"])

    begun = await engine.write(
        sign_in._begin,
        site.ids["ada"],
        read_before[0][0],
        False,
        site.context.throttle.sign_in("ada@example.org", "192.0.2.1", ""),
        site.context.throttle.signed_in("ada@example.org", ""),
        site.context.session_limits,
        Browser(address="192.0.2.1"),
    )

    assert begun is None
    assert await engine.rows("SELECT 1 FROM session WHERE member_id = ?", site.ids["ada"]) == []


async def test_a_new_password_in_the_same_instant_wins(site: Site) -> None:
    await site.person("ada")

    with pytest.raises(WrongPassword):
        await engine.write(
            sign_in._begin,
            site.ids["ada"],
            "the hash of the password of before",
            False,
            site.context.throttle.sign_in("ada@example.org", "192.0.2.1", ""),
            site.context.throttle.signed_in("ada@example.org", ""),
            site.context.session_limits,
            Browser(address="192.0.2.1"),
        )

    assert await engine.rows("SELECT 1 FROM session WHERE member_id = ?", site.ids["ada"]) == []


async def test_nobody_who_was_removed_knows_their_password(site: Site) -> None:
    ada = Actor(await site.person("ada"), Role.PENDING)
    await removal.remove(COMMAND_LINE, member_id=ada.id)

    with pytest.raises(WrongPassword):
        await sign_in.check_password(
            ada, PASSWORD, throttle=site.context.throttle, browser=Browser(address="192.0.2.1")
        )


async def test_every_try_leaves_a_row_that_tells_no_password(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await attempt(site, "my secret guess")
    await attempt(site, PASSWORD)

    told = await engine.rows(
        "SELECT kind, actor_id, subject_id, address FROM activity ORDER BY id DESC LIMIT 2"
    )

    ada = site.ids["ada"]
    assert told == [("signed_in", ada, ada, "192.0.2.1"), ("sign_in_refused", 0, ada, "192.0.2.1")]
    assert "guess" not in str(await engine.rows("SELECT before, after, kind FROM activity"))
