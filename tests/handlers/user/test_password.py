"""A new password by a link."""

import asyncio
from types import ModuleType

import pytest

from db import engine
from db.policy import Role
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor

NEW = "seven silver herons on the ice"
HOUR = 3_600_000


async def may_log_in(site: Site, password: str) -> bool:
    answer = await site.visitor("203.0.113.9").submit(
        "/user/login", email="ada@example.org", password=password
    )
    return answer.status_code == 303


async def test_a_link_sets_a_new_password_as_a_page(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token, visitor = await site.reset_token("ada"), site.visitor()
    form = await visitor.get("/user/password/reset", params={"token": token})

    answer = await visitor.submit(
        "/user/password/reset", token=read(form).controls["token"]["value"], password=NEW
    )

    assert (answer.status_code, answer.headers["location"]) == (303, "/user/login")
    assert "Your password is changed" in (await visitor.get("/user/login")).text
    assert await may_log_in(site, NEW)
    assert not await may_log_in(site, PASSWORD)


async def test_a_link_sets_a_new_password_as_a_fragment(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token, visitor = await site.reset_token("ada"), site.visitor()

    answer = await visitor.press("/user/password/reset", token=token, password=NEW)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/login")
    assert "gatehouse_session" not in visitor.cookies


async def test_a_link_works_once(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token = await site.reset_token("ada")

    answers = await asyncio.gather(
        *(site.visitor().submit("/user/password/reset", token=token, password=NEW) for _ in range(5))
    )
    later = await site.visitor().get("/user/password/reset", params={"token": token})

    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 4
    assert (later.status_code, "no longer works" in later.text) == (410, True)


async def test_a_reset_ends_every_session(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    here, there = await site.sign_in("ada"), await site.sign_in("ada")

    await here.submit("/user/password/reset", token=await site.reset_token("ada"), password=NEW)

    assert [(await ada.get("/user/account")).status_code for ada in (here, there)] == [303, 303]


async def test_whoever_is_guessed_at_gets_in_by_a_new_password(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    for number in range(60):
        guessing = site.visitor(f"198.51.{number}.7")
        await guessing.submit("/user/login", email="ada@example.org", password="a wrong guess at ada")
    here, elsewhere = site.visitor(), site.visitor("203.0.113.9")

    await here.submit("/user/password/reset", token=await site.reset_token("ada"), password=NEW)
    answers = [
        await visitor.submit("/user/login", email="ada@example.org", password=NEW)
        for visitor in (elsewhere, here)
    ]

    assert [answer.status_code for answer in answers] == [429, 303]


async def test_a_browser_known_for_another_account_stays_so_when_it_sets_a_password(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    here = site.visitor()
    await here.submit("/user/login", email="olga@example.org", password=PASSWORD)
    before = here.cookies["gatehouse_device"]

    await here.submit("/user/password/reset", token=await site.reset_token("ada"), password=NEW)

    assert here.cookies["gatehouse_device"] == before


async def test_who_resets_for_somebody_else_is_signed_out_here_alone(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    here, copied, there = await site.sign_in("olga"), site.visitor(), await site.sign_in("olga")
    copied.cookies.update(here.cookies)

    await here.submit("/user/password/reset", token=await site.reset_token("ada"), password=NEW)

    assert (await copied.get("/user/account")).status_code == 303
    assert (await there.get("/user/account")).status_code == 200


async def _invalid(site: Site, way: str, clock: ModuleType) -> str:
    token = await site.reset_token("ada")
    if way == "a newer link":
        await site.reset_token("ada")
    elif way == "a day":
        clock.move(24 * HOUR)
    elif way == "a changed password":
        ada = await site.sign_in("ada")
        await ada.submit(
            "/user/account/password", current_password=PASSWORD, password="another good one, ada"
        )
    elif way in ("deactivation", "removal"):
        olga: Visitor = await site.sign_in("olga")
        path = f"/organization/members/{site.ids['ada']}"
        await (
            olga.submit(f"{path}/role", role="DI")
            if way == "deactivation"
            else olga.submit(f"{path}/removal")
        )
    return token if way != "another purpose" else await site.invite_token()


@pytest.mark.parametrize(
    "way", ["a newer link", "a day", "a changed password", "deactivation", "removal", "another purpose"]
)
@ON_SQLITE
async def test_a_link_is_ended_by(site: Site, clock: ModuleType, way: str) -> None:
    await site.person("ada", Role.ANNOTATOR)
    before = await engine.rows("SELECT password_hash FROM member WHERE id = ?", site.ids["olga"])

    token = await _invalid(site, way, clock)
    shown = await site.visitor().get("/user/password/reset", params={"token": token})
    sent = await site.visitor().submit("/user/password/reset", token=token, password=NEW)

    assert (shown.status_code, sent.status_code) == (410, 410)
    assert not await may_log_in(site, NEW)
    assert await engine.rows("SELECT password_hash FROM member WHERE id = ?", site.ids["olga"]) == before


@ON_SQLITE
async def test_a_link_of_the_command_line_lives_a_day(site: Site, clock: ModuleType) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token = await site.reset_token("ada")
    clock.move(24 * HOUR - 1)

    answer = await site.visitor().get("/user/password/reset", params={"token": token})

    assert answer.status_code == 200


async def test_looking_at_a_link_uses_nothing_up(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token, scanner = await site.reset_token("ada"), site.visitor()

    for _ in range(3):
        await scanner.get("/user/password/reset", params={"token": token})
        await scanner.head("/user/password/reset", params={"token": token})
    answer = await site.visitor().submit("/user/password/reset", token=token, password=NEW)

    assert answer.status_code == 303


@ON_SQLITE
async def test_a_bad_password_leaves_the_link_alive(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token, visitor = await site.reset_token("ada"), site.visitor()

    for bad in ("short", "fenwickherbarium", "ada@example.org", "tell\x00tale lanterns"):
        answer = await visitor.submit("/user/password/reset", token=token, password=bad)
        assert (answer.status_code, wrong_fields(answer)) == (422, {"password"})
        assert read(answer).controls["token"]["value"] == token

    assert (await visitor.get("/user/password/reset", params={"token": token})).status_code == 200


@ON_SQLITE
async def test_who_forgot_their_password_is_told_whom_to_ask(site: Site) -> None:
    answer = await site.visitor().get("/user/password/forgot")

    assert answer.status_code == 200
    assert "gatehouse reset-link" in answer.text
