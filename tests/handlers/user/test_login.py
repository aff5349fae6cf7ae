"""Signing in and out."""

import time

import httpx
import pytest

from db import engine
from db.auth import passwords
from db.policy import Role
from handlers.http.request.forms import FORM_TYPE
from messages.by_field import NOT_TOGETHER
from settings import Settings
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site

# What must never be followed: another site, or a header of its own making.
EVIL = (
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "https://evil.example/",
    "javascript:alert(1)",
    "evil.example",
    " //evil.example",
    "/\t/evil.example",
    "/a\r\nSet-Cookie: x=y",
    "/\x00",
    "/\x7f",
    "/\u2028",
    "",
)


async def test_the_right_password_signs_in_as_a_page(site: Site) -> None:
    visitor = site.visitor()

    answer = await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "Welcome, <bdi>Olga</bdi>" in (await visitor.get("/")).text


async def test_the_right_password_signs_in_as_a_fragment(site: Site) -> None:
    visitor = site.visitor()

    answer = await visitor.press("/user/login", email="olga@example.org", password=PASSWORD)

    assert (answer.status_code, answer.headers["hx-redirect"], answer.text) == (200, "/", "")
    assert (await visitor.get("/user/account")).status_code == 200


@ON_SQLITE
async def test_the_address_is_the_same_in_any_case(site: Site) -> None:
    answer = await site.visitor().submit("/user/login", email=" OLGA@Example.ORG ", password=PASSWORD)

    assert answer.status_code == 303


async def test_a_wrong_password_is_told_as_a_page(site: Site) -> None:
    answer = await site.visitor().submit("/user/login", email="olga@example.org", password="wrong <secret>")

    assert answer.status_code == 422
    assert NOT_TOGETHER in answer.text.replace("&#39;", "'")
    assert wrong_fields(answer) == {"email", "password"}
    assert read(answer).controls["email"]["value"] == "olga@example.org"
    assert "secret" not in answer.text.replace('class="secret"', "")


async def test_a_wrong_password_is_told_as_a_fragment(site: Site) -> None:
    answer = await site.visitor().press("/user/login", email="olga@example.org", password="wrong")

    assert answer.status_code == 422
    assert wrong_fields(answer) == {"email", "password"}
    assert "set-cookie" not in answer.headers


@ON_SQLITE
async def test_whatever_is_wrong_the_message_is_one(site: Site) -> None:
    visitor = site.visitor()

    pages = {
        (answer.status_code, answer.text.replace(f'value="{email}"', ""))
        for email in ("olga@example.org", "nobody@example.org", "no address at all", "")
        for answer in [await visitor.submit("/user/login", email=email, password="wrong", next="/")]
    }

    assert len(pages) == 1


@ON_SQLITE
async def test_an_unknown_address_costs_the_same_work(site: Site) -> None:
    real = await passwords.hash_of(PASSWORD)
    await engine.write(engine.execute, "UPDATE member SET password_hash = ?", real)
    spent: dict[str, list[float]] = {"olga": [], "nobody": []}

    for number in range(7):
        for name, times in spent.items():
            began = time.process_time()
            await site.visitor(f"192.0.2.{number}").submit(
                "/user/login", email=f"{name}@example.org", password="x"
            )
            times.append(time.process_time() - began)

    known, unknown = (min(times) for times in spent.values())
    assert 0.4 < known / unknown < 2.5


async def test_a_deactivated_person_is_told_so_and_stays_out(site: Site) -> None:
    await site.person("dora", Role.DEACTIVATED)
    visitor = site.visitor()

    answer = await visitor.submit("/user/login", email="dora@example.org", password=PASSWORD)

    assert answer.status_code == 403
    assert "Your account is deactivated" in answer.text
    assert not visitor.cookies


async def test_only_the_right_password_tells_that_an_account_is_deactivated(site: Site) -> None:
    await site.person("dora", Role.DEACTIVATED)

    answer = await site.visitor().submit("/user/login", email="dora@example.org", password="wrong")

    assert answer.status_code == 422


async def test_next_leads_to_where_somebody_wanted_to_go(site: Site) -> None:
    visitor = site.visitor()
    wanted = "/organization/members?role=NO&role=AN"

    refused = await visitor.get(wanted)
    form = await visitor.get(refused.headers["location"])
    hidden = read(form).controls["next"]["value"]
    answer = await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD, next=hidden)

    assert refused.status_code == 303
    assert answer.headers["location"] == wanted


@ON_SQLITE
async def test_next_never_leads_elsewhere(site: Site) -> None:
    olga = await site.sign_in("olga")

    for evil in EVIL:
        form = await site.visitor().get("/user/login", params={"next": evil})
        signed_in = await olga.get("/user/login", params={"next": evil})

        assert read(form).controls["next"]["value"] == "/", evil
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/"), evil


@ON_SQLITE
async def test_a_forged_next_field_never_leads_elsewhere(site: Site) -> None:
    for evil in ("//evil.example", "/\\evil.example", "https://evil.example"):
        fields = {"email": "olga@example.org", "password": PASSWORD, "next": evil}
        page = await site.visitor().submit("/user/login", fields)
        fragment = await site.visitor().press("/user/login", fields)

        assert page.headers["location"] == "/"
        assert fragment.headers["hx-redirect"] == "/"


@ON_SQLITE
async def test_an_encoded_next_is_decoded_once(site: Site) -> None:
    olga = await site.sign_in("olga")

    once = await olga.get("/user/login?next=%2F%2Fevil.example")
    twice = await olga.get("/user/login?next=%2F%252Fevil.example")

    assert once.headers["location"] == "/"
    # Browsers read this as a path of ours.
    assert twice.headers["location"] == "/%2Fevil.example"


@ON_SQLITE
async def test_who_is_not_signed_in_is_led_to_the_login_page(site: Site) -> None:
    visitor = site.visitor()

    page = await visitor.get("/user/account")
    sent = await visitor.submit("/user/account", first_name="Eve")
    lost = await visitor.post(
        "/user/account", headers={"Referer": "http://[broken", "Sec-Fetch-Site": "none"}
    )

    assert (page.status_code, page.headers["location"]) == (303, "/user/login?next=/user/account")
    assert (sent.status_code, sent.headers["location"]) == (303, "/user/login?next=/")
    assert lost.headers["location"] == "/user/login?next=/"


@ON_SQLITE
async def test_htmx_is_led_to_the_login_page_by_a_header(site: Site) -> None:
    visitor = site.visitor()
    at = {"HX-Current-URL": "http://testserver/organization/members?sort=name"}

    asked = await visitor.fragment("/organization/invite", **at)
    pressed = await visitor.press("/user/account/sessions/end-others")

    assert (asked.status_code, pressed.status_code) == (401, 401)
    assert asked.text == pressed.text == ""
    assert asked.headers["hx-redirect"] == "/user/login?next=/organization/members%3Fsort%3Dname"
    assert pressed.headers["hx-redirect"] == "/user/login?next=/"


@ON_SQLITE
async def test_a_session_ends_with_the_browser_unless_it_is_kept(site: Site) -> None:
    fields = {"email": "olga@example.org", "password": PASSWORD}

    unkept = await site.visitor().submit("/user/login", fields)
    kept = await site.visitor().submit("/user/login", fields, persist_session="true")

    assert "Max-Age" not in _cookie(unkept, "gatehouse_session")
    assert "Max-Age=1209600" in _cookie(kept, "gatehouse_session")


@ON_SQLITE
async def test_keeping_is_not_ticked_at_first(site: Site) -> None:
    page = read(await site.visitor().get("/user/login"))

    assert "checked" not in page.controls["persist_session"]
    assert page.controls["password"]["autocomplete"] == "current-password"


async def test_signing_in_again_ends_the_session_before(site: Site) -> None:
    olga = await site.sign_in("olga")
    copied = site.visitor()
    copied.cookies.update(olga.cookies)

    await olga.submit("/user/login", email="olga@example.org", password=PASSWORD)

    assert (await copied.get("/user/account")).status_code == 303
    assert (await olga.get("/user/account")).status_code == 200


async def test_a_copied_cookie_is_dead_after_logout_as_a_page(site: Site) -> None:
    olga, copied = await site.sign_in("olga"), site.visitor()
    copied.cookies.update(olga.cookies)

    answer = await olga.submit("/user/logout")

    assert (answer.status_code, answer.headers["location"]) == (303, "/user/login")
    assert not olga.cookies
    assert (await copied.get("/user/account")).status_code == 303


@pytest.mark.parametrize(
    ("base", "said"),
    [("https://testserver", '"cache"'), ("http://127.0.0.1:8080", '"cache"'), ("http://testserver", None)],
)
@ON_SQLITE
async def test_the_browser_forgets_cached_pages_at_logout_where_it_listens(
    site: Site, base: str, said: str | None
) -> None:
    olga, ada = await site.sign_in("olga", base=base), await site.sign_in("olga", base=base)

    answers = [await olga.submit("/user/logout"), await ada.press("/user/logout")]

    assert [answer.headers.get("clear-site-data") for answer in answers] == [said, said]


async def test_a_copied_cookie_is_dead_after_logout_as_a_fragment(site: Site) -> None:
    olga, copied = await site.sign_in("olga"), site.visitor()
    copied.cookies.update(olga.cookies)

    answer = await olga.press("/user/logout")

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/user/login")
    assert (await copied.fragment("/user/account")).status_code == 401


@ON_SQLITE
@pytest.mark.parametrize(
    ("wanted", "leads_to"),
    [
        ("/user/invitation?token=17.abc", "/user/invitation?token=17.abc"),
        ("", "/user/login"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/\tevil", "/evil"),
        ("user/login", "/"),
    ],
)
async def test_signing_out_leads_on_to_a_page_of_ours_alone(site: Site, wanted: str, leads_to: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit("/user/logout", next=wanted)

    assert (answer.status_code, answer.headers["location"]) == (303, leads_to)
    assert (await olga.get("/user/account")).status_code == 303


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("body", ["a=&" * 1_200, "next=/user/account&" + "a=1&" * 1_200])
async def test_signing_out_is_done_however_many_fields_are_sent(site: Site, body: str, htmx: bool) -> None:
    olga, copied = await site.sign_in("olga"), site.visitor()
    copied.cookies.update(olga.cookies)
    headers = {"content-type": FORM_TYPE, "sec-fetch-site": "same-origin"} | (
        {"hx-request": "true"} if htmx else {}
    )

    answer = await olga.post("/user/logout", content=body, headers=headers)

    assert answer.headers["hx-redirect" if htmx else "location"] == "/"
    assert not olga.cookies
    assert (await copied.get("/user/account")).status_code == 303


@ON_SQLITE
async def test_nothing_but_a_form_signs_out(site: Site) -> None:
    olga = await site.sign_in("olga")

    got, headed = await olga.get("/user/logout"), await olga.head("/user/logout")

    assert (got.status_code, headed.status_code, got.headers["allow"]) == (405, 405, "POST")
    assert (await olga.get("/user/account")).status_code == 200


async def test_too_many_tries_are_told_with_the_time_to_wait(site: Site) -> None:
    visitor = site.visitor()
    fields = {"email": "olga@example.org", "password": "wrong"}
    for _ in range(5):
        await visitor.submit("/user/login", fields)

    page = await visitor.submit("/user/login", fields, password=PASSWORD)
    fragment = await visitor.press("/user/login", fields)

    assert (page.status_code, page.headers["retry-after"]) == (429, "1")
    assert (fragment.status_code, fragment.headers["retry-after"]) == (429, "1")
    assert read(page).controls["email"]["value"] == "olga@example.org"


@ON_SQLITE
async def test_a_repeated_field_is_named(site: Site) -> None:
    visitor = site.visitor()
    body = "email=olga@example.org&email=eve@example.org&password=x"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}

    answer = await visitor.post("/user/login", content=body, headers=headers)

    assert answer.status_code == 422
    assert "more than once" in read(answer).error_of("email")


@ON_SQLITE
async def test_while_registration_is_closed_nobody_is_sent_to_it(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, closed=True)) as site:
        answer = await site.visitor().get("/user/login")

    assert "/user/signup" not in answer.text
    assert "Registration is by invitation" in answer.text


def _cookie(answer: httpx.Response, name: str) -> str:
    (found,) = [line for line in answer.headers.get_list("set-cookie") if line.startswith(f"{name}=")]
    return found
