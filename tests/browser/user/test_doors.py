"""The pages of those who stand outside: waiting, links with a token, passwords."""

from playwright.async_api import expect

from db.accounts import password
from db.auth import links
from db.policy import COMMAND_LINE, Role
from tests.browser.support.desk import Desk, log_in
from tests.support.pages.markup import tree
from tests.support.pages.site import PASSWORD, Site

MARK = "window.mark = 1"


async def test_the_waiting_page_goes_in_by_itself(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("ada")
    await expect(page.get_by_role("heading", name="You're registered, waiting for approval")).to_be_visible()

    await (await site.sign_in("olga")).submit(f"/organization/members/{site.ids['ada']}/role", role="AN")

    # It looks every 10 seconds: this really waits for it, once in all these tests.
    await expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible(timeout=30_000)


async def test_the_waiting_page_is_not_loaded_again_meanwhile(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("ada", "/health")
    await page.clock.install()
    await page.goto("/")
    await page.evaluate(MARK)

    for _ in range(2):
        await page.locator("#waiting").evaluate("(steps) => { steps.dataset.old = true; }")
        await page.clock.fast_forward(10_000)
        # htmx takes the class away when it has begun to wait for the next look.
        await page.locator("#waiting:not([data-old], .htmx-added)").wait_for()
    assert await page.evaluate("window.mark") == 1
    await expect(page.get_by_role("heading", name="You're registered, waiting for approval")).to_be_visible()

    await (await site.sign_in("olga")).submit(f"/organization/members/{site.ids['ada']}/role", role="AN")
    await page.clock.fast_forward(10_000)
    await expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


async def test_somebody_deactivated_while_waiting_comes_to_the_login_page(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page("ada", "/health")
    await page.clock.install()
    await page.goto("/")

    await (await site.sign_in("olga")).submit(f"/organization/members/{site.ids['ada']}/role", role="DI")
    await page.clock.fast_forward(10_000)
    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()

    await log_in(page, "ada")
    await expect(page.get_by_role("heading", name="Your account is deactivated")).to_be_visible()


async def test_a_token_with_an_escaped_name_leaves_the_address_bar_too(site: Site, desk: Desk) -> None:
    for name in ("amp;token=", "token%3D"):
        page = await desk.page(path=f"/user/signup?{name}{await site.invite_token()}")

        assert page.url == f"{desk.address}/user/signup"
        assert await page.locator("[name=token]").input_value() == await site.invite_token()


async def test_the_token_leaves_the_address_bar_and_the_page_still_reloads(site: Site, desk: Desk) -> None:
    page = await desk.page(path=f"/user/signup?token={await site.invite_token()}")
    assert page.url == f"{desk.address}/user/signup"

    await page.reload()
    await expect(page.get_by_role("heading", name="Create your account")).to_be_visible()
    await page.wait_for_url(f"{desk.address}/user/signup")
    await page.get_by_label("Email address").fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill("short")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_label("Password", exact=True)).to_be_focused()
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()

    await expect(page.get_by_role("heading", name="You're registered, waiting for approval")).to_be_visible()
    olga = await site.sign_in("olga")
    members = tree(await olga.get("/organization/members?role=NO"))
    assert "Invite link" in [cell.text.strip() for cell in members.all("td")]


async def test_the_token_of_a_password_link_leaves_the_address_bar_too(site: Site, desk: Desk) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    link = await password.make_reset_link(COMMAND_LINE, member_id=ada)
    token = site.context.signer.token(links.RESET, link.id, link.nonce)

    page = await desk.page(path=f"/user/password/reset?token={token}")
    assert page.url == f"{desk.address}/user/password/reset"
    await page.get_by_label("New password", exact=True).fill("seven grey geese over the hill")
    await page.get_by_role("button", name="Set new password").click()
    await expect(page.get_by_role("status")).to_contain_text("Your password is changed.")
    await log_in(page, "ada", "seven grey geese over the hill")

    await expect(page.get_by_role("heading", name="Welcome, Ada")).to_be_visible()


async def test_a_password_is_shown_and_hidden_and_tells_what_is_missing(desk: Desk) -> None:
    page = await desk.page(path="/user/signup")
    field = page.get_by_label("Password", exact=True)
    long_enough = page.locator("#password-rules [data-least]")

    await field.fill("eleven char")
    await expect(long_enough).not_to_have_class("met")
    await page.get_by_role("button", name="Show password").click()
    await expect(field).to_have_attribute("type", "text")
    await field.press("End")
    await field.press("s")
    await expect(long_enough).to_have_class("met")
    await page.get_by_role("button", name="Hide password").click()
    await expect(field).to_have_attribute("type", "password")


async def test_who_is_sent_to_the_login_page_comes_back_to_where_they_were(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page(path="/organization/members?role=NO")

    await log_in(page, "olga", "not that one, surely")
    await expect(page.get_by_label("Email address")).to_be_focused()
    await expect(page.get_by_label("Email address")).to_have_value("olga@example.org")
    await log_in(page, "olga")

    await expect(page.locator("#members-count")).to_have_text("1 of 2 members")
    assert page.url == f"{desk.address}/organization/members?role=NO"


async def test_the_menus_lead_around_and_out(desk: Desk) -> None:
    page = await desk.page("olga")
    menu = page.locator("header details")

    await menu.locator("summary").click()
    await page.keyboard.press("Escape")
    await expect(menu.get_by_role("link", name="Your account")).to_be_hidden()
    await page.get_by_role("button", name="Menu", exact=True).click()
    await page.locator("header").get_by_role("link", name="Organization", exact=True).click()
    await expect(page.get_by_role("heading", name="Members")).to_be_visible()
    await menu.locator("summary").click()
    await menu.get_by_role("button", name="Log out").click()

    await expect(page.get_by_role("heading", name="Log in")).to_be_visible()


async def test_colours_and_time_zone_are_ones_own(desk: Desk) -> None:
    page = await desk.page("olga", "/user/account", color_scheme="light")

    await page.get_by_label("Colours").select_option("Dark")
    await expect(page.locator(":root")).to_have_attribute("data-theme", "dark")
    await page.get_by_label("Time zone").fill("Asia/Kolkata")
    await page.get_by_role("button", name="Save", exact=True).click()

    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    await expect(page.locator(":root")).to_have_attribute("data-theme", "dark")
    assert "GMT+5:30" in (await page.locator("#sessions time").first.get_attribute("title") or "")
