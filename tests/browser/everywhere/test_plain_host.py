"""Plain http under a host name, as on many a local network: no clipboard, and only Origin tells our forms."""

from playwright.async_api import Request, expect

from db.policy import Role
from tests.browser.support.desk import Desk, log_in
from tests.support.pages.site import Site


async def test_sign_in_roles_and_plain_forms_work(site: Site, desk: Desk) -> None:
    await site.person("ada")
    page = await desk.page(path="/user/login?next=/organization/members", plain=True)
    posted: list[Request] = []
    page.on("request", lambda request: posted.append(request) if request.method == "POST" else None)
    assert not await page.evaluate("window.isSecureContext")

    await log_in(page, "olga")
    await page.get_by_label("Role of Ada").select_option("Annotator")
    await expect(page.locator("#toasts")).to_contain_text("Ada is Annotator now.")
    await page.locator("#members").get_by_role("link", name="Ada").click()
    await page.locator("#dialog").get_by_label("Role").select_option("Manager")
    await page.locator("#dialog form[action$='/role']").get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("Ada is Manager now.")

    assert await site.role_of("ada") is Role.MANAGER
    sent = [await request.all_headers() for request in posted]
    assert len(sent) == 3
    assert all(headers["origin"] == desk.plain_address for headers in sent)
    assert not any("sec-fetch-site" in headers for headers in sent)


async def test_an_invite_link_works_from_the_address_bar_to_the_waiting_page(site: Site, desk: Desk) -> None:
    page = await desk.page(path=f"/user/signup?token={await site.invite_token()}", plain=True)

    await page.get_by_label("Email address").fill("ada@example.org")
    await page.get_by_label("Password", exact=True).fill("four purple lanterns by the sea")
    await page.get_by_role("button", name="Create account").click()

    await expect(page.get_by_role("heading", name="You're registered, waiting for approval")).to_be_visible()


async def test_copy_link_claims_nothing_that_did_not_happen(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/invite", plain=True)
    assert await page.evaluate("navigator.clipboard === undefined")
    # A browser that takes nothing, as many do on such a page.
    await page.evaluate("document.execCommand = () => false")

    await page.get_by_role("button", name="Copy link").click()

    said = page.locator("#panel-link .copy__said")
    await expect(said).to_contain_text("to copy: the link is selected")
    await expect(page.locator("#invite-link")).to_be_focused()
    selected = "(field) => field.value.slice(field.selectionStart, field.selectionEnd)"
    link = await page.locator("#invite-link").input_value()
    assert await page.locator("#invite-link").evaluate(selected) == link
    assert link.startswith(f"{desk.plain_address}/user/signup?token=")


async def test_copy_link_says_copied_only_when_the_link_can_be_pasted(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/invite", plain=True)
    link = await page.locator("#invite-link").input_value()

    await page.get_by_role("button", name="Copy link").click()
    said = page.locator("#panel-link .copy__said")
    await expect(said).not_to_be_empty()
    claims = await said.inner_text() == "Copied"
    await page.goto("/organization/members")
    await page.get_by_role("searchbox").focus()
    await page.keyboard.press("ControlOrMeta+V")

    pasted = await page.get_by_role("searchbox").input_value()
    assert (pasted == link) is claims
