"""The password asked for anew: over whatever is open, by mouse and keys, and without a script."""

import pytest
from playwright.async_api import Locator, Page, expect

from db import engine
from db.policy import Role
from tests.browser.support.acts import give_no_password_lately
from tests.browser.support.desk import Desk
from tests.support.pages.site import PASSWORD, Site

MEMBERS = "/organization/members"
WIDTHS = pytest.mark.parametrize("width", [1280, 390])


def asks(page: Page) -> Locator:
    return page.locator("#anew > dialog:modal")


async def opened(desk: Desk, width: int, path: str = MEMBERS) -> Page:
    page = await desk.page("olga", path, viewport={"width": width, "height": 844})
    await give_no_password_lately(page)
    return page


@WIDTHS
async def test_a_role_waits_for_the_password_and_the_focus_comes_back(
    site: Site, desk: Desk, width: int
) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await opened(desk, width)
    role = page.get_by_label("Role of Ada")
    await role.focus()

    await role.select_option("AD")
    await expect(asks(page)).to_be_visible()
    await expect(asks(page).get_by_label("Your password", exact=True)).to_be_focused()
    # What isn't given yet isn't shown as given.
    await expect(role).to_have_value("AN")
    await page.keyboard.type("not this one")
    await page.keyboard.press("Enter")
    await expect(asks(page)).to_contain_text("That isn't your password.")
    await expect(asks(page).get_by_label("Your password", exact=True)).to_be_focused()
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("Ada is Administrator now.")
    await expect(asks(page)).to_be_hidden()
    await expect(role).to_have_value("AD")
    await expect(role).to_be_focused()
    assert await site.role_of("ada") is Role.ADMINISTRATOR


@WIDTHS
@pytest.mark.parametrize("way", ["Escape", "Cancel", "Close"])
async def test_put_away_it_leaves_everything_as_it_was(site: Site, desk: Desk, width: int, way: str) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await opened(desk, width)
    role = page.get_by_label("Role of Ada")
    await role.focus()
    await role.select_option("AD")
    await expect(asks(page)).to_be_visible()

    if way == "Escape":
        await page.keyboard.press("Escape")
    else:
        await asks(page).get_by_role("link", name=way).click()

    await expect(asks(page)).to_be_hidden()
    await expect(role).to_have_value("AN")
    await expect(role).to_be_focused()
    assert await site.role_of("ada") is Role.ANNOTATOR
    # The next thing works as ever.
    await role.select_option("RE")
    await expect(page.locator("#toasts")).to_contain_text("Ada is Reviewer now.")


@WIDTHS
async def test_typed_addresses_stay_when_it_is_put_away_and_go_when_it_is_given(
    site: Site, desk: Desk, width: int
) -> None:
    page = await opened(desk, width)
    await page.get_by_role("link", name="Invite Members").click()
    await page.get_by_role("tab", name="Invite via email").click()
    emails = page.get_by_label("Email addresses")
    await emails.fill("ann@example.org\nbea@example.org")
    await page.locator("#role").select_option("AD")
    send = page.get_by_role("button", name="Send invitations")

    await send.click()
    await expect(asks(page)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(asks(page)).to_be_hidden()
    await expect(emails).to_have_value("ann@example.org\nbea@example.org")
    await expect(page.locator("#role")).to_have_value("AD")
    await expect(send).to_be_focused()

    await send.click()
    await asks(page).get_by_label("Your password", exact=True).fill(PASSWORD)
    # Nothing asks whether the page may be left: what was typed was sent.
    page.on("dialog", lambda _: desk.faults.append("asked before leaving"))
    await asks(page).get_by_role("button", name="Go on").click()

    await page.wait_for_url("**/organization/invitations?batch=*")
    assert await engine.rows("SELECT COUNT(*) FROM invitation WHERE role = 'AD'") == [(2,)]


@WIDTHS
async def test_in_a_panel_the_answer_stands_where_the_question_came_from(
    site: Site, desk: Desk, width: int
) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await site.sign_in("ada")
    page = await opened(desk, width)
    await page.locator("#members").get_by_role("link", name="Ada").click()
    panel = page.locator("#dialog > dialog:modal")

    await panel.get_by_role("button", name="Make a password link").click()
    await asks(page).get_by_label("Your password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(asks(page)).to_be_hidden()
    await expect(page.locator("#reset-link")).to_be_visible()
    await expect(page.locator("#reset-link")).to_be_focused()

    await give_no_password_lately(page)
    await panel.get_by_role("button", name="Sign out everywhere").click()
    await asks(page).get_by_label("Your password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(panel).to_contain_text("Nowhere at the moment.")
    await expect(page.locator("#toasts")).to_contain_text("Ada is signed out everywhere.")
    await expect(asks(page)).to_be_hidden()
    await page.keyboard.press("Escape")
    await expect(panel).to_be_hidden()
    await expect(page.locator("#members").get_by_role("link", name="Ada")).to_be_focused()


async def test_everybody_in_a_list_is_asked_about_once(site: Site, desk: Desk) -> None:
    for number in range(51):
        await site.person(f"person{number}", Role.ANNOTATOR)
    page = await opened(desk, 1280)
    await page.get_by_role("checkbox", name="Select everyone on this page").check()
    await page.locator("#all-found input").check()
    await page.get_by_label("Role for the selected people").select_option("AD")
    await page.get_by_role("button", name="Give this role").click()
    question = page.locator("#everybody")
    await question.locator("form button").click()

    await asks(page).get_by_label("Your password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("51 people are Administrators now.")
    await expect(asks(page)).to_be_hidden()
    await expect(question).to_be_hidden()
    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'AD'") == [(51,)]


@WIDTHS
async def test_without_a_script_a_page_asks(site: Site, desk: Desk, width: int) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page(
        "olga", MEMBERS, java_script_enabled=False, viewport={"width": width, "height": 844}
    )
    await give_no_password_lately(page)

    await page.get_by_label("Role of Ada").select_option("AD")
    await page.get_by_role("button", name="Save role of Ada").click()
    await expect(page.get_by_role("heading", name="Enter your password to go on")).to_be_visible()
    await page.get_by_label("Your password", exact=True).fill("not this one")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("That isn't your password.")).to_be_visible()
    await page.get_by_label("Your password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Go on").click()

    await expect(page.locator("#toasts")).to_contain_text("Ada is Administrator now.")
    assert await site.role_of("ada") is Role.ADMINISTRATOR
