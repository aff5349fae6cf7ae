"""One's own account: name, zone, colours, password, sessions."""

import asyncio
from types import ModuleType

import pytest

from db import engine
from db.auth import rate_limits
from db.common import clock
from db.policy import Role
from messages import toasts
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor

NEW = "seven silver herons on the ice"
FIELDS = {"first_name": "Ada", "last_name": "Lovelace", "time_zone": "Europe/Prague", "theme": "dark"}


async def test_a_name_is_changed_as_a_page(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    answer = await ada.submit("/user/account", FIELDS)
    page = await ada.get("/user/account")

    assert (answer.status_code, answer.headers["location"]) == (303, "/user/account")
    assert "Saved." in page.text
    assert {name: read(page).controls[name].get("value") for name in ("first_name", "last_name")} == {
        "first_name": "Ada",
        "last_name": "Lovelace",
    }
    assert 'data-theme="dark" data-zone="Europe/Prague"' in page.text


async def test_a_name_is_changed_as_a_fragment(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    answer = await ada.press("/user/account", FIELDS)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/account")
    assert await engine.rows("SELECT sort_key, theme FROM member WHERE role = 'NO'") == [
        ("ada lovelace", "dark")
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("first_name", "A" * 101),
        ("first_name", "A\x00da"),
        ("last_name", "Love\x1blace"),
        ("last_name", "Love\x9flace"),
        ("last_name", "Love\nlace"),
        ("time_zone", "Mars/Phobos"),
        ("time_zone", "../../etc/passwd"),
        ("theme", "pink"),
        ("theme", ""),
    ],
)
@ON_SQLITE
async def test_what_cannot_be_is_told_at_its_field(site: Site, field: str, value: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit("/user/account", {**FIELDS, field: value})

    assert answer.status_code == 422
    assert wrong_fields(answer) == {field}
    assert await engine.rows("SELECT first_name, theme FROM member") == [("Olga", "system")]


@ON_SQLITE
async def test_names_of_the_whole_world_are_kept_and_spaces_tidied(site: Site) -> None:
    olga = await site.sign_in("olga")

    await olga.submit("/user/account", FIELDS, first_name="  Ольга   <b>", last_name="李" * 100)

    assert await engine.rows("SELECT first_name, last_name FROM member") == [("Ольга <b>", "李" * 100)]
    assert "<b>" not in (await olga.get("/")).text


@ON_SQLITE
async def test_nothing_but_what_stands_in_the_form_is_changed(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    await ada.submit("/user/account", FIELDS, email="eve@example.org", role="OW", id=str(site.ids["olga"]))

    assert await engine.rows("SELECT email, role, first_name FROM member ORDER BY id") == [
        ("olga@example.org", "OW", "Olga"),
        ("ada@example.org", "NO", "Ada"),
    ]


async def test_a_new_password_ends_all_other_sessions_as_a_page(site: Site) -> None:
    here, there, copied = await site.sign_in("olga"), await site.sign_in("olga"), site.visitor()
    copied.cookies.update(here.cookies)

    answer = await here.submit("/user/account/password", current_password=PASSWORD, password=NEW)

    assert (answer.status_code, answer.headers["location"]) == (303, "/user/account")
    assert (await here.get("/user/account")).status_code == 200
    assert (await there.get("/user/account")).status_code == 303
    assert (await copied.get("/user/account")).status_code == 303, "the session has a new token"


async def test_a_new_password_ends_all_other_sessions_as_a_fragment(site: Site) -> None:
    here, there = await site.sign_in("olga"), await site.sign_in("olga")

    answer = await here.press("/user/account/password", current_password=PASSWORD, password=NEW)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/account")
    assert (await there.get("/user/account")).status_code == 303


async def test_the_present_password_is_asked_for(site: Site) -> None:
    olga = await site.sign_in("olga")

    wrong = await olga.submit("/user/account/password", current_password="wrong", password=NEW)
    none = await olga.submit("/user/account/password", password=NEW)

    for answer in (wrong, none):
        assert (answer.status_code, wrong_fields(answer)) == (422, {"current_password"})
        assert NEW not in answer.text


@ON_SQLITE
async def test_both_passwords_are_told_about_at_once(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit("/user/account/password", current_password="wrong", password="short")

    assert (answer.status_code, wrong_fields(answer)) == (422, {"current_password", "password"})


async def test_a_wrong_present_password_counts_as_a_failed_sign_in(site: Site, clock: ModuleType) -> None:
    olga = await site.sign_in("olga")
    for number in range(5):
        bad = NEW if number % 2 else "short"
        await olga.submit("/user/account/password", current_password="wrong", password=bad)

    answer = await olga.submit("/user/account/password", current_password=PASSWORD, password=NEW)
    elsewhere = await site.visitor().submit("/user/login", email="olga@example.org", password=PASSWORD)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert elsewhere.status_code == 429


async def test_two_new_passwords_at_the_same_instant_are_not_both_taken(site: Site) -> None:
    first, second = await site.sign_in("olga"), await site.sign_in("olga")

    answers = await asyncio.gather(
        *(
            browser.submit("/user/account/password", current_password=PASSWORD, password=password)
            for browser, password in ((first, NEW), (second, "nine copper kettles in a row"))
        )
    )

    # The slower one is told that its present password is wrong by now, or is signed out already.
    assert 303 in {answer.status_code for answer in answers}
    assert len(await engine.rows("SELECT 1 FROM session WHERE ended_at = 0")) == 1


async def test_an_empty_current_password_is_told_by_its_field_and_is_no_try(site: Site) -> None:
    olga = await site.sign_in("olga")

    answers = [await olga.submit("/user/account/password", password=word) for word in (NEW, "short") * 4]
    page = tree(answers[1])

    assert [answer.status_code for answer in answers] == [422] * 8
    assert page.one(id="current_password-error").text == "Enter your current password."
    assert page.one(id="password-error").text.startswith("Use at least 12 characters")
    assert await engine.rows("SELECT 1 FROM activity WHERE kind = 'password_refused'") == []


async def test_a_device_that_changed_the_password_stays_known(site: Site) -> None:
    visitor = site.visitor()
    await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)
    await visitor.submit("/user/account/password", current_password=PASSWORD, password=NEW)
    await visitor.submit("/user/logout")
    for _ in range(5):
        await rate_limits.count(site.context.throttle.sign_in("olga@example.org", "192.0.2.1", ""))

    stranger = await site.visitor().submit("/user/login", email="olga@example.org", password=NEW)
    known = await visitor.submit("/user/login", email="olga@example.org", password=NEW)

    assert (stranger.status_code, known.status_code) == (429, 303)


async def test_sessions_are_listed_with_device_address_and_last_use(site: Site) -> None:
    await site.sign_in("olga", "198.51.100.7")
    olga = await site.sign_in("olga")

    page = (await olga.get("/user/account")).text

    assert page.count("<strong>Firefox on Linux</strong>") == 2
    assert "198.51.100.7" in page
    assert page.count("this browser") == 1
    assert "Sign out everywhere else" in page


async def test_one_session_is_ended_as_a_page(site: Site) -> None:
    here, there = await site.sign_in("olga"), await site.sign_in("olga")
    ((_,), (other,)) = await engine.rows("SELECT id FROM session ORDER BY id")

    answer = await here.submit(f"/user/account/sessions/{other}/end")

    assert (answer.status_code, answer.headers["location"]) == (303, "/user/account")
    assert (await there.get("/user/account")).status_code == 303
    assert (await here.get("/user/account")).status_code == 200


async def test_one_session_is_ended_as_a_fragment(site: Site) -> None:
    here, there = await site.sign_in("olga"), await site.sign_in("olga")
    ((_,), (other,)) = await engine.rows("SELECT id FROM session ORDER BY id")

    answer = await here.press(f"/user/account/sessions/{other}/end")

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/account")
    assert (await there.get("/user/account")).status_code == 303


async def test_all_other_sessions_are_ended_as_a_page(site: Site) -> None:
    here, there = await site.sign_in("olga"), await site.sign_in("olga")

    answer = await here.submit("/user/account/sessions/end-others")

    assert answer.status_code == 303
    assert [(await olga.get("/user/account")).status_code for olga in (here, there)] == [200, 303]


async def test_all_other_sessions_are_ended_as_a_fragment(site: Site) -> None:
    here, there = await site.sign_in("olga"), await site.sign_in("olga")

    answer = await here.press("/user/account/sessions/end-others")

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/account")
    assert (await there.get("/user/account")).status_code == 303


@pytest.mark.parametrize("id", ["+1", "１", "1" * 40, "0", "-1", "1_0", "01", "1.0", "x", "%00", "%20"])
@ON_SQLITE
async def test_what_cannot_be_an_id_leads_nowhere(site: Site, id: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"/user/account/sessions/{id}/end")

    assert answer.status_code == 404


@ON_SQLITE
async def test_the_session_of_somebody_else_leads_nowhere(site: Site) -> None:
    await site.person("ada")
    olga, ada = await site.sign_in("olga"), await site.sign_in("ada")

    answer = await ada.submit("/user/account/sessions/1/end")

    assert answer.status_code == 404
    assert (await olga.get("/user/account")).status_code == 200


async def test_a_deactivated_persons_sessions_have_ended(site: Site) -> None:
    ada_id = await site.person("ada", Role.ANNOTATOR)
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")

    await olga.submit(f"/organization/members/{ada_id}/role", role="DI")
    refused = await ada.get("/user/account")
    await olga.submit(f"/organization/members/{ada_id}/role", role="AN")

    assert refused.status_code == 303
    assert (await ada.get("/user/account")).status_code == 303, "a new role revives no session"


async def left_behind(site: Site, name: str) -> str:
    """The cookie with the notice that a change of this person's leaves behind."""
    browser = await site.sign_in(name)
    await browser.submit("/user/account", FIELDS)
    return browser.cookies["gatehouse_notice"]


@ON_SQLITE
async def test_a_notice_is_shown_to_its_member_alone_and_for_a_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person("ada", Role.ANNOTATOR)
    notice, now = await left_behind(site, "olga"), clock.now()

    async def is_shown(browser: Visitor, path: str, seconds: int) -> bool:
        monkeypatch.setattr(clock, "now", lambda: now + seconds * 1000)
        browser.cookies.set("gatehouse_notice", notice, domain="testserver.local")
        return "Saved." in (await browser.get(path)).text

    olga, ada, nobody = await site.sign_in("olga"), await site.sign_in("ada"), site.visitor()
    shown = [await is_shown(olga, "/user/account", seconds) for seconds in (-5, 0, 55, 65)]
    others = [await is_shown(ada, "/user/account", 0), await is_shown(nobody, "/user/login", 0)]

    assert (shown, others) == ([False, True, True, False], [False, False])


@ON_SQLITE
async def test_a_notice_goes_with_the_logout(site: Site) -> None:
    olga = await site.sign_in("olga")
    await olga.submit("/user/account", FIELDS)
    assert "gatehouse_notice" in olga.cookies

    await olga.submit("/user/logout")

    assert "gatehouse_notice" not in olga.cookies


@ON_SQLITE
async def test_a_new_password_by_a_link_is_told_on_the_login_page(site: Site) -> None:
    token, olga = await site.reset_token("olga"), await site.sign_in("olga")

    answer = await olga.submit("/user/password/reset", token=token, password="five green kites over a hill")

    assert answer.status_code == 303
    assert toasts.PASSWORD_RESET in (await olga.get("/user/login")).text


@ON_SQLITE
async def test_a_forged_notice_is_not_shown(site: Site) -> None:
    olga = await site.sign_in("olga")
    authentic, older = await left_behind(site, "olga"), site.context.signer.seal("notice", '["Saved.", null]')
    shown = []

    for value in (authentic, "WW91IHdvbg." + authentic.partition(".")[2], older, "You won", "a" * 3000):
        olga.cookies.set("gatehouse_notice", value, domain="testserver.local")
        shown.append("Saved." in (page := (await olga.get("/user/account")).text) or "won" in page)

    assert shown == [True, False, False, False, False]


@ON_SQLITE
async def test_a_notice_is_shown_once(site: Site) -> None:
    olga = await site.sign_in("olga")
    await olga.submit("/user/account", FIELDS)

    shown = ["Saved." in (await olga.get("/user/account")).text for _ in range(2)]

    assert shown == [True, False]


@ON_SQLITE
async def test_a_page_takes_back_a_notice_that_there_is_and_no_other(site: Site) -> None:
    olga = await site.sign_in("olga")
    await olga.submit("/user/account", FIELDS)

    shown, again = await olga.get("/user/account"), await olga.get("/user/account")

    assert "gatehouse_notice=" in shown.headers["set-cookie"]
    assert "set-cookie" not in again.headers
