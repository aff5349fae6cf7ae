"""The members page in a browser: what a first and a repeated visit weigh, and how soon the table is there."""

import argparse
import tempfile
from statistics import median
from typing import Final

from playwright.async_api import Browser, async_playwright

from db import engine, migrate
from tests import provide
from tests.bench import seed
from tests.bench.databases import say
from tests.browser.desk import ARGUMENTS, Desk
from tests.browser.visits import Visit, Visitor
from tests.site import Site

ROUNDS: Final = 7
PATH: Final = "/organization/members"


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        engine.use(f"sqlite:///{folder}/bench.db")
        await engine.start()
        await migrate.migrate()
        async with Site.opened() as site, async_playwright() as playwright:
            await seed.fill(options.members)
            arguments = [*provide.browser_arguments(), *ARGUMENTS]
            chromium = await playwright.chromium.launch(executable_path=provide.browser(), args=arguments)
            visits = [await _two_visits(site, chromium) for _ in range(ROUNDS)]
            await chromium.close()
    for name, found in zip(("first visit", "repeated visit"), zip(*visits, strict=True), strict=True):
        _tell(name, found)


async def _two_visits(site: Site, chromium: Browser) -> tuple[Visit, Visit]:
    async with Desk.of(site, chromium) as desk:
        visitor = await Visitor.watching(await desk.page("olga", "about:blank"))
        return await visitor.visit(PATH), await visitor.visit(PATH)


def _tell(name: str, visits: tuple[Visit, ...]) -> None:
    times = sorted(visit.table_ms for visit in visits)
    say(f"{name:<16} requests                {max(len(visit.requests) for visit in visits)}")
    say(f"{name:<16} bytes on the wire       {max(visit.size for visit in visits):,}")
    say(f"{name:<16} table painted after     {times[0]:.0f} ms best, {median(times):.0f} ms median")
    say(f"{name:<16} layout shift            {max(visit.shift for visit in visits):g}")
