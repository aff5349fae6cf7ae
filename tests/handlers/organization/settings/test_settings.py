"""The settings page: what the Owner settles, what a form keeps, and what the environment has settled."""

import ipaddress
from types import ModuleType
from typing import Any

import httpx
import pytest

from db import engine
from db.common.dates import DAY_MS
from db.organization import invite_link
from db.organization import settings as organization_settings
from db.organization.invite_link_limits import End
from db.organization.settings import SettingsChange
from db.policy import Role
from handlers.http.auth.cookies import SESSION_COOKIE
from handlers.organization.settings import settings_form
from settings import TABLE, Mail, Settings
from tests.support.concurrency import at_once
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site, Visitor
from tests.support.steps.member_steps import olga as owner

PATH = "/organization/settings"
NOON = 1_796_558_400_000  # 6 Dec 2026, 12:00 UTC
MAIL = Mail(
    "smtp.fenwick.example", 587, "user-name", "pass-word", True, False, 10, "Fenwick <m@fenwick.example>"
)


def typed(answer: httpx.Response) -> dict[str, str]:
    """What a browser would send of the form as it stands."""
    form, found = tree(answer).one("form", id="settings"), {}
    for field in form.all("input"):
        if "disabled" not in field and (
            field.attributes.get("type") not in ("radio", "checkbox") or "checked" in field
        ):
            found[field["name"]] = field.attributes.get("value", "")
    for field in form.all("select"):
        if "disabled" not in field:
            found[field["name"]] = field.chosen[0]
    return found | {field["name"]: "".join(field.strings()) for field in form.all("textarea")}


async def opened(visitor: Visitor) -> dict[str, str]:
    return typed(await visitor.get(PATH))


async def told() -> list[str]:
    rows = await engine.rows(
        "SELECT kind FROM activity WHERE kind LIKE '%changed' OR kind LIKE 'asking%' ORDER BY id"
    )
    return [kind for (kind,) in rows]


async def test_the_owner_settles_everything_as_a_page(site: Site, clock: ModuleType) -> None:
    clock.stop_at(NOON)
    olga = await site.sign_in("olga")
    wish = {
        "title": " Fenwick  & Daughters ",
        "link_ends": "on",
        "link_ends_on": "2026-12-06",
        "link_max_uses": "10",
        "link_domains": "example.org, *.Example.net\r\nstraße.de",
        "session_age": "7",
        "session_idle": "2",
        "may_ask": "true",
        "note_AN": "Labels leaves",
    }

    answer = await olga.submit(PATH, await opened(olga) | wish)

    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    rules = await organization_settings.current()
    assert (rules.title, rules.link_max_uses, rules.may_ask) == ("Fenwick & Daughters", 10, True)
    assert rules.link_end == End("on", at=NOON + DAY_MS // 2), "to the end of that day"
    assert rules.link_domains == ("example.org", "*.example.net", "xn--strae-oqa.de")
    assert (rules.session_age, rules.session_idle) == (7 * DAY_MS, 2 * DAY_MS)
    assert rules.notes[Role.ANNOTATOR] == "Labels leaves"
    page = await olga.get(PATH)
    assert tree(page).one(id="toasts").text == "Saved."
    assert "straße.de (xn--strae-oqa.de)" in page.text


async def test_the_owner_settles_everything_as_a_fragment(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.press(PATH, await opened(olga) | {"link_max_uses": "10"})
    renamed = await olga.press(PATH, await opened(olga) | {"title": "New"})

    assert answer.status_code == 200
    assert tree(answer).roots[0]["id"] == "settings"
    assert "Saved." in answer.text
    assert typed(answer)["link_max_uses"] == "10"
    assert renamed.headers["hx-redirect"] == PATH, "the name stands around the form as well"
    assert [root["id"] for root in tree(await olga.fragment(PATH)).roots] == ["settings"]


@ON_SQLITE
async def test_the_form_has_an_input_for_everything_that_the_owner_settles(site: Site) -> None:
    olga = await site.sign_in("olga")

    form = tree(await olga.get(PATH)).one("form", id="settings")

    fields = [*form.all("input"), *form.all("select"), *form.all("textarea")]
    assert {field["name"] for field in fields} == set(settings_form.FIELDS)


async def test_what_is_sent_as_it_stands_changes_nothing(site: Site) -> None:
    await organization_settings.change(
        owner(site), SettingsChange(link_end=End("after", 30), link_domains=("a.org", "b.org"), may_ask=True)
    )
    before, known = await organization_settings.current(), await told()
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, await opened(olga))

    assert answer.status_code == 303
    assert (await organization_settings.current(), await told()) == (before, known)


@ON_SQLITE
async def test_a_box_that_is_no_longer_ticked_is_off(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(may_ask=True))
    olga = await site.sign_in("olga")
    form = await opened(olga)
    assert form.pop("may_ask") == "true"

    await olga.submit(PATH, form)

    assert not (await organization_settings.current()).may_ask


async def test_a_script_that_sends_one_field_changes_that_alone(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(may_ask=True, link_max_uses=5))
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, title="New")

    rules = await organization_settings.current()
    assert answer.status_code == 303
    assert (rules.title, rules.may_ask, rules.link_max_uses) == ("New", True, 5)


async def test_two_tabs_do_not_take_each_others_changes_back(site: Site) -> None:
    olga = await site.sign_in("olga")
    one, other = await opened(olga), await opened(olga)

    await at_once(
        olga.submit(PATH, one | {"title": "New", "session_age": "3"}),
        olga.submit(PATH, other | {"link_max_uses": "5", "note_OW": "Pays"}),
    )
    await olga.submit(PATH, other | {"session_idle": "1"})

    rules = await organization_settings.current()
    assert (rules.title, rules.session_age, rules.session_idle) == ("New", 3 * DAY_MS, DAY_MS)
    assert (rules.link_max_uses, rules.notes[Role.OWNER]) == (5, "Pays")


WRONG = {
    "title": "x" * 101,
    "link_ends": "on",
    "link_ends_on": "2020-01-01",
    "link_max_uses": "1",
    "link_domains": "foo\nb.org\nhttp://c.org",
    "session_age": "15",
    "session_idle": "0",
    "note_AN": "x" * 201,
}


async def register(site: Site) -> None:
    form = {"email": "ada@example.org", "password": PASSWORD, "token": await site.invite_token()}
    assert (await site.visitor().submit("/user/signup", form)).status_code == 303


@pytest.mark.parametrize("way", ["page", "fragment"])
async def test_every_error_stands_by_its_field_and_what_was_typed_stays(site: Site, way: str) -> None:
    await register(site)
    olga = await site.sign_in("olga")
    form = await opened(olga) | WRONG

    answer = await (olga.submit if way == "page" else olga.press)(PATH, form)

    page = read(answer)
    assert answer.status_code == 422
    assert wrong_fields(answer) == set(WRONG) - {"link_ends"}
    assert "this has 101" in page.error_of("title")
    assert "That day is over" in page.error_of("link_ends_on")
    assert "1 person has registered by the present link" in page.error_of("link_max_uses")
    assert "“foo”, “http://c.org” are no domains" in page.error_of("link_domains")
    assert "1 to 14, which is all that MAX_SESSION_AGE allows" in page.error_of("session_age")
    assert "1 to 5" in page.error_of("session_idle")
    kept = typed(answer)
    assert {name: kept[name] for name in WRONG} == WRONG
    assert kept["seen"] == form["seen"]
    assert await told() == []


@ON_SQLITE
@pytest.mark.parametrize(
    ("sent", "field", "words"),
    [
        ({"title": "  "}, "title", "Enter the organization's name"),
        ({"link_ends": "soon"}, "link_ends", "Choose one of the three"),
        ({"link_ends": "after", "link_days": "0"}, "link_days", "from 1 to 3,650"),
        ({"link_ends": "after", "link_days": ""}, "link_days", "from 1 to 3,650"),
        ({"link_ends": "after", "link_days": "1.5"}, "link_days", "from 1 to 3,650"),
        ({"link_ends": "on", "link_ends_on": ""}, "link_ends_on", "Choose a day"),
        ({"link_ends": "on", "link_ends_on": "2026-02-30"}, "link_ends_on", "Choose a day"),
        ({"link_ends": "on", "link_ends_on": "9999-12-31"}, "link_ends_on", "Choose a day"),
        ({"link_ends": "on", "link_ends_on": "6.12.2026"}, "link_ends_on", "Choose a day"),
        ({"link_max_uses": "0"}, "link_max_uses", "from 1 to 1,000,000, or nothing"),
        ({"link_max_uses": "-1"}, "link_max_uses", "from 1 to 1,000,000"),
        ({"link_max_uses": "9" * 50}, "link_max_uses", "from 1 to 1,000,000"),
        ({"link_max_uses": "７"}, "link_max_uses", "from 1 to 1,000,000"),
        (
            {"link_domains": " ".join(f"d{n}.org" for n in range(200))},
            "link_domains",
            "at most 50 domains; these are 200",
        ),
        ({"link_domains": "x" * 20_001}, "link_domains", "far too long"),
        ({"session_age": "0"}, "session_age", "MAX_SESSION_AGE"),
        ({"session_age": "400"}, "session_age", "from 1 to 14"),
        ({"notice_waiting": "everybody"}, "notice_waiting", "Choose one of the three"),
        ({"note_OW": "a\x00b"}, "note_OW", "control characters"),
    ],
)
async def test_what_cannot_be_settled_says_so_by_its_field(
    site: Site, sent: dict[str, str], field: str, words: str
) -> None:
    before = await organization_settings.current()
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, await opened(olga) | sent)

    assert answer.status_code == 422
    assert words in read(answer).error_of(field)
    assert await organization_settings.current() == before


@ON_SQLITE
async def test_a_day_that_was_settled_and_is_over_hinders_no_other_change(
    site: Site, clock: ModuleType
) -> None:
    clock.stop_at(NOON)
    await organization_settings.change(owner(site), SettingsChange(link_end=End("on", at=NOON + DAY_MS)))
    clock.move(2 * DAY_MS)
    olga = await site.sign_in("olga")
    form = await opened(olga)
    assert (form["link_ends"], form["link_ends_on"]) == ("on", "2026-12-07")

    answer = await olga.submit(PATH, form | {"title": "New"})

    assert answer.status_code == 303
    assert (await organization_settings.current()).title == "New"
    assert "Its time ran out" in (await olga.get(PATH)).text


@ON_SQLITE
async def test_the_owner_finds_the_hand_over_in_the_settings(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))

    assert page.one("a", href="/organization/ownership").text == "Hand over ownership"


@ON_SQLITE
async def test_a_link_does_not_end_unseen_because_it_is_older_than_the_new_number_of_days(
    site: Site, clock: ModuleType
) -> None:
    made_at = (await invite_link.present()).made_at
    clock.stop_at(made_at + 14 * DAY_MS)
    olga = await site.sign_in("olga")
    form = await opened(olga) | {"link_ends": "after"}

    refused = await olga.submit(PATH, form | {"link_days": "14"})
    settled = await olga.submit(PATH, form | {"link_days": "15"})

    assert (refused.status_code, settled.status_code) == (422, 303)
    assert "14 days old, so it would stop working at once" in read(refused).error_of("link_days")
    assert (await organization_settings.current()).link_end == End("after", days=15)


async def test_a_new_title_stands_everywhere_at_once(site: Site) -> None:
    olga = await site.sign_in("olga")
    # Another worker has shown the old one already.
    async with Site.opened(founded=False) as other:
        assert "Fenwick Herbarium" in (await other.visitor().get("/user/login")).text

        await olga.submit(PATH, await opened(olga) | {"title": "The <Greenhouse>"})

        for page in (await olga.get("/organization/members"), await other.visitor().get("/user/login")):
            assert "<bdi>The &lt;Greenhouse&gt;</bdi>" in page.text
            assert "Fenwick" not in page.text
    await engine.start()


@ON_SQLITE
async def test_what_the_environment_has_settled_is_shown_by_name_and_no_secret(database: str) -> None:
    settings = Settings(
        secret_key=SECRET,
        host="https://members.fenwick.example",
        mail=MAIL,
        app_url="https://label.fenwick.example",
        closed=True,
        database_url="sqlite:////srv/secret-place.db",
    )
    async with Site.opened(settings) as site:
        olga = await site.sign_in("olga", base="https://testserver")

        answer = await olga.get(PATH)

    for text in (
        "smtp.fenwick.example",
        "Fenwick &lt;m@fenwick.example&gt;",
        "https://label.fenwick.example",
        "1209600",
    ):
        assert text in answer.text
    names = [name.text for name in tree(answer).one("dl").all("code")]
    assert names == [one.name for one in TABLE if one.shown.on_page]
    for secret in (SECRET, "pass-word", "user-name", "secret-place"):
        assert secret not in answer.text


@ON_SQLITE
async def test_notices_are_greyed_with_the_reason_while_mail_is_not_set_up(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))

    assert "Mail isn't set up on this server (EMAIL_HOST)" in page.one(id="settings").text
    assert all(
        "disabled" in page.one("select", name=f"notice_{name}") for name in ("waiting", "asked", "ending")
    )


@ON_SQLITE
async def test_with_mail_the_owner_chooses_who_gets_a_notice(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, host="http://testserver", mail=MAIL)) as site:
        olga = await site.sign_in("olga")

        await olga.submit(PATH, await opened(olga) | {"notice_waiting": "owner", "notice_ending": "nobody"})

        rules = await organization_settings.current()
    assert (rules.notice_waiting, rules.notice_asked, rules.notice_ending) == (
        "owner",
        "administrators",
        "nobody",
    )


@ON_SQLITE
async def test_an_age_that_the_environment_leaves_no_room_for_is_greyed(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, max_session_age=3600)) as site:
        olga = await site.sign_in("olga")

        page = tree(await olga.get(PATH))
        answer = await olga.submit(PATH, session_age="1")

    assert "disabled" in page.one("input", name="session_age")
    assert "disabled" not in page.one("input", name="session_idle")
    assert "less than a day" in read(answer).error_of("session_age")


@ON_SQLITE
async def test_proxies_that_are_not_trusted_are_named(site: Site) -> None:
    olga = await site.sign_in("olga")
    assert "untrusted-proxies" not in [
        element.attributes.get("id") for element in tree(await olga.get(PATH)).all()
    ]

    await site.visitor("10.0.0.5").get("/user/login", headers={"X-Forwarded-For": "203.0.113.9"})

    text = tree(await olga.get(PATH)).one(id="untrusted-proxies").text
    assert "Forwarded headers from 10.0.0.5 are ignored" in text
    assert "share one limit" in text


@pytest.mark.parametrize(
    ("host", "proxies", "warned"),
    [("", ("127.0.0.1",), True), ("http://testserver", ("127.0.0.1",), False), ("", (), False)],
)
@ON_SQLITE
async def test_a_proxy_without_host_is_warned_about(
    database: str, host: str, proxies: tuple[str, ...], warned: bool
) -> None:
    networks = tuple(map(ipaddress.ip_network, proxies))
    async with Site.opened(Settings(secret_key=SECRET, host=host, trusted_proxies=networks)) as site:
        page = tree(await (await site.sign_in("olga")).get(PATH))

    assert [element.attributes.get("id") for element in page.all()].count("no-host") == int(warned)


@ON_SQLITE
async def test_settings_are_in_the_menu_of_the_owner_alone(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")

    found = [(await who.get("/organization/members")).text.count(f'href="{PATH}"') for who in (olga, ada)]

    assert found == [1, 0]
    assert (await ada.get(PATH)).status_code == 403
    assert tree(await olga.get(PATH)).one("a", href=PATH)["aria-current"] == "page"


async def test_the_cookie_of_a_kept_session_lasts_as_long_as_the_owner_settled(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(session_age=3 * DAY_MS))
    visitor = site.visitor()

    answer = await visitor.submit(
        "/user/login", email="olga@example.org", password=PASSWORD, persist_session="true"
    )

    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(SESSION_COOKIE)]
    assert f"Max-Age={3 * 24 * 3600};" in cookie


async def test_what_each_role_may_do_is_told_as_a_page_and_as_a_fragment(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(notes={Role.ANNOTATOR: "Labels <leaves>"}))
    olga = await site.sign_in("olga")

    page, fragment = await olga.get("/organization/roles"), await olga.fragment("/organization/roles")

    rows = {
        row.one("th").text: [cell.text for cell in row.all("td")] for row in tree(page).one("tbody").all("tr")
    }
    assert list(rows) == [role.label for role in Role]
    assert rows["Annotator"] == ["Opens Label Studio.", "Labels <leaves>"]
    assert rows["Owner"][0].endswith("Changes the settings, and hands the organization over.")
    assert tree(fragment).roots[0] == tree(page).one(id="roles")
    dialog = tree(await olga.get("/organization/invite")).one(id="role-hint")
    assert dialog.one("summary").text == "What may each role do?"
    assert "Labels <leaves>" in dialog.text


async def test_used_up_limits_let_the_link_live_again_when_the_owner_allows_more(site: Site) -> None:
    olga = await site.sign_in("olga")
    await olga.submit(PATH, link_max_uses="1")
    await register(site)
    assert (await invite_link.present()).uses == 1

    answer = await olga.submit(PATH, await opened(olga) | {"link_max_uses": "2"})

    assert answer.status_code == 303
    form: dict[str, Any] = {
        "email": "bob@example.org",
        "password": PASSWORD,
        "token": await site.invite_token(),
    }
    assert (await site.visitor().submit("/user/signup", form)).status_code == 303
