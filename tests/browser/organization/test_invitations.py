"""Inviting by mail in a real browser: the tab, its preview, the list and its progress."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from db import engine
from db.policy import Role
from tests.browser.support import inviting
from tests.browser.support.desk import Desk
from tests.browser.support.inviting import INVITATIONS, REFUSED
from tests.support.pages.site import Site
from tests.support.servers.smtp import Server

MEMBERS = "/organization/members"
# Where each head of the table stands, and what stands above it.
COLUMNS = """[...document.querySelectorAll("#invitations-count, #invitations th[scope=col]")].map((each) => {
    const { x, y } = each.getBoundingClientRect();
    return [x, y];
})"""
WRONG = "maria.gomez@@museo.example"


@pytest.fixture
async def mail(database: str, browser: Browser) -> AsyncIterator[tuple[Desk, Server]]:
    """A site whose mail goes to a server that the test can make refuse and dawdle."""
    async with inviting.with_mail(browser) as opened:
        yield opened


async def test_the_second_tab_opens_by_click_by_key_and_by_address(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)

    await page.get_by_role("link", name="Invite Members").click()
    await page.get_by_role("tab", name="Invite link").press("ArrowRight")
    await expect(emails(page)).to_be_visible()
    await page.get_by_role("tab", name="Invite via email").press("Home")
    await expect(emails(page)).to_be_hidden()
    await page.get_by_role("tab", name="Invite via email").click()
    await expect(emails(page)).to_be_visible()

    await page.goto("/organization/invite?way=email")
    await expect(emails(page)).to_be_visible()
    await expect(page.locator("#invite-link")).to_be_hidden()


async def test_the_preview_comes_while_typing_and_the_caret_stays(site: Site, desk: Desk) -> None:
    await site.person("ana", Role.ANNOTATOR)
    page = await tab(desk)

    await emails(page).press_sequentially("ana@example.org, new@example.org")
    await expect(page.locator("#preview")).to_contain_text("Is Annotator here, nothing happens")
    await expect(page.locator("#preview-title")).to_have_text("What will happen: 1 invitation")
    for _ in range(4):
        await page.keyboard.press("ArrowLeft")
    await page.keyboard.type("x")

    await expect(page.locator("#preview")).to_contain_text("new@examplex.org")
    await expect(emails(page)).to_be_focused()
    await page.keyboard.type("y")
    await expect(emails(page)).to_have_value("ana@example.org, new@examplexy.org")


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_what_will_happen_is_seen_before_send_is_pressed(
    mail: tuple[Desk, Server], width: int, height: int
) -> None:
    desk, _ = mail
    page = await tab(desk, viewport={"width": width, "height": height})

    await emails(page).fill("Lena Hartmann <lena@example.org>, olga@example.org")
    await expect(page.locator("#preview-title")).to_have_text("What will happen: 1 invitation")

    foot = await page.get_by_role("button", name="Send invitations").bounding_box()
    row = page.locator("#preview li").first
    await expect(row).to_contain_text("Lena Hartmann")
    box = await row.bounding_box()
    assert foot is not None
    assert box is not None
    assert box["y"] + box["height"] <= foot["y"]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_the_error_names_the_wrong_addresses_in_view(
    mail: tuple[Desk, Server], width: int, height: int
) -> None:
    desk, _ = mail
    page = await tab(desk, viewport={"width": width, "height": height})

    await emails(page).fill(f"{WRONG}\nbob\nlena@example.org")
    await page.get_by_role("button", name="Send invitations").click()

    error = page.locator("#emails-error")
    await expect(error).to_contain_text(f"“{WRONG}”, “bob” aren't email addresses")
    foot = await page.get_by_role("button", name="Send invitations").bounding_box()
    box = await error.bounding_box()
    assert foot is not None
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= foot["y"]


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
async def test_send_is_at_hand_for_a_file_of_two_hundred(desk: Desk, width: int, height: int) -> None:
    page = await desk.page("olga", f"{INVITATIONS}/import", viewport={"width": width, "height": height})
    rows = "".join(f"guest{number}@example.org\n" for number in range(200))

    await page.get_by_label("CSV file").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": b"email\n" + rows.encode()}
    )
    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#preview-title")).to_be_in_viewport()

    await expect(page.get_by_role("button", name="Send invitations")).to_be_in_viewport(ratio=1)
    await page.mouse.wheel(0, 1_500)
    await expect(page.get_by_role("button", name="Send invitations")).to_be_in_viewport(ratio=1)


async def test_without_a_connection_nothing_typed_is_lost(desk: Desk) -> None:
    page = await tab(desk)
    # What typing asks for is answered before, or it would fail after the test has looked.
    async with page.expect_response("**/preview"):
        await emails(page).fill("new@example.org")
    async with page.expect_response("**/preview"):
        await page.get_by_label("Role", exact=True).select_option("Reviewer")
    await page.context.set_offline(True)

    await page.get_by_role("button", name="Send invitations").click()

    await expect(page.locator("#toasts")).to_contain_text("No connection: nothing was saved.")
    await expect(emails(page)).to_have_value("new@example.org")
    await expect(page.get_by_label("Role", exact=True)).to_have_value("RE")
    desk.forgive("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")


async def test_a_role_chosen_before_any_address_stays(desk: Desk) -> None:
    page = await tab(desk)
    role = page.locator("#panel-email").get_by_label("Role", exact=True)

    async with page.expect_response("**/preview"):
        await role.select_option("Reviewer")
    await emails(page).fill("new@example.org")

    await expect(page.locator("#preview")).to_contain_text("New, is invited as Reviewer")
    await expect(role).to_have_value("RE")


async def test_a_wrong_address_keeps_what_was_typed_and_the_others_can_be_sent(
    mail: tuple[Desk, Server],
) -> None:
    desk, server = mail
    page = await tab(desk)
    typed = f"new@example.org\n{WRONG}\nother@example.org"

    await emails(page).fill(typed)
    await page.get_by_role("button", name="Send invitations").click()
    await expect(page.locator("#emails-error")).to_contain_text("Nothing was sent")

    await expect(emails(page)).to_have_value(typed)
    await expect(emails(page)).to_be_focused()
    await expect(page.locator("#preview li").first).to_contain_text(WRONG)
    await expect(page.locator("dialog:modal")).to_be_visible()
    assert await engine.rows("SELECT id FROM invitation") == []
    await page.get_by_role("button", name="Send the other 2").click()
    await expect(page.locator("#toasts")).to_contain_text("2 invitations are on the way.")
    await expect(page.locator("#invitations tbody tr")).to_have_count(2)
    await inviting.delivered()
    assert len(server.received) == 2


async def test_a_sending_shows_its_progress_and_the_servers_words_by_itself(
    mail: tuple[Desk, Server],
) -> None:
    desk, server = mail
    server.refuse["bad@example.org"] = REFUSED
    server.seconds_per_mail = 1.0
    page = await tab(desk)

    await emails(page).fill(
        " ".join(f"guest{number}@example.org" for number in range(9)) + " bad@example.org"
    )
    await page.get_by_role("button", name="Send invitations").click()
    await page.wait_for_url("**batch=*")
    await expect(page.locator("#progress")).to_contain_text("waiting")

    await expect(page.locator("#progress p")).to_have_text("9 sent, 1 refused")
    await expect(page.locator("#progress progress")).to_have_js_property("value", 10)
    await expect(page.locator("tr", has_text="bad@example.org")).to_contain_text(REFUSED)
    await expect(page.locator("tr", has_text="guest3@example.org")).to_contain_text("The mail server took it")
    assert await page.locator("#progress").get_attribute("hx-get") is None


async def test_what_a_filter_finds_is_read_out_and_moves_nothing(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org", f"{'x' * 60}@example.org")
    page = await desk.page("olga", INVITATIONS)
    told, columns = page.locator("#told[role=status]"), await page.evaluate(COLUMNS)
    await told.evaluate("(region) => { region.mark = true; }")

    await page.locator("#search").fill("ada")
    await expect(told).to_have_text("1 invitation found")
    assert await told.evaluate("(region) => region.mark"), "what is new on a page may go unread"
    assert await page.evaluate(COLUMNS) == columns
    await page.get_by_label("Show invitations in this state").select_option("Accepted")

    await expect(told).to_have_text("0 invitations found")


async def test_a_list_asks_for_nothing_when_it_is_loaded(desk: Desk) -> None:
    batch = await inviting.invite(desk.site, "olga", "ada@example.org")
    page = await desk.page("olga", "/health")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.resource_type))

    await page.goto(f"{INVITATIONS}?batch={batch}")
    await page.wait_for_load_state("networkidle")

    assert "xhr" not in asked
    await expect(page.get_by_label("Link for ada@example.org")).to_be_visible()


async def test_a_role_is_saved_at_once(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org")
    page = await desk.page("olga", INVITATIONS)

    await page.get_by_label("Role for ada@example.org").select_option("Manager")

    await expect(page.locator("#toasts")).to_contain_text("They are invited as Manager now.")
    await page.reload()
    await expect(page.get_by_label("Role for ada@example.org")).to_have_value("MA")


async def test_resend_and_revoke_change_the_row_which_then_looks_by_itself(mail: tuple[Desk, Server]) -> None:
    desk, server = mail
    await inviting.invite(desk.site, "olga", "ada@example.org", "ben@example.org")
    await inviting.delivered()
    page = await desk.page("olga", INVITATIONS)
    ada, ben = (page.locator("tr", has_text=f"{name}@example.org") for name in ("ada", "ben"))
    await expect(page.locator("#open-invitations")).to_have_text("2")

    server.refuse["ada@example.org"] = REFUSED
    await ada.get_by_role("button", name="Resend").click()
    await expect(page.locator("#toasts")).to_contain_text("The mail goes out again.")
    await expect(ada).to_contain_text(REFUSED)
    await ben.get_by_role("button", name="Revoke").click()

    await expect(ben).to_contain_text("Revoked")
    await expect(ben.get_by_role("button")).to_have_text(["Invite again: ben@example.org"])
    await expect(page.locator("#open-invitations")).to_have_text("1")
    await expect(page.locator("#invitations-count")).to_have_text("1 open, 1 of them refused, 1 revoked")


async def test_several_are_revoked_together(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", *(f"{name}@example.org" for name in ("ada", "ben", "cleo")))
    page = await desk.page("olga", INVITATIONS)
    await expect(page.locator("#bulk")).to_be_hidden()

    await page.get_by_role("checkbox", name="Select every invitation").check()
    await expect(page.locator("#bulk")).to_contain_text("3 invitations selected")
    await page.get_by_role("checkbox", name="Select the invitation of ben").uncheck()
    await page.locator("#bulk").get_by_role("button", name="Revoke").click()

    await expect(page.locator("#toasts")).to_contain_text("2 invitations are dead now.")
    await expect(page.locator("#invitations-count")).to_have_text("1 open, 2 revoked")


@pytest.mark.parametrize("plain", [False, True])
async def test_one_press_of_copy_link_copies_and_says_the_truth(desk: Desk, plain: bool) -> None:
    await inviting.invite(desk.site, "olga", "ada@example.org")
    options = {} if plain else {"permissions": ["clipboard-read", "clipboard-write"]}
    page = await desk.page("olga", INVITATIONS, plain=plain, **options)
    dialog, opener = page.locator("dialog:modal"), page.get_by_role("button", name="Copy link for ada")

    await opener.click()
    await expect(dialog.locator(".copy__said")).to_have_text("Copied")
    link = await dialog.get_by_label("Link for ada@example.org").input_value()
    await page.keyboard.press("Escape")

    assert link.endswith(await inviting.path_for(desk.site, "ada@example.org"))
    await expect(dialog).to_be_hidden()
    await expect(opener).to_be_focused()
    # What stands in the clipboard is what a paste brings.
    await page.locator("#search").focus()
    await page.keyboard.press("Control+V")
    await expect(page.locator("#search")).to_have_value(link)


async def test_without_mail_the_links_stand_there_to_copy(desk: Desk) -> None:
    page = await tab(desk)
    await expect(page.locator("#panel-email")).to_contain_text("Mail isn't set up on this server")

    await emails(page).fill("ada@example.org, ben@example.org")
    await page.get_by_role("button", name="Send invitations").click()
    link = page.get_by_label("Link for ada@example.org")
    await expect(link).to_be_visible()
    path = await inviting.path_for(desk.site, "ada@example.org")
    await expect(link).to_have_value(f"{desk.address}{path}")
    mailto = await page.get_by_role("link", name="Write a mail to ada").get_attribute("href")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="All links as CSV").click()

    assert mailto is not None
    assert mailto.startswith("mailto:ada%40example.org?subject=Invitation")
    lines = (await (await download.value).path()).read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == '"email","role","link"'
    assert f'"ada@example.org","Annotator","{await link.input_value()}"' in lines


async def test_a_file_is_looked_through_before_it_is_sent(desk: Desk) -> None:
    page = await desk.page("olga", "/organization/invite?way=email")
    await page.get_by_role("link", name="Use a CSV file").click()
    content = "email,role,first_name\nada@example.org,Reviewer,Ada\nwrong@@example.org,,\nben@example.org,,\n"

    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#file-error")).to_contain_text("Choose a CSV file first.")
    await page.get_by_label("CSV file").set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": content.encode()}
    )
    await page.get_by_role("button", name="Preview").click()
    await expect(page.locator("#preview li").first).to_contain_text("wrong@@example.org line 3")
    await expect(page.get_by_role("button", name="Send invitations")).to_have_count(0)
    await page.get_by_role("button", name="Send the other 2").click()

    await expect(page.get_by_label("Role for ada@example.org")).to_have_value("RE")
    await expect(page.get_by_label("Role for ben@example.org")).to_have_value("AN")


async def test_the_invited_get_in_on_a_phone(desk: Desk) -> None:
    await inviting.invite(desk.site, "olga", "Ada Lovelace <ada@example.org>", role=Role.REVIEWER)
    path = await inviting.path_for(desk.site, "ada@example.org")
    page = await desk.page("", path, viewport={"width": 390, "height": 844}, has_touch=True)

    await expect(page.get_by_role("heading", name="Olga invites you")).to_be_visible()
    await expect(page.get_by_label("Email address")).to_have_value("ada@example.org")
    await expect(page.get_by_label("First name")).to_have_value("Ada")
    assert "token" not in page.url
    await page.get_by_label("Password", exact=True).fill("four purple lanterns by the sea")
    await page.get_by_role("button", name="Accept the invitation").tap()

    await expect(page.get_by_role("heading", name="Welcome")).to_be_visible()
    await page.goto(path)
    await expect(page.get_by_role("heading", name="This invitation no longer works")).to_be_visible()


def emails(page: Page) -> Locator:
    return page.get_by_label("Email addresses")


async def tab(desk: Desk, **options: Any) -> Page:
    """The second tab of the dialog, in front of the members."""
    page = await desk.page("olga", MEMBERS, **options)
    await page.get_by_role("link", name="Invite Members").click()
    await page.get_by_role("tab", name="Invite via email").click()
    return page
