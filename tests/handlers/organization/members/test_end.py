"""The last day in a member's panel and in their row, and what the person sees of it."""

from types import ModuleType

import pytest

from db import engine
from db.common.dates import DAY_MS
from db.members import last_day
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site
from tests.support.steps.member_steps import olga as the_owner

PATH = "/organization/members"


def in_days(clock: ModuleType, days: int) -> str:
    return last_day.iso(clock.now() + 1 + days * DAY_MS)


async def ends(site: Site, name: str, day: str) -> None:
    await last_day.set_last_day(the_owner(site), member_id=site.ids[name], day=day)


async def test_a_last_day_is_set_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"{PATH}/{ada}/end", last_day="2030-12-06")
    page = tree(await olga.get(answer.headers["location"]))

    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert page.one(id="toasts").text == "The last day of Ada is 6 Dec 2030."
    assert "until 6 Dec 2030" in page.one("tr", id=f"member-{ada}").text
    assert "until" not in page.one("tr", id=f"member-{site.ids['olga']}").text


async def test_a_last_day_is_set_and_lifted_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    given = tree(await olga.press(f"{PATH}/{ada}/end", last_day="2030-12-06"))
    lifted = tree(await olga.press(f"{PATH}/{ada}/end", last_day=""))

    assert [root["id"] for root in given.roots if "id" in root] == ["panel"]
    assert given.one(id="panel-end")["value"] == "2030-12-06"
    assert given.one(id="toasts").text == "The last day of Ada is 6 Dec 2030."
    assert lifted.one(id="panel-end")["value"] == ""
    assert lifted.one(id="toasts").text == "Ada has no last day."
    assert "Olga set the last day of Ada to 6 Dec 2030" in lifted.one(id="panel").text
    assert "Olga lifted the last day of Ada, which was 6 Dec 2030" in lifted.one(id="panel").text


@pytest.mark.parametrize("day", ["2020-01-01", "2099-01-01", "tomorrow", "<b>"])
async def test_a_wrong_day_is_told_by_the_field_and_kept(site: Site, day: str) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    page = await olga.submit(f"{PATH}/{ada}/end", last_day=day)
    fragment = await olga.press(f"{PATH}/{ada}/end", last_day=day)
    field = tree(page).one(id="panel-end")

    assert (page.status_code, fragment.status_code) == (422, 422)
    assert (field["value"], field["aria-invalid"]) == (day, "true")
    assert field["aria-describedby"] == "panel-end-hint panel-end-error"
    assert tree(page).one(id="panel-end-error").text.endswith(".")
    assert tree(fragment).one(id="panel") == tree(page).one(id="panel")


@ON_SQLITE
async def test_a_day_that_was_sent_twice_is_an_error_of_the_field(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"{PATH}/{ada}/end", last_day=["2030-12-06", ""])

    assert answer.status_code == 422
    assert "more than once" in tree(answer).one(id="panel-end-error").text


@ON_SQLITE
async def test_the_form_offers_today_to_ten_years_ahead(site: Site, clock: ModuleType) -> None:
    clock.stop_at(1_796_385_600_000)
    ada = await site.person("ada", Role.PENDING)

    field = tree(await (await site.sign_in("olga")).get(f"{PATH}/{ada}")).one(id="panel-end")

    assert (field["type"], field["min"], field["max"]) == ("date", "2026-12-04", "2036-12-04")


async def test_who_may_not_have_a_last_day_is_refused(site: Site) -> None:
    for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.DEACTIVATED), ("cyd", Role.MANAGER)):
        await site.person(name, role)
    ada, cyd = await site.sign_in("ada"), await site.sign_in("cyd")

    answers = [
        await ada.submit(f"{PATH}/{site.ids[name]}/end", last_day="2030-12-06")
        for name in ("olga", "ada", "bob")
    ]
    answers += [await cyd.submit(f"{PATH}/{site.ids['bob']}/end", last_day="2030-12-06")]
    answers += [await ada.press(f"{PATH}/999/end", last_day="2030-12-06")]

    assert [answer.status_code for answer in answers] == [409, 409, 409, 403, 404]
    assert await engine.rows("SELECT 1 FROM member WHERE ends_at > 0") == []


async def test_a_deactivated_member_s_last_day_is_shown_and_not_offered(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")
    await ends(site, "ada", "2030-12-06")
    await olga.submit(f"{PATH}/{ada}/role", role="DI")

    panel = tree(await olga.get(f"{PATH}/{ada}"))
    row = tree(await olga.get(f"{PATH}?role=DI")).one("tr", id=f"member-{ada}")

    assert panel.all(id="panel-end") == []
    assert "Last day6 Dec 2030" in panel.one(id="panel").text
    assert "last day 6 Dec 2030" in row.text


async def test_from_that_moment_on_every_page_is_closed(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    await ends(site, "ada", in_days(clock, 0))
    hers = await site.sign_in("ada")
    assert (await hers.get(PATH)).status_code == 200
    clock.move(DAY_MS)

    pages = [await hers.get(path) for path in (PATH, "/", "/user/account")]
    pressed = await hers.press(f"{PATH}/{ada}/role", role="AN")
    entered = await site.visitor().submit("/user/login", email="ada@example.org", password=PASSWORD)

    assert {page.headers["location"].partition("?")[0] for page in pages} == {"/user/login"}
    assert (pressed.status_code, entered.status_code) == (401, 403)
    assert "Your account is deactivated" in entered.text


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.PENDING])
async def test_the_person_sees_it_from_fourteen_days_before(
    site: Site, clock: ModuleType, role: Role
) -> None:
    clock.stop_at(1_796_385_600_000)
    await site.person("ada", role)
    await ends(site, "ada", "2026-12-18")
    shown = []

    for _ in range(2):
        ada = await site.sign_in("ada")
        shown += [
            "Your access ends on 18 Dec 2026" in tree(await ada.get(path)).text
            for path in ("/", "/user/account")
        ]
        clock.move(DAY_MS)

    assert shown == [False, False, True, True]


async def test_a_role_back_after_the_last_day_lets_them_in_again(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await ends(site, "ada", in_days(clock, 0))
    clock.move(DAY_MS)
    olga = await site.sign_in("olga")

    # Nobody has deactivated her yet: the row still says Annotator.
    given = await olga.press(f"{PATH}/{ada}/role", role="AN")
    entered = await site.visitor().submit("/user/login", email="ada@example.org", password=PASSWORD)

    assert tree(given).one(id="toasts").one("p").text == "Ada is Annotator now."
    assert "until" not in tree(given).one("tr", id=f"member-{ada}").text
    assert entered.status_code == 303


@ON_SQLITE
async def test_the_last_day_is_in_the_export(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await ends(site, "ada", "2030-12-06")

    text = (await (await site.sign_in("olga")).get(f"{PATH}.csv")).text

    assert [line.rpartition(",")[2] for line in text.splitlines()] == ['"last_day"', '"2030-12-06"', '""']
