"""The head of every inside page: the menu at the upper left, and one line whatever the names are."""

from typing import Final

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from db import engine
from db.policy import Role
from settings import Settings
from tests.browser.support.desk import Desk
from tests.support.pages.site import SECRET, Site

MEMBERS: Final = "/organization/members"
WIDTHS: Final = (320, 390, 640, 768, 900, 1040, 1280)
APP: Final = "https://label.example.org/"
# Pieces of the head that are on the screen and stand on more than one line, run into another, or stand out.
CROWDED: Final = """() => {
    const head = document.querySelector(".letterhead");
    const all = (which) => [...head.querySelectorAll(which)].filter((piece) => piece.checkVisibility());
    const size = (piece) => parseFloat(getComputedStyle(piece).fontSize);
    const lines = (piece) => {
        const range = document.createRange();
        range.selectNodeContents(piece);
        return Math.round(range.getBoundingClientRect().height / (1.6 * size(piece)));
    };
    const seen = all(":scope > button, .brand, nav a, .menu > summary");
    const box = (piece) => piece.getBoundingClientRect();
    const middle = (piece) => Math.round(box(piece).top + box(piece).height / 2);
    const over = (one, other) => one.left < other.right - 0.5 && other.left < one.right - 0.5
        && one.top < other.bottom - 0.5 && other.top < one.bottom - 0.5;
    const out = (piece) => box(piece).right > innerWidth || box(piece).left < 0;
    return [
        ...all(".brand bdi, .name, nav a").filter((piece) => lines(piece) > 1)
            .map((piece) => `on ${lines(piece)} lines: ${piece.textContent}`),
        ...seen.flatMap((one, at) => seen.slice(at + 1).filter((other) => over(box(one), box(other)))
            .map((other) => `${one.textContent.trim()} over ${other.textContent.trim()}`)),
        ...seen.filter(out).map((piece) => `out: ${piece.textContent}`),
        ...[":not(nav *)", "nav *"].filter((which) => new Set(
            seen.filter((piece) => piece.matches(which)).map(middle)).size > 1),
        ...(innerWidth >= 768 && head.offsetHeight > 64 ? [`${head.offsetHeight} px high`] : []),
    ];
}"""


@pytest.mark.parametrize("words", ["x" * 90, "many short words in it " * 4], ids=["one word", "many words"])
async def test_the_head_is_one_line_with_a_title_and_a_name_of_90_characters(
    words: str, site: Site, desk: Desk
) -> None:
    text = words.strip()[:90]
    await engine.write(engine.execute, "UPDATE organization SET title = ?", text)
    await engine.write(engine.execute, "UPDATE member SET first_name = ?, last_name = ?", text, text)
    page, found = await desk.page("olga", MEMBERS), {}

    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        found[width] = await page.evaluate(CROWDED)

    assert {width: faults for width, faults in found.items() if faults} == {}


async def test_the_menu_stands_at_the_upper_left_at_every_width(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)

    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        place = await menu(page).bounding_box()
        assert place is not None
        assert (place["x"] < 60, place["y"] < 30) == (True, True), (width, place)
        await expect(menu(page)).to_have_text("Menu")


@pytest.mark.parametrize("scripts", [True, False])
async def test_the_menu_leads_to_the_organization_the_app_and_the_account(
    database: str, browser: Browser, scripts: bool
) -> None:
    async with Site.opened(Settings(secret_key=SECRET, app_url=APP)) as site, Desk.of(site, browser) as desk:
        page = await desk.page("olga", "/user/account", java_script_enabled=scripts)
        links = page.locator("#menu").get_by_role("link")
        await expect(links).to_have_count(0)

        await menu(page).click()

        assert await links.all_inner_texts() == ["Organization", "Open Label Studio", "Your account"]
        assert await links.nth(1).get_attribute("href") == APP
        await links.first.click()
        await expect(page.get_by_role("heading", name="Members", exact=True)).to_be_visible()


async def test_the_menu_holds_what_somebody_may_use(database: str, browser: Browser) -> None:
    async with Site.opened(Settings(secret_key=SECRET, app_url=APP)) as site, Desk.of(site, browser) as desk:
        await site.person("ada", Role.ANNOTATOR)
        await site.person("alma", Role.ADMINISTRATOR)
        await site.person("ben")
        found = {}
        for name in ("ada", "alma", "ben"):
            page = await desk.page(name, "/user/account")
            await menu(page).click()
            found[name] = await page.locator("#menu").get_by_role("link").all_inner_texts()

    assert found == {
        "ada": ["Open Label Studio", "Your account"],
        "alma": ["Organization", "Open Label Studio", "Your account"],
        "ben": ["Your account"],
    }


async def test_the_menu_works_on_the_keys_and_esc_gives_the_focus_back(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(menu(page)).to_be_focused()

    await page.keyboard.press("Enter")
    await expect(page.locator("#menu")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.locator("#menu").get_by_role("link", name="Organization")).to_be_focused()
    await page.keyboard.press("Escape")

    await expect(menu(page)).to_be_focused()
    await expect(page.locator("#menu")).to_be_hidden()


def menu(page: Page) -> Locator:
    return page.get_by_role("button", name="Menu", exact=True)
