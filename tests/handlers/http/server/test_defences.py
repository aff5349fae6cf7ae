"""The layer around the application: headers, cookies, methods, cross-site protection."""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from db import engine
from db.policy import Role
from messages import refusals
from settings import Settings
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site, Visitor

pytestmark = ON_SQLITE

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTTPS = "https://members.example.org"
ALWAYS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


@pytest.fixture
async def secure(database: str) -> AsyncIterator[Site]:
    """A site behind https."""
    async with Site.opened(Settings(secret_key=SECRET, host=HTTPS)) as opened:
        yield opened


async def every_kind(site: Site) -> dict[int, httpx.Response]:
    """An answer of each status that pages and refusals have."""
    await site.person("ada", Role.ANNOTATOR)
    visitor, olga, ada = site.visitor(), await site.sign_in("olga"), await site.sign_in("ada")
    wrong = await site.visitor("192.0.2.9").submit("/user/login", email="ada@example.org", password="x")
    answers = [
        await visitor.get("/user/login"),
        await visitor.get("/"),
        await visitor.fragment("/user/account"),
        await ada.get("/organization/members"),
        await visitor.get("/nothing"),
        await visitor.put("/user/login"),
        await olga.submit(f"/organization/members/{site.ids['olga']}/role", role="AN"),
        await visitor.get("/user/signup?token=1.x"),
        await visitor.post("/user/login", content=b"a" * 1_000_001, headers=FORM),
        await visitor.post("/user/login", content=b"{}", headers={"Content-Type": "application/json"}),
        wrong,
    ]
    return {answer.status_code: answer for answer in answers}


@pytest.mark.parametrize(
    ("host", "is_one"),
    [
        ("a" * 253, True),
        ("a" * 253 + ":65535", True),
        ("a" * 254, False),
        ("Members.Example-1.org.", True),
        ("my_host", True),
        ("127.0.0.1:1", True),
        ("[::1]", True),
        ("[2001:DB8::1]:8080", True),
        ("", False),
        ("a:", False),
        ("a:0", False),
        ("a:65536", False),
        ("a:008080", False),
        ("a:+80", False),
        (":80", False),
        ("::1", False),
        ("[::1", False),
        ("[::1]a", False),
        ("[1.2.3.4]", False),
        ("[fe80::1%eth0]", False),
        ("[" + "1" * 254 + "]", False),
        ("a b", False),
        ("a/b", False),
        ("user@a", False),
        ("a, b", False),
        ("a%41", False),
        ("a\\b", False),
        ("a<b", False),
        ("a\xe4", False),
    ],
)
async def test_a_host_is_a_name_or_an_address_and_may_have_a_port(
    site: Site, host: str, is_one: bool
) -> None:
    answer = await site.visitor().get("/user/login", headers={b"Host": host.encode("latin-1")})

    assert answer.status_code == (200 if is_one else 400)
    if not is_one:
        assert answer.text == f"{refusals.NOT_ONE_HOST}\n"
        assert answer.headers["cache-control"] == "no-store"


async def test_a_host_that_a_trusted_proxy_forwards_is_held_to_the_same(database: str) -> None:
    proxies = (ipaddress.ip_network("127.0.0.1/32"),)
    async with Site.opened(Settings(secret_key=SECRET, trusted_proxies=proxies)) as behind:
        visitor = behind.visitor("127.0.0.1")

        answers = [
            await visitor.get("/user/login", headers={"X-Forwarded-Host": host})
            for host in ("members.example.org:8443", "a<b>", "a:70000")
        ]

    assert [answer.status_code for answer in answers] == [200, 400, 400]


async def test_every_answer_has_the_headers(site: Site) -> None:
    answers = await every_kind(site)

    assert set(answers) == {200, 303, 401, 403, 404, 405, 409, 410, 413, 415, 422}
    for status, answer in answers.items():
        assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS, status
        assert answer.headers["cache-control"] == "no-store", status
        assert answer.headers["vary"] == "HX-Request, Accept-Encoding", status
        assert "strict-transport-security" not in answer.headers, status
        assert "server" not in answer.headers, status


async def test_files_have_them_too_but_may_be_kept(site: Site) -> None:
    answer = await site.visitor().get(site.context.static.address("css/app.css"))

    assert {name: answer.headers.get(name) for name in ALWAYS} == ALWAYS
    assert answer.headers.get_list("cache-control") == ["public, max-age=31536000, immutable"]
    assert answer.headers.get_list("vary") == ["Accept-Encoding"]


async def test_the_referrer_policy_is_stricter_where_a_token_is_in_the_address(site: Site) -> None:
    visitor = site.visitor()

    plain = await visitor.get("/user/signup?x=token")
    tokens = [
        await visitor.get(path)
        for path in (
            "/user/signup/?token=1.x",
            "/user/password/reset?a=b&token=1.x",
            "/setup?code=1.x",
            "/?amp;token=1.x",
        )
    ]

    assert plain.headers["referrer-policy"] == "same-origin"
    assert {answer.headers["referrer-policy"] for answer in tokens} == {"strict-origin"}


async def test_https_adds_hsts_to_every_answer(secure: Site) -> None:
    visitor = secure.visitor(base=HTTPS)

    for answer in (await visitor.get("/user/login"), await visitor.get("/nothing"), await visitor.put("/")):
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_cookies_are_for_this_site_and_no_script(site: Site) -> None:
    answer = await site.visitor().submit("/user/login", email="olga@example.org", password=PASSWORD)

    session, device = sorted(answer.headers.get_list("set-cookie"), reverse=True)
    assert session.startswith("gatehouse_session=")
    assert device.startswith("gatehouse_device=")
    for cookie in (session, device):
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=lax", "path=/"} <= attributes
        assert "secure" not in attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)
    assert "max-age=31536000" in device.lower()


async def test_with_https_cookies_are_bound_to_the_host(secure: Site) -> None:
    visitor = secure.visitor(base=HTTPS)

    answer = await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)

    cookies = answer.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in cookies} == {
        "__Host-gatehouse_session",
        "__Host-gatehouse_device",
    }
    assert all("; Secure" in cookie and "domain" not in cookie.lower() for cookie in cookies)
    assert (await visitor.get("/user/account")).status_code == 200


async def test_with_https_an_unprefixed_cookie_is_nobody(secure: Site) -> None:
    olga = await secure.sign_in("olga", base=HTTPS)
    token = olga.cookies["__Host-gatehouse_session"]

    answer = await secure.visitor(base=HTTPS).get(
        "/user/account", headers={"Cookie": f"gatehouse_session={token}"}
    )

    assert answer.status_code == 303


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"])
async def test_other_methods_are_refused(site: Site, method: str) -> None:
    olga = await site.sign_in("olga")

    for path in ("/", "/user/logout", "/user/account", "/health", "/nothing"):
        answer = await olga.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST"), path

    assert (await olga.get("/user/account")).status_code == 200


async def test_no_header_or_field_stands_for_another_method(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(
        "/user/logout", params={"_method": "POST"}, headers={"X-HTTP-Method-Override": "POST"}
    )

    assert answer.status_code == 405
    assert (await olga.get("/user/account")).status_code == 200


async def test_head_answers_as_get_does_without_a_body_and_changes_nothing(site: Site) -> None:
    olga = await site.sign_in("olga")
    tables = ("links", "session", "member", "activity", "rate_limit")
    before = [await engine.rows(f"SELECT * FROM {table}") for table in tables]

    for path in ("/user/account", "/organization/invite", "/health", "/nothing", "/organization/members.csv"):
        got, headed = await olga.get(path), await olga.head(path)
        assert (headed.status_code, headed.content) == (got.status_code, b""), path
        assert headed.headers.get("content-length") == got.headers.get("content-length"), path

    assert [await engine.rows(f"SELECT * FROM {table}") for table in tables] == before


def scope(kind: str, path: str) -> Any:
    return {
        "type": kind,
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": kind,
        "client": ("192.0.2.1", 40000),
        "server": ("testserver", 80),
        "headers": [(b"host", b"testserver")],
    }


async def nothing_more() -> Any:
    return {"type": "http.disconnect"}


async def test_what_is_not_http_is_not_answered(site: Site) -> None:
    messages = []

    async def send(message: Any) -> None:
        messages.append(message)

    await site.app(scope("websocket", "/user/login"), nothing_more, send)

    assert messages == []


async def test_an_answer_that_breaks_off_is_followed_by_no_other(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    messages = []

    async def send(message: Any) -> None:
        messages.append(message["type"])
        if message["type"] == "http.response.body":
            raise OSError("the other side has gone")

    await site.app(scope("http", "/user/login"), nothing_more, send)

    assert messages == ["http.response.start", "http.response.body"]
    assert "the other side has gone" in caplog.text


# Cross-site protection


async def post(visitor: Visitor, path: str = "/user/account/sessions/end-others", **headers: str) -> int:
    """The status of an unsafe request with these headers (underscores are hyphens)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await visitor.post(path, headers=named)).status_code


TRUTH = [
    # Sec-Fetch-Site decides where it is sent, whatever Origin says.
    ({"Sec_Fetch_Site": "same-origin"}, True),
    ({"Sec_Fetch_Site": "none"}, True),
    ({"Sec_Fetch_Site": "same-site"}, False),
    ({"Sec_Fetch_Site": "cross-site"}, False),
    ({"Sec_Fetch_Site": "cross-site", "Origin": "http://testserver"}, False),
    ({"Sec_Fetch_Site": "same-origin, cross-site"}, False),
    # Without it Origin must be missing or ours.
    ({}, True),
    ({"Origin": "http://testserver"}, True),
    ({"Origin": "http://TESTSERVER"}, True),
    ({"Origin": "http://testserver:80"}, True),
    ({"Origin": "https://testserver"}, True),
    ({"Origin": "https://testserver:443"}, True),
    ({"Origin": "null"}, False),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "http://testserver:8080"}, False),
    ({"Origin": "http://testserver.evil.example"}, False),
    ({"Origin": "http://evil.example/testserver"}, False),
    ({"Origin": "http://testserver@evil.example"}, False),
    ({"Origin": "http://[broken"}, False),
    ({"Origin": "http://testserver:port"}, False),
    ({"Origin": "http://testserver, http://evil.example"}, False),
    ({"Origin": "http://evil.example", "Host": "evil.example"}, True),
    ({"Origin": "http://testserver:8080", "Host": "testserver:8080"}, True),
    ({"Origin": "http://evil.example", "X_Forwarded_Host": "evil.example"}, False),
]


async def test_a_form_from_another_site_is_refused(site: Site) -> None:
    for headers, ours in TRUTH:
        here, there = await site.sign_in("olga"), await site.sign_in("olga")

        status = await post(here, **headers)

        assert status == (303 if ours else 403), headers
        assert (await there.get("/user/account")).status_code == (303 if ours else 200), headers


TRUTH_ON_HTTPS = [
    # Every browser sends one of both over https: with neither, a session cookie is suspicious.
    ({}, True, False),
    ({}, False, True),
    ({"Origin": HTTPS}, True, True),
    ({"Origin": f"{HTTPS}:443"}, True, True),
    # Over http no browser keeps the cookies of an https address.
    ({"Origin": "http://members.example.org"}, True, False),
    ({"Origin": "http://members.example.org"}, False, False),
    ({"Origin": "http://127.0.0.1:8080", "Host": "127.0.0.1:8080"}, False, False),
    ({"Origin": "null"}, True, False),
    ({"Origin": f"{HTTPS}:8443"}, True, False),
    # The proxy hands on a Host of its own: HOST counts.
    ({"Origin": HTTPS, "Host": "127.0.0.1:8080"}, True, True),
    ({"Origin": "https://other.example.org", "Host": "127.0.0.1:8080"}, True, False),
    ({"Sec_Fetch_Site": "same-origin"}, True, True),
]


async def test_on_https_a_form_without_any_origin_has_no_session(secure: Site) -> None:
    for headers, signed_in, ours in TRUTH_ON_HTTPS:
        visitor = await secure.sign_in("olga", base=HTTPS) if signed_in else secure.visitor(base=HTTPS)

        status = await post(visitor, **headers)

        assert status == (303 if ours else 403), headers


async def test_a_get_from_another_site_is_a_link_and_welcome(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get("/", headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.status_code == 200
