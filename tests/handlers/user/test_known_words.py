"""Every form that sets a password refuses one made of what is known, by the same sentence."""

import html
from collections.abc import Awaitable, Callable

import httpx
import pytest

from db import engine
from messages import by_field
from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site
from tests.support.steps.invitation_steps import invited, token

pytestmark = ON_SQLITE
TITLE = "Lindenhof Translation Bureau"
MADE_OF_KNOWN = ("Lindenhof2026!", "example-org-2026", "Label Studio!", "amselweg amselweg", "Gatehouse2026!")
Send = Callable[[Site, str], Awaitable[httpx.Response]]


async def at_sign_up(site: Site, password: str) -> httpx.Response:
    return await site.visitor().submit("/user/signup", email="ada@example.org", password=password)


async def at_an_invitation(site: Site, password: str) -> httpx.Response:
    line = await invited(site, "ada")
    return await site.visitor().submit("/user/invitation", token=token(site, line), password=password)


async def at_the_account(site: Site, password: str) -> httpx.Response:
    olga = await site.sign_in("olga")
    return await olga.submit("/user/account/password", current_password=PASSWORD, password=password)


async def at_a_reset(site: Site, password: str) -> httpx.Response:
    fields = {"token": await site.reset_token("olga"), "password": password}
    return await site.visitor().submit("/user/password/reset", fields)


@pytest.mark.parametrize("send", [at_sign_up, at_an_invitation, at_the_account, at_a_reset])
@pytest.mark.parametrize("password", MADE_OF_KNOWN)
async def test_a_password_made_of_what_is_known_is_refused(database: str, send: Send, password: str) -> None:
    settings = Settings(secret_key=SECRET, host="https://members.amselweg.example")
    async with Site.opened(settings) as site:
        await engine.write(engine.execute, "UPDATE organization SET title = ?", TITLE)

        answer = await send(site, password)

    assert answer.status_code == 422
    assert by_field.MADE_OF_KNOWN in html.unescape(answer.text)


async def test_set_up_refuses_it_too(database: str) -> None:
    async with Site.opened(founded=False) as site:
        code = await site.setup_code()
        fields = {"title": TITLE, "email": "olga@example.org", "password": "Translation Bureau"}
        answer = await site.visitor().submit("/setup", fields, code=code)

    assert answer.status_code == 422
    assert by_field.MADE_OF_KNOWN in html.unescape(answer.text)


async def test_the_page_carries_the_words_that_are_not_typed_into_it(site: Site) -> None:
    page = tree(await site.visitor().get("/user/signup"))

    assert page.one(id="password-known")["data-known"].split("\n") == [
        "Fenwick Herbarium",
        "Label Studio",
        "",
        "Gatehouse",
    ]
