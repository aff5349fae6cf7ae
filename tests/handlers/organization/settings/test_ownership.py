"""Handing the organization over: the password is asked for, and there is always one Owner."""

import httpx
import pytest

from db import engine
from db.policy import Role
from handlers.http.auth.cookies import SESSION_COOKIE
from tests.support.concurrency import at_once
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site
from tests.support.steps.member_steps import add, owners

PATH = "/organization/ownership"


async def test_the_owner_hands_over_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, member=ada, password=PASSWORD)
    page = tree(await olga.get(answer.headers["location"]))

    assert (answer.status_code, answer.headers["location"]) == (303, "/organization/members")
    assert page.one(id="toasts").text == "Ada is the Owner now. You are an Administrator."
    assert await owners() == [ada] * 2
    assert await site.role_of("olga") is Role.ADMINISTRATOR
    assert (await olga.get(PATH)).status_code == 403


@pytest.mark.parametrize("htmx", [False, True])
async def test_no_session_has_more_rights_than_it_was_begun_for(site: Site, htmx: bool) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga, other, hers = await site.sign_in("olga"), await site.sign_in("olga"), await site.sign_in("ada")
    before = olga.cookies[SESSION_COOKIE]

    await (olga.press if htmx else olga.submit)(PATH, member=ada, password=PASSWORD)

    # Who handed over goes on under a new token.
    assert olga.cookies[SESSION_COOKIE] != before
    assert (await olga.get("/organization/members")).status_code == 200
    old = site.visitor()
    old.cookies.set(SESSION_COOKIE, before, domain="testserver.local")
    assert (await old.get("/organization/members")).status_code == 303
    assert (await other.get("/organization/members")).status_code == 200
    # The new Owner signs in anew.
    assert (await hers.get("/")).headers["location"].startswith("/user/login")


async def test_the_owner_hands_over_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.press(PATH, member=ada, password=PASSWORD)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/organization/members")
    assert await owners() == [ada] * 2


async def test_the_form_offers_active_members_and_keeps_the_choice(site: Site) -> None:
    for name, role in (("ada", Role.MANAGER), ("bob", Role.PENDING), ("cyd", Role.DEACTIVATED)):
        await site.person(name, role)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?member={site.ids['ada']}"))
    options = page.one("select", name="member").all("option")

    assert [option.text for option in options] == [
        "Choose an active member",
        "Ada, ada@example.org (Manager)",
    ]
    assert page.one("select", name="member").chosen == [str(site.ids["ada"])]
    assert page.one("input", name="password")["autocomplete"] == "current-password"


async def test_who_is_beyond_the_list_is_chosen_on_their_page(site: Site) -> None:
    ids = await add([f"p{number:02}" for number in range(60)])
    await engine.write(engine.execute, "UPDATE member SET role = 'AN' WHERE role <> 'OW'")
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?member={max(ids)}"))

    assert page.one("select", name="member").chosen == [str(max(ids))]
    assert "Not in the list?" in page.one("form", action=PATH).text


async def test_nobody_to_hand_it_to_is_said(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))

    assert not page.all("form", action=PATH)
    assert page.one("a", href="/organization/members?role=NO").text == "Give somebody a role first"


@ON_SQLITE
async def test_every_wrong_field_is_told_at_once(site: Site) -> None:
    await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH)
    page = tree(answer)

    assert answer.status_code == 422
    assert page.one("select", name="member")["aria-describedby"] == "member-error"
    assert page.one(id="member-error").text == "Choose who becomes the Owner."
    assert page.one(id="password-error").text == "Enter your password."


async def test_a_wrong_password_is_422_and_counted_until_it_must_wait(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answers = [await olga.submit(PATH, member=ada, password="wrong") for _ in range(5)]
    waits = await olga.submit(PATH, member=ada, password=PASSWORD)
    page = tree(answers[0])

    assert [answer.status_code for answer in answers] == [422] * 5
    assert page.one(id="password-error").text == "That isn't your password."
    assert page.one("select", name="member").chosen == [str(ada)]
    assert "value" not in page.one("input", name="password").attributes
    assert waits.status_code == 429
    assert int(waits.headers["retry-after"]) >= 1
    assert await owners() == [site.ids["olga"]] * 2
    assert len(await engine.rows("SELECT 1 FROM activity WHERE kind = 'password_refused'")) == 5


async def test_who_cannot_become_owner_is_refused_with_the_reason(site: Site) -> None:
    await site.person("ada", Role.PENDING)
    await site.person("bob", Role.DEACTIVATED)
    await site.person("cyd", Role.MANAGER)
    olga = await site.sign_in("olga")

    for name, reason in (("ada", "active member"), ("bob", "active member"), ("olga", "already")):
        answer = await olga.submit(PATH, member=site.ids[name], password=PASSWORD)
        assert answer.status_code == 409
        assert reason in tree(answer).one(id="member-error").text
    assert await owners() == [site.ids["olga"]] * 2


@ON_SQLITE
@pytest.mark.parametrize("member", ["99", "x", "０", "1" * 40])
async def test_an_unknown_member_is_404(site: Site, member: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, member=member, password=PASSWORD)

    assert answer.status_code == 404
    assert (await olga.get(f"{PATH}?member={member}")).status_code == 200


@pytest.mark.parametrize("role", [Role.ADMINISTRATOR, Role.MANAGER, Role.PENDING])
async def test_only_the_owner_hands_over(site: Site, role: Role) -> None:
    ada = await site.person("ada", role)
    hers = await site.sign_in("ada")

    answers = [
        await hers.get(PATH),
        await hers.submit(PATH, member=ada, password=PASSWORD),
        await hers.press(PATH, member=ada, password=PASSWORD),
    ]

    assert [answer.status_code for answer in answers] == [403] * 3
    assert await owners() == [site.ids["olga"]] * 2


async def test_of_hand_overs_at_the_same_instant_one_wins(site: Site) -> None:
    for name in ("ada", "bob", "cyd"):
        await site.person(name, Role.MANAGER)
    olga = await site.sign_in("olga")

    answers = await at_once(
        *(olga.submit(PATH, member=site.ids[name], password=PASSWORD) for name in ("ada", "bob", "cyd"))
    )

    # The session goes on under a new token, and what was sent under the old one has come too late.
    led_to = [answer.headers["location"] for answer in answers if isinstance(answer, httpx.Response)]
    assert sorted(address.startswith("/user/login") for address in led_to) == [False, True, True]
    found = await owners()
    assert len(found) == 2
    assert found[0] == found[1] != site.ids["olga"]


async def test_the_new_owner_can_hand_it_back(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")
    await olga.submit(PATH, member=ada, password=PASSWORD)
    hers = await site.sign_in("ada")

    answer = await hers.submit(PATH, member=site.ids["olga"], password=PASSWORD)

    assert answer.status_code == 303
    assert await owners() == [site.ids["olga"]] * 2
    assert await site.role_of("ada") is Role.ADMINISTRATOR
