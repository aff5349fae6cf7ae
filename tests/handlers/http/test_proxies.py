"""Behind proxies: whose forwarded headers count, and how far."""

import ipaddress
from collections.abc import AsyncIterator

import pytest

from db import engine
from settings import Settings
from tests.markup import tree
from tests.site import ON_SQLITE, SECRET, Site

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
    ],
)
async def test_the_client_is_the_first_from_the_right_that_is_no_proxy_of_ours(
    behind: Site, peer: str, forwarded: tuple[str, ...], client: str
) -> None:
    assert await seen(behind, peer, *forwarded) == client


async def test_scheme_and_host_come_from_trusted_proxies_alone(behind: Site) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example, members.example.org"}
    through = await behind.sign_in("olga", "10.0.0.1")
    beside = await behind.sign_in("olga", "192.0.2.1")

    trusted = tree(await through.get("/organization/invite", headers=forwarded)).one(id="invite-link")
    ignored = tree(await beside.get("/organization/invite", headers=forwarded)).one(id="invite-link")

    assert trusted["value"].startswith("https://members.example.org/user/signup?token=")
    assert ignored["value"].startswith("http://testserver/user/signup?token=")


async def test_a_stranger_that_forwards_is_named_in_the_log_once(
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
    olga = await behind.sign_in("olga", peer)

    link = tree(await olga.get("/organization/invite", headers=forwarded)).one(id="invite-link")
    posted = await olga.post("/user/logout", headers={**forwarded, "Origin": base})

    assert link["value"].startswith(f"{base}/user/signup?token=")
    assert posted.status_code == 303


@pytest.mark.parametrize("name", ["For", "Proto", "Host", "Port"])
async def test_any_forwarded_header_of_a_stranger_is_noted(behind: Site, name: str) -> None:
    await behind.visitor("192.0.2.78").get("/health", headers={f"X-Forwarded-{name}": "1"})

    assert "192.0.2.78" in behind.house.strangers
