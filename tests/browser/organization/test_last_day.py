"""A last day in the side panel, and the line about a password link, under the mouse."""

import pytest
from playwright.async_api import expect

from db import engine
from db.accounts import password
from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site
from tests.support.steps.member_steps import olga

MEMBERS = "/organization/members"


@pytest.mark.parametrize("width", [1280, 390])
async def test_a_last_day_is_given_in_the_panel_and_stands_in_the_row(
    site: Site, desk: Desk, width: int
) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS, viewport={"width": width, "height": 900})
    await page.get_by_role("link", name="Ada", exact=True).click()
    panel = page.locator("dialog#panel:modal")

    await panel.get_by_label("Last day").fill("2030-12-06")
    await panel.get_by_role("button", name="Set last day").click()

    await expect(page.locator("#toasts")).to_contain_text("The last day of Ada is 6 Dec 2030.")
    await expect(page.locator(f"#member-{ada}")).to_contain_text("until 6 Dec 2030")
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_a_day_that_is_over_is_not_sent_and_without_the_browser_s_check_refused(
    site: Site, desk: Desk
) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", f"{MEMBERS}/{ada}")
    field, save = page.get_by_label("Last day"), page.get_by_role("button", name="Set last day")
    await field.fill("2020-01-31")
    assert not await field.evaluate("field => field.checkValidity()")

    await field.evaluate("field => { field.form.noValidate = true }")
    await save.click()

    await expect(page.locator("#panel-end-error")).to_contain_text("That day is over.")
    await expect(field).to_have_value("2020-01-31")
    assert await engine.rows("SELECT 1 FROM member WHERE ends_at > 0") == []


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.PENDING])
async def test_the_line_about_a_password_link_goes_without_loading_the_page(
    site: Site, desk: Desk, role: Role
) -> None:
    ada = await site.person("ada", role)
    await password.make_reset_link(olga(site), member_id=ada)
    page = await desk.page("ada")
    await expect(page.locator("#handed")).to_contain_text("the Owner made a link")
    await page.evaluate("window.mark = 1")

    await page.get_by_role("button", name="I know about it").click()

    await expect(page.locator("#handed")).to_have_count(0)
    assert await page.evaluate("window.mark") == 1
    await page.reload()
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("#handed")).to_have_count(0)
