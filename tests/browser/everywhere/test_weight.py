"""The members page with 50 rows is light, comes from one host, and nothing on it moves."""

from playwright.async_api import Browser

from tests.browser.support import everywhere
from tests.browser.support.everywhere import MEMBERS
from tests.browser.support.visits import Visitor

FIRST_BYTES = 60_000
AGAIN_BYTES = 15_000
MAX_REQUESTS = 6


async def test_the_members_page_is_light_and_nothing_moves(database: str, browser: Browser) -> None:
    async with everywhere.opened("crowded", browser) as (desk, _):
        page = await desk.page("olga", "about:blank")
        visitor = await Visitor.watching(page)
        first, again = await visitor.visit(MEMBERS), await visitor.visit(MEMBERS)
        rows = await page.locator("#members tbody tr").count()

    assert rows == 50
    assert len(first.requests) <= MAX_REQUESTS, first.requests
    assert all(url.startswith(desk.address) for url in first.requests)
    assert first.size <= FIRST_BYTES
    assert (len(again.requests), again.size <= AGAIN_BYTES) == (1, True), again
    assert (first.shift, again.shift) == (0, 0)
