"""The settings page and what it changes around it: with a script, and the dialog with its limits."""

from playwright.async_api import expect

from db.organization import invite_link
from db.organization import settings as organization_settings
from db.organization.invite_link_limits import End
from db.organization.settings import SettingsChange
from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support.pages.site import Site
from tests.support.steps.member_steps import olga as owner
from tests.support.steps.member_steps import register

PATH = "/organization/settings"


async def test_settings_are_saved_in_place_and_a_new_name_stands_everywhere(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", PATH)
    await page.evaluate("window.mark = 1")

    await page.get_by_label("Some days after each reset").check()
    await page.get_by_label("How many people may register by one link").fill("10")
    await page.get_by_label("Annotator").fill("Labels leaves")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    assert await page.evaluate("window.mark") == 1, "nothing was loaded anew"
    await expect(page.get_by_role("button", name="Save")).to_be_focused()

    await page.get_by_label("Name of the organization").fill("The Greenhouse")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".letterhead .brand")).to_have_text("The Greenhouse")

    rules = await organization_settings.current()
    assert (rules.title, rules.link_end, rules.link_max_uses) == ("The Greenhouse", End("after", 14), 10)
    assert rules.notes[Role.ANNOTATOR] == "Labels leaves"


async def test_what_is_wrong_is_said_by_its_field_and_the_first_takes_the_focus(desk: Desk) -> None:
    page = await desk.page("olga", PATH)

    await page.get_by_label("At the end of this day").check()
    await page.get_by_label("Last day").fill("2020-01-01")
    await page.get_by_label("Email domains that may register").fill("foo\nexample.org")
    await page.get_by_role("button", name="Save").click()

    await expect(page.get_by_label("Last day")).to_be_focused()
    await expect(page.locator("#link_ends_on-error")).to_contain_text("That day is over")
    await expect(page.locator("#link_domains-error")).to_contain_text("“foo” is no domain")
    await expect(page.get_by_label("Email domains that may register")).to_have_value("foo\nexample.org")
    await expect(page.get_by_label("At the end of this day")).to_be_checked()


async def test_settings_are_saved_without_a_script(site: Site, desk: Desk) -> None:
    page = await desk.page("olga", PATH, java_script_enabled=False)

    await page.get_by_label("Name of the organization").fill("The Greenhouse")
    await page.get_by_label("The closed sign-up page offers to ask for access").check()
    await page.get_by_label("Email domains that may register").fill("example.org\n*.example.net")
    await page.get_by_role("button", name="Save").click()

    await expect(page.locator("#toasts")).to_contain_text("Saved.")
    await expect(page.locator(".letterhead .brand")).to_have_text("The Greenhouse")
    await expect(page.get_by_label("The closed sign-up page offers to ask for access")).to_be_checked()
    assert (await organization_settings.current()).link_domains == ("example.org", "*.example.net")


async def test_from_the_dialog_with_its_limits_to_who_came_and_back(site: Site, desk: Desk) -> None:
    wish = SettingsChange(link_end=End("after", days=14), link_max_uses=3, link_domains=("example.org",))
    await register(site, "ada")
    await organization_settings.change(owner(site), wish)
    await register(site, "bob", (await invite_link.present()).id)
    page = await desk.page("olga", "/organization/members")

    await page.get_by_role("link", name="Invite Members").click()
    limits = page.locator("#invite-link-limits")
    await expect(limits).to_contain_text("Works until")
    await expect(limits).to_contain_text("1 of 3 uses · for addresses at example.org")
    await page.get_by_role("link", name="see who came").click()

    await expect(page.locator("#members-count")).to_have_text("1 member came by this link, newest first")
    await expect(page.locator("#came-by")).to_contain_text("Came by the invite link of")
    await page.get_by_role("combobox", name="Sort members").select_option("joined")
    await expect(page.locator("#members-count")).to_have_text("1 member came by this link, oldest first")
    await page.locator("#came-by").get_by_role("link", name="Show everybody").click()
    await expect(page.locator("#members-count")).to_contain_text("3 members")


async def test_what_each_role_may_do_opens_beside_the_choice(site: Site, desk: Desk) -> None:
    await organization_settings.change(owner(site), SettingsChange(notes={Role.REVIEWER: "Looks twice"}))
    page = await desk.page("olga", "/organization/invite?way=email")

    await page.get_by_text("What may each role do?").click()

    await expect(page.locator("#roles")).to_contain_text("Looks twice")
    await expect(page.locator("#roles tbody tr")).to_have_count(4)


async def test_nothing_is_wider_than_a_phone(desk: Desk) -> None:
    page = await desk.page("olga", PATH, viewport={"width": 390, "height": 844})

    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
