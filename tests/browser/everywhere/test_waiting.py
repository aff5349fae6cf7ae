"""While the server takes its time: what is seen and read out, and that pressing again does nothing more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Page, Route, expect

from tests.browser.support.desk import Desk
from tests.support.pages.site import Site

MEMBERS = "/organization/members"
# What is drawn of the line: its animations, and after how long they begin.
LINE = """([selector, pseudo]) => {
    const drawn = getComputedStyle(document.querySelector(selector), pseudo);
    const { content, animationName, animationDelay } = drawn;
    return content === "none" ? [] : [animationName.split(", "), animationDelay.split(", ")[0]];
}"""
TOP = [".letterhead", "::after"]
FORM = [".btn--primary", "::after"]


@asynccontextmanager
async def held(page: Page, pattern: str) -> AsyncIterator[list[str]]:
    """Requests to such addresses wait until the end of this; yields their addresses."""
    asked: list[str] = []
    go = asyncio.Event()

    async def hold(route: Route) -> None:
        asked.append(route.request.url)
        await go.wait()
        await route.continue_()

    await page.route(pattern, hold)
    yield asked
    go.set()


async def test_a_list_that_takes_long_is_seen_and_heard_to_be_on_its_way(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", MEMBERS, reduced_motion="no-preference")
    assert await line(page, TOP) == []

    async with held(page, f"**{MEMBERS}?q=ada*"):
        await page.locator("#search").fill("ada")
        await expect(page.locator("#directory")).to_have_attribute("aria-busy", "true")
        assert await line(page, TOP) == [["appear", "run"], "0.3s"]
        await expect(page.locator("#toasts[role=status]")).to_have_text("One moment…")

    await expect(page.locator("#members-count")).to_have_text("1 member found, of 2")
    await expect(page.locator("#toasts")).to_be_empty()
    assert await line(page, TOP) == []


async def test_where_motion_is_unwelcome_the_line_stands_still(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS, reduced_motion="reduce")

    async with held(page, f"**{MEMBERS}?q=ada*"):
        await page.locator("#search").fill("ada")
        await expect(page.locator("#directory")).to_have_attribute("aria-busy", "true")

        assert await line(page, TOP) == [["appear", "none"], "0.3s"]


async def test_a_pressed_button_is_seen_to_be_busy_and_counts_once(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/organization/invite?way=email")
    await page.locator("#emails").fill("new@example.org")
    await expect(page.locator("#preview-title")).to_be_visible()
    send = page.get_by_role("button", name="Send invitations")

    async with held(page, "**/organization/invitations") as asked:
        await send.click()
        await expect(page.locator("#panel-email")).to_have_attribute("aria-busy", "true")
        assert await line(page, ["#panel-email .sheet__foot .btn", "::after"]) != []
        await send.click()
        await page.keyboard.press("Enter")

    await expect(page.locator("#invitations tbody tr")).to_have_count(1)
    assert len(asked) == 1


async def test_a_link_pressed_twice_opens_one_dialog(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)

    async with held(page, "**/organization/invite") as asked:
        await page.get_by_role("link", name="Invite Members").click()
        await expect(page.locator("#dialog")).to_have_attribute("aria-busy", "true")
        await page.get_by_role("link", name="Invite Members").click()

    await expect(page.locator("dialog:modal")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    assert len(asked) == 1


async def test_a_plain_form_shows_it_too(desk: Desk) -> None:
    page = await desk.page(path="/user/login")
    await page.get_by_label("Email address").fill("nobody@example.org")
    await page.get_by_label("Password", exact=True).fill("not the right password")
    # A page that is being left answers no more questions: it notes by itself how it looked.
    await page.evaluate(f"addEventListener('submit', () => {{ sessionStorage.line = ({LINE})({FORM}); }})")

    await page.get_by_role("button", name="Log in").click()

    await expect(page.locator("#form-error")).to_be_visible()
    assert "appear" in await page.evaluate("sessionStorage.line")


async def line(page: Page, where: list[str]) -> Any:
    return await page.evaluate(LINE, where)
