"""The activity page in a browser: it looks for news by itself, and moves nothing that is being read."""

from playwright.async_api import Locator, Page, expect

from db import activity, engine
from db.members import roles
from db.policy import SYSTEM, Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site
from tests.support.steps.member_steps import olga as as_olga

ACTIVITY = "/organization/activity"
# The page looks every 15 seconds.
LOOK_MS = 60_000


async def happen(kind: str, number: int) -> None:
    await engine.write(activity.record_many, SYSTEM, kind, [(0, "", "")] * number)


def rows(page: Page) -> Locator:
    return page.locator("#events tbody tr")


async def place(row: Locator) -> float:
    """How far below the window's top it is, in px."""
    box = await row.bounding_box()
    assert box is not None
    return box["y"]


async def test_news_are_announced_without_moving_what_is_read_and_a_press_shows_them(
    site: Site, desk: Desk
) -> None:
    await happen("restored", 40)
    page = await desk.page("olga", ACTIVITY)
    row = rows(page).nth(30)
    await row.scroll_into_view_if_needed()
    before = await place(row)

    await happen("key_rotated", 3)
    news = page.get_by_role("link", name="3 new events")
    await expect(news).to_be_attached(timeout=LOOK_MS)

    assert abs(await place(row) - before) < 1
    await expect(page.get_by_role("status").filter(has_text="3 new events")).to_be_attached()
    await news.click()
    await expect(rows(page).first).to_contain_text("changed the secret key")
    await expect(news).not_to_be_attached()
    await expect(rows(page)).to_have_count(44)


async def test_a_filter_is_in_the_address_and_back_takes_it_back(site: Site, desk: Desk) -> None:
    for name in ("ada", "bob"):
        await site.person(name)
        await roles.change_role(as_olga(site), member_id=site.ids[name], role=Role.ANNOTATOR)
    page = await desk.page("olga", ACTIVITY)
    await page.evaluate("window.mark = 1")

    await page.get_by_role("searchbox").fill("bob")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**?person={site.ids['bob']}")
    await expect(rows(page)).to_have_count(1)
    await page.get_by_label("Show this kind of event").select_option("Roles: all")
    await page.wait_for_url(f"**?person={site.ids['bob']}&kind=roles")
    assert await page.evaluate("window.mark") == 1

    await page.go_back()
    await expect(page.get_by_label("Show this kind of event")).to_have_value("")
    await expect(page.get_by_role("searchbox")).to_have_value("Bob")
    await page.go_back()
    await expect(page.get_by_role("searchbox")).to_have_value("")
    await expect(rows(page)).to_have_count(3)


async def test_who_is_typed_is_found_without_a_press_and_back_leads_out_of_it(site: Site, desk: Desk) -> None:
    for name in ("ada", "bob"):
        await site.person(name)
        await roles.change_role(as_olga(site), member_id=site.ids[name], role=Role.ANNOTATOR)
    page = await desk.page("olga", ACTIVITY)
    await page.evaluate("window.mark = 1")
    search, length = page.get_by_role("searchbox"), await page.evaluate("history.length")

    await search.press_sequentially("exa")
    await expect(page.get_by_role("heading", name="Which “exa”?")).to_be_visible()
    await expect(page.locator("#told")).to_have_text("Which “exa”?")
    await search.press("Home")
    await search.press_sequentially("bob@")
    await page.wait_for_url(f"**?person={site.ids['bob']}")
    await expect(rows(page)).to_have_count(1)

    await expect(search).to_be_focused()
    await expect(search).to_have_value("bob@exa")
    assert await search.evaluate("(field) => field.selectionStart") == 4
    assert await page.evaluate("window.mark") == 1
    await search.fill("")
    await expect(rows(page)).to_have_count(3)
    await page.wait_for_url(f"**{ACTIVITY}")
    assert await page.evaluate("history.length") == length + 1


async def test_a_name_opens_the_person_and_closing_gives_the_focus_back(site: Site, desk: Desk) -> None:
    await site.person("ada")
    await roles.change_role(as_olga(site), member_id=site.ids["ada"], role=Role.ANNOTATOR)
    page = await desk.page("olga", ACTIVITY)

    await rows(page).first.get_by_role("link", name="Ada").click()
    await expect(page.get_by_role("dialog", name="Ada")).to_be_visible()
    await page.keyboard.press("Escape")

    await expect(rows(page).first.get_by_role("link", name="Ada")).to_be_focused()
    await page.wait_for_url(f"**{ACTIVITY}")


async def test_without_a_script_the_form_filters_and_errors_stand_by_their_fields(
    site: Site, desk: Desk
) -> None:
    await happen("restored", 1)
    page = await desk.page("olga", ACTIVITY, java_script_enabled=False)

    await page.get_by_label("Show this kind of event").select_option("Roles: all")
    await page.get_by_role("button", name="Apply").click()
    await expect(page.get_by_role("heading", name="Nothing like that happened")).to_be_visible()
    await page.goto(f"{ACTIVITY}?from=yesterday")

    wrong = page.get_by_label("From this day")
    await expect(wrong).to_have_value("yesterday")
    await expect(wrong).to_have_accessible_description("Write a day as 2026-11-22: year, month and day.")
