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
