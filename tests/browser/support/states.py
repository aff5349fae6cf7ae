"""States that a page is seldom in: many, not mailed, used up, long names, waiting for an answer, offline."""

import re
from typing import Final

from playwright.async_api import Page, Route

from db import engine
from db.accounts import drafts
from db.auth import sessions
from handlers.http.request.mismatches import Mismatch, Reason
from tests.browser.support import inviting, unusual
from tests.browser.support.acts import Act, Stop
from tests.browser.support.inviting import INVITATIONS
from tests.support.pages.site import Site

MEMBERS: Final = "/organization/members"
ACTIVITY: Final = "/organization/activity"
SETTINGS: Final = "/organization/settings"
INVITE: Final = "/organization/invite"
# What the browser and htmx write about a server that can't be reached.
UNREACHED: Final = ("ERR_INTERNET_DISCONNECTED", "htmx:sendError", "htmx:afterRequest")


async def seldom(site: Site) -> list[Stop]:
    """A site without mail, with many invitations, an invite link that is used up and unusual people."""
    await unusual.come(site)
    batch = await inviting.invite(site, "olga", *(f"guest{number}@example.org" for number in range(50)))
    few = await inviting.invite(site, "olga", inviting.LONG_ADDRESS, "فاطمة الحسن <guest@example.org>")
    site.context.untrusted_proxies.add("192.0.2.44")
    for said in ("", f"https://{'long-' * 17}name.example:8443"):
        site.context.mismatches.add(Mismatch(Reason.OTHER_ADDRESS, said, "http://members.example.org"))
    await engine.write(engine.execute, "UPDATE links SET max_uses = 1, uses = 1 WHERE purpose = 'invite'")
    return [
        Stop("invitations, many", "olga", INVITATIONS),
        Stop("invitations, many not mailed", "olga", f"{INVITATIONS}?batch={batch}"),
        Stop("invitations, a few not mailed", "olga", f"{INVITATIONS}?batch={few}"),
        Stop("activity, many", "olga", ACTIVITY),
        Stop("invite, used up", "olga", INVITE),
        Stop("sign up, used up", "", f"/user/signup?token={await site.invite_token()}", 410),
        Stop("settings", "olga", SETTINGS),
        Stop("settings, wrong", "olga", SETTINGS, 422, {"title": "", "link_max_uses": "many", "seen": "x"}),
        Stop("settings, refused", "long", SETTINGS, 403),
        Stop("settings, kept", "olga", await kept(site, SETTINGS, title="Lindenhof", seen="x")),
        Stop("invite, kept", "olga", await kept(site, INVITE, emails="Ada <ada@example.org>\n", role="RE")),
        Stop("account, kept", "olga", await kept(site, "/user/account", first_name="Olga", theme="dark")),
        Stop("roles", "olga", "/organization/roles"),
        Stop("member, not to be changed", "olga", f"{MEMBERS}/{site.ids['olga']}"),
        Stop("waiting, long name", "long", "/"),
        Stop("waiting, right to left", "fatima", "/"),
        Stop("account, long name", "long", "/user/account"),
        Stop("account, right to left", "fatima", "/user/account"),
        Stop("account, no name", "nameless", "/user/account"),
        Stop("members, on their way", "olga", MEMBERS, act=unanswered(search)),
        Stop("invitations, on their way", "olga", INVITATIONS, act=unanswered(search)),
        Stop("activity, on its way", "olga", ACTIVITY, act=unanswered(search)),
        Stop("invite, on its way", "olga", f"{INVITE}?way=email", act=unanswered(send)),
        Stop("members, offline", "olga", MEMBERS, act=offline(search), noted=UNREACHED),
        Stop("invite, offline", "olga", f"{INVITE}?way=email", act=offline(send), noted=UNREACHED),
    ]


async def kept(site: Site, path: str, **fields: str) -> str:
    """The address of a form that holds what olga had typed when her session had ended."""
    token = await engine.write(
        sessions.begin,
        site.ids["olga"],
        persistent=True,
        session_limits=site.context.session_limits,
        address="",
        device="",
    )
    await site.expire("olga")

    def typed() -> drafts.Fields:
        return {name: [value] for name, value in fields.items()}

    key = await drafts.keep(token, path, typed, names=fields, throttle=site.context.throttle)
    return f"{path}?way=email&draft={key}"


async def search(page: Page) -> None:
    await page.locator("#search").fill("ada")
    await page.locator("#search").press("Enter")


async def send(page: Page) -> None:
    # Not typed: a preview would come, and this is about one answer alone.
    await page.locator("#emails").evaluate("(field) => { field.value = 'somebody@example.org'; }")
    await page.get_by_role("button", name="Send invitations").click()


async def keep_waiting(route: Route) -> None:
    if "hx-request" not in route.request.headers:
        await route.continue_()


def unanswered(act: Act) -> Act:
    """Does this, and the server takes its time."""

    async def wait(page: Page) -> None:
        # Pages still come, and a page's own look for news is none of it.
        await page.route(re.compile("/organization/(?!(activity|members)/news)"), keep_waiting)
        await act(page)
        await page.locator('[aria-busy="true"]').wait_for()

    return wait


def offline(act: Act) -> Act:
    """Does this while there is no network."""

    async def fail(page: Page) -> None:
        await page.unroute_all()
        await page.context.set_offline(True)
        await act(page)
        await page.locator(".toast--refused button").wait_for()
        await page.context.set_offline(False)

    return fail
