"""One day at the desk, from signing in to signing out: by mouse, by keys, by finger."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from db.policy import Role
from tests.browser.support import hands, inviting
from tests.browser.support.desk import Desk
from tests.browser.support.hands import Keyboard, Mouse, Touch
from tests.support.pages.site import PASSWORD
from tests.support.servers.smtp import Server

GUESTS = ("noor@fenwick.example", "pavel@fenwick.example", "rosa@fenwick.example")
NEW_PASSWORD = "seven green herons over the marsh"


@dataclass
class Day:
    """desk: the site; server: its mail; hands: those of olga, who looks after the members."""

    desk: Desk
    server: Server
    hands: Mouse

    @property
    def page(self) -> Page:
        return self.hands.page

    @property
    def toasts(self) -> Locator:
        return self.page.locator("#toasts")


async def signs_in(day: Day) -> None:
    await day.hands.write("Email address", "olga@example.org")
    await day.hands.write("Password", PASSWORD)
    await day.hands.press("Log in")

    await expect(day.page.get_by_role("heading", name="Members", exact=True)).to_be_visible()


async def finds_who_waits(day: Day) -> None:
    await day.hands.press("Every role")
    await day.hands.press("Pending 2")

    await expect(day.page.locator("#members-count")).to_have_text("2 of 4 members")
    await day.hands.shut("Pending")


async def gives_a_role(day: Day) -> None:
    await day.hands.choose("Role of Ada", "Annotator")

    await expect(day.toasts).to_contain_text("Ada is Annotator now.")
    await expect(day.hands.field("Role of Ada")).to_be_focused()
    assert await day.desk.site.role_of("ada") is Role.ANNOTATOR


async def takes_it_back(day: Day) -> None:
    await day.hands.press("Undo")

    await expect(day.toasts).to_contain_text("Ada is Pending now.")
    await expect(day.hands.field("Role of Ada")).to_be_focused()
    assert await day.desk.site.role_of("ada") is Role.PENDING


async def gives_it_again(day: Day) -> None:
    await day.hands.choose("Role of Ada", "Reviewer")

    await expect(day.toasts).to_contain_text("Ada is Reviewer now.")
    await expect(day.hands.field("Role of Ada")).to_be_focused()
    assert await day.desk.site.role_of("ada") is Role.REVIEWER


async def invites_three(day: Day) -> None:
    await day.hands.press("Invite Members")
    await day.hands.press("Invite via email")
    await day.hands.write("Email addresses", " ".join(GUESTS[:2]))
    await day.hands.choose("Role", "Reviewer")
    await day.hands.write("Email addresses", f" {GUESTS[2]}")
    await expect(day.page.locator("#preview-title")).to_have_text("What will happen: 3 invitations")
    await day.hands.press("Send invitations")

    # The list looks again by itself until the last mail is gone.
    await expect(day.page.locator("#invitations tbody tr", has_text="Sent")).to_have_count(3)
    recipients = [mail.recipient for mail in day.server.received]
    assert sorted(recipient for recipient in recipients if recipient in GUESTS) == sorted(GUESTS)


async def revokes_one(day: Day) -> None:
    link = await inviting.path_for(day.desk.site, GUESTS[1])
    await day.hands.press(f"Revoke invitation of {GUESTS[1]}")

    row = day.page.locator("#invitations tr", has_text=GUESTS[1])
    await expect(row).to_contain_text("Revoked")
    await expect(row).to_be_focused()
    assert (await day.desk.site.visitor().get(link)).status_code == 410


async def makes_a_new_invite_link(day: Day) -> None:
    await day.hands.press("Invite Members")
    await day.hands.press("Invite link")
    old = await day.hands.read("Invite link")
    await day.hands.press("Reset Link")
    await day.hands.press("Yes, make a new link")

    await expect(day.toasts).to_contain_text("The old link is dead.")
    await expect(day.hands.field("Invite link")).to_be_focused()
    new = await day.hands.read("Invite link")
    await day.hands.close()
    await expect(day.hands.find("Invite Members")).to_be_focused()
    assert (await day.desk.site.visitor().get(old)).status_code == 410
    assert (await day.desk.site.visitor().get(new)).status_code == 200


async def helps_with_a_password(day: Day) -> None:
    await day.hands.turn_to("Members")
    await day.hands.search("mara")
    await expect(day.page.locator("#members-count")).to_have_text("1 member found, of 4")
    await day.hands.press("Mara")
    await day.hands.press("Make a password link")
    await expect(day.hands.field("Password link")).to_be_focused()
    link = await day.hands.read("Password link")
    await day.hands.close()
    await expect(day.hands.find("Mara")).to_be_focused()
    await day.hands.press("Mara")
    await expect(day.hands.find("Make a password link")).to_be_visible()
    await expect(day.hands.field("Password link")).to_have_count(0)
    await day.hands.close()

    mara = await hands_at(day.desk, type(day.hands), link)
    await mara.write("New password", NEW_PASSWORD)
    await mara.press("Set new password")
    await expect(mara.page.get_by_role("heading", name="Log in")).to_be_visible()
    await mara.write("Email address", "mara@example.org")
    await mara.write("Password", NEW_PASSWORD)
    await mara.press("Log in")
    await expect(mara.page.get_by_role("heading", name="Welcome, Mara")).to_be_visible()


async def signs_out(day: Day) -> None:
    await day.hands.press("Account of Olga")
    await day.hands.press("Log out")

    await expect(day.page.get_by_role("heading", name="Log in")).to_be_visible()


ERRANDS: tuple[Callable[[Day], Awaitable[None]], ...] = (
    signs_in,
    finds_who_waits,
    gives_a_role,
    takes_it_back,
    gives_it_again,
    invites_three,
    revokes_one,
    makes_a_new_invite_link,
    helps_with_a_password,
    signs_out,
)


@pytest.mark.parametrize("kind", [Mouse, Keyboard, Touch])
async def test_every_errand_of_a_day_can_be_run(kind: type[Mouse], database: str, browser: Browser) -> None:
    async with inviting.with_mail(browser) as (desk, server):
        for name, role in (("ada", Role.PENDING), ("ben", Role.PENDING), ("mara", Role.ANNOTATOR)):
            await desk.site.person(name, role)
        day = Day(desk, server, await hands_at(desk, kind, "/organization/members"))

        for errand in ERRANDS:
            await errand(day)


async def hands_at(desk: Desk, kind: type[Mouse], path: str) -> Mouse:
    """Somebody who works like this, in front of a page that they have just opened."""
    page = await desk.page(path="about:blank", **kind.options)
    await page.add_init_script(hands.REMEMBER)
    await page.goto(path)
    return kind(page)
