"""The focus is never lost, and nothing covers what one reads."""

import pytest
from playwright.async_api import Page, expect

from db import engine
from db.policy import Role
from tests.browser.support import inviting
from tests.browser.support.desk import Desk
from tests.support.pages.site import PASSWORD, Site

MEMBERS = "/organization/members"
FOCUSED = "document.activeElement !== document.body && document.activeElement.checkVisibility()"


async def test_after_a_removal_the_focus_is_in_the_page(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await page.get_by_role("link", name="Ada").press("Enter")
    await page.get_by_role("link", name="Remove").press("Enter")

    await page.locator("#removal").get_by_role("button", name="Remove").press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("Ada")
    await is_focused(page)


async def test_after_several_are_revoked_the_focus_is_in_the_page(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org", "ben@example.org")
    page = await desk.page("olga", inviting.INVITATIONS)
    for box in await page.locator(".pick [name]").all():
        await box.check()

    await page.locator("#bulk").get_by_role("button", name="Revoke").press("Enter")

    await expect(page.locator(".toast")).to_be_visible()
    await is_focused(page)


async def test_after_a_refused_handover_the_focus_is_on_what_was_wrong(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await site.person("rita", Role.REVIEWER)
    page = await desk.page("olga", "/organization/ownership")
    await page.get_by_label("New Owner").select_option(str(ada))
    await page.get_by_label("Your password", exact=True).fill(PASSWORD)
    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE id = ?", ada)

    await page.get_by_role("button", name="Hand over ownership").press("Enter")

    await expect(page.get_by_label("New Owner")).to_be_focused()


@pytest.mark.parametrize("answer", ["Cancel", "Yes"])
async def test_the_question_before_a_reset_takes_the_focus_and_gives_it_back(desk: Desk, answer: str) -> None:
    page = await desk.page("olga", MEMBERS)
    await page.get_by_role("link", name="Invite Members").press("Enter")
    reset = page.get_by_role("button", name="Reset Link")

    await reset.press("Enter")
    await expect(page.locator("#reset-ask [popovertargetaction=hide]")).to_be_focused()
    if answer == "Yes":
        await page.locator("#reset-ask .btn--final").press("Enter")
        await expect(page.locator("#toasts")).not_to_be_empty()
        await is_focused(page)
    else:
        await page.keyboard.press("Enter")
        await expect(reset).to_be_focused()


async def test_in_a_very_low_window_nothing_covers_the_list(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben", "cleo"):
        await site.person(name, Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await page.set_viewport_size({"width": 320, "height": 200})
    await page.get_by_role("checkbox", name="Select Ada").check()
    await expect(page.locator("#bulk")).to_be_visible()

    await page.locator(f"#member-{site.ids['ben']}").scroll_into_view_if_needed()

    lying = await page.locator(".letterhead, #bulk, thead th, #menu").evaluate_all(
        "(pieces) => pieces.filter((piece) => piece.checkVisibility()"
        " && ['fixed', 'sticky'].includes(getComputedStyle(piece).position)).map((piece) => piece.id)"
    )
    assert lying == []


async def test_a_long_name_stays_in_the_button_that_bears_it(site: Site, desk: Desk) -> None:
    await engine.write(engine.execute, "UPDATE member SET first_name = ?", "x" * 90)
    page = await desk.page("olga", "/user/signup")
    await page.set_viewport_size({"width": 320, "height": 700})

    button = await page.get_by_role("link", name="Continue as").bounding_box()
    card = await page.locator("main").bounding_box()

    assert button is not None
    assert card is not None
    assert card["x"] < button["x"] < button["x"] + button["width"] < card["x"] + card["width"]
    assert button["height"] < 60
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320


async def is_focused(page: Page) -> None:
    await page.wait_for_function(FOCUSED)
