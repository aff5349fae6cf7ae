"""The start page, for each who opens it."""

from dataclasses import replace
from types import ModuleType

import pytest

from db import engine
from db.policy import Role
from settings import Settings
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.steps.invitation_steps import invite

DAY = 86_400_000


@ON_SQLITE
async def test_who_is_signed_out_comes_to_the_login_page(site: Site) -> None:
    visitor = site.visitor()

    page, fragment = await visitor.get("/"), await visitor.fragment("/")

    assert (page.status_code, page.headers["location"]) == (303, "/user/login")
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/user/login?next=/")


async def test_who_waits_sees_the_waiting_page_as_a_page(site: Site) -> None:
    await site.person("ada", joined_via="link")
    ada = await site.sign_in("ada")

    answer = await ada.get("/")

    assert answer.status_code == 200
    assert "through an invite link" in answer.text
    assert "waiting" in read(answer).texts
    assert not {"Olga", "olga@example.org"} & set(answer.text.replace("<", " ").split()), "it names nobody"


async def test_who_waits_sees_the_waiting_page_as_a_fragment(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    answer = await ada.fragment("/")

    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<ol class="steps" id="waiting"')
    assert 'hx-get="/" hx-trigger="every 10s"' in answer.text


async def test_the_waiting_page_goes_in_once_there_is_a_role(site: Site) -> None:
    ada_id = await site.person("ada")
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")

    await olga.press(f"/organization/members/{ada_id}/role", role="AN")
    polled, page = await ada.fragment("/"), await ada.get("/")

    assert (polled.status_code, polled.headers["hx-redirect"], polled.text) == (200, "/", "")
    assert "Welcome, <bdi>Ada</bdi>" in page.text


async def test_the_waiting_page_keeps_no_session_alive(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")
    site.context.settings = replace(site.context.settings, max_time_between_activity=10)

    polled = []
    for _ in range(2):
        clock.move(5_000)
        polled.append((await ada.fragment("/")).status_code)

    assert polled == [200, 401]
    await site.context.presence.flush()
    assert await engine.rows("SELECT 1 FROM member WHERE role = 'NO' AND last_activity_at > joined_at") == []


async def test_a_look_by_hand_is_activity(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")
    site.context.settings = replace(site.context.settings, max_time_between_activity=10)

    looked = []
    for _ in range(4):
        clock.move(5_000)
        looked.append((await ada.get("/")).status_code)

    assert looked == [200] * 4


@ON_SQLITE
async def test_htmx_restoring_its_history_gets_the_page(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    restored = await ada.fragment("/", **{"HX-History-Restore-Request": "true"})
    boosted = await ada.fragment("/", **{"HX-Boosted": "true"})

    assert "<!doctype html>" in restored.text
    assert "<!doctype html>" in boosted.text


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.REVIEWER, Role.MANAGER, Role.ADMINISTRATOR])
@ON_SQLITE
async def test_who_is_in_finds_the_button_to_the_app(database: str, role: Role) -> None:
    settings = Settings(secret_key=SECRET, app_name="Pressed Plants", app_url="https://app.example.org/")
    async with Site.opened(settings) as site:
        await site.person("ada", role)

        page = await (await site.sign_in("ada")).get("/")

        assert "Open Pressed Plants" in page.text
        assert "https://app.example.org/" in read(page).addresses
        assert ("/organization" in read(page).addresses) == (role is Role.ADMINISTRATOR)


@ON_SQLITE
async def test_the_link_to_the_organization_stands_on_every_inside_page(site: Site) -> None:
    olga = await site.sign_in("olga")

    for path in ("/", "/user/account", "/organization/members", "/organization/invite"):
        page = await olga.get(path)
        assert 'href="/organization">Organization</a>' in page.text, path


@ON_SQLITE
async def test_administrators_are_told_how_many_wait(site: Site) -> None:
    await site.person("ada")
    await site.person("ben")

    page = await (await site.sign_in("olga")).get("/")

    assert "2 people are waiting for a role" in page.text


INSIDE = ("/", "/user/account", "/organization/settings", "/organization/roles", "/organization/activity")


@ON_SQLITE
@pytest.mark.parametrize("path", INSIDE)
async def test_the_navigation_counts_members_and_open_invitations_on_every_page(
    site: Site, path: str
) -> None:
    await site.person("ada")
    await invite(site, "ben@example.org")
    olga = await site.sign_in("olga")

    counts = tree(await olga.get(path)).one("nav", aria_label="Organization").all("data")

    assert [count.text for count in counts] == ["2", "1"]


@ON_SQLITE
async def test_who_administers_nothing_sees_no_counts(site: Site) -> None:
    await site.person("ada", Role.MANAGER)
    ada = await site.sign_in("ada")

    assert tree(await ada.get("/user/account")).all("nav", aria_label="Organization") == []
