"""Who is given a password link is told so on their pages, until they say that they know."""

from types import ModuleType

import pytest

from db import engine
from db.accounts import password
from db.policy import COMMAND_LINE, Role
from tests.support.pages.markup import tree
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps.member_steps import acting, olga

PATH = "/user/account/acknowledgement"
NOON = 1_796_385_600_000
NEW = "six green boats at noon today"
WORDS = (
    "On 4 Dec 2026 {by} made a link that sets a new password for you. "
    "If you didn’t ask for it, change your password."
)


@pytest.fixture(autouse=True)
def noon(clock: ModuleType) -> None:
    clock.stop_at(NOON)


async def reset_link_made_at(site: Site, name: str) -> int:
    ((at,),) = await engine.rows("SELECT reset_link_made_at FROM member WHERE id = ?", site.ids[name])
    return int(at)


@pytest.mark.parametrize(
    ("who", "by"),
    [("olga", "the Owner"), ("bob", "an Administrator"), ("command", "whoever runs this server")],
)
async def test_it_says_when_and_who_without_a_name(site: Site, who: str, by: str) -> None:
    ada = await site.person("ada", Role.PENDING)
    await site.person("bob", Role.ADMINISTRATOR)
    actor = {"olga": olga(site), "bob": acting(site, "bob"), "command": COMMAND_LINE}[who]
    await password.make_reset_link(actor, member_id=ada)
    hers = await site.sign_in("ada")

    notes = [tree(await hers.get(path)).one(id="handed").one("p").text for path in ("/", "/user/account")]

    assert notes == [WORDS.format(by=by)] * 2


async def test_it_waits_on_whatever_page_the_login_leads_to(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    await password.make_reset_link(olga(site), member_id=ada)
    visitor = site.visitor()
    wanted = "/organization/members.csv"

    answer = await visitor.submit("/user/login", email="ada@example.org", password=PASSWORD, next=wanted)
    assert (await visitor.get(answer.headers["location"])).status_code == 200

    for path in ("/organization/members", "/organization/invitations", "/"):
        assert tree(await visitor.get(path)).all(id="handed"), path


async def test_it_goes_when_they_know_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await password.make_reset_link(olga(site), member_id=ada)
    hers = await site.sign_in("ada")

    answer = await hers.submit(PATH, at=str(NOON))

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert tree(await hers.get("/")).all(id="handed") == []
    assert await reset_link_made_at(site, "ada") == 0


async def test_it_goes_when_they_know_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await password.make_reset_link(olga(site), member_id=ada)
    hers = await site.sign_in("ada")

    answer = await hers.press(PATH, at=str(NOON))

    assert (answer.status_code, answer.text) == (200, "")
    assert await reset_link_made_at(site, "ada") == 0


async def test_a_link_that_was_made_since_is_told_as_well(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await password.make_reset_link(olga(site), member_id=ada)
    hers = await site.sign_in("ada")
    (seen,) = tree(await hers.get("/")).one(id="handed").all("input")

    clock.stop_at(NOON + 60_000)
    await password.make_reset_link(olga(site), member_id=ada)
    page = await hers.submit(PATH, at=seen["value"])
    fragment = await hers.press(PATH, at=seen["value"])

    assert page.status_code == 303
    assert tree(fragment).one(id="handed").one("input")["value"] == str(NOON + 60_000)
    assert await reset_link_made_at(site, "ada") == NOON + 60_000


async def test_using_the_link_leaves_it_and_a_new_password_of_ones_own_takes_it_away(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token = await site.reset_token("ada")
    await site.visitor().submit("/user/password/reset", token=token, password=NEW)
    hers = await site.sign_in("ada")
    assert tree(await hers.get("/")).all(id="handed")

    fields = {"current_password": NEW, "password": "nine copper kettles in a row"}
    answer = await hers.submit("/user/account/password", fields)

    assert answer.status_code == 303
    assert tree(await hers.get("/")).all(id="handed") == []


async def test_nobody_else_sees_it_and_nobody_else_takes_it_away(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await password.make_reset_link(olga(site), member_id=ada)
    other = await site.sign_in("olga")

    assert tree(await other.get("/")).all(id="handed") == []
    await other.submit(PATH, at=str(NOON))

    assert await reset_link_made_at(site, "ada") == NOON


async def test_a_link_that_somebody_asked_for_by_mail_is_no_news(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)

    await password.ask_reset("ada@example.org", "192.0.2.1")

    assert await reset_link_made_at(site, "ada") == 0
