"""Invitations in a browser whose scripts are switched off: the whole way, on both sides of the mail."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page, expect

from db import engine
from db.auth import links
from db.policy import Role
from tests.browser.support import inviting
from tests.browser.support.desk import Desk
from tests.browser.support.inviting import INVITATIONS
from tests.support.pages.site import PASSWORD
from tests.support.servers.smtp import Server

WRONG = "maria.gomez@@museo.example"


@pytest.fixture
async def mail(database: str, browser: Browser) -> AsyncIterator[tuple[Desk, Server]]:
    async with inviting.with_mail(browser) as opened:
        yield opened


async def test_three_are_invited_one_is_revoked_and_one_mailed_again(mail: tuple[Desk, Server]) -> None:
    desk, server = mail
    page = await plain(desk, "/organization/invite", "olga")

    await page.get_by_label("Email addresses").fill("ada@example.org, ben@example.org; cleo@example.org")
    await page.get_by_role("button", name="Preview first").click()
    await expect(page.locator("#preview-title")).to_have_text("What will happen: 3 invitations")
    await expect(page.locator("#preview-title")).to_be_in_viewport()
    await page.get_by_role("button", name="Send invitations").click()
    await expect(page.locator("#toasts")).to_contain_text("3 invitations are on the way.")
    await inviting.delivered()

    await page.get_by_role("button", name="Revoke invitation of ada").click()
    await expect(page.locator("tr", has_text="ada@example.org")).to_contain_text("Revoked")
    await page.get_by_role("button", name="Resend to ben").click()
    await expect(page.locator("#toasts")).to_contain_text("The mail goes out again.")
    await page.get_by_label("Role for cleo@example.org").select_option("Reviewer")
    await page.get_by_role("button", name="Save role for cleo").click()
    await expect(page.get_by_label("Role for cleo@example.org")).to_have_value("RE")
    await inviting.delivered()
    assert len(server.to("ben@example.org")) == 2

    await page.get_by_role("button", name="Copy link for ben").click()
    field = page.get_by_role("textbox", name="Link for ben@example.org")
    assert await field.input_value() == desk.address + await inviting.path_for(desk.site, "ben@example.org")


async def test_the_others_of_a_list_with_a_mistake(mail: tuple[Desk, Server]) -> None:
    desk, _ = mail
    page = await plain(desk, "/organization/invite?way=email", "olga")

    await page.get_by_label("Email addresses").fill(f"ada@example.org {WRONG}")
    await page.get_by_role("button", name="Send invitations").click()
    await expect(page.locator("#emails-error")).to_contain_text("Nothing was sent.")
    await expect(page.get_by_label("Email addresses")).to_have_value(f"ada@example.org {WRONG}")
    await page.get_by_role("button", name="Send the other 1").click()

    await expect(page.locator("#invitations tbody tr")).to_have_count(1)


async def test_several_are_revoked_and_a_file_is_sent(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org", "ben@example.org")
    page = await plain(desk, INVITATIONS, "olga")

    for name in ("ada", "ben"):
        await page.get_by_role("checkbox", name=f"Select the invitation of {name}").check()
    await page.locator("#bulk").get_by_role("button", name="Revoke").click()
    await expect(page.locator("#invitations-count")).to_have_text("0 open, 2 revoked")
    await page.goto(f"{INVITATIONS}/import")
    await page.get_by_label("CSV file").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": b"email\nzoe@example.org\n"}
    )
    await page.get_by_role("button", name="Preview").click()
    await page.get_by_role("button", name="Send invitations").click()

    await expect(page.get_by_label("Link for zoe@example.org")).to_be_visible()


async def test_who_is_invited_gets_in_or_asks_for_a_new_one(mail: tuple[Desk, Server]) -> None:
    desk, _ = mail
    await inviting.invite(desk.site, "olga", "ada@example.org", "ben@example.org")
    await inviting.expire("ben@example.org")

    page = await plain(desk, await inviting.path_for(desk.site, "ada@example.org"))
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Accept the invitation").click()
    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()

    page = await plain(desk, await inviting.path_for(desk.site, "ben@example.org"))
    await expect(page.get_by_text("Its time has run out.")).to_be_visible()
    await page.get_by_role("button", name="Ask for a new one").click()
    await expect(page.get_by_role("status")).to_contain_text("Whoever invited you is told.")
    await expect(page.get_by_role("button", name="Ask for a new one")).to_have_count(0)

    page = await plain(desk, INVITATIONS, "olga")
    await expect(page.locator("tr", has_text="ben@example.org")).to_contain_text("They ask for a new one.")


async def test_who_is_signed_in_already_needs_one_press(desk: Desk) -> None:
    await desk.site.person("zed")
    await desk.site.person("ana", Role.ANNOTATOR)
    await inviting.invite(desk.site, "olga", "zed@example.org", role=Role.REVIEWER)
    path = await inviting.path_for(desk.site, "zed@example.org")

    page = await plain(desk, path, "ana")
    await expect(page.get_by_role("heading", name="This invitation is for somebody else")).to_be_visible()
    page = await plain(desk, path, "zed")
    await page.get_by_role("button", name="Accept the invitation").click()

    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    assert await desk.site.role_of("zed") is Role.REVIEWER


async def test_a_forgotten_password_and_an_address_to_confirm(mail: tuple[Desk, Server]) -> None:
    desk, server = mail
    page = await plain(desk, "/user/password/forgot")
    await page.get_by_label("Email address").fill("olga@example.org")
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.get_by_role("status")).to_contain_text("a mail is on its way to it")
    await inviting.delivered()
    assert "/user/password/reset?token=" in server.to("olga@example.org")[0].text

    page = await plain(desk, "/user/account", "olga")
    await page.get_by_role("button", name="Send the link").click()
    await expect(page.locator("#toasts")).to_contain_text("The mail is on its way.")
    await page.goto(await confirmation_path(desk))
    await page.get_by_role("button", name="Yes, confirm it").click()
    await expect(page.locator("#toasts")).to_contain_text("Your address is confirmed.")
    await page.goto("/user/account")
    await expect(page.get_by_text("It is confirmed.")).to_be_visible()


async def confirmation_path(desk: Desk) -> str:
    """The path in the newest mail that asks whether an address is right."""
    ((link_id, nonce),) = await engine.rows(
        "SELECT id, nonce FROM links WHERE purpose = ? ORDER BY id DESC LIMIT 1", links.ADDRESS
    )
    return f"/user/confirmation?token={desk.site.context.signer.token(links.ADDRESS, link_id, nonce)}"


async def plain(desk: Desk, path: str, name: str = "") -> Page:
    """A window without scripts."""
    return await desk.page(name, path, java_script_enabled=False)
