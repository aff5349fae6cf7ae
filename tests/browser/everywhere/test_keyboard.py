"""Hands on the keys alone: what test_errands.py doesn't come by."""

import asyncio

from playwright.async_api import Page, Route, expect

from db.policy import Role
from tests.browser.support import inviting
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site

MAX_TABS = 60
FOCUSED = """() => {
    const element = document.activeElement;
    return element.getAttribute("aria-label") || element.innerText || element.labels?.[0]?.innerText || "";
}"""


async def test_the_keys_of_a_drop_down_open_its_list_and_nothing_is_saved_before_enter(
    site: Site, desk: Desk
) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    saved: list[str] = []
    page.on("request", lambda request: saved.extend([request.url] if request.method == "POST" else []))
    role = page.get_by_label("Role of Ada", exact=True)
    await role.focus()

    for key in ("ArrowDown", "ArrowDown", "End"):
        await page.keyboard.press(key)
        await expect(page.locator("select:open")).to_be_focused()
        await expect(role).to_have_value("NO")
    await page.keyboard.type("Annotator")
    await page.keyboard.press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("Ada is Annotator now.")
    assert len(saved) == 1
    await expect(role).to_be_focused()


async def test_what_is_typed_on_a_closed_drop_down_chooses_nobody_else(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    role = page.get_by_label("Role of Ada", exact=True)
    await role.focus()

    await page.keyboard.type("Adm")
    await expect(page.locator("select:open")).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(page.locator("select:open")).to_be_focused()
    await page.keyboard.type("Man")
    await page.keyboard.press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("Ada is Manager now.")
    assert await site.role_of("ada") is Role.MANAGER


async def test_the_focus_goes_to_nobody_elses_role_when_its_own_has_left_the_list(
    site: Site, desk: Desk
) -> None:
    for name in ("ada", "mara"):
        await site.person(name)
    page = await desk.page("olga", "/organization/members")
    focused = asyncio.Event()

    async def wait(route: Route) -> None:
        await focused.wait()
        await route.continue_()

    await page.route("**/members?*q=mara*", wait)
    async with page.expect_request("**/members?*q=mara*"):
        await page.locator("#search").fill("mara")
    await page.get_by_label("Role of Ada", exact=True).focus()
    focused.set()
    await expect(page.locator("#members-count")).to_have_text("1 member found, of 3")

    await expect(page.locator("#directory")).to_be_focused()


async def test_the_focus_stays_on_the_box_of_the_filter_that_was_ticked(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members")
    await page.locator("#filters summary").press("Enter")
    box = page.get_by_role("checkbox", name="Reviewer 0")

    await box.press("Space")
    await expect(page.locator("#members-count")).to_have_text("0 of 1 member")

    await expect(box).to_be_focused()
    await expect(box).to_be_checked()


async def test_the_focus_stays_on_a_button_that_can_be_pressed_again(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org", "ben@example.org")
    page = await desk.page("olga", inviting.INVITATIONS)
    resend = page.get_by_role("button", name="Resend to ada@example.org")

    await resend.press("Enter")
    await expect(page.locator(".toast")).to_have_count(1)

    await expect(resend).to_be_focused()


async def test_undo_has_a_key_of_its_own(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    role = page.get_by_label("Role of Ada", exact=True)
    await role.select_option("Reviewer")
    await expect(page.locator("#toasts")).to_contain_text("Ada is Reviewer now.")

    await page.locator("#search").press("Control+z")
    await role.press("Control+z")

    await expect(page.locator("#toasts")).to_contain_text("Ada is Pending now.")
    await expect(role).to_be_focused()
    assert await site.role_of("ada") is Role.PENDING


async def test_the_first_key_skips_to_the_page(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members")

    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the page")).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")

    await expect(page.get_by_role("link", name="Invite Members")).to_be_focused()


async def test_what_a_search_finds_is_read_out(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")
    region = page.locator("#told[role=status]")
    await region.evaluate("(region) => { region.mark = true; }")

    await page.keyboard.press("/")
    await page.keyboard.type("ada")

    await expect(region).to_have_text("1 member found, of 2")
    assert await region.evaluate("(region) => region.mark"), "what is new on a page may go unread"


async def test_esc_closes_a_menu_and_gives_the_focus_back(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members")
    summary = page.locator("#filters summary")
    await summary.press("Enter")
    await page.get_by_role("checkbox", name="Pending").focus()

    await page.keyboard.press("Escape")

    await expect(page.locator("#filters details")).not_to_have_attribute("open", "")
    await expect(summary).to_be_focused()


async def test_the_dialog_keeps_the_focus_within_itself(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members")
    await go_to(page, "Invite Members")
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog:modal")).to_be_visible()

    for _ in range(12):
        await page.keyboard.press("Tab")
        within = await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
        assert within, await page.evaluate(FOCUSED)
    await page.keyboard.press("Escape")

    await expect(page.get_by_role("link", name="Invite Members")).to_be_focused()


async def go_to(page: Page, name: str) -> None:
    """Presses Tab until what bears this name has the focus; it must be seen that it has."""
    passed = []
    for _ in range(MAX_TABS):
        passed.append(await page.evaluate(FOCUSED))
        if passed[-1].strip() == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard doesn't reach {name!r}, only {passed}")
