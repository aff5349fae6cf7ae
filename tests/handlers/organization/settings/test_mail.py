"""Whether mail leaves this server: the sentence on the settings page, and the button that tries it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from db.mail import outbox
from handlers.organization.settings import mail
from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.servers.smtp import Server, scripted, serving, silent
from tests.support.steps.mail_steps import delivering, queued, until, until_tried

PATH = "/organization/settings"
BUTTON = f"{PATH}/test-mail"


@asynccontextmanager
async def mailing(server: Server, **account: Any) -> AsyncIterator[Site]:
    """A site whose mail goes to this server."""
    settings = Settings(secret_key=SECRET, host="http://testserver", mail=server.account(**account))
    async with Site.opened(settings) as site:
        yield site


@ON_SQLITE
async def test_a_test_mail_goes_to_the_owner_and_the_answer_is_shown(database: str) -> None:
    async with serving() as server, mailing(server) as site:
        olga = await site.sign_in("olga")

        page = await olga.submit(BUTTON)
        fragment = await olga.press(BUTTON)

    assert (page.status_code, page.headers["location"]) == (303, PATH)
    assert tree(fragment).one(id="test-mail-result").text == (
        "Test mail to olga@example.org: taken: 250 2.0.0 Queued as 4F2A."
    )
    assert [taken.recipient for taken in server.received] == ["olga@example.org"] * 2


@ON_SQLITE
async def test_a_refused_test_mail_shows_the_words_of_the_server(database: str) -> None:
    async with scripted(rcpt=b"550 Empf\xe4nger\r\n") as server, mailing(server) as site:
        olga = await site.sign_in("olga")

        page, fragment = await olga.submit(BUTTON), await olga.press(BUTTON)

    assert (page.status_code, fragment.status_code) == (409, 409)
    assert "refuses the mail: 550 Empf\ufffdnger." in tree(page).one("main").text
    assert "refuses the mail: 550 Empf\ufffdnger." in tree(fragment).one(id="test-mail-result").text


@ON_SQLITE
async def test_a_silent_mail_server_keeps_nobody_waiting_for_long(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "MAX_SECONDS", 0.3)
    async with silent() as server, mailing(server, timeout=60) as site:
        olga = await site.sign_in("olga")

        answer = await olga.press(BUTTON)

    assert answer.status_code == 409
    assert "no answer within 0.3 seconds" in answer.text


@ON_SQLITE
async def test_test_mails_are_limited(database: str) -> None:
    async with serving() as server, mailing(server) as site:
        olga = await site.sign_in("olga")

        answers = [(await olga.press(BUTTON)).status_code for _ in range(6)]

    assert answers == [200] * 5 + [429]


async def test_without_a_mail_server_there_is_no_button(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = await olga.get(PATH)

    assert "Mail isn’t set up on this server." in tree(page).one(id="mail").text
    assert not tree(page).all("form", id="test-mail")
    assert (await olga.submit(BUTTON)).status_code == 409


@ON_SQLITE
async def test_the_settings_page_says_how_the_last_mails_fared(database: str) -> None:
    async with serving() as server, mailing(server) as site:
        olga = await site.sign_in("olga")
        at_first = tree(await olga.get(PATH)).one(id="mail").text
        mail_id = await queued("password", "olga@example.org", member_id=site.ids["olga"])
        async with delivering(server.account()):
            outbox.wake()
            await until("sent", mail_id)
        after_one = tree(await olga.get(PATH)).one(id="mail").text

        server.refuse["olga@example.org"] = "451 4.7.1 Greylisted"
        mail_id = await queued("password", "olga@example.org", member_id=site.ids["olga"])
        async with delivering(server.account()):
            outbox.wake()
            await until_tried(mail_id)
        in_trouble = tree(await olga.get(PATH)).one(id="mail").text

    assert "none has been sent yet" in at_first
    assert "Mail works." in after_one
    assert "Mail is waiting: The mail server has not taken it yet: 451 4.7.1 Greylisted." in in_trouble
