"""What holds on every page, errors included: open to everyone (WCAG), with room for whatever it says."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, ViewportSize

from tests.browser.support import axe, everywhere

LOOKING = (Path(__file__).parent / "looking.js").read_text()
KINDS = pytest.mark.parametrize("kind", everywhere.KINDS)
DESK: ViewportSize = {"width": 1280, "height": 900}
PHONE: ViewportSize = {"width": 390, "height": 844}
SMALL_PHONE: ViewportSize = {"width": 320, "height": 640}
# A toast that fades in has hardly any contrast for a moment.
CALM: dict[str, Any] = {"reduced_motion": "reduce"}
# What a browser begins with, and twice that.
USUAL = {"standard": 16, "fixed": 13}
LARGE = {"standard": 32, "fixed": 26}


@KINDS
async def test_every_page_is_sound_and_readable_on_a_desk(kind: str, database: str, browser: Browser) -> None:
    found = {}
    async with everywhere.opened(kind, browser) as (desk, stops):
        windows = {who: await desk.page(who, "/static/", **CALM) for who in {stop.who for stop in stops}}
        for stop in stops:
            page = windows[stop.who]
            await stop.visit(page)
            faults = await look(page, "markup", "sideways", "faint") + await axe.violations(page)
            await page.emulate_media(color_scheme="dark")
            faults += await look(page, "faint") + await axe.violations(page, axe.COLOURS)
            await page.emulate_media(color_scheme="light")
            found[stop.name] = faults

    assert {name: faults for name, faults in found.items() if faults} == {}


@KINDS
async def test_every_page_fits_a_phone_and_large_text(kind: str, database: str, browser: Browser) -> None:
    found = {}
    async with everywhere.opened(kind, browser) as (desk, stops):
        windows = {
            who: await desk.page(who, "/static/", has_touch=True, **CALM)
            for who in {stop.who for stop in stops}
        }
        chromium = {who: await page.context.new_cdp_session(page) for who, page in windows.items()}
        for stop in stops:
            page = windows[stop.who]
            await page.set_viewport_size(PHONE)
            await stop.visit(page)
            faults = await look(page, "sideways", "small") + await axe.violations(page)
            await page.emulate_media(color_scheme="dark")
            faults += await axe.violations(page, axe.COLOURS)
            await page.emulate_media(color_scheme="light")
            await page.set_viewport_size(SMALL_PHONE)
            faults += [f"at 320 px: {fault}" for fault in await look(page, "sideways")]
            await page.set_viewport_size(DESK)
            await chromium[stop.who].send("Page.setFontSizes", {"fontSizes": LARGE})
            faults += [f"with large text: {fault}" for fault in await look(page, "large", "sideways")]
            await chromium[stop.who].send("Page.setFontSizes", {"fontSizes": USUAL})
            found[stop.name] = faults

    assert {name: faults for name, faults in found.items() if faults} == {}


async def look(page: Page, *questions: str) -> list[str]:
    """What is found wrong; the questions are functions of looking.js."""
    asked = ", ".join(f"...eye.{question}()" for question in questions)
    faults: list[str] = await page.evaluate(f"() => {{ const eye = {LOOKING.strip()}; return [{asked}]; }}")
    return faults


@pytest.mark.parametrize("scripts", [True, False])
async def test_the_table_fits_every_width(scripts: bool, database: str, browser: Browser) -> None:
    found = {}
    async with everywhere.opened("founded", browser) as (desk, _):
        page = await desk.page("olga", everywhere.MEMBERS, java_script_enabled=scripts)
        for width in (320, 390, 500, 639, 641, 767, 769, 900, 959, 961, 1100, 1920):
            await page.set_viewport_size({"width": width, "height": 800})
            found[width] = await look(page, "sideways")

    assert {width: faults for width, faults in found.items() if faults} == {}


async def test_the_eye_sees_what_is_wrong(browser: Browser) -> None:
    page = await browser.new_page(viewport=PHONE)
    await page.set_content(
        """<h1 id="a">One</h1><h1 id="a">Two</h1>
        <input aria-describedby="gone"><button class="btn">Press</button>
        <table><tr><th>Name</th></tr></table>
        <p style="width: 900px; color: #888; background: #999">Hardly to be read</p>"""
    )

    found = await look(page, "markup", "sideways", "faint", "small") + await axe.violations(page)
    await page.close()

    for sign in (
        "id a stands there twice",
        "aria-describedby=gone leads nowhere",
        "without a name: <input",
        "no title",
        "without a caption: <table",
        "without its scope: <th",
        "2 main headings",
        "px too wide: <p",
        "contrast 1.",
        "px high: <button",
        "color-contrast: <p",
        "html-has-lang: <html",
        "label: <input",
    ):
        assert any(sign in fault for fault in found), f"{sign} isn't among {found}"
