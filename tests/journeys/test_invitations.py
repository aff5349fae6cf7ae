"""Invitations by email, with plain forms and a real mail server: from the list of addresses to being in."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import ModuleType

import pytest

from db.common.undo import NOT_BEFORE_MS
from db.mail import outbox
from db.policy import Role
from settings import Settings
from tests.support.pages.site import PASSWORD, SECRET, Site
from tests.support.pages.without_script import Reader
from tests.support.servers.smtp import Server, serving
from tests.support.steps.mail_steps import soon


@dataclass
class Place:
    site: Site
    server: Server

    async def link_to(self, name: str, words: str) -> str:
        """The link in the newest mail to somebody whose subject holds these words."""

        def look() -> str:
            found = [
                mail for mail in self.server.to(f"{name}@example.org") if words in mail.message["Subject"]
            ]
            links = re.findall(r"https?://\S+\?token=\S+", found[-1].text) if found else []
            return links[0] if links else ""

        link: str = await soon(look)
        return link

    async def mail(self, name: str, words: str) -> str:
        """The text of the newest mail to somebody whose subject holds these words."""

        def look() -> str:
            found = [
                mail for mail in self.server.to(f"{name}@example.org") if words in mail.message["Subject"]
            ]
            return found[-1].text if found else ""

        text: str = await soon(look)
        return text


@pytest.fixture
async def place(database: str) -> AsyncIterator[Place]:
    async with serving() as server:
        settings = Settings(
            secret_key=SECRET, host="http://testserver", mail=server.account(host="127.0.0.1")
        )
        async with Site.opened(settings) as site:
            yield Place(site, server)


async def test_an_invited_person_is_in_as_soon_as_they_have_registered(place: Place) -> None:
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)
    await olga.open("/organization/invite?way=email")
    typed = "Ada Lund <ada@example.org>, nobody@"

    await olga.press("Send invitations", emails=typed, role="Reviewer")
    assert olga.status == 422
    assert place.server.received == []
    await olga.press("Send the other 1")
    assert olga.part("toasts") == "1 invitation is on the way."
    link = await place.link_to("ada", "invite")
    await ada.open(link)
    assert ada.heading() == "Olga invites you"
    assert ada.value("first_name") == "Ada"
    await ada.press("Accept the invitation", password=PASSWORD)

    assert ada.heading() == "Welcome, Ada"
    assert "You are in, as Reviewer" in ada.text
    assert "Ada" in await place.mail("olga", "accepted")
    await olga.open("/organization/invitations")
    assert "Accepted" in olga.part("invitations")
    await olga.open("/organization/members")
    assert olga.role("Ada Lund") == "Reviewer"
    assert "not confirmed" not in olga.part(olga.row("Ada Lund"))
    await ada.open(link)
    assert ada.status == 410


async def test_a_refused_address_shows_the_server_s_words(place: Place) -> None:
    place.server.refuse["ada@example.org"] = "550 5.1.1 No such user here"
    olga = await Reader.signed_in(place.site, "olga")
    await olga.open("/organization/invite?way=email")
    await olga.press("Send invitations", emails="ada@example.org", role="Annotator")

    async def shown() -> bool:
        await olga.open("/organization/invitations?state=refused")
        return "550 5.1.1 No such user here" in olga.text

    await soon(shown)
    await olga.press("Copy link")
    ada = Reader.of(place.site)
    await ada.open(olga.value("copied-link"))
    await ada.press("Accept the invitation", password=PASSWORD, first_name="Ada")
    await olga.open("/organization/members")
    assert "Address not confirmed, vouched for by Olga" in olga.part(olga.row("Ada"))


async def test_revoked_it_asks_for_a_new_one_and_resent_the_earlier_mail_works(place: Place) -> None:
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)
    await olga.open("/organization/invite?way=email")
    await olga.press("Send invitations", emails="ada@example.org", role="Annotator")
    first = await place.link_to("ada", "invite")
    await olga.press("Resend")
    await soon(lambda: len(place.server.to("ada@example.org")) == 2)
    assert await place.link_to("ada", "invite") == first
    await olga.press("Revoke")

    await ada.open(first)
    assert (ada.status, ada.heading()) == (410, "This invitation no longer works")
    await ada.press("Ask for a new one")
    assert "Whoever invited you is told" in ada.text
    assert "press Invite again beside it" in await place.mail("olga", "ada@example.org")
    await olga.open("/organization/invitations")
    assert "They ask for a new one." in olga.text
    await olga.press("Invite again")
    assert olga.part("toasts") == "1 invitation is on the way."
    assert "They ask for a new one." not in olga.text
    await soon(lambda: len(place.server.to("ada@example.org")) == 3)
    await ada.open(await place.link_to("ada", "invite"))
    await ada.press("Accept the invitation", password=PASSWORD)
    assert "You are in, as Annotator" in ada.text
    await olga.open("/organization/invitations?state=accepted")
    await olga.follow("See the member ada@example.org")
    assert "ada@example.org" in olga.text


async def test_who_registers_confirms_the_address_and_is_told_of_the_role(
    place: Place, clock: ModuleType
) -> None:
    olga, ada = await Reader.signed_in(place.site, "olga"), Reader.of(place.site)
    await ada.open("/user/signup")
    await ada.register("ada")
    assert await place.mail("olga", "wait")
    await olga.open("/organization/members")
    assert "Address not confirmed yet" in olga.part(olga.row("Ada"))

    await ada.open(await place.link_to("ada", "address"))
    await ada.press("Yes, confirm it")
    await olga.open("/organization/members")
    assert "Address not confirmed yet" not in olga.part(olga.row("Ada"))
    await olga.press("Save", within=olga.row("Ada"), role="Annotator")

    # Not before the time to undo it is over.
    clock.move(NOT_BEFORE_MS)
    outbox.wake()
    assert "Annotator" in await place.mail("ada", "in")


async def test_a_forgotten_password_is_set_by_mail(place: Place) -> None:
    await place.site.person("ada", Role.ANNOTATOR)
    ada, password = Reader.of(place.site), "seven grey geese over the hill"
    await ada.open("/user/login")
    await ada.follow("Forgot your password?")
    await ada.press("Send the link", email="ada@example.org")
    assert "a mail is on its way" in ada.text

    await ada.open(await place.link_to("ada", "password"))
    await ada.press("Set new password", password=password)
    assert "Log in with the new one." in ada.text
    await ada.log_in("ada", password)

    assert ada.heading() == "Welcome, Ada"
    assert await place.mail("ada", "changed")


async def test_without_mail_the_links_are_handed_over(site: Site) -> None:
    olga, ada = await Reader.signed_in(site, "olga"), Reader.of(site)
    await olga.open("/organization/invite?way=email")
    assert "Mail isn't set up on this server" in olga.text
    await olga.press("Send invitations", emails="ada@example.org\nben@example.org", role="Annotator")

    link = next(
        field["value"] for field in olga.page.all("input") if "token=" in field.attributes.get("value", "")
    )
    await ada.open(link)
    await ada.press("Accept the invitation", password=PASSWORD, first_name="Ada")

    assert "You are in, as Annotator" in ada.text
    await olga.open("/organization/members")
    assert "Address not confirmed, vouched for by Olga" in olga.text
