"""Typed text isn't lost: a page with edits asks before it is left, and a session that ended keeps them."""

import re

import pytest
from playwright.async_api import Dialog, Page, expect

from db import engine
from tests.browser.support.desk import Desk
from tests.support.pages.site import PASSWORD, Site

MEMBERS, SETTINGS = "/organization/members", "/organization/settings"
TYPED = "Ada <ada@example.org>\nben@example.org\n"


async def log_in(page: Page) -> None:
    await page.get_by_label("Email address").fill("olga@example.org")
    await page.locator("#password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()


def questions(page: Page) -> list[str]:
    """The kinds of dialogs the browser opens from now on; each is answered with "stay"."""
    asked: list[str] = []

    async def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        await dialog.dismiss()

    page.on("dialog", stay)
    return asked


async def test_pasted_addresses_are_there_again_after_signing_in(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)
    asked = questions(page)
    await page.locator("#invite-members").click()
    await page.get_by_role("tab", name="Invite via email").click()
    await page.get_by_label("Email addresses").fill(TYPED)
    await expect(page.locator("#preview")).to_contain_text("2 invitations")
    await page.locator("#role").select_option("RE")
    await site.expire("olga")

    await page.get_by_role("button", name="Send invitations").click()
    await page.wait_for_url(re.compile(r"/user/login\?next="))
    await log_in(page)

    await expect(page.get_by_text("We kept what you typed. Check it and send it again.")).to_be_visible()
    await expect(page.get_by_label("Email addresses")).to_have_value(TYPED)
    await page.get_by_role("button", name="Send invitations").click()
    await page.wait_for_url("**/organization/invitations?batch=*")
    found = await engine.rows("SELECT email, role FROM invitation ORDER BY id")
    assert found == [("ada@example.org", "RE"), ("ben@example.org", "RE")]
    assert await engine.rows("SELECT 1 FROM draft") == []
    assert asked == []


async def test_addresses_are_kept_when_the_preview_meets_the_ended_session(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", "/organization/invite?way=email")
    asked = questions(page)
    await site.expire("olga")

    await page.get_by_label("Email addresses").press_sequentially("ada@example.org")
    await page.wait_for_url(re.compile(r"/user/login\?next="))
    await log_in(page)

    await expect(page.get_by_label("Email addresses")).to_have_value("ada@example.org")
    assert asked == []


async def test_settings_are_there_again_after_signing_in(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", SETTINGS)
    asked = questions(page)
    await page.get_by_label("Annotator").press_sequentially("Labels leaves")
    await site.expire("olga")

    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url(re.compile(r"/user/login\?next="))
    await log_in(page)
    await expect(page.get_by_label("Annotator")).to_have_value("Labels leaves")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("Saved.")

    assert await engine.rows("SELECT text FROM role_note") == [("Labels leaves",)]
    assert asked == []


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (SETTINGS, "Name of the organization"),
        ("/user/account", "First name"),
        ("/organization/invite?way=email", "Email addresses"),
    ],
)
async def test_a_page_with_edits_asks_before_it_is_left(desk: Desk, path: str, label: str) -> None:
    page = await desk.page("olga", path)
    asked = questions(page)
    members = page.locator(".letterhead").get_by_role("link", name="Members").first

    before = await page.get_by_label(label).first.input_value()
    await page.get_by_label(label).first.press_sequentially("x")
    await members.click()
    await page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert path in page.url

    await page.get_by_label(label).first.fill(before)
    await members.click()
    await page.wait_for_url(f"**{MEMBERS}")
    assert asked == ["beforeunload"]


async def test_a_page_without_edits_and_a_form_that_is_sent_ask_nothing(desk: Desk) -> None:
    page = await desk.page("olga", SETTINGS)
    asked = questions(page)

    await page.get_by_label("Name of the organization").press("ArrowRight")
    await page.goto("/user/account")
    await page.get_by_label("First name").press_sequentially("x")
    await page.get_by_role("button", name="Save").first.click()
    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    await page.goto(SETTINGS)
    await page.get_by_label("Annotator").press_sequentially("Labels")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    await page.goto(MEMBERS)

    assert asked == []


async def test_what_was_refused_is_still_unsaved(desk: Desk) -> None:
    page = await desk.page("olga", SETTINGS)
    asked = questions(page)
    await page.get_by_label("Name of the organization").press("Control+a")
    await page.get_by_label("Name of the organization").press("Delete")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#title-error")).to_be_visible()

    await page.locator(".letterhead").get_by_role("link", name="Members").first.click()
    await page.wait_for_timeout(300)

    assert asked == ["beforeunload"]
