"""Takes the pictures of docs/img anew, of the demo organization: `python -m tests.pictures`."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from app import create_app
from db import engine
from db.auth import sessions
from db.maintenance import demo, secret_key
from db.members import new_member
from db.schema import migrate
from handlers.http.auth.cookies import SESSION_COOKIE
from settings import Settings
from tests import provide
from tests.browser.support.serving import served

FOLDER = Path(__file__).parent.parent / "docs" / "img"
# Links in the pictures are built from it; nothing is asked from there.
HOST = "http://members.fenwick.example"
MEMBERS = "/organization/members"
MOST_BYTES = 200_000
DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class Site:
    """The demo organization, served at `address`; token: the session of its Administrator."""

    address: str
    token: str
    browser: Browser

    async def page(self, size: ViewportSize, scheme: Scheme) -> Page:
        context = await self.browser.new_context(
            viewport=size, color_scheme=scheme, base_url=self.address, has_touch=size is PHONE
        )
        await context.add_cookies([{"name": SESSION_COOKIE, "value": self.token, "url": self.address}])
        return await context.new_page()


@asynccontextmanager
async def opened() -> AsyncIterator[Site]:
    """The demo organization on a throw-away database, and a browser."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-pictures-") as folder:
        engine.use(f"sqlite:///{folder}/pictures.db")
        await engine.start()
        await migrate.migrate()
        settings = Settings(secret_key=secrets.token_urlsafe(48), host=HOST, app_url="http://127.0.0.1/")
        app = create_app(settings)
        await secret_key.remember_fingerprint(app.state.context.signer.fingerprint())
        await demo.fill()
        administrator = await new_member.id_of("hana.vodickova@fenwick.example")
        token = await engine.write(
            sessions.begin,
            administrator,
            kept=False,
            ages=demo.AGES,
            address="192.0.2.17",
            device="Firefox on Linux",
        )
        async with app.lifespan(), served(app) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=provide.browser(), args=provide.browser_arguments()
            )
            yield Site(address, token, browser)
            await browser.close()
        await engine.stop()


async def take_all() -> None:
    """The pictures of the documentation: members and invite dialog, wide and narrow, light and dark."""
    FOLDER.mkdir(exist_ok=True)
    async with opened() as site:
        for size, place in ((DESK, ""), (PHONE, "-phone")):
            for scheme in SCHEMES:
                page = await site.page(size, scheme)
                await page.goto(MEMBERS)
                ending = place + ("-dark" if scheme == "dark" else "")
                await _take(page, f"members{ending}")
                await page.get_by_role("link", name="Invite Members").click()
                await page.locator("dialog:modal").wait_for()
                await _take(page, f"invite{ending}")


async def _take(page: Page, name: str) -> None:
    picture = await page.screenshot(path=FOLDER / f"{name}.png", scale="css", animations="disabled")
    assert len(picture) < MOST_BYTES, f"{name}.png has {len(picture)} bytes"


if __name__ == "__main__":
    asyncio.run(take_all())
