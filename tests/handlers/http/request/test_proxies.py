"""Behind proxies: which forwarded headers count."""

import ipaddress
from collections.abc import AsyncIterator
from typing import Any

import pytest

from db import engine
from handlers.http.request.proxies import Proxies
from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site

pytestmark = ON_SQLITE


@pytest.fixture
async def behind(database: str) -> AsyncIterator[Site]:
    """A site behind proxies of 10.0.0.0/8 and one at ::1."""
    networks = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "::1/128"))
    async with Site.opened(Settings(secret_key=SECRET, trusted_proxies=networks)) as opened:
        yield opened


async def seen(site: Site, peer: str, *forwarded: str) -> str:
    """The network address under which a sign-in is noted."""
    headers = [("X-Forwarded-For", value) for value in forwarded]
    await site.visitor(peer).post("/user/login", data={"email": "olga@example.org"}, headers=headers)
    ((address,),) = await engine.rows("SELECT address FROM activity ORDER BY id DESC LIMIT 1")
    return str(address)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.1", ("203.0.113.5",), "192.0.2.1"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("198.51.100.66, 203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("203.0.113.5, 10.0.0.2",), "203.0.113.5"),
        ("10.0.0.1", ("198.51.100.66", "203.0.113.5, 10.0.0.2"), "203.0.113.5"),
        ("10.0.0.1", ("10.0.0.3, 10.0.0.2",), "10.0.0.3"),
        ("10.0.0.1", ("203.0.113.5:4711",), "203.0.113.5"),
        ("::1", ("[2001:db8::5]:4711",), "2001:db8::5"),
        ("::1", ("2001:db8::5",), "2001:db8::5"),
        ("::ffff:10.0.0.1", ("203.0.113.5",), "203.0.113.5"),
        ("10.0.0.1", ("x" * 500,), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.5, unknown",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        # A zone may be called anything, and is no part of the address.
        ("::1", ("fe80::1%eth0",), "fe80::1"),
        ("::1", ("2001:db8::5%x status=200 from=192.0.2.9",), "2001:db8::5"),
    ],
)
async def test_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours(
    behind: Site, peer: str, forwarded: tuple[str, ...], client: str
) -> None:
    assert await seen(behind, peer, *forwarded) == client


async def test_scheme_and_host_come_from_trusted_proxies_alone(behind: Site) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example, members.example.org"}
    through = await behind.sign_in("olga", "10.0.0.1", "https://testserver")
    beside = await behind.sign_in("olga", "192.0.2.1")

    trusted = tree(await through.get("/organization/invite", headers=forwarded)).one(id="invite-link")
    ignored = tree(await beside.get("/organization/invite", headers=forwarded)).one(id="invite-link")

    assert trusted["value"].startswith("https://members.example.org/user/signup?token=")
    assert ignored["value"].startswith("http://testserver/user/signup?token=")


async def names_of_cookies(site: Site, peer: str, scheme: str) -> set[str]:
    """What a sign-in sets, for somebody whose proxy names this scheme; each must be as its name says."""
    answer = await site.visitor(peer).post(
        "/user/login",
        data={"email": "olga@example.org", "password": PASSWORD},
        headers={"X-Forwarded-Proto": scheme},
    )
    cookies = answer.headers.get_list("set-cookie")
    assert all(("; Secure" in cookie) == cookie.startswith("__Host-") for cookie in cookies)
    return {cookie.partition("=")[0] for cookie in cookies}


@pytest.mark.parametrize(
    ("peer", "scheme", "prefix"),
    [("10.0.0.1", "https", "__Host-"), ("10.0.0.1", "http", ""), ("192.0.2.1", "https", "")],
)
async def test_without_host_cookies_are_secure_where_a_trusted_proxy_names_https(
    behind: Site, peer: str, scheme: str, prefix: str
) -> None:
    assert await names_of_cookies(behind, peer, scheme) == {
        f"{prefix}gatehouse_session",
        f"{prefix}gatehouse_device",
    }


async def test_a_session_of_http_is_nobody_over_https_and_goes_on_over_http(behind: Site) -> None:
    olga, https = await behind.sign_in("olga", "10.0.0.1"), {"X-Forwarded-Proto": "https"}

    over_http, over_https = await olga.get("/user/account"), await olga.get("/user/account", headers=https)
    again = await olga.get("/user/account")

    assert [answer.status_code for answer in (over_http, over_https, again)] == [200, 303, 200]
    assert "strict-transport-security" not in over_https.headers


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/user/login", {"email": "olga@example.org", "password": PASSWORD}), ("/user/logout", {})],
)
async def test_who_signs_in_or_out_over_https_keeps_no_cookie_of_http(
    behind: Site, path: str, fields: dict[str, str]
) -> None:
    olga = await behind.sign_in("olga", "10.0.0.1")

    await olga.post(
        path, data=fields, headers={"X-Forwarded-Proto": "https", "Sec-Fetch-Site": "same-origin"}
    )

    assert "gatehouse_session" not in olga.cookies


async def test_over_https_a_form_of_http_is_not_ours_without_host_either(behind: Site) -> None:
    olga = behind.visitor("10.0.0.1")
    https = {"X-Forwarded-Proto": "https"}

    statuses = [
        (await olga.post("/user/logout", headers={**https, "Origin": f"{scheme}://testserver"})).status_code
        for scheme in ("http", "https")
    ]

    assert statuses == [403, 303]


async def test_while_host_is_set_no_forwarded_host_or_port_counts(database: str) -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"),)
    settings = Settings(secret_key=SECRET, host="https://members.example.org", trusted_proxies=networks)
    async with Site.opened(settings) as site:
        answers = [
            await site.visitor("10.0.0.1", "https://members.example.org").post(
                "/user/logout", headers={"X-Forwarded-Proto": "https", **forwarded, "Origin": origin}
            )
            for forwarded, origin in (
                ({"X-Forwarded-Host": "evil.example"}, "https://evil.example"),
                ({"X-Forwarded-Port": "8443"}, "https://members.example.org:8443"),
                ({"X-Forwarded-Host": "evil.example"}, "https://members.example.org"),
            )
        ]

    assert [answer.status_code for answer in answers] == [403, 403, 303]


async def test_an_untrusted_proxy_is_named_in_the_log_once(
    behind: Site, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        await behind.visitor("192.0.2.77").get("/health", headers={"X-Forwarded-For": "203.0.113.5"})

    assert [record.getMessage() for record in caplog.records if "192.0.2.77" in record.getMessage()] == [
        "forwarded headers from 192.0.2.77 are ignored: it isn't in TRUSTED_PROXIES"
    ]


@pytest.mark.parametrize(
    ("peer", "headers", "base"),
    [
        ("10.0.0.1", {"Port": "8443", "Proto": "https"}, "https://testserver:8443"),
        ("10.0.0.1", {"Port": "8080", "Proto": "http"}, "http://testserver:8080"),
        ("10.0.0.1", {"Port": "8080"}, "http://testserver:8080"),
        ("10.0.0.1", {"Port": "443", "Proto": "https"}, "https://testserver"),
        ("10.0.0.1", {"Port": "80", "Proto": "https"}, "https://testserver:80"),
        ("10.0.0.1", {"Port": "8443", "Host": "a.example"}, "http://a.example:8443"),
        ("10.0.0.1", {"Host": "a.example:8443"}, "http://a.example:8443"),
        # A port that is named with the host is the browser's own.
        ("10.0.0.1", {"Port": "443", "Host": "a.example:8443"}, "http://a.example:8443"),
        ("10.0.0.1", {"Port": "8443", "Host": "[2001:db8::5]"}, "http://[2001:db8::5]:8443"),
        ("10.0.0.1", {"Port": "8443", "Host": "[2001:db8::5]:9000"}, "http://[2001:db8::5]:9000"),
        ("10.0.0.1", {"Port": "1, 8443"}, "http://testserver:8443"),
        ("10.0.0.1", {"Port": "8443 "}, "http://testserver:8443"),
        ("10.0.0.1", {"Port": "0"}, "http://testserver"),
        ("10.0.0.1", {"Port": "x@evil.example"}, "http://testserver"),
        ("10.0.0.1", {"Port": ""}, "http://testserver"),
        ("192.0.2.1", {"Port": "8443", "Host": "a.example:8443"}, "http://testserver"),
    ],
)
async def test_the_port_of_trusted_proxies_counts(
    behind: Site, peer: str, headers: dict[str, str], base: str
) -> None:
    forwarded = {f"X-Forwarded-{name}": value for name, value in headers.items()}
    # What the transport calls the scheme names the cookie; what counts is what the proxy says.
    olga = await behind.sign_in("olga", peer, base.split(":")[0] + "://testserver")

    link = tree(await olga.get("/organization/invite", headers=forwarded)).one(id="invite-link")
    posted = await olga.post("/user/logout", headers={**forwarded, "Origin": base})

    assert link["value"].startswith(f"{base}/user/signup?token=")
    assert posted.status_code == 303


@pytest.mark.parametrize("name", ["For", "Proto", "Host", "Port"])
async def test_any_forwarded_header_of_an_untrusted_proxy_is_noted(behind: Site, name: str) -> None:
    await behind.visitor("192.0.2.78").get("/health", headers={f"X-Forwarded-{name}": "1"})

    assert "192.0.2.78" in behind.context.untrusted_proxies


async def test_a_connection_without_a_client_has_no_proxy(site: Site) -> None:
    """Its client was gone before anybody could ask for the address."""
    scope: Any = {"client": None, "scheme": "http"}
    untrusted = site.context.untrusted_proxies

    assert Proxies((), untrusted, named=False).look_through(scope, {"host": "a.example"}) == ""
    assert scope == {"client": None, "scheme": "http"}
    assert untrusted == set()
