"""/user/confirmation and what one's own account says of it."""

from collections.abc import AsyncIterator

import pytest

from db import engine
from db.auth import links
from db.policy import Role
from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.servers.smtp import Server, serving
from tests.support.steps.invitation_steps import confirmed, mails
from tests.support.steps.member_steps import register

PATH = "/user/confirmation"
pytestmark = ON_SQLITE


@pytest.fixture
async def mailing(database: str) -> AsyncIterator[tuple[Site, Server]]:
    """A site whose mails a real server takes."""
    async with (
        serving() as server,
        Site.opened(Settings(secret_key=SECRET, mail=server.account(host="127.0.0.1"))) as site,
    ):
        yield site, server


async def token_of(site: Site, member_id: int) -> str:
    link = await engine.read(links.open_one, links.ADDRESS, member_id)
    assert link is not None
    return site.context.signer.token(links.ADDRESS, link.id, link.nonce)


async def test_opening_changes_nothing_the_button_does_once(mailing: tuple[Site, Server]) -> None:
    site, _ = mailing
    ada = (await register(site, "ada")).member_id
    site.ids["ada"] = ada
    admin, guest, token = await site.sign_in("olga"), await site.sign_in("ada"), await token_of(site, ada)
    assert "Address not confirmed yet" in (await admin.get("/organization/members")).text

    assert (await guest.head(PATH, params={"token": token})).status_code == 200
    answer = await guest.get(PATH, params={"token": token})
    assert (answer.status_code, "ada@example.org was used to register" in answer.text) == (200, True)
    assert not await confirmed(ada)
    assert (await guest.submit(PATH, token=token)).status_code == 303

    assert await confirmed(ada)
    assert "Address not confirmed yet" not in (await admin.get("/organization/members")).text
    for invalid in (token, "", "x", "1.é"):
        assert (await guest.submit(PATH, token=invalid)).status_code == 410
        assert (await guest.get(PATH, params={"token": invalid})).status_code == 410


async def test_only_whoever_is_signed_in_to_the_account_confirms_it(mailing: tuple[Site, Server]) -> None:
    """A colleague's kind "yes" must not confirm the account that a stranger made under their address."""
    site, _ = mailing
    ada = (await register(site, "ada")).member_id
    token = await token_of(site, ada)

    for somebody in (site.visitor(), await site.sign_in("olga")):
        page = await somebody.get(PATH, params={"token": token})
        answer = await somebody.submit(PATH, token=token)
        assert (page.status_code, answer.status_code) == (200, 403)
        assert "Yes, confirm it" not in page.text + answer.text

    assert not await confirmed(ada)


async def test_the_account_says_so_and_sends_another(mailing: tuple[Site, Server]) -> None:
    site, _ = mailing
    site.ids["ada"] = (await register(site, "ada")).member_id
    ada, old = await site.sign_in("ada"), await token_of(site, site.ids["ada"])
    assert "Your address isn't confirmed yet." in (await ada.get("/user/account")).text

    assert (await ada.submit("/user/account/confirmation")).status_code == 303

    assert (await ada.submit(PATH, token=old)).status_code == 410
    await ada.submit(PATH, token=await token_of(site, site.ids["ada"]))
    assert "It is confirmed." in tree(await ada.get("/user/account")).text
    assert (await ada.submit("/user/account/confirmation")).status_code == 409
    # The mails of an hour are counted.
    answers = [(await ada.submit("/user/account/confirmation")).status_code for _ in range(5)]
    assert answers[-1] == 429


async def test_notices_are_switched_off_by_who_gets_them(mailing: tuple[Site, Server]) -> None:
    site, _ = mailing
    await site.person("ada", Role.ANNOTATOR)
    olga, ada = await site.sign_in("olga"), await site.sign_in("ada")
    assert "wants_notices" not in (await ada.get("/user/account")).text

    for sent, checked in (({}, False), ({"wants_notices": "true"}, True)):
        assert (await olga.submit("/user/account/notices", sent)).status_code == 303
        box = tree(await olga.get("/user/account")).one("input", name="wants_notices")
        assert ("checked" in box) is checked


async def test_without_mail_there_is_nothing_to_send(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    assert "confirm" not in tree(await ada.get("/user/account")).one("main").text
    answer = await ada.submit("/user/account/confirmation")

    assert answer.status_code == 409
    assert "Mail isn't set up" in tree(answer).text
    assert await mails("address") == []
