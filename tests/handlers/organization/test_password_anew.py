"""The password asked for anew: as a page and as a dialog, with everything that was sent carried on."""

import httpx
import pytest

from db import engine
from db.auth import rate_limits
from db.policy import PASSWORD_MS, Role
from handlers.http.auth.cookies import SESSION_COOKIE
from tests.handlers.organization.invitations.test_imports import upload
from tests.support.pages.markup import Element, tree
from tests.support.pages.members_page import select, toast
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor
from tests.support.steps import access_request_steps
from tests.support.steps.invitation_steps import invited

MEMBERS = "/organization/members"
INVITATIONS = "/organization/invitations"


async def long_ago() -> None:
    """All sessions gave their password longer ago than it speaks."""
    await engine.write(
        engine.execute, "UPDATE session SET password_at = password_at - ?", PASSWORD_MS + 1_000
    )


def dialog(answer: httpx.Response) -> Element:
    return tree(answer).one("dialog", id="password-anew")


def carried(answer: httpx.Response) -> dict[str, list[str]]:
    """What the form brings along when it is sent, without the password."""
    found: dict[str, list[str]] = {}
    for field in dialog(answer).all("input", type="hidden"):
        found.setdefault(field["name"], []).append(field["value"])
    return found


async def go_on(visitor: Visitor, answer: httpx.Response, password: str = PASSWORD) -> httpx.Response:
    """Sends the form that asks, as whatever asked for it: a page or htmx."""
    form = dialog(answer).one("form")
    fields = {**carried(answer), "current_password": password}
    if "hx-post" not in form:
        return await visitor.submit(form["action"], fields)
    headers = {
        "HX-Request": "true",
        "Sec-Fetch-Site": "same-origin",
        "HX-Target": form["hx-target"].removeprefix("#"),
    }
    return await visitor.post(form["hx-post"], data=fields, headers=headers)


async def test_a_page_asks_and_carries_the_change_on(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await long_ago()

    asks = await olga.submit(f"{MEMBERS}/{ada}/role", role="AD", filter="role=NO")

    assert asks.status_code == 403
    assert await site.role_of("ada") is Role.PENDING
    assert dialog(asks).one("form")["action"] == f"{MEMBERS}/{ada}/role"
    assert carried(asks) == {"role": ["AD"], "filter": ["role=NO"]}
    assert dialog(asks).one("input", name="current_password")["type"] == "password"

    done = await go_on(olga, asks)

    assert (done.status_code, done.headers["location"]) == (303, f"{MEMBERS}?role=NO")
    assert await site.role_of("ada") is Role.ADMINISTRATOR


async def test_a_dialog_asks_and_its_answer_takes_the_place_of_what_asked(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await long_ago()

    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin", "HX-Target": f"member-{ada}"}
    asks = await olga.post(f"{MEMBERS}/{ada}/role", data={"role": "AD"}, headers=headers)
    form = dialog(asks).one("form")

    assert asks.status_code == 403
    assert (asks.headers["hx-retarget"], asks.headers["hx-reswap"]) == ("#anew", "innerHTML")
    assert (form["hx-target"], form["hx-swap"]) == (f"#member-{ada}", "outerHTML")

    done = await go_on(olga, asks)

    assert (done.status_code, select(done, ada)) == (200, ["AD"])
    assert toast(done) == "Ada is Administrator now."
    # It speaks for ten minutes now.
    bob = await site.person("bob")
    assert (await olga.press(f"{MEMBERS}/{bob}/role", role="AD")).status_code == 200


async def test_giving_it_gives_the_session_a_new_token_whatever_the_answer_is(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await long_ago()
    old = olga.cookies[SESSION_COOKIE]
    asks = await olga.submit(f"{MEMBERS}/{ada}/role", role="AD")
    # Meanwhile somebody removed her.
    await engine.write(
        engine.execute, "UPDATE member SET removed_at = 1, email_key = NULL, role = 'DI' WHERE id = ?", ada
    )

    answer = await go_on(olga, asks)

    assert answer.status_code == 404
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert olga.cookies[SESSION_COOKIE] != old
    assert (await olga.get(MEMBERS)).status_code == 200
    thief = site.visitor()
    thief.cookies.set(SESSION_COOKIE, old, domain="testserver.local")
    assert (await thief.get(MEMBERS)).status_code == 303


@pytest.mark.parametrize("htmx", [False, True])
async def test_a_wrong_one_asks_again_and_counts_as_a_failed_sign_in(site: Site, htmx: bool) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await long_ago()
    old = olga.cookies[SESSION_COOKIE]
    send = olga.press if htmx else olga.submit
    asks = await send(f"{MEMBERS}/{ada}/role", role="AD", filter="q=ada")

    for typed in ("", "not this one"):
        asks = await send(f"{MEMBERS}/{ada}/role", {**carried(asks), "current_password": typed})
        assert asks.status_code == 422
        assert carried(asks) == {"role": ["AD"], "filter": ["q=ada"]}
        field = dialog(asks).one("input", name="current_password")
        assert field["aria-invalid"] == "true"
        assert "value" not in field

    assert await site.role_of("ada") is Role.PENDING
    assert olga.cookies[SESSION_COOKIE] == old
    assert await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'password_refused'") == [(1,)]
    for _ in range(4):
        await rate_limits.count(site.context.throttle.sign_in("olga@example.org", "192.0.2.1", ""))

    waits = await send(f"{MEMBERS}/{ada}/role", {**carried(asks), "current_password": PASSWORD})
    assert waits.status_code == 429
    assert int(waits.headers["retry-after"]) >= 1
    assert carried(waits) == {"role": ["AD"], "filter": ["q=ada"]}
    assert "Too many tries" in dialog(waits).text
    # Signing in has to wait as well.
    entering = {"email": "olga@example.org", "password": PASSWORD}
    assert (await site.visitor().submit("/user/login", entering)).status_code == 429


async def test_addresses_and_what_is_chosen_come_along(site: Site) -> None:
    olga = await site.sign_in("olga")
    await long_ago()
    typed = 'Ada "<b>" <ada@example.org>\nbob@example.org\n'

    asks = await olga.press(INVITATIONS, emails=typed, role="AD", others="yes")
    assert asks.status_code == 403
    assert carried(asks) == {"emails": [typed], "role": ["AD"], "others": ["yes"]}
    done = await go_on(olga, asks)

    assert done.status_code == 303
    found = await engine.rows("SELECT email, role FROM invitation ORDER BY id")
    assert found == [("ada@example.org", "AD"), ("bob@example.org", "AD")]


async def test_a_list_of_people_comes_along(site: Site) -> None:
    ids = [await site.person(f"person{number}") for number in range(120)]
    olga = await site.sign_in("olga")
    await long_ago()

    asks = await olga.submit(f"{MEMBERS}/roles", member=ids, role="AD", filter="")
    assert carried(asks)["member"] == [str(each) for each in ids]
    await go_on(olga, asks)

    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'AD'") == [(120,)]


async def test_an_imported_list_is_not_lost(site: Site) -> None:
    olga = await site.sign_in("olga")
    file = b"email,role\nann@example.org,Annotator\nbea@example.org,Administrator\n"
    place = (await upload(olga, file)).headers["location"]
    await long_ago()

    asks = await olga.submit(place)
    assert asks.status_code == 403
    assert await engine.rows("SELECT 1 FROM invitation") == []
    done = await go_on(olga, asks)

    assert done.status_code == 303
    assert await engine.rows("SELECT role FROM invitation ORDER BY email") == [("AN",), ("AD",)]


async def test_every_way_asks(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    await site.sign_in("ada")
    olga = await site.sign_in("olga")
    plain, sensitive = await invited(site, "ann"), await invited(site, "bea", Role.ADMINISTRATOR)
    await access_request_steps.switch_on()
    request = await access_request_steps.submitted("guest")
    ((session,),) = await engine.rows("SELECT id FROM session WHERE member_id = ?", ada)
    ((batch,),) = await engine.rows("SELECT batch_id FROM invitation WHERE id = ?", sensitive.id)
    await long_ago()
    ways: dict[str, dict[str, str]] = {
        f"{MEMBERS}/{ada}/role": {"role": "AD"},
        f"{MEMBERS}/roles": {"role": "AD", "member": str(ada)},
        f"{MEMBERS}/{ada}/password-link": {},
        f"{MEMBERS}/{ada}/sessions/{session}/end": {},
        f"{MEMBERS}/{ada}/sessions/end-all": {},
        INVITATIONS: {"emails": "cyd@example.org", "role": "AD"},
        f"{INVITATIONS}/{plain.id}/role": {"role": "AD"},
        f"{INVITATIONS}/{sensitive.id}/resend": {},
        f"{INVITATIONS}/{sensitive.id}/link": {},
        f"{INVITATIONS}/links/{batch}": {},
        f"{INVITATIONS}/several": {"action": "resend", "invitation": str(sensitive.id)},
        f"/organization/requests/{request}/invitation": {"role": "AD"},
    }

    for path, fields in ways.items():
        for send in (olga.submit, olga.press):
            answer = await send(path, fields)
            assert answer.status_code == 403, path
            assert carried(answer) == {name: [value] for name, value in fields.items()}, path

    # What makes nobody an Administrator doesn't.
    for path, fields in (
        (f"{MEMBERS}/{ada}/role", {"role": "RE"}),
        (f"{INVITATIONS}/{plain.id}/link", {}),
        (INVITATIONS, {"emails": "cyd@example.org", "role": "AN"}),
    ):
        assert (await olga.submit(path, fields)).status_code in (200, 303), path


async def test_links_of_administrators_are_seen_only_with_the_password(site: Site) -> None:
    olga = await site.sign_in("olga")
    sent = await olga.submit(INVITATIONS, emails="ann@example.org", role="AD")
    place = sent.headers["location"]

    assert "/user/invitation?token=" in (await olga.get(place)).text
    await long_ago()
    assert "/user/invitation?token=" not in (await olga.get(place)).text


@ON_SQLITE
async def test_what_somebody_else_says_is_not_put_into_the_page_as_it_is(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await long_ago()
    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin", "HX-Target": 'x" onclick="y'}

    asks = await olga.post(f"{MEMBERS}/{ada}/role", data={"role": "AD"}, headers=headers)

    assert "hx-post" not in dialog(asks).one("form")
    assert "onclick" not in asks.text


@ON_SQLITE
async def test_each_way_in_counts_as_giving_the_password(site: Site) -> None:
    visitor = site.visitor()
    await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)
    ada = await site.person("ada", Role.MANAGER)

    answer = await visitor.submit(f"{MEMBERS}/{ada}/password-link")

    assert answer.status_code == 200
    await long_ago()
    changed = {"current_password": PASSWORD, "password": "seven silver herons on the ice"}
    await visitor.submit("/user/account/password", changed)
    assert (await visitor.submit(f"{MEMBERS}/{ada}/password-link")).status_code == 200
