"""Dialog and side panel: they have an address of their own, and closing gives address and focus back."""

import asyncio
import re
from urllib.parse import urlsplit

from playwright.async_api import Locator, Page, Route, expect

from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site

MEMBERS = "/organization/members"


async def test_the_dialog_opens_in_the_page_and_esc_gives_everything_back(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await page.evaluate("window.mark = 1")

    await opener(page).click()
    await expect(dialog(page)).to_be_visible()
    assert path_of(page) == "/organization/invite"
    await page.keyboard.press("Escape")

    await expect(dialog(page)).to_be_hidden()
    await expect(opener(page)).to_be_focused()
    await page.wait_for_url(f"**{MEMBERS}")
    assert await page.evaluate("window.mark") == 1


async def test_close_and_back_give_everything_back_too(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await page.evaluate("window.mark = 1")

    await opener(page).click()
    await dialog(page).get_by_role("link", name="Close").click()
    await expect(dialog(page)).to_be_hidden()
    await expect(opener(page)).to_be_focused()
    await page.wait_for_url(f"**{MEMBERS}")

    await opener(page).click()
    await expect(dialog(page)).to_be_visible()
    await page.go_back()
    await expect(dialog(page)).to_be_hidden()
    await expect(opener(page)).to_be_focused()
    assert await page.evaluate("window.mark") == 1


async def test_the_dialogs_address_is_a_page_that_can_be_loaded_and_left(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await opener(page).click()
    await expect(dialog(page)).to_be_visible()

    await page.reload()
    await expect(page.locator("main #invite")).to_be_visible()
    await expect(dialog(page)).to_be_hidden()
    await page.go_back()
    await expect(page.locator("#members")).to_be_visible()
    await page.go_forward()
    await expect(page.locator("main #invite")).to_be_visible()


async def test_a_search_answered_behind_a_dialog_is_shown_when_the_dialog_closes(
    site: Site, desk: Desk
) -> None:
    await site.person("ada")
    page = await desk.page("olga", "about:blank")
    await page.add_init_script("addEventListener('popstate', () => { document.body.id = 'back'; })")
    await page.goto(MEMBERS)
    opened = asyncio.Event()

    async def wait(route: Route) -> None:
        await opened.wait()
        await route.continue_()

    await page.route("**/members?*q=ada*", wait)
    async with page.expect_request("**/members?*q=ada*"):
        await page.locator("#search").fill("ada")
    await opener(page).click()
    await expect(dialog(page)).to_be_visible()
    opened.set()
    await expect(page.locator("#members-count")).to_have_text("1 member found, of 2")
    await expect(page).to_have_url(re.compile("/organization/invite$"))

    await dialog(page).get_by_role("link", name="Close").click()
    await expect(page.locator("#back")).to_have_count(1)

    assert "q=ada" in page.url
    await expect(opener(page)).to_be_focused()
    await expect(page.locator("#members-count")).to_have_text("1 member found, of 2")


async def test_the_link_goes_to_the_devices_own_sheet_where_there_is_one(site: Site, desk: Desk) -> None:
    without = await desk.page("olga", "/organization/invite")
    await expect(without.get_by_role("button", name="Copy link")).to_be_visible()
    await expect(without.get_by_role("button", name="Share")).to_be_hidden()

    page = await desk.page("olga", "about:blank")
    await page.add_init_script("navigator.share = async (what) => { window.shared = what; }")
    await page.goto("/organization/invite")
    await page.get_by_role("button", name="Share").click()

    shared = await page.evaluate("window.shared")
    assert shared["title"] == "Invitation to Label Studio"
    assert shared["url"].endswith(await site.invite_token())


async def test_the_tabs_work_with_mouse_and_arrow_keys(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await opener(page).click()
    by_link, by_mail = (
        page.get_by_role("tab", name="Invite link"),
        page.get_by_role("tab", name="Invite via email"),
    )
    await expect(page.get_by_role("tabpanel", name="Invite link")).to_be_visible()

    await by_mail.click()
    await expect(page.get_by_role("tabpanel", name="Invite via email")).to_be_visible()
    await expect(page.locator("#invite-link")).to_be_hidden()
    await page.keyboard.press("ArrowRight")

    await expect(by_link).to_be_focused()
    await expect(by_link).to_have_attribute("aria-selected", "true")
    await expect(page.locator("#invite-link")).to_be_visible()
    await expect(page.get_by_role("tabpanel", name="Invite via email")).to_be_hidden()


async def test_reset_asks_first_and_shows_the_new_link(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await opener(page).click()
    field = page.locator("#invite-link")
    old = await field.input_value()
    ask = page.get_by_role("dialog", name="Make a new link?")

    await page.get_by_role("button", name="Reset Link").click()
    await expect(ask).to_be_visible()
    await ask.get_by_role("button", name="Keep this one").click()
    await expect(ask).to_be_hidden()
    await expect(field).to_have_value(old)

    await page.get_by_role("button", name="Reset Link").click()
    await ask.get_by_role("button", name="Yes").click()
    await expect(field).not_to_have_value(old)
    await expect(dialog(page)).to_be_visible()
    await expect(page.locator("#toasts")).to_contain_text("The old link is dead.")
    assert (await site.visitor().get(old)).status_code == 410
    assert (await site.visitor().get(await field.input_value())).status_code == 200


async def test_copy_link_copies_and_says_so(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS, permissions=["clipboard-read", "clipboard-write"])
    await opener(page).click()

    await dialog(page).get_by_role("button", name="Copy link").click()

    await expect(page.locator("#panel-link .copy__said")).to_have_text("Copied")
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == await page.locator("#invite-link").input_value()
    assert copied.startswith(f"{desk.address}/user/signup?token=")


async def test_a_members_details_open_at_the_side_and_are_a_page_too(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    name = page.locator("#members").get_by_role("link", name="Ada")

    await name.click()
    await expect(dialog(page)).to_contain_text("ada@example.org")
    assert path_of(page) == f"{MEMBERS}/{ada}"
    await page.mouse.click(200, 500)
    await expect(dialog(page)).to_be_hidden()
    await expect(name).to_be_focused()

    await page.goto(f"{MEMBERS}/{ada}")
    await expect(page.get_by_role("heading", name="Ada", level=2)).to_be_visible()
    await expect(page.locator("main")).to_contain_text("ada@example.org")


async def test_details_open_in_a_new_tab_when_that_is_meant(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)

    async with page.context.expect_page() as opened:
        await page.locator("#members").get_by_role("link", name="Ada").click(modifiers=["ControlOrMeta"])
    tab = await opened.value

    await expect(tab.locator("main")).to_contain_text("ada@example.org")
    assert path_of(tab) == f"{MEMBERS}/{ada}"
    await expect(dialog(page)).to_be_hidden()


async def test_a_password_link_is_made_and_shown_in_the_panel(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await page.locator("#members").get_by_role("link", name="Ada").click()

    await dialog(page).get_by_role("button", name="Make a password link").click()

    await expect(page.locator("#reset-link")).to_be_visible()
    link = await page.locator("#reset-link").input_value()
    assert link.startswith(f"{desk.address}/user/password/reset?token=")
    assert (await site.visitor().get(link)).status_code == 200


async def test_removal_asks_in_the_panel_and_then_removes(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await page.locator("#members").get_by_role("link", name="Ada").click()

    await dialog(page).get_by_role("link", name="Remove").click()
    await expect(page.get_by_role("dialog", name="Remove Ada?")).to_be_visible()
    await dialog(page).get_by_role("button", name="Remove").click()

    await expect(page.locator("#toasts")).to_contain_text("Ada is removed.")
    await expect(page.locator("#members")).not_to_contain_text("ada@example.org")
    assert path_of(page) == MEMBERS


async def test_a_role_is_given_in_the_panel(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", MEMBERS)
    await page.locator("#members").get_by_role("link", name="Ada").click()

    await dialog(page).get_by_label("Role").select_option("Reviewer")
    await dialog(page).get_by_role("button", name="Save", exact=True).click()

    await expect(page.locator("#toasts")).to_contain_text("Ada is Reviewer now.")
    assert await site.role_of("ada") is Role.REVIEWER


async def test_a_name_put_right_in_the_panel_stands_in_the_row_behind_it(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    row = page.locator(f"#member-{ada}")
    await row.get_by_role("checkbox").check()
    await row.get_by_role("link", name="Ada").click()

    await dialog(page).get_by_label("First name").fill("Augusta")
    await dialog(page).get_by_role("button", name="Save the name").click()
    await expect(page.locator("#toasts")).to_contain_text("The name is Augusta now.")
    await expect(row).to_contain_text("Augusta")
    await page.keyboard.press("Escape")

    await expect(row.get_by_role("link", name="Augusta")).to_be_focused()
    await expect(row.get_by_role("checkbox")).to_be_checked()


async def test_a_name_is_put_right_where_no_list_is_behind_the_panel(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", f"{MEMBERS}/{ada}")

    await page.get_by_label("First name").fill("Augusta")
    await page.get_by_role("button", name="Save the name").click()

    await expect(page.get_by_role("heading", name="Augusta").last).to_be_visible()


def dialog(page: Page) -> Locator:
    return page.locator("#dialog > dialog:modal")


def opener(page: Page) -> Locator:
    return page.get_by_role("link", name="Invite Members")


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


async def test_addresses_typed_before_a_dialog_was_closed_are_there_when_it_opens_again(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    for _ in range(2):
        await opener(page).click()
        await page.get_by_role("tab", name="Invite via email").click()
        emails = page.get_by_label("Email addresses")
        await emails.press_sequentially("a")
        await page.keyboard.press("Escape")
        await expect(dialog(page)).to_be_hidden()
        await page.wait_for_url(f"**{MEMBERS}")

    await opener(page).click()
    await page.get_by_role("tab", name="Invite via email").click()
    await expect(page.get_by_label("Email addresses")).to_have_value("aa")


async def test_nothing_scrolls_away_when_a_piece_is_replaced(site: Site, desk: Desk) -> None:
    for number in range(20):
        await site.person(f"person{number}")
    page = await desk.page("olga", MEMBERS)
    await page.get_by_role("checkbox", name="Select Person9").check()
    before = await page.evaluate("scrollY")
    assert before > 200

    await page.get_by_role("button", name="Give this role").click()
    await expect(page.locator("#toasts")).to_contain_text("Person9 is Annotator now.")

    assert abs(await page.evaluate("scrollY") - before) < 100
