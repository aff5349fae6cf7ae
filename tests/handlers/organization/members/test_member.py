"""A member's details, a password link, and removal: a side panel, and a page of its own."""

import pytest

from db import engine
from db.accounts import profile
from db.members import new_member, removal, roles
from db.policy import Actor, Role
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site
from tests.support.steps.member_steps import olga as the_owner

PATH = "/organization/members"


async def test_details_are_shown_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR, joined_via="link")
    olga = await site.sign_in("olga")
    await site.sign_in("ada", "198.51.100.7")

    answer = await olga.get(f"{PATH}/{ada}")
    page = tree(answer)

    assert answer.status_code == 200
    assert page.one("title").text == "Ada · Fenwick Herbarium"
    assert page.one("h2", id="panel-title").text == "Ada"
    assert "Firefox on Linux198.51.100.7, last used" in page.one(id="panel").text
    assert "By the invite link" in page.one(id="panel").text
    assert page.one("form", action=f"{PATH}/{ada}/role").one("select").chosen == ["AN"]


async def test_what_is_changed_in_the_panel_comes_back_to_the_list_as_it_was(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")
    view = f"{PATH}?role=AN&sort=name"

    panel = tree(await olga.fragment(f"{PATH}/{ada}", **{"HX-Current-URL": f"http://testserver{view}"}))
    back = panel.one("form", action=f"{PATH}/{ada}/role").one("input", name="filter")["value"]
    ask = await olga.fragment(panel.one("a", class_="btn btn--danger")["href"])
    answers = [
        await olga.submit(f"{PATH}/{ada}/role", role="MA", filter=back),
        await olga.submit(f"{PATH}/{ada}/end", last_day="", filter=back),
        await olga.submit(f"{PATH}/{ada}/removal", filter=tree(ask).one("input", name="filter")["value"]),
    ]

    assert panel.one("a", class_="btn close")["href"] == view
    assert [answer.headers["location"] for answer in answers] == [view] * 3


async def test_details_are_shown_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}/{ada}")
    (panel,) = tree(answer).roots

    assert answer.headers["vary"] == "HX-Request, Accept-Encoding"
    assert (panel.tag, panel["id"]) == ("dialog", "panel")
    whole = tree(await olga.get(f"{PATH}/{ada}")).one(id="panel")
    assert panel == whole


async def test_what_happened_is_told_newest_first(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    for role in ("AN", "DI"):
        await olga.submit(f"{PATH}/{ada}/role", role=role)

    told = tree(await olga.get(f"{PATH}/{ada}")).one("section", aria_labelledby="activity-title")

    assert [line.one("p").text for line in told.all("li")] == [
        "Olga changed the role of Ada from Annotator to Deactivated",
        "Olga gave Ada the role Annotator",
    ]


# What is offered on somebody's page: to whom, about whom, and which parts.
OFFERED = [
    ("olga", "ada", {"name", "role", "end", "password-link", "ownership", "removal"}),
    ("olga", "bob", {"name", "role", "end", "password-link", "ownership", "removal"}),
    ("olga", "cyd", {"name", "role", "end", "password-link", "removal"}),
    ("olga", "dan", {"name", "role", "removal"}),
    ("olga", "olga", {"name", "sessions"}),
    ("ada", "olga", set()),
    ("ada", "ada", {"name", "sessions"}),
    ("ada", "eve", {"name", "role", "end", "removal"}),
    ("ada", "bob", {"name", "role", "end", "password-link", "removal"}),
]


async def test_only_what_is_allowed_is_offered(site: Site) -> None:
    roles = {"ada": "AD", "bob": "MA", "cyd": "NO", "dan": "DI", "eve": "AD"}
    for name, code in roles.items():
        await site.person(name, Role(code))

    for viewer, about, parts in OFFERED:
        path = f"{PATH}/{site.ids[about]}"
        page = tree(await (await site.sign_in(viewer)).get(path))
        found = {form["action"].removeprefix(f"{path}/") for form in page.all("form", method="post")}
        found = {"sessions" if action.startswith("sessions/") else action for action in found}
        found |= {"removal" for _ in page.all("a", href=f"{path}/removal")}
        hand_over = f"/organization/ownership?member={site.ids[about]}"
        found |= {"ownership" for _ in page.all("a", href=hand_over)}
        assert found - {"/user/logout"} == parts, (viewer, about)


# A password link


async def test_a_password_link_is_shown_once_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"{PATH}/{ada}/password-link")
    link = tree(answer).one(id="reset-link")["value"]

    assert answer.status_code == 200
    assert link.startswith("http://testserver/user/password/reset?token=")
    assert (await site.visitor().get(link)).status_code == 200
    assert "reset-link" not in (await olga.get(f"{PATH}/{ada}")).text


async def test_a_password_link_is_shown_once_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    old = tree(await olga.press(f"{PATH}/{ada}/password-link")).one(id="reset-link")["value"]
    new = tree(await olga.press(f"{PATH}/{ada}/password-link")).one(id="reset-link")["value"]

    assert (await site.visitor().get(old)).status_code == 410
    assert (await site.visitor().get(new)).status_code == 200


async def test_an_administrator_makes_no_password_link_for_those_above_or_beside(site: Site) -> None:
    for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.ADMINISTRATOR), ("dan", Role.DEACTIVATED)):
        await site.person(name, role)
    administrator = await site.sign_in("ada")

    answers = [await administrator.submit(f"{PATH}/{id}/password-link") for id in site.ids.values()]

    assert [answer.status_code for answer in answers] == [403] * 4
    assert await engine.rows("SELECT 1 FROM links WHERE purpose = 'reset'") == []


async def test_who_was_an_administrator_lately_gets_a_link_from_the_owner_alone(site: Site) -> None:
    mia, ada = await site.person("mia", Role.ADMINISTRATOR), await site.person("ada", Role.ADMINISTRATOR)
    administrator, olga = await site.sign_in("ada"), await site.sign_in("olga")
    assert (await administrator.submit(f"{PATH}/{mia}/role", role="MA")).status_code == 303

    for about in (mia, site.ids["olga"]):
        part = tree(await administrator.get(f"{PATH}/{about}")).one(id="password-link")
        assert part.all("form") == []
        refused = await administrator.submit(f"{PATH}/{about}/password-link")
        assert refused.status_code == 403
        assert part.one(id="why-no-link").text in tree(refused).text
    assert "in the last 30 days" in tree(await administrator.get(f"{PATH}/{mia}")).text
    assert tree(await administrator.get(f"{PATH}/{ada}")).all(id="password-link") == []
    assert (await olga.submit(f"{PATH}/{mia}/password-link")).status_code == 200


@pytest.mark.parametrize("end", ["role", "removal"])
async def test_a_password_link_dies_with_the_account(site: Site, end: str) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")
    link = tree(await olga.press(f"{PATH}/{ada}/password-link")).one(id="reset-link")["value"]
    token = link.partition("token=")[2]

    await olga.submit(f"{PATH}/{ada}/{end}", role="DI")
    visitor = site.visitor()
    used = await visitor.submit("/user/password/reset", token=token, password="six green boats at noon today")
    entered = await visitor.submit("/user/login", email="ada@example.org", password=PASSWORD)

    assert used.status_code == 410
    assert entered.status_code == (403 if end == "role" else 422)


# Removal


async def test_removal_asks_first_as_a_page_and_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}/{ada}/removal"))
    (dialog,) = tree(await olga.fragment(f"{PATH}/{ada}/removal")).roots

    assert dialog["id"] == "removal"
    assert page.one(id="removal") == dialog
    assert dialog.one("form", action=f"{PATH}/{ada}/removal").one("button").text == "Remove"
    assert await site.role_of("ada") is Role.MANAGER


async def test_a_member_is_removed_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"{PATH}/{ada}/removal")
    members_page = tree(await olga.get(answer.headers["location"]))

    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert members_page.one(id="toasts").text == "Ada is removed."
    assert members_page.one(id="members-count").text == "1 member: you"
    assert (await olga.get(f"{PATH}/{ada}")).status_code == 404
    assert (await olga.get(f"{PATH}?q=ada&role=DI")).text.count("ada@example.org") == 0


async def test_a_member_is_removed_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.press(f"{PATH}/{ada}/removal")

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, PATH)
    assert await engine.rows("SELECT id FROM member WHERE removed_at > 0 AND email_key IS NULL") == [(ada,)]


async def test_nobody_removes_the_owner_or_themself(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    hers, his = await site.sign_in("ada"), await site.sign_in("olga")

    answers = [
        *[await hers.get(f"{PATH}/{id}/removal") for id in (ada, site.ids["olga"])],
        *[await hers.submit(f"{PATH}/{id}/removal") for id in (ada, site.ids["olga"])],
        *[await hers.press(f"{PATH}/{id}/removal") for id in (ada, site.ids["olga"])],
        await his.submit(f"{PATH}/{site.ids['olga']}/removal"),
    ]

    assert [answer.status_code for answer in answers] == [409] * 7
    assert await engine.rows("SELECT 1 FROM member WHERE removed_at > 0") == []


async def test_a_removed_address_registers_again_by_the_link(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")
    await olga.submit(f"{PATH}/{ada}/removal")

    form = {"email": "Ada@Example.org", "password": PASSWORD, "token": await site.invite_token()}
    answer = await site.visitor().submit("/user/signup", form)
    again = await new_member.id_of("ada@example.org")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert again > ada
    assert tree(await olga.get(PATH)).one("tr", id=f"member-{again}").one("select").chosen == ["NO"]


async def test_who_was_removed_is_named_until_the_name_is_erased(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    bob = await site.person("bob")
    actor = Actor(ada, Role.ADMINISTRATOR)
    await roles.change_role(actor, member_id=bob, role=Role.ANNOTATOR)
    await profile.change(actor, first_name="Augusta", last_name="King", time_zone="", theme="system")
    await removal.remove(the_owner(site), member_id=ada)

    olga = await site.sign_in("olga")
    before = tree(await olga.get(f"{PATH}/{bob}")).one("section", aria_labelledby="activity-title")
    await removal.erase_names(the_owner(site), member_ids=[ada])
    after = tree(await olga.get(f"{PATH}/{bob}")).one("section", aria_labelledby="activity-title")

    assert before.one("p").text == "Augusta King gave Bob the role Annotator"
    assert after.one("p").text == f"A removed member (number {ada}, name erased) gave Bob the role Annotator"
    assert await engine.rows("SELECT 1 FROM activity WHERE after LIKE '%King%' OR before LIKE '%Ada%'") == []


@ON_SQLITE
async def test_a_page_of_somebody_who_is_gone_says_so(site: Site) -> None:
    olga = await site.sign_in("olga")

    page, fragment = await olga.get(f"{PATH}/99"), await olga.fragment(f"{PATH}/99")

    assert (page.status_code, fragment.status_code) == (404, 404)
    assert "perhaps they were removed" in page.text
    assert fragment.headers["hx-reswap"] == "none"
