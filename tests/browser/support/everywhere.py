"""Every page there is, errors included, and how a browser comes to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from ipaddress import ip_network

from playwright.async_api import Browser

from db import engine
from db.accounts import password
from db.auth import links, rate_limits
from db.common import clock
from db.invitations.recipients import csv_import, uploads
from db.members import directory, removal
from db.members.directory import MemberFilter
from db.organization import setup
from db.policy import COMMAND_LINE, Role
from settings import Settings
from tests.browser.support import inviting, states, unusual
from tests.browser.support.acts import (
    Stop,
    ask_password,
    ask_password_as_a_page,
    be_refused,
    dialog,
    give_role,
    menu,
    press,
    select_everyone,
    show_password,
    through_a_proxy,
    type_known_words,
)
from tests.browser.support.desk import Desk
from tests.browser.support.inviting import INVITATIONS
from tests.browser.support.unusual import LONG_ADDRESS, LONG_NAME
from tests.support.pages.site import PASSWORD, SECRET, Site
from tests.support.servers import smtp
from tests.support.servers.smtp import Server
from tests.support.steps import access_request_steps

MEMBERS = "/organization/members"
ASK = "/user/access-request"
ASKED = f"{ASK}/confirmation"
ACTIVITY = "/organization/activity"


async def founded(site: Site) -> list[Stop]:
    """All pages of a site with people."""
    await _people(site)
    ada, ben = site.ids["ada"], site.ids["ben"]
    reset = await _reset_token(site, ada)
    invite = await site.invite_token()
    gone = [await _removed(site, "gus") for _ in range(2)]
    return [
        Stop("log in", "", "/user/login"),
        Stop("log in, wrong", "", "/user/login", 422, {"email": "olga@example.org", "password": "no"}),
        Stop("deactivated", "", "/user/login", 403, {"email": "dora@example.org", "password": PASSWORD}),
        Stop("sign up", "", "/user/signup"),
        Stop("sign up by link", "", f"/user/signup?token={invite}"),
        Stop("sign up, wrong", "", "/user/signup", 422, {"email": "x", "password": "x", "token": invite}),
        Stop("invalid link", "", "/user/signup?token=forged", 410),
        Stop("forgot", "", "/user/password/forgot"),
        Stop("reset", "", f"/user/password/reset?token={reset}"),
        Stop("reset, wrong", "", "/user/password/reset", 422, {"token": reset, "password": "short"}),
        Stop("invalid reset", "", "/user/password/reset?token=forged", 410),
        Stop("nowhere", "", "/nowhere", 404),
        Stop("not that way", "", "/user/logout", 405),
        Stop("waiting", "ben", "/"),
        Stop("waiting, account", "ben", "/user/account"),
        Stop("waiting, shut", "ben", MEMBERS, 403),
        Stop("signed in already", "ben", "/user/signup"),
        Stop("home", "ada", "/"),
        Stop("home of an owner", "olga", "/"),
        Stop("account", "olga", "/user/account"),
        Stop("account, wrong", "olga", "/user/account", 422, {"time_zone": "Moon", "theme": "red"}),
        Stop("password, wrong", "olga", "/user/account/password", 422, {"password": "x"}),
        Stop("members", "olga", MEMBERS),
        Stop("members by role", "olga", f"{MEMBERS}?role=NO&role=DI&sort=name"),
        Stop("nobody found", "olga", f"{MEMBERS}?q=nobody-of-this-name-is-here&role=AN"),
        Stop("filter, wrong", "olga", f"{MEMBERS}?sort=shoe-size&role=KING", 422),
        Stop("member", "olga", f"{MEMBERS}/{ada}"),
        Stop("member with a long name", "olga", f"{MEMBERS}/{site.ids['long']}"),
        Stop("member, password link", "olga", f"{MEMBERS}/{ben}/password-link", 200, {}),
        Stop("no such member", "olga", f"{MEMBERS}/999999", 404),
        Stop("removal", "olga", f"{MEMBERS}/{site.ids['long']}/removal"),
        Stop("role refused", "olga", f"{MEMBERS}/{site.ids['olga']}/role", 409, {"role": "AN"}),
        Stop("invite", "olga", "/organization/invite"),
        Stop("invitations, nobody yet", "olga", INVITATIONS),
        Stop("ownership", "olga", "/organization/ownership"),
        Stop("ownership, wrong", "olga", "/organization/ownership", 422, {"member": "", "password": ""}),
        Stop("activity", "olga", ACTIVITY),
        Stop("activity of a long name", "olga", f"{ACTIVITY}?person={site.ids['long']}"),
        Stop("activity, of whom", "olga", f"{ACTIVITY}?who=e&kind=roles"),
        Stop("activity, nothing", "olga", f"{ACTIVITY}?kind=key_rotated"),
        Stop("erasure", "olga", f"{ACTIVITY}/erasure?member={gone[0]}"),
        Stop("activity, wrong", "olga", f"{ACTIVITY}?from=yesterday&to=tomorrow&kind=shoe", 422),
        Stop("log in, password shown", "", "/user/login", act=show_password),
        Stop("sign up, password shown", "", "/user/signup", act=show_password),
        Stop(
            "sign up, password made of known words", "", f"/user/signup?token={invite}", act=type_known_words
        ),
        Stop("account menu", "olga", "/user/account", act=menu(".letterhead .menu")),
        Stop("menu", "olga", "/user/account", act=press("Menu")),
        Stop("roles to choose from", "olga", MEMBERS, act=menu("#filters .menu")),
        Stop("everyone selected", "olga", MEMBERS, act=select_everyone),
        Stop("invite dialog", "olga", MEMBERS, act=dialog("Invite Members")),
        Stop("invite dialog, by mail", "olga", MEMBERS, act=dialog("Invite Members", "Invite via email")),
        Stop("invite dialog, reset", "olga", MEMBERS, act=dialog("Invite Members", "Reset Link")),
        Stop("member's panel", "olga", MEMBERS, act=dialog("Ada")),
        Stop("member's panel, long name", "olga", MEMBERS, act=dialog(" ".join(LONG_NAME))),
        Stop("password anew", "olga", MEMBERS, act=ask_password("Ada", "Make a password link")),
        Stop(
            "password anew, wrong",
            "olga",
            MEMBERS,
            act=ask_password("Ada", "Make a password link", wrong=True),
        ),
        Stop("password anew, page", "olga", f"{MEMBERS}/{ada}", act=ask_password_as_a_page),
        Stop("member, no password link", "cleo", f"{MEMBERS}/{site.ids['olga']}"),
        Stop("refused in a toast", "olga", MEMBERS, act=be_refused),
        Stop("given, with Undo", "olga", MEMBERS, act=give_role("Ben", "Reviewer")),
    ]


async def misaddressed(_: Site) -> list[Stop]:
    """What is said where the browser's address and HOST, which is https, don't agree."""
    login = "/user/login"
    other = through_a_proxy(posting=True, origin="https://members.example.org:8443")
    return [
        Stop("over http", "", login, act=through_a_proxy(posting=False, X_Forwarded_Proto="http")),
        Stop("another address", "", login, act=other),
        Stop("address unsaid", "", login, act=through_a_proxy(posting=True, origin="null")),
        Stop("another site", "", login, act=through_a_proxy(posting=True, Sec_Fetch_Site="cross-site")),
    ]


async def crowded(site: Site) -> list[Stop]:
    """A list of more than one page."""
    for number in range(51):
        await site.person(f"person{number}", Role.ANNOTATOR if number % 3 else Role.PENDING)
    for _ in range(30):
        await site.sign_in("olga")
    older = (await directory.page(MemberFilter())).older
    return [
        Stop("members, many", "olga", MEMBERS),
        Stop("account, many sessions", "olga", "/user/account"),
        Stop("member with many sessions", "olga", f"{MEMBERS}/{site.ids['olga']}"),
        Stop("members, the last of many", "olga", f"{MEMBERS}?after={older}"),
    ]


async def debugging(_: Site) -> list[Stop]:
    """What only `gatehouse serve --debug` shows: each component in each state."""
    return [Stop("style guide", "olga", "/styleguide")]


async def broken(site: Site) -> list[Stop]:
    """Errors of the server: nothing of a page of ours may be needed to tell them."""
    await engine.write(engine.execute, "DROP TABLE organization")
    return [
        Stop("broken", "", "/", 500),
        Stop("no answer from the database", "", "/no/such/page", 503),
    ]


async def unfounded(site: Site) -> list[Stop]:
    """The pages before there is an organization."""
    link = await setup.open_link()
    assert link is not None
    code = site.context.signer.token(links.SETUP, link.id, link.nonce)
    return [
        Stop("not set up", "", "/", 503),
        Stop("set up", "", f"/setup?code={code}"),
        Stop("set up, wrong", "", "/setup", 422, {"code": code, "email": "olga", "password": "short"}),
        Stop("set up, wrong code", "", "/setup?code=forged", 403),
    ]


async def lonely(_: Site) -> list[Stop]:
    """Pages that look different while the Owner is alone, and sign-up is closed but takes requests."""
    await access_request_steps.switch_on()
    await access_request_steps.submit("ada", "x" * 200)
    return [
        Stop("sign up, closed", "", "/user/signup", 403),
        Stop("invalid link, closed", "", "/user/signup?token=forged", 410),
        Stop("ask for access", "", ASK),
        Stop("ask for access, wrong", "", ASK, 422, {"name": "", "email": "x", "words": "x" * 300}),
        Stop("ask for access, thanks", "", ASK, 200, {"name": "x" * 100, "email": LONG_ADDRESS}),
        Stop("requests", "olga", f"{INVITATIONS}?state=asked"),
        Stop("log in, closed", "", "/user/login"),
        Stop("members, alone", "olga", MEMBERS),
        Stop("ownership, alone", "olga", "/organization/ownership"),
    ]


# Other roles, a repeated row, a column that isn't read, a wrong row.
UNEVEN_FILE = """E-Mail;Name;Rolle;Team
joerg@example.org;Jörg Hartmann;Reviewer;A
nobody;;;
joerg@example.org;;Manager;
zoe@example.org;Zoë;;B
"""


async def invited(site: Site, server: Server) -> list[Stop]:
    """All pages of inviting by mail, with invitations in every state."""
    await inviting.every_state(site, server)
    await site.person("ana", Role.ANNOTATOR)
    listed = csv_import.parse(UNEVEN_FILE.encode("cp1252"))
    upload = await uploads.keep(await inviting.actor(site, "olga"), listed, Role.ANNOTATOR)
    sending = await inviting.invite(site, "olga", "zed@example.org", "yan@example.org", role=Role.REVIEWER)
    await site.person("zed")
    path, zed = (
        await inviting.path_for(site, "yan@example.org"),
        await inviting.path_for(site, "zed@example.org"),
    )
    typed = f"{LONG_ADDRESS} maria@@museo.example ana@example.org zed@example.org yan@example.org"
    reused = await inviting.path_for(site, "l.hartmann@botanik-graz.example")
    expired = await inviting.path_for(site, "late@fenwick.example")
    link = await engine.write(confirmation_link, site.ids["zed"])
    shown = await inviting.id_of("s.iyer@fenwick.example")
    await access_request_steps.switch_on()
    for words in ("I press ferns, and know labels in Kazakh", ""):
        await access_request_steps.submitted(f"guest{len(words)}", words)
    await access_request_steps.submit("pia", "x" * 200)
    asking = await access_request_steps.link_of("pia")
    asking_token = site.context.signer.token(links.ACCESS_REQUEST, asking.id, asking.nonce)
    for _ in range(5):
        await rate_limits.count(site.context.throttle.forgot("busy@example.org", "192.0.2.7"))
    return [
        Stop("invitations", "olga", INVITATIONS),
        Stop("requests alone", "olga", f"{INVITATIONS}?state=asked"),
        Stop("requests, none", "olga", f"{INVITATIONS}?state=asked&q=nobody-of-this-name"),
        Stop("request, to confirm", "", f"{ASKED}?token={asking_token}"),
        Stop("request, confirmed", "", ASKED, 200, {"token": asking_token}),
        Stop("request, invalid", "", f"{ASKED}?token=forged", 410),
        Stop("invitations, none", "olga", f"{INVITATIONS}?q=nobody-of-this-name&state=open"),
        Stop("invitations, wrong filter", "olga", f"{INVITATIONS}?state=shoe&after=x", 422),
        Stop("sending", "olga", f"{INVITATIONS}?batch={sending}"),
        Stop("invite via email", "olga", "/organization/invite?way=email"),
        Stop("preview", "olga", f"{INVITATIONS}/preview", 200, {"emails": typed, "role": "AN"}),
        Stop("invite, wrong", "olga", INVITATIONS, 422, {"emails": typed, "role": "AN"}),
        Stop("invitation's link", "olga", f"{INVITATIONS}/{shown}/link", 200, {}),
        Stop("import", "olga", f"{INVITATIONS}/import"),
        Stop("import, preview", "olga", f"{INVITATIONS}/import/{upload}"),
        Stop("members beside invitations", "olga", MEMBERS),
        Stop("member, invited and registered otherwise", "olga", f"{MEMBERS}/{site.ids['zed']}"),
        Stop("account with mail", "olga", "/user/account"),
        Stop("invitation", "", path),
        Stop(
            "invitation, wrong",
            "",
            "/user/invitation",
            422,
            {"token": path.partition("=")[2], "password": "x"},
        ),
        Stop("invitation, log in", "", zed),
        Stop("invitation, mine", "zed", zed),
        Stop("invitation, another's", "ana", zed),
        Stop("invitation, used", "", reused, 410),
        Stop("invitation, expired", "", expired, 410),
        Stop(
            "invitation, asked for", "", "/user/invitation/renewal", 200, {"token": expired.partition("=")[2]}
        ),
        Stop("invitation, forged", "", "/user/invitation?token=forged", 410),
        Stop("forgot with mail", "", "/user/password/forgot"),
        Stop("too many tries", "", "/user/password/forgot", 429, {"email": "busy@example.org"}),
        Stop("forgot, sent", "", "/user/password/forgot", 200, {"email": LONG_ADDRESS}),
        Stop(
            "confirmation", "", f"/user/confirmation?token={site.context.signer.token(links.ADDRESS, *link)}"
        ),
        Stop("confirmation, invalid", "", "/user/confirmation?token=forged", 410),
    ]


async def confirmation_link(member_id: int) -> tuple[int, str]:
    link = await links.make(links.ADDRESS, subject=member_id, expires_at=clock.now() + 3600_000, max_uses=1)
    return link.id, link.nonce


# What each kind of site is set up with, and its pages; "inviting" also needs a mail server.
PREPARATIONS: Mapping[str, Callable[[Site], Awaitable[list[Stop]]]] = {
    "founded": founded,
    "misaddressed": misaddressed,
    "crowded": crowded,
    "debugging": debugging,
    "lonely": lonely,
    "unfounded": unfounded,
    "broken": broken,
    "seldom": states.seldom,
}
KINDS = (*PREPARATIONS, "inviting")


@asynccontextmanager
async def prepared(kind: str) -> AsyncIterator[tuple[Site, list[Stop]]]:
    """A site of this kind on the database in use, with the list of its pages."""
    async with smtp.serving() as server:
        settings = Settings(
            secret_key=SECRET,
            closed=kind == "lonely",
            debug=kind == "debugging",
            app_url="https://label.example.org/",
            host="https://members.example.org" if kind == "misaddressed" else "",
            trusted_proxies=(ip_network("127.0.0.1"),) if kind == "misaddressed" else (),
            mail=server.account() if kind == "inviting" else None,
        )
        async with Site.opened(settings, founded=kind not in ("unfounded", "broken")) as site:
            if kind == "inviting":
                yield site, await invited(site, server)
            else:
                yield site, await PREPARATIONS[kind](site)


@asynccontextmanager
async def opened(kind: str, browser: Browser) -> AsyncIterator[tuple[Desk, list[Stop]]]:
    """The same in front of the browser."""
    async with prepared(kind) as (site, stops), Desk.of(site, browser) as desk:
        yield desk, stops
        for status in {stop.status for stop in stops if stop.status >= 500}:
            desk.forgive(f"the server responded with a status of {status}")
        desk.forgive(*{sign for stop in stops for sign in stop.noted})


async def _people(site: Site) -> None:
    for name, role in (
        ("ada", Role.ANNOTATOR),
        ("ben", Role.PENDING),
        ("cleo", Role.ADMINISTRATOR),
        ("dora", Role.DEACTIVATED),
    ):
        await site.person(name, role)
    await unusual.come(site)


async def _removed(site: Site, name: str) -> int:
    member_id = await site.person(name, Role.ANNOTATOR)
    await removal.remove(COMMAND_LINE, member_id=member_id)
    return member_id


async def _reset_token(site: Site, member_id: int) -> str:
    link = await password.make_reset_link(COMMAND_LINE, member_id=member_id)
    return site.context.signer.token(links.RESET, link.id, link.nonce)
