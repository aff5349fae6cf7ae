"""Takes the pictures of docs/img anew, of the demo organization: `python -m tests.tools.pictures`."""

import asyncio
import base64
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

FOLDER = Path(__file__).parents[2] / "docs" / "img"
# Links in the pictures are built from it; nothing is asked from there.
HOST = "http://members.fenwick.example"
MEMBERS = "/organization/members"
MAX_BYTES = 200_000
DESK: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 390, "height": 844}
# What comes first in the README: three phones side by side.
PANEL: ViewportSize = {"width": 390, "height": 680}
STORY: ViewportSize = {"width": 1260, "height": 770}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
ADMINISTRATOR = "hana.vodickova@fenwick.example"
# Who is given a role in the picture; one for each scheme, since a role is given once.
WAITING: dict[Scheme, str] = {
    "light": "emeka.nwosu@fenwick.example",
    "dark": "piotr.wisniewski@uni-krakow.example",
}
CAPTIONS = ("1. Send one link", "2. They register and wait", "3. Give them a role")
STORY_PAGE = """<!doctype html><meta charset="utf-8"><style>
:root {{ color-scheme: {scheme}; }}
body {{ margin: 0; padding: 20px; display: flex; gap: 22px; background: light-dark(#e9e3d8, #0f1211); }}
figure {{ margin: 0; }}
figcaption {{ font: 600 22px system-ui, sans-serif; padding: 0 4px 16px; color: light-dark(#222, #eee) }}
img {{ display: block; border-radius: 14px; border: 1px solid light-dark(#cfc6b7, #3a403d); }}
</style>{panels}"""
PANEL_OF = '<figure><figcaption>{}</figcaption><img src="data:image/png;base64,{}"></figure>'


@dataclass(frozen=True)
class Site:
    """The demo organization, served at `address`. tokens: the sessions of its people, by address."""

    address: str
    tokens: dict[str, str]
    browser: Browser

    async def page(self, size: ViewportSize, scheme: Scheme, email: str = ADMINISTRATOR) -> Page:
        context = await self.browser.new_context(
            viewport=size, color_scheme=scheme, base_url=self.address, has_touch=size is not DESK
        )
        token = self.tokens[email]
        await context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": self.address}])
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
        tokens = {email: await _session(email) for email in (ADMINISTRATOR, *WAITING.values())}
        async with app.lifespan(), served(app) as address, async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=provide.browser(), args=provide.browser_arguments()
            )
            yield Site(address, tokens, browser)
            await browser.close()
        await engine.stop()


async def _session(email: str) -> str:
    return await engine.write(
        sessions.begin,
        await new_member.id_of(email),
        persistent=False,
        session_limits=demo.SESSION_LIMITS,
        address="192.0.2.17",
        device="Firefox on Linux",
    )


async def take_all() -> None:
    """The pictures of the documentation, each light and dark: members and invite dialog, wide and narrow; and
    the way from a link to a role.
    """
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
        for scheme in SCHEMES:
            await _take_story(site, scheme)


async def _take_story(site: Site, scheme: Scheme) -> None:
    """The invite link, the page of somebody who waits, and the list as they get a role, in one picture."""
    admin = await site.page(PANEL, scheme)
    await admin.goto(MEMBERS)
    await admin.get_by_role("link", name="Invite Members").click()
    await admin.locator("dialog:modal").wait_for()
    shots = [await _shot(admin)]

    waiting = await site.page(PANEL, scheme, WAITING[scheme])
    await waiting.goto("/")
    shots.append(await _shot(waiting))

    await admin.goto(MEMBERS)
    row = admin.locator("tr", has_text=WAITING[scheme])
    await row.get_by_role("combobox").select_option("Annotator")
    await admin.locator(".toast").wait_for()
    await row.evaluate("row => scrollTo(0, row.getBoundingClientRect().top + scrollY - 120)")
    shots.append(await _shot(admin))

    panels = "".join(
        PANEL_OF.format(caption, base64.b64encode(shot).decode())
        for caption, shot in zip(CAPTIONS, shots, strict=True)
    )
    page = await site.page(STORY, scheme)
    await page.set_content(STORY_PAGE.format(scheme=scheme, panels=panels))
    await _take(page, "story" + ("-dark" if scheme == "dark" else ""))


async def _shot(page: Page) -> bytes:
    return await page.screenshot(scale="css", animations="disabled")


async def _take(page: Page, name: str) -> None:
    picture = await page.screenshot(path=FOLDER / f"{name}.png", scale="css", animations="disabled")
    assert len(picture) < MAX_BYTES, f"{name}.png has {len(picture)} bytes"


if __name__ == "__main__":
    asyncio.run(take_all())
