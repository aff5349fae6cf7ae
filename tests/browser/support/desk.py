"""Real browsers in front of a running site. Whatever a page says on its console fails the test at its end."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

from playwright.async_api import Browser, ConsoleMessage, Error, Page, Request

from handlers.http.auth.cookies import SESSION_COOKIE
from tests.browser.support.serving import served
from tests.support.pages.site import PASSWORD, Site

# Plain http under a name that isn't localhost: no clipboard there, and no Sec-Fetch-Site.
PLAIN_HOST = "members.test"
# The browser knows this name, and no other beside this machine: nothing can reach a foreign host.
ARGUMENTS = [f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
# Long, since it costs nothing where all is well: the machine may be busy.
TIMEOUT_MS = 20_000
# What the browser itself notes: of an answer that a test has asked for, of a header that it heeds only where
# nobody can have changed it on the way, and that it has emptied its cache at logout.
EXPECTED = re.compile(
    r"Failed to load resource: the server responded with a status of 4\d\d"
    r"|The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy"
    r"|Clear-Site-Data header on '[^']*/user/logout': Cleared data types: \"cache\"\."
)


class Desk:
    """A site with browsers in front of it. Each page has one of its own: other cookies, other storage."""

    def __init__(self, site: Site, browser: Browser, address: str) -> None:
        self.site = site
        self.address = address
        self.faults: list[str] = []
        self._browser = browser

    @classmethod
    @asynccontextmanager
    async def of(cls, site: Site, browser: Browser) -> AsyncIterator[Self]:
        """Serves the site; at the end every window is closed, and none may have had a fault."""
        async with served(site.app) as address:
            desk = cls(site, browser, address)
            try:
                yield desk
            finally:
                for context in browser.contexts:
                    await context.close()
            assert not desk.faults, desk.faults

    @property
    def plain_address(self) -> str:
        """The same site over plain http under a host name."""
        return self.address.replace("127.0.0.1", PLAIN_HOST)

    async def page(self, name: str = "", path: str = "/", *, plain: bool = False, **options: Any) -> Page:
        """A window, with this person signed in if one is named, that has opened the path."""
        base = self.plain_address if plain else self.address
        options = {"viewport": {"width": 1280, "height": 900}, "base_url": base, **options}
        context = await self._browser.new_context(**options)
        context.set_default_timeout(TIMEOUT_MS)
        if name:
            token = (await self.site.sign_in(name)).cookies[SESSION_COOKIE]
            await context.add_cookies([{"name": SESSION_COOKIE, "value": token, "url": base}])
        context.on("page", self._listen)
        page = await context.new_page()
        await page.goto(path)
        return page

    def forgive(self, *signs: str) -> None:
        """Takes out faults that the test has brought about; fails for a sign that none of them bears."""
        for sign in signs:
            assert any(sign in fault for fault in self.faults), self.faults
        self.faults = [fault for fault in self.faults if not any(sign in fault for sign in signs)]

    def _listen(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", self._note)
        page.on("request", self._look)

    def _hear(self, message: ConsoleMessage) -> None:
        if not EXPECTED.match(message.text):
            self.faults.append(f"{message.type}: {message.text}")

    def _note(self, error: Error) -> None:
        self.faults.append(f"error: {error}")

    def _look(self, request: Request) -> None:
        if not request.url.startswith((f"{self.address}/", f"{self.plain_address}/")):
            self.faults.append(f"request to {request.url}")


async def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """By the form."""
    await page.get_by_label("Email address").fill(f"{name}@example.org")
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Log in").click()
