"""Paper, forced colours and less motion: what a reader has asked for is heeded."""

from playwright.async_api import Page, expect

from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site

MEMBERS = "/organization/members"
STYLE = "(element, name) => getComputedStyle(element).getPropertyValue(name)"


async def test_the_table_is_printed_without_what_can_be_pressed(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS, color_scheme="dark")
    await page.evaluate("document.documentElement.dataset.theme = 'dark'")

    await page.emulate_media(media="print")

    await expect(page.get_by_text("ada@example.org")).to_be_visible()
    await expect(page.get_by_label("Role of Ada")).to_be_visible()
    for pressed in ("#filters", ".pick", ".tally .cluster", "#invite-members", ".letterhead nav"):
        await expect(page.locator(pressed).first).to_be_hidden()
    right = "(element) => element.getBoundingClientRect().right"
    last = await page.locator("#members thead th").last.evaluate(right)
    assert last == await page.locator("#members").evaluate(right), "the columns take the whole width"
    assert await style(page, "#members th[scope=row] a", "color") == "rgb(29, 26, 22)", "ink on white paper"


async def test_forced_colours_still_show_where_one_is(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS, forced_colors="active")

    assert await style(page, ".letterhead nav [aria-current]", "border-bottom-style") == "solid"
    assert await style(page, ".letterhead nav a:not([aria-current])", "border-bottom-style") == "none"


async def test_nothing_moves_for_who_wants_less_motion(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", MEMBERS, reduced_motion="reduce")
    await page.get_by_label("Role of Ada").select_option("Reviewer")
    await expect(page.locator(".toast")).to_contain_text("Ada is Reviewer now.")

    assert await page.evaluate("document.getAnimations().length") == 0


async def test_more_contrast_makes_lines_and_notes_as_dark_as_text(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS, contrast="more")

    assert await style(page, "#members-count", "color") == await style(page, "body", "color")


async def style(page: Page, selector: str, name: str) -> str:
    value: str = await page.locator(selector).first.evaluate(STYLE, name)
    return value
