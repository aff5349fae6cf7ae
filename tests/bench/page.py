"""The members page in a browser: what a first and a repeated visit weigh, and how soon the table is there.

The server is a process of its own, as people have it: sharing one with what steers the browser, it would
answer late.
"""

import argparse
import asyncio
import http.client
import tempfile
from contextlib import closing
from statistics import median
from typing import Final

from playwright.async_api import Browser, async_playwright

from tests import provide
from tests.bench import server
from tests.bench.support.databases import say
from tests.browser.support.desk import ARGUMENTS
from tests.browser.support.visits import Visit, Visitor

ROUNDS: Final = 7
PATH: Final = "/organization/members"
ADDRESS: Final = f"http://127.0.0.1:{server.PORT}"


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        url = f"sqlite:///{folder}/bench.db"
        await server.fill(url, options.members)
        with server.served(url):
            visits = await _visits(await asyncio.to_thread(_sign_in))
    for name, found in zip(("first visit", "repeated visit"), zip(*visits, strict=True), strict=True):
        _tell(name, found)


def _sign_in() -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", server.PORT)) as visitor:
        return server.sign_in(visitor)


async def _visits(cookies: str) -> list[tuple[Visit, Visit]]:
    async with async_playwright() as playwright:
        arguments = [*provide.browser_arguments(), *ARGUMENTS]
        chromium = await playwright.chromium.launch(executable_path=provide.browser(), args=arguments)
        visits = [await _two_visits(chromium, cookies) for _ in range(ROUNDS)]
        await chromium.close()
        return visits


async def _two_visits(chromium: Browser, cookies: str) -> tuple[Visit, Visit]:
    """By a browser that has been nowhere yet."""
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 900}, base_url=ADDRESS, extra_http_headers={"Cookie": cookies}
    )
    visitor = await Visitor.watching(await context.new_page())
    first, again = await visitor.visit(PATH), await visitor.visit(PATH)
    await context.close()
    return first, again


def _tell(name: str, visits: tuple[Visit, ...]) -> None:
    times = sorted(visit.table_ms for visit in visits)
    say(f"{name:<16} requests                {max(len(visit.requests) for visit in visits)}")
    say(f"{name:<16} bytes on the wire       {max(visit.size for visit in visits):,}")
    say(f"{name:<16} table painted after     {times[0]:.0f} ms best, {median(times):.0f} ms median")
    say(f"{name:<16} layout shift            {max(visit.shift for visit in visits):g}")
