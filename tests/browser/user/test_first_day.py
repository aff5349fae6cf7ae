"""The whole way once, with mouse and keyboard, on both databases."""

import pytest
from playwright.async_api import Browser, Page, expect

from db.auth import links
from db.organization import setup
from tests.browser.support.desk import Desk
from tests.support.pages.site import PASSWORD, Site


@pytest.mark.parametrize("database_kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
async def test_an_owner_sets_up_and_lets_a_second_person_in(database: str, browser: Browser) -> None:
    async with Site.opened(founded=False) as site, Desk.of(site, browser) as desk:
        olga = await desk.page(path=f"/setup?code={await code_of(site)}")
        await set_up(olga)
        await olga.get_by_role("link", name="Invite Members").click()
        link = await olga.locator("#invite-link").input_value()

        ada = await desk.page(path=link)
        await register(ada, "Ada")
        await expect(ada.get_by_role("heading", name="You're registered")).to_be_visible()

        await olga.get_by_role("link", name="Close").click()
        await expect(olga.locator("#invite-link")).to_have_count(0)
        await olga.reload()
        await olga.get_by_role("link", name="Show only them").click()
        await expect(olga.locator("#members-count")).to_have_text("1 of 2 members")
        await olga.get_by_label("Role of Ada").select_option("Annotator")
        await expect(olga.locator("#toasts")).to_contain_text("Ada is Annotator now.")

        await ada.get_by_role("link", name="Check now").click()
        await expect(ada.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


async def code_of(site: Site) -> str:
    link = await setup.open_link()
    assert link is not None
    return site.context.signer.token(links.SETUP, link.id, link.nonce)


async def set_up(page: Page) -> None:
    await page.get_by_label("Name of the organization").fill("Fenwick Herbarium")
    await page.get_by_label("First name").fill("Olga")
    await page.get_by_label("Email address").fill("olga@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Set up and go in").click()
    await expect(page.get_by_role("heading", name="Members")).to_be_visible()


async def register(page: Page, name: str) -> None:
    await page.get_by_label("Email address").fill(f"{name.lower()}@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("First name").fill(name)
    await page.get_by_role("button", name="Create account").click()
