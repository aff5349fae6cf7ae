"""Access requests, with plain forms and a real mail server: from the closed page to being in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from db.policy import Role
from settings import Settings
from tests.journeys.test_invitations import Place
from tests.support.pages.site import PASSWORD, SECRET, Site
from tests.support.pages.without_script import Reader
from tests.support.servers.smtp import serving
from tests.support.steps.access_request_steps import switch_on


@asynccontextmanager
async def opened() -> AsyncIterator[Place]:
    """A site with mail whose registration is closed."""
    async with serving() as server:
        account = server.account(host="127.0.0.1")
        settings = Settings(secret_key=SECRET, host="http://testserver", mail=account, closed=True)
        async with Site.opened(settings) as site:
            yield Place(site, server)


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    async with opened() as place:
        yield place


async def test_who_asks_and_confirms_is_invited_and_in(place: Place) -> None:
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)
    await ada.open("/user/signup")
    assert (ada.status, "Ask for access" in ada.text) == (403, False)
    await switch_on()
    await ada.reload()
    await ada.follow("Ask for access")
    await ada.press("Ask for access", name="Ada Lund", words="I press ferns")
    assert (ada.status, ada.value("name")) == (422, "Ada Lund")
    await ada.press("Ask for access", email="ada@example.org")
    assert ada.heading() == "Thank you, Ada Lund"

    await olga.open("/organization/invitations")
    assert "Ada Lund" not in olga.text
    await ada.open(await place.link_to("ada", "Confirm"))
    await ada.press("Yes, send my request")
    assert ada.heading() == "Your request is with them"
    assert "/organization/invitations?state=asked" in await place.mail("olga", "1 person asks")
    await olga.open("/organization/invitations?state=asked")
    assert "I press ferns" in olga.part("request-1")
    assert "not confirmed" not in olga.part("request-1")
    await olga.press("Invite", within="request-1", role="Reviewer")
    assert "Ada Lund is invited as Reviewer" in olga.text

    await ada.open(await place.link_to("ada", "invites"))
    assert ada.value("first_name") == "Ada"
    await ada.press("Accept the invitation", password=PASSWORD)
    assert "You are in, as Reviewer" in ada.text
    await olga.open("/organization/members")
    assert "not confirmed" not in olga.part(olga.row("Ada Lund"))


async def test_a_member_who_asks_is_told_by_mail_and_nobody_else_is(place: Place) -> None:
    await switch_on()
    await place.site.person("ada", Role.ANNOTATOR)
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)

    await ada.open("/user/access-request")
    await ada.press("Ask for access", name="Ada", email="ada@example.org")

    assert ada.heading() == "Thank you, Ada"
    assert "/user/login" in await place.mail("ada", "You have an account")
    await olga.open("/organization/invitations?state=asked")
    assert "Nobody asks to be let in" in olga.text


async def test_who_was_dismissed_reads_only_that_they_asked_already(place: Place) -> None:
    await switch_on()
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)
    await ada.open("/user/access-request")
    await ada.press("Ask for access", name="Ada", email="ada@example.org")
    await ada.open(await place.link_to("ada", "Confirm"))
    await ada.press("Yes, send my request")
    await olga.open("/organization/invitations")
    await olga.press("Dismiss", within="request-1")
    assert "The request of Ada is dismissed." in olga.text

    await ada.open("/user/access-request")
    await ada.press("Ask for access", name="Ada", email="ada@example.org")

    assert ada.heading() == "Thank you, Ada"
    assert "dismiss" not in await place.mail("ada", "already")
    await olga.reload()
    assert "Nobody asks to be let in" not in olga.text
    assert not olga.page.all("table", id="requests")
