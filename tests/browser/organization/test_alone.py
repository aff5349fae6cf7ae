"""The members page of who is alone yet: the link is there, and stays the right one."""

from playwright.async_api import expect

from tests.browser.support.desk import Desk
from tests.support.pages.site import Site


async def test_the_link_behind_the_dialog_is_renewed_when_it_is_reset(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", "/organization/members")
    old = await page.locator("#first-link").input_value()

    await page.get_by_role("link", name="Invite Members").click()
    await page.get_by_role("button", name="Reset Link").click()
    await page.get_by_role("button", name="Yes, make a new link").click()
    await expect(page.locator("#invite-link")).not_to_have_value(old)
    await page.get_by_role("link", name="Close").click()

    await expect(page.locator("#invite")).to_have_count(0)
    assert (await page.locator("#first-link").input_value()).endswith(await site.invite_token())


async def test_a_filter_tells_what_it_shows_and_how_to_leave_it(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/members")

    await page.locator("#filters summary").click()
    await page.get_by_role("checkbox", name="Pending").check()

    await expect(page.locator("#roles-chosen")).to_have_text("Pending")
    await expect(page.locator("#members-count")).to_have_text("1 of 2 members")
    await expect(page.locator("#filters details")).to_have_attribute("open", "")
    await page.locator("#directory").get_by_role("link", name="Show everybody").click()
    await expect(page.locator("#members-count")).to_have_text("2 members, 1 of them waiting")
