"""Search, roles, order and pages: quick, and always as the address says."""

from playwright.async_api import Locator, Page, expect

from db.policy import Role
from tests.bench.support import seed
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site

MEMBERS = "/organization/members"


async def test_search_while_typing_keeps_focus_and_address(site: Site, desk: Desk) -> None:
    for name in ("ada", "adam", "ben"):
        await site.person(name, Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await page.evaluate("window.mark = 1")

    await search(page).click()
    await page.keyboard.type("ada", delay=20)
    await expect(count(page)).to_have_text("2 members found, of 4")
    await page.wait_for_url("**?q=ada")
    await expect(search(page)).to_be_focused()
    await page.keyboard.type("m")

    await expect(count(page)).to_have_text("1 member found, of 4")
    await page.wait_for_url("**?q=adam")
    await expect(search(page)).to_have_value("adam")
    await expect(search(page)).to_be_focused()
    assert await page.evaluate("window.mark") == 1


async def test_several_roles_are_chosen_with_their_counts(site: Site, desk: Desk) -> None:
    people = {"ada": Role.ANNOTATOR, "ben": Role.ANNOTATOR, "cleo": Role.REVIEWER, "dora": Role.PENDING}
    for name, role in people.items():
        await site.person(name, role)
    page = await desk.page("olga", MEMBERS)
    menu = page.locator("#filters details")

    await menu.locator("summary").click()
    await expect(menu.locator("label").first).to_have_text("Pending 1")
    await menu.get_by_label("Annotator").check()
    await expect(count(page)).to_have_text("2 of 5 members")
    await menu.get_by_label("Reviewer").check()
    await expect(count(page)).to_have_text("3 of 5 members")

    assert set(page.url.partition("?")[2].split("&")) == {"role=RE", "role=AN"}
    await expect(menu.get_by_label("Reviewer")).to_be_checked()
    await expect(menu.locator("summary")).to_contain_text("Annotator")

    await page.go_back()
    await expect(count(page)).to_have_text("2 of 5 members")
    await menu.locator("summary").click()
    await expect(menu.get_by_label("Annotator")).to_be_checked()
    await expect(menu.get_by_label("Reviewer")).not_to_be_checked()


async def test_an_address_gives_the_same_view_after_back_reload_and_in_another_browser(
    site: Site, desk: Desk
) -> None:
    for name in ("ada", "adam", "ben"):
        await site.person(name, Role.ANNOTATOR)
    page = await desk.page("olga", MEMBERS)
    await search(page).fill("ada")
    await expect(count(page)).to_have_text("2 members found, of 4")
    await page.get_by_label("Sort members").select_option("By name")
    await page.wait_for_url("**sort=name")
    view = await page.locator("#members").inner_text()

    await page.reload()
    await expect(search(page)).to_have_value("ada")
    assert await page.locator("#members").inner_text() == view
    other = await desk.page("olga", page.url)
    await expect(other.get_by_label("Sort members")).to_have_value("name")
    assert await other.locator("#members").inner_text() == view

    await page.go_back()
    await expect(page.get_by_label("Sort members")).to_have_value("")
    await expect(search(page)).to_have_value("ada")
    await page.go_back()
    await expect(search(page)).to_have_value("")
    await expect(count(page)).to_have_text("4 members")
    await page.go_forward()
    await expect(count(page)).to_have_text("2 members found, of 4")


async def test_one_press_of_back_leads_out_of_a_search_however_long_it_was_typed(
    site: Site, desk: Desk
) -> None:
    await site.person("adam", Role.ANNOTATOR)
    page = await desk.page("olga", f"{MEMBERS}?sort=name")
    for letter, found in zip("adam", (1, 1, 1, 1), strict=True):
        async with page.expect_response("**/organization/members?*"):
            await search(page).press(letter)
        await expect(count(page)).to_have_text(f"{found} member found, of 2")
    await page.wait_for_url("**?q=adam&sort=name")

    await page.go_back()

    await expect(search(page)).to_have_value("")
    await expect(count(page)).to_have_text("2 members")
    assert page.url.endswith(f"{MEMBERS}?sort=name")


async def test_the_heads_of_columns_sort_and_the_choice_of_orders_follows(site: Site, desk: Desk) -> None:
    for name in ("bob", "ada", "cyd"):
        await site.person(name, Role.ANNOTATOR)
    page = await desk.page("olga", f"{MEMBERS}?role=AN")
    names = page.locator("#members tbody .person bdi")
    head = page.get_by_role("columnheader", name="Name and address")
    await page.evaluate("window.mark = 1")

    await head.get_by_role("link").press("Enter")
    await expect(names).to_have_text(["Ada", "Bob", "Cyd"])
    await expect(head).to_have_attribute("aria-sort", "ascending")
    await expect(head.get_by_role("link")).to_be_focused()
    await expect(page.get_by_label("Sort members")).to_have_value("name")
    await head.get_by_role("link").press("Enter")
    await expect(names).to_have_text(["Cyd", "Bob", "Ada"])
    await expect(page.get_by_label("Sort members")).to_have_value("-name")
    await page.wait_for_url("**?role=AN&sort=-name")
    await search(page).fill("a")

    await expect(names).to_have_text(["Ada"])
    await page.wait_for_url("**?q=a&role=AN&sort=-name")
    await expect(head).to_have_attribute("aria-sort", "descending")
    assert await page.evaluate("window.mark") == 1


async def test_the_heads_of_columns_sort_without_scripts(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("olga", f"{MEMBERS}?q=a", java_script_enabled=False)

    await page.get_by_role("columnheader", name="Joined").get_by_role("link").click()

    await page.wait_for_url("**?q=a&sort=-joined")
    await expect(page.get_by_role("columnheader", name="Joined")).to_have_attribute("aria-sort", "descending")


async def test_the_waiting_notes_link_is_the_filter(site: Site, desk: Desk) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    page = await desk.page("olga", MEMBERS)

    await page.get_by_role("link", name="Show only them").click()
    await expect(count(page)).to_have_text("2 of 3 members")
    await expect(page.locator("#filters summary")).to_contain_text("Pending")
    await page.locator("#waiting-note").get_by_role("link", name="Show everybody").click()

    await expect(count(page)).to_have_text("3 members, 2 of them waiting")


async def test_pages_follow_each_other_and_go_back(desk: Desk) -> None:
    await seed.fill(130)
    page = await desk.page("olga", f"{MEMBERS}?sort=name")
    rows = page.locator("#members tbody tr")
    first = await rows.first.inner_text()

    await page.get_by_role("link", name="Next").click()
    await page.wait_for_url("**after=*")
    await expect(rows).to_have_count(50)
    assert await rows.first.inner_text() != first
    await page.get_by_role("link", name="Next").click()
    await expect(page.locator(".pager")).to_contain_text("Previous")
    await expect(page.get_by_role("link", name="Next", disabled=True)).to_be_visible()

    await page.go_back()
    await expect(page.get_by_role("link", name="Next", disabled=False)).to_be_visible()
    await page.go_back()
    await expect(rows.first).to_have_text(first, use_inner_text=True)
    await expect(page.get_by_role("link", name="Previous", disabled=True)).to_be_visible()


async def test_a_slash_goes_to_the_search_field(desk: Desk) -> None:
    page = await desk.page("olga", MEMBERS)

    await page.keyboard.press("/")

    await expect(search(page)).to_be_focused()
    await expect(search(page)).to_have_value("")


def search(page: Page) -> Locator:
    return page.get_by_role("searchbox")


def count(page: Page) -> Locator:
    return page.locator("#members-count")
