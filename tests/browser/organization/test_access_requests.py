"""Access requests in the browser: from the closed page to an invitation, without a reload."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from db.invitations import access_requests
from settings import Settings
from tests.browser.support.desk import Desk
from tests.browser.support.inviting import INVITATIONS
from tests.support.pages.site import SECRET, Site
from tests.support.servers import smtp
from tests.support.steps.access_request_steps import end, id_of, link_of, submitted, switch_on
from tests.support.steps.member_steps import olga

MARK = "window.mark = 1"


@pytest.fixture
async def desk(database: str, browser: Browser) -> AsyncIterator[Desk]:
    """A site with mail whose registration is closed and whose Owner lets people ask."""
    async with smtp.serving() as server:
        settings = Settings(secret_key=SECRET, mail=server.account(), closed=True)
        async with Site.opened(settings) as site, Desk.of(site, browser) as desk:
            await switch_on()
            yield desk


async def test_from_the_closed_page_to_an_invitation(desk: Desk) -> None:
    page = await desk.page(path="/user/signup")
    await page.get_by_role("link", name="Ask for access").click()
    await page.get_by_role("button", name="Ask for access").click()
    await expect(page.get_by_label("Your name")).to_be_focused()
    await page.get_by_label("Your name").fill("Ada Lund")
    await page.get_by_label("Email address").fill("ada@example.org")
    await page.get_by_label("What you do").fill("I press ferns")
    await page.get_by_role("button", name="Ask for access").click()
    await expect(page.get_by_role("heading", name="Thank you, Ada Lund")).to_be_visible()

    link = await link_of("ada")
    token = desk.site.context.signer.token("request", link.id, link.nonce)
    await page.goto(f"/user/access-request/confirmation?token={token}")
    await page.wait_for_url(f"{desk.address}/user/access-request/confirmation")
    await page.get_by_role("button", name="Yes, send my request").click()
    await expect(page.get_by_role("heading", name="Your request is with them")).to_be_visible()

    page = await desk.page("olga", INVITATIONS)
    await page.evaluate(MARK)
    row = page.locator(f"#request-{await id_of('ada')}")
    await row.get_by_label("Role for Ada Lund").select_option("Reviewer")
    await row.get_by_role("button", name="Invite Ada Lund").click()
    await expect(page.locator("#toasts")).to_contain_text("Ada Lund is invited as Reviewer")
    await expect(page.locator("#requests")).to_have_count(0)
    await expect(page.locator("#invitations")).to_contain_text("ada@example.org")
    await expect(page.locator("#open-invitations")).to_have_text("1")
    assert await page.evaluate("window.mark") == 1
    assert await end("ada") == "invited"


async def test_dismissed_by_the_keyboard_it_is_gone_and_the_filter_stays(desk: Desk) -> None:
    await submitted("ada")
    await submitted("ben")
    page = await desk.page("olga", f"{INVITATIONS}?state=asked")
    await page.evaluate(MARK)

    await page.get_by_role("button", name="Dismiss the request of Ada").focus()
    await page.keyboard.press("Enter")

    await expect(page.locator("#toasts")).to_contain_text("The request of Ada is dismissed.")
    await expect(page.locator("#requests tbody tr")).to_have_count(1)
    await expect(page.get_by_role("heading", name="1 person asks to be let in")).to_be_visible()
    assert (await page.evaluate("window.mark"), page.url) == (1, f"{desk.address}{INVITATIONS}?state=asked")


async def test_who_comes_second_reads_why_and_sees_the_list_as_it_is(desk: Desk) -> None:
    access_request_id = await submitted("ada")
    page = await desk.page("olga", INVITATIONS)
    await access_requests.dismiss(olga(desk.site), access_request_id=access_request_id)

    await page.get_by_role("button", name="Invite Ada").click()

    await expect(page.locator(".toast--refused")).to_contain_text("dismissed this request meanwhile")
    await expect(page.locator("#requests")).to_have_count(0)
