"""Hands on the keys alone: sign in, find who waits, give a role, take it back, invite."""

from playwright.async_api import Page, expect

from tests.browser.desk import Desk
from tests.site import PASSWORD, Site

MOST_TABS = 60
FOCUSED = """() => {
    const element = document.activeElement;
    return element.getAttribute("aria-label") || element.innerText || element.labels?.[0]?.innerText || "";
}"""


async def test_a_role_is_given_and_taken_back_with_the_keyboard(site: Site, desk: Desk) -> None:
    await site.person("ada")
    await site.person("ben")
    page = await desk.page(path="/organization/members")

    await go_to(page, "Email address")
    await page.keyboard.type("olga@example.org")
    await go_to(page, "Password")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Members")).to_be_visible()

    await go_to(page, "Show only them")
    await page.keyboard.press("Enter")
    await expect(page.locator("#members-count")).to_have_text("2 of 3 members")
    await go_to(page, "Role of Ada")
    await page.keyboard.type("Rev")
    await expect(page.locator("#toasts")).to_contain_text("Ada is Reviewer now.")
    await expect(page.get_by_label("Role of Ada")).to_be_focused()

    await go_to(page, "Undo")
    await page.keyboard.press("Enter")
    await expect(page.locator("#toasts")).to_contain_text("Ada is Pending now.")
    await expect(page.get_by_label("Role of Ada")).to_have_value("NO")


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
    for _ in range(MOST_TABS):
        passed.append(await page.evaluate(FOCUSED))
        if passed[-1].strip() == name:
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard doesn't reach {name!r}, only {passed}")
