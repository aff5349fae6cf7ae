"""The members table under the mouse: a choice is saved at once, undone, or refused with the reason."""

import asyncio

import pytest
from playwright.async_api import Locator, Page, Route, expect

from db import engine
from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import PASSWORD, Site

POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)
BOTH = pytest.mark.parametrize("database_kind", ["sqlite", POSTGRES])


@BOTH
async def test_a_role_is_saved_at_once_and_taken_back(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    await expect(page.locator("#waiting-note")).to_contain_text("1 person is waiting for a role.")

    await role_of(page, "Ada").select_option("Reviewer")
    await expect(toasts(page)).to_contain_text("Ada is Reviewer now.")
    await expect(page.locator("#waiting-note")).to_be_empty()
    await expect(page.locator("#members-count")).to_have_text("2 members")
    assert await site.role_of("ada") is Role.REVIEWER

    await page.get_by_role("button", name="Undo").click()
    await expect(role_of(page, "Ada")).to_have_value("NO")
    await expect(page.locator("#waiting-note")).to_contain_text("1 person is waiting for a role.")
    await expect(toasts(page)).to_contain_text("Ada is Pending now.")
    assert await site.role_of("ada") is Role.PENDING


async def test_undo_works_when_its_row_is_not_shown_any_more(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    await role_of(page, "Ada").select_option("Reviewer")
    undo = page.get_by_role("button", name="Undo")
    await undo.hover()

    await page.locator("#search").fill("olga")
    await expect(role_of(page, "Ada")).to_have_count(0)
    await undo.click()

    await expect(toasts(page)).to_contain_text("Ada is Pending now.")
    await expect(page.locator("#members-count")).to_have_text("1 member found, of 2")
    await expect(page.locator("#waiting-note")).to_contain_text("1 person is waiting for a role.")
    assert await site.role_of("ada") is Role.PENDING


async def test_undo_in_a_dialog_leaves_the_list_behind_it_as_it_was_filtered(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members?role=NO")
    await role_of(page, "Ada").select_option("Reviewer")
    await page.get_by_role("button", name="Undo").hover()
    await page.get_by_role("link", name="Ben").press("Enter")
    await expect(page.locator("dialog:modal")).to_be_visible()

    await page.get_by_role("button", name="Undo").press("Enter")
    await expect(toasts(page)).to_contain_text("Ada is Pending now.")

    await expect(page.get_by_role("link", name="Close")).to_be_focused()
    await expect(page.locator("#members-count")).to_have_text("2 of 3 members")
    await expect(page.locator("#roles-chosen")).to_have_text("Pending")


async def test_what_is_ticked_stays_over_undo_and_the_focus_goes_to_what_it_changed(
    site: Site, desk: Desk
) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members")
    await tick(page, "Ben")
    await role_of(page, "Ada").select_option("Reviewer")

    await page.get_by_role("button", name="Undo").press("Enter")
    await expect(toasts(page)).to_contain_text("Ada is Pending now.")

    await expect(role_of(page, "Ada")).to_be_focused()
    await expect(page.get_by_role("checkbox", name="Select Ben")).to_be_checked()


async def test_nobody_found_offers_everybody_once(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members?q=nobody-of-this-name")

    await expect(page.get_by_role("link", name="Show everybody")).to_have_count(1)


async def test_the_focus_stays_and_the_page_is_not_loaded_again(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    await page.evaluate("window.mark = 1")
    await role_of(page, "Ada").focus()

    await role_of(page, "Ada").select_option("Manager")
    await expect(toasts(page)).to_contain_text("Ada is Manager now.")

    await expect(role_of(page, "Ada")).to_be_focused()
    assert await page.evaluate("window.mark") == 1


async def test_a_choice_made_before_the_scripts_have_come_is_saved_too(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page, come = await desk.page("olga", "/health"), asyncio.Event()

    async def dawdle(route: Route) -> None:
        await come.wait()
        await route.continue_()

    await page.route("**/htmx.min.*.js", dawdle)
    await page.goto("/organization/members", wait_until="commit")
    await role_of(page, "Ada").select_option("Reviewer")
    come.set()

    await expect(toasts(page)).to_contain_text("Ada is Reviewer now.")
    assert await site.role_of("ada") is Role.REVIEWER


async def test_a_choice_refused_by_a_rule_goes_back_and_says_why(site: Site, desk: Desk) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("alma", "/organization/members")
    olga = await site.sign_in("olga")
    await olga.submit("/organization/ownership", member=site.ids["ada"], password=PASSWORD)

    await role_of(page, "Ada").select_option("Reviewer")

    await expect(toasts(page)).to_contain_text("There is always exactly one Owner")
    await expect(role_of(page, "Ada")).to_be_disabled()
    await expect(role_of(page, "Ada")).to_have_value("OW")
    assert await site.role_of("ada") is Role.OWNER


async def test_a_choice_for_somebody_who_is_gone_goes_back_and_says_why(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", "/organization/members")
    await (await site.sign_in("olga")).submit(f"/organization/members/{ada}/removal")

    await role_of(page, "Ada").select_option("Reviewer")

    await expect(toasts(page)).to_contain_text("There is no such member")
    await expect(role_of(page, "Ada")).to_have_value("AN")


async def test_a_choice_without_the_right_any_more_goes_back_and_says_why(site: Site, desk: Desk) -> None:
    alma = await site.person("alma", Role.ADMINISTRATOR)
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("alma", "/organization/members")
    await (await site.sign_in("olga")).submit(f"/organization/members/{alma}/role", role="AN")

    await role_of(page, "Ada").select_option("Reviewer")

    await expect(toasts(page)).to_contain_text("for the Owner and Administrators")
    await expect(role_of(page, "Ada")).to_have_value("AN")
    assert await site.role_of("ada") is Role.ANNOTATOR


async def test_who_was_signed_out_meanwhile_comes_to_the_login_page(site: Site, desk: Desk) -> None:
    alma = await site.person("alma", Role.ADMINISTRATOR)
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("alma", "/organization/members?role=AN")
    await (await site.sign_in("olga")).submit(f"/organization/members/{alma}/role", role="DI")

    await role_of(page, "Ada").select_option("Reviewer")

    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert "next=/organization/members%3Frole%3DAN" in page.url
    assert await site.role_of("ada") is Role.ANNOTATOR


async def test_a_fault_of_the_server_goes_back_and_says_so(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", "/organization/members")

    async def break_it() -> None:
        await engine.execute("ALTER TABLE activity RENAME TO lost")

    await engine.write(break_it)
    await role_of(page, "Ada").select_option("Reviewer")

    await expect(toasts(page)).to_contain_text("Something")
    await expect(role_of(page, "Ada")).to_have_value("AN")
    assert await site.role_of("ada") is Role.ANNOTATOR
    desk.forgive("500")


async def test_without_a_connection_the_choice_goes_back_and_says_so(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", "/organization/members")
    await page.context.set_offline(True)

    await role_of(page, "Ada").select_option("Reviewer")
    await expect(toasts(page)).to_contain_text("No connection: nothing was saved.")
    await expect(role_of(page, "Ada")).to_have_value("AN")
    desk.forgive("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")

    await page.get_by_role("button", name="Close").click()
    await expect(toasts(page)).to_be_empty()
    await page.context.set_offline(False)
    await role_of(page, "Ada").select_option("Reviewer")
    await expect(toasts(page)).to_contain_text("Ada is Reviewer now.")


async def test_several_are_selected_with_shift_and_get_a_role(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben", "cleo", "dora"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members?sort=name")
    bar = page.locator("#bulk")
    await expect(bar).to_be_hidden()

    await tick(page, "Ada")
    await expect(bar).to_contain_text("1 person selected")
    await page.get_by_role("checkbox", name="Select Cleo").click(modifiers=["Shift"])
    await expect(bar).to_contain_text("3 people selected")
    await bar.get_by_label("Role for the selected people").select_option("Manager")
    await bar.get_by_role("button", name="Give this role").click()

    await expect(toasts(page)).to_contain_text("3 people are Managers now.")
    await expect(bar).to_be_hidden()
    assert [await site.role_of(name) for name in ("ada", "ben", "cleo", "dora")] == [
        Role.MANAGER,
        Role.MANAGER,
        Role.MANAGER,
        Role.PENDING,
    ]


async def test_everyone_on_the_page_is_selected_and_cleared(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members")
    everyone = page.get_by_role("checkbox", name="Select everyone on this page")

    await everyone.check()
    await expect(page.locator("#bulk")).to_contain_text("2 people selected")
    await page.get_by_role("checkbox", name="Select Ada").uncheck()
    assert await everyone.evaluate("(box) => box.indeterminate")
    await page.locator("#bulk").get_by_role("button", name="Clear").click()

    await expect(page.locator("#bulk")).to_be_hidden()
    await expect(everyone).not_to_be_checked()


@pytest.mark.parametrize("scripts", [True, False])
async def test_all_of_the_list_get_a_role_after_a_question(site: Site, desk: Desk, scripts: bool) -> None:
    for number in range(60):
        await site.person(f"ann{number:02}", Role.ANNOTATOR)
    page = await desk.page("olga", "/organization/members?role=AN", java_script_enabled=scripts)
    bar, everybody = page.locator("#bulk"), page.get_by_label("All 60 in this list")
    await tick(page, "Ann57")

    await everybody.check()
    if scripts:
        await expect(bar).to_contain_text("60 people selected")
    await bar.get_by_label("Role for the selected people").select_option("Manager")
    await bar.get_by_role("button", name="Give this role").click()
    await expect(page.get_by_role("heading", name="Give 60 people the role Manager?")).to_be_visible()
    await page.get_by_role("button", name="Change 60 people").click()

    await expect(toasts(page)).to_contain_text("60 people are Managers now.")
    await expect(page.locator("dialog")).to_have_count(0)
    assert {await site.role_of(f"ann{number:02}") for number in range(60)} == {Role.MANAGER}
    if scripts:
        await expect(page.locator("#directory")).to_be_focused()
        await page.get_by_role("button", name="Undo").click()
        await expect(toasts(page)).to_contain_text("60 people have the role back")


async def test_everybody_in_the_list_is_taken_back_by_one_of_them(site: Site, desk: Desk) -> None:
    for number in range(60):
        await site.person(f"ann{number:02}")
    page = await desk.page("olga", "/organization/members")
    await page.get_by_role("checkbox", name="Select everyone on this page").check()
    await page.get_by_label("All 61 in this list").check()

    await page.get_by_role("checkbox", name="Select Ann59").uncheck()

    await expect(page.get_by_label("All 61 in this list")).not_to_be_checked()
    await expect(page.locator("#bulk")).to_contain_text("49 people selected")


async def test_who_comes_is_told_while_the_page_is_open_and_disturbs_nobody(site: Site, desk: Desk) -> None:
    for number in range(40):
        await site.person(f"ann{number:02}", Role.ANNOTATOR)
    page = await desk.page("olga", "/health")
    await page.clock.install()
    await page.goto("/organization/members")
    role = role_of(page, "Ann05")
    await role.focus()
    box = page.get_by_role("checkbox", name="Select Ann04")
    await box.check()
    await role.focus()
    place = await role.evaluate("(element) => element.getBoundingClientRect().top")
    await site.person("ben")

    await page.clock.run_for(21_000)

    await expect(page.locator("#waiting-note")).to_contain_text("1 person is waiting for a role.")
    await expect(page.locator("#members-count")).to_have_text("42 members, 1 of them waiting")
    await expect(role).to_be_focused()
    await expect(box).to_be_checked()
    assert abs(await role.evaluate("(element) => element.getBoundingClientRect().top") - place) < 1
    await expect(toasts(page)).to_be_empty()
    await expect(page.locator("#told")).to_have_text("1 person is waiting for a role.")


async def test_a_page_that_nobody_sees_does_not_look_again(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", "/health")
    await page.clock.install()
    await page.goto("/organization/members")
    asked: list[str] = []
    page.on("request", lambda request: asked.extend([request.url] if "/news" in request.url else []))
    await page.evaluate("Object.defineProperty(document, 'hidden', { get: () => window.away })")

    await page.evaluate("window.away = true")
    await page.clock.run_for(65_000)
    assert asked == []
    await page.evaluate("window.away = false")
    await page.clock.run_for(21_000)

    await expect(page.locator("#waiting-note")).to_be_empty()
    assert len(asked) == 1


@pytest.mark.parametrize("width", [640, 768, 896, 900, 1024, 1280])
async def test_rows_are_low_and_no_word_is_broken(site: Site, desk: Desk, width: int) -> None:
    await site.person("bartholomew.featherston", Role.ANNOTATOR)
    await site.person("waits")
    page = await desk.page("olga", "/organization/members")
    await page.set_viewport_size({"width": width, "height": 800})

    rows = page.locator("#members tbody tr:not(:has([disabled]))")
    heights = await rows.evaluate_all("(rows) => rows.map((row) => row.getBoundingClientRect().height)")
    lines = await page.locator("#members .address, #members .person bdi").evaluate_all(
        "(words) => words.map((word) => word.getClientRects().length)"
    )

    assert len(heights) == 2
    assert max(heights) <= (56 if width >= 896 else 130)
    assert set(lines) == {1}


async def test_a_choice_for_several_is_all_or_nothing(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members")
    await (await site.sign_in("olga")).submit(f"/organization/members/{site.ids['ben']}/removal")

    await tick(page, "Ada")
    await tick(page, "Ben")
    await page.get_by_role("button", name="Give this role").click()

    await expect(toasts(page)).to_contain_text("There is no such member")
    await expect(page.locator("#bulk")).to_contain_text("2 people selected")
    assert await site.role_of("ada") is Role.PENDING


async def test_what_is_ticked_stays_when_one_of_them_gets_a_role(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members")
    await tick(page, "Ada")
    await tick(page, "Ben")

    await role_of(page, "Ada").select_option("Manager")
    await expect(toasts(page)).to_contain_text("Ada is Manager now.")

    await expect(page.get_by_role("checkbox", name="Select Ada")).to_be_checked()
    await expect(page.locator("#bulk")).to_contain_text("2 people selected")


async def test_times_are_the_readers_own(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members", timezone_id="Asia/Kolkata")

    seen = page.locator(f"#member-{site.ids['ada']} time[data-time=ago]")

    await expect(seen).to_have_text("just now")
    assert "GMT+5:30" in (await seen.get_attribute("title") or "")


def role_of(page: Page, name: str) -> Locator:
    return page.get_by_label(f"Role of {name}", exact=True)


def toasts(page: Page) -> Locator:
    return page.locator("#toasts")


async def tick(page: Page, name: str) -> None:
    await page.get_by_role("checkbox", name=f"Select {name}").check()
