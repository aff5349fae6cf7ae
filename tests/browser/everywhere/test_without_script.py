"""A real browser whose scripts are switched off, or broken: everything is there, and everything works."""

from playwright.async_api import Page, Route, expect

from db.policy import Role
from tests.browser.support.desk import Desk, log_in
from tests.support.pages.site import PASSWORD, Site

MEMBERS = "/organization/members"


async def test_the_whole_way_without_scripts(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await plain(desk, f"/user/login?next={MEMBERS}")

    await log_in(page, "olga")
    row = page.locator(f"#member-{site.ids['ada']}")
    await row.get_by_label("Role of Ada").select_option("Annotator")
    await row.get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("Ada is Annotator now.")

    await page.locator("#filters summary").click()
    await page.locator("#filters").get_by_label("Pending").check()
    await page.get_by_role("button", name="Apply").click()
    await expect(page.locator("#members-count")).to_have_text("1 of 3 members")

    await page.get_by_role("checkbox", name="Select Ben").check()
    await page.locator("#bulk").get_by_label("Role for the selected people").select_option("Reviewer")
    await page.get_by_role("button", name="Give this role").click()
    await expect(page.locator("#toasts")).to_contain_text("Ben is Reviewer now.")
    assert await site.role_of("ben") is Role.REVIEWER

    await page.locator("header details summary").click()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_the_invite_page_shows_both_parts_and_asks_before_a_reset(site: Site, desk: Desk) -> None:
    page = await plain(desk, "/organization/invite", "olga")
    old = await page.locator("#invite-link").input_value()

    await expect(page.get_by_role("heading", name="Invite link")).to_be_visible()
    await expect(page.get_by_role("heading", name="Invite via email")).to_be_visible()
    await expect(page.locator("#panel-email")).to_be_visible()
    await expect(page.locator("[role=tab]").first).to_be_hidden()
    await expect(page.get_by_role("button", name="Copy link")).to_be_hidden()
    await expect(page.get_by_role("button", name="Yes, make a new link")).to_be_hidden()
    await page.get_by_role("button", name="Reset Link").click()
    await page.get_by_role("button", name="Yes, make a new link").click()

    await expect(page.locator("#toasts")).to_contain_text("The old link is dead.")
    assert await page.locator("#invite-link").input_value() != old
    assert (await site.visitor().get(old)).status_code == 410


async def test_somebody_registers_waits_and_gets_in_without_scripts(site: Site, desk: Desk) -> None:
    page = await plain(desk, f"/user/signup?token={await site.invite_token()}")

    await expect(page.locator("[data-show]")).to_be_hidden()
    await page.get_by_label("Email address").fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text("Check again now and then.")).to_be_visible()
    olga = await site.sign_in("olga")
    waiting = (await olga.get(f"{MEMBERS}?role=NO")).text
    id = waiting.partition('id="member-')[2].partition('"')[0]
    await olga.submit(f"{MEMBERS}/{id}/role", role="AN")
    await page.get_by_role("link", name="Check now").click()

    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()


async def test_if_our_script_is_lost_on_the_way_the_page_does_without(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("olga", "/health")

    async def lose(route: Route) -> None:
        await route.abort()

    await page.route("**/app.*.js", lose)
    await page.goto(MEMBERS)

    await expect(page.get_by_role("button", name="Save role of Ada")).to_be_visible()
    await expect(page.get_by_role("button", name="Apply")).to_be_visible()
    desk.forgive("ERR_FAILED")


async def plain(desk: Desk, path: str, name: str = "") -> Page:
    """A window without scripts."""
    return await desk.page(name, path, java_script_enabled=False)
