"""The browser tests' own Chromium, and the site it looks at."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright, expect

from tests import provide
from tests.browser.support.desk import ARGUMENTS, TIMEOUT_MS, Desk
from tests.support.pages.site import Site


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium that reaches nothing but this machine."""
    expect.set_options(timeout=TIMEOUT_MS)
    arguments = [*provide.browser_arguments(), *ARGUMENTS]
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=provide.browser(), args=arguments, timeout=provide.BROWSER_START_SECONDS * 1000
        )
        yield chromium
        await chromium.close()


@pytest.fixture
def database_kind() -> str:
    """Browsers see no difference between the databases: one is enough, but where a test asks for both."""
    return "sqlite"


@pytest.fixture
async def desk(site: Site, browser: Browser) -> AsyncIterator[Desk]:
    """The site of the fixture `site`, served to the browser."""
    async with Desk.of(site, browser) as desk:
        yield desk
