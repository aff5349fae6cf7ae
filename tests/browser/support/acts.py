"""A page to look at: who opens it, where, what they send, and what they do there before it is looked at."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Page, Route

from db import engine
from db.policy import PASSWORD_MS

Act = Callable[[Page], Awaitable[None]]


@dataclass(frozen=True)
class Stop:
    """sent: a form's fields (None: they just look). status: the answer. act: what they do then, by script.

    noted: signs of what the browser rightly writes on its console about that.
    """

    name: str
    who: str
    path: str
    status: int = 200
    sent: Mapping[str, Any] | None = None
    act: Act | None = None
    noted: tuple[str, ...] = ()

    async def visit(self, page: Page) -> None:
        if self.sent is None:
            answer = await page.goto(self.path)
        else:
            # A page of ours to send it from; its policy lets forms go to our own addresses only.
            await page.goto("/user/signup")
            async with page.expect_navigation() as arrived:
                await page.evaluate(SEND, [self.path, dict(self.sent)])
            answer = await arrived.value
        assert answer is not None
        assert answer.status == self.status, f"{self.name}: {answer.status}"
        if self.act:
            await self.act(page)


SEND = """([path, fields]) => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: path });
    for (const [name, value] of Object.entries(fields)) {
        form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
    }
    document.body.append(form);
    form.submit();
}"""


def dialog(link: str, *presses: str) -> Act:
    """Opens what this link opens as a dialog, then presses these tabs and buttons in it."""

    async def act(page: Page) -> None:
        await page.get_by_role("link", name=link).first.click()
        opened = page.locator("dialog:modal")
        await opened.wait_for()
        for name in presses:
            await opened.get_by_role("tab", name=name).or_(opened.get_by_role("button", name=name)).click()

    return act


def menu(selector: str) -> Act:
    """Opens a menu."""

    async def act(page: Page) -> None:
        await page.locator(f"{selector} > summary").click()

    return act


def through_a_proxy(*, posting: bool, **headers: str) -> Act:
    """Opens the login page again, or sends its form, as over http through a proxy with these headers."""

    async def act(page: Page) -> None:
        async def hand_on(route: Route) -> None:
            sent = {name: value for name, value in route.request.headers.items() if "sec-" not in name}
            await route.fulfill(response=await route.fetch(headers={**sent, **named}))

        named = {name.replace("_", "-"): value for name, value in headers.items()}
        await page.route("**/user/login", hand_on)
        if posting:
            async with page.expect_navigation():
                await page.get_by_role("button", name="Log in").click()
        else:
            await page.reload()
        await page.unroute("**/user/login")

    return act


def press(name: str) -> Act:
    """Presses the button of this name."""

    async def act(page: Page) -> None:
        await page.get_by_role("button", name=name, exact=True).click()

    return act


async def give_no_password_lately(_: Page) -> None:
    """From now on all sessions gave their password too long ago for sensitive changes."""
    await engine.write(
        engine.execute, "UPDATE session SET password_at = password_at - ?", PASSWORD_MS + 1_000
    )


def ask_password(link: str, button: str, *, wrong: bool = False) -> Act:
    """Opens what this link opens as a dialog, and presses a button in it that wants the password."""

    async def act(page: Page) -> None:
        await dialog(link)(page)
        await give_no_password_lately(page)
        await page.locator("#dialog").get_by_role("button", name=button).click()
        asked = page.locator("#anew > dialog:modal")
        await asked.wait_for()
        if wrong:
            await asked.get_by_role("button", name="Go on").click()
            await asked.locator("[aria-invalid]").wait_for()

    return act


async def ask_password_as_a_page(page: Page) -> None:
    """Gives a role by a plain form."""
    await give_no_password_lately(page)
    await page.get_by_label("Role", exact=True).select_option("AD")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Save", exact=True).click()


async def select_everyone(page: Page) -> None:
    """Ticks all rows, so that the bar for several people appears."""
    # In a row of cards the head of the table, and with it the box for all of them, isn't there.
    for box in await page.locator(".pick [name]").all():
        await box.check()
    await page.locator("#bulk strong").wait_for()


def give_role(name: str, role: str) -> Act:
    """Gives a role, and keeps the focus on Undo, so that the toast stays."""

    async def act(page: Page) -> None:
        await page.get_by_label(f"Role of {name}").select_option(role)
        await page.get_by_role("button", name="Undo").focus()

    return act


async def be_refused(page: Page) -> None:
    """Asks for an order there isn't, as if the page were older than the server."""
    await page.evaluate("document.querySelector('#filters [name=sort]').options[0].value = 'shoe-size'")
    await page.locator("#filters [name=sort]").select_option("shoe-size")
    await page.locator(".toast--refused button").wait_for()


async def type_known_words(page: Page) -> None:
    await page.get_by_label("Email address").fill("joerg@lindenhof.example")
    await page.get_by_label("Password", exact=True).fill("Lindenhof2026!")


async def show_password(page: Page) -> None:
    """Types a password and looks at it."""
    await page.locator("input[type=password]").first.fill("four purple lanterns")
    await page.get_by_role("button", name="Show").first.click()
