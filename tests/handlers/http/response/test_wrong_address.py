"""Browser and server disagree about the address: the page, the line in the log, the Owner's note."""

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import httpx
import pytest

from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site

pytestmark = ON_SQLITE

HTTPS = "https://members.example.org"
PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)
LOGIN = {"email": "olga@example.org", "password": PASSWORD}
SETTINGS = "/organization/settings"


@asynccontextmanager
async def at(host: str) -> AsyncIterator[Site]:
    async with Site.opened(Settings(secret_key=SECRET, host=host, trusted_proxies=PROXIES)) as site:
        yield site


@pytest.fixture
async def secure(database: str) -> AsyncIterator[Site]:
    """A site whose HOST is https, behind proxies of 10.0.0.0/8."""
    async with at(HTTPS) as site:
        yield site


async def log_in(site: Site, peer: str = "192.0.2.1", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await site.visitor(peer).post("/user/login", data=LOGIN, headers=named)


def facts(answer: httpx.Response) -> list[str]:
    """What the browser says and what the server calls itself, as the page has it."""
    assert answer.status_code == 403
    assert answer.headers["content-type"].startswith("text/html")
    return [element.text for element in tree(answer).all("dd")]


async def test_another_port_gets_a_page_with_both_addresses_and_what_to_set(site: Site) -> None:
    answer = await log_in(site, Origin="http://testserver:8081")

    assert facts(answer) == ["http://testserver:8081", "http://testserver"]
    for words in ("HOST", "TRUSTED_PROXIES", "proxy_set_header Host $http_host;"):
        assert words in answer.text


async def test_a_browser_that_names_no_page_is_explained_by_the_proxys_referrer_policy(site: Site) -> None:
    for origin in ("null", "chrome-extension:", "http://[broken"):
        answer = await log_in(site, Origin=origin)

        assert facts(answer) == ["nothing", "http://testserver"]
        assert "Referrer-Policy: no-referrer" in answer.text


async def test_a_sign_in_over_http_is_led_to_https(secure: Site) -> None:
    answer = await log_in(
        secure,
        Origin="http://members.example.org",
        Host="members.example.org",
        Referer="http://members.example.org/user/login?next=/user/account",
    )

    assert facts(answer) == ["http://members.example.org", HTTPS]
    assert "You opened this page over http" in answer.text
    assert tree(answer).one("a")["href"] == f"{HTTPS}/user/login?next=/user/account"
    assert "set-cookie" not in answer.headers


async def test_a_page_opened_over_http_says_so_where_a_trusted_proxy_tells(secure: Site) -> None:
    headers = {"X-Forwarded-Proto": "http", "Host": "members.example.org"}

    for path, marked in (
        ("/user/login?next=%2Fuser%2Faccount", "/user/login?next=%2Fuser%2Faccount&https=1"),
        ("/user/signup", "/user/signup?https=1"),
        ("/user/invitation?token=x", "/user/invitation?token=x&https=1"),
        ("/user/password/forgot", "/user/password/forgot?https=1"),
        ("/setup?code=x", "/setup?code=x&https=1"),
    ):
        answer = await secure.visitor("10.0.0.1").get(path, headers=headers)
        assert facts(answer) == ["http://members.example.org", HTTPS], path
        assert tree(answer).one("a")["href"] == HTTPS + marked

    head = await secure.visitor("10.0.0.1").head("/user/login", headers=headers)
    assert (head.status_code, head.content) == (403, b"")


@pytest.mark.parametrize(
    "path", ["/user/login", "/user/login?next=%2Fuser%2Faccount", "/user/signup?token=x"]
)
async def test_the_way_to_https_ends_where_a_proxy_keeps_saying_http(secure: Site, path: str) -> None:
    safari, headers = secure.visitor("10.0.0.1", base=HTTPS), {"X-Forwarded-Proto": "http"}

    refused = await safari.get(path, headers=headers)
    led_to = await safari.get(tree(refused).one("a")["href"], headers=headers)
    signed_in = await safari.post("/user/login", data=LOGIN, headers={**headers, "Origin": HTTPS})

    assert (refused.status_code, led_to.status_code != 403, signed_in.status_code) == (403, True, 303)


async def test_only_the_forms_of_people_who_are_signed_out_are_refused_over_http(secure: Site) -> None:
    headers = {"X-Forwarded-Proto": "http", "Host": "members.example.org"}

    for path, status in (
        ("/", 303),
        ("/user/account", 303),
        ("/organization/members", 303),
        ("/nothing", 404),
    ):
        answer = await secure.visitor("10.0.0.1").get(path, headers=headers)
        assert answer.status_code == status, path


@pytest.mark.parametrize("referer", ["http://members.example.org/", f"{HTTPS}.evil.example/", "https://[x"])
async def test_a_page_elsewhere_or_over_http_is_no_sign_of_https(secure: Site, referer: str) -> None:
    headers = {"X-Forwarded-Proto": "http", "Referer": referer}

    assert (await secure.visitor("10.0.0.1").get("/user/login", headers=headers)).status_code == 403


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        # A proxy that ends TLS and says nothing of it.
        ("10.0.0.1", {}),
        ("10.0.0.1", {"X-Forwarded-For": "203.0.113.5"}),
        ("10.0.0.1", {"X-Forwarded-Proto": "https"}),
        ("10.0.0.1", {"X-Forwarded-Proto": "wss"}),
        # Nobody vouches for this one.
        ("192.0.2.1", {"X-Forwarded-Proto": "http"}),
        # The inner of two proxies gives its own scheme; the browser shows that it is on https.
        ("10.0.0.1", {"X-Forwarded-Proto": "http", "Sec-Fetch-Site": "none"}),
        ("10.0.0.1", {"X-Forwarded-Proto": "http", "Cookie": "__Host-gatehouse_session=x"}),
        ("10.0.0.1", {"X-Forwarded-Proto": "http", "Cookie": "a=b; __Host-gatehouse_device=x"}),
        # No browser names a page over https when it opens one over http.
        ("10.0.0.1", {"X-Forwarded-Proto": "http", "Referer": f"{HTTPS}/user/signup"}),
    ],
)
async def test_where_http_is_not_certain_the_page_opens(
    secure: Site, peer: str, headers: dict[str, str]
) -> None:
    page = await secure.visitor(peer).get("/user/login", headers=headers)
    signed_in = await log_in(secure, peer, **headers, Origin=HTTPS)

    assert (page.status_code, signed_in.status_code) == (200, 303)


async def test_health_and_files_are_open_over_http(secure: Site) -> None:
    for path in ("/health", secure.context.static.address("css/app.css")):
        answer = await secure.visitor("10.0.0.1").get(path, headers={"X-Forwarded-Proto": "http"})
        assert answer.status_code == 200, path


@pytest.mark.parametrize("host", ["", "http://members.example.org"])
async def test_http_is_fine_where_host_is_not_https(database: str, host: str) -> None:
    headers = {"X-Forwarded-Proto": "http", "Host": "members.example.org"}
    async with at(host) as site:
        page = await site.visitor("10.0.0.1").get("/user/login", headers=headers)
        signed_in = await log_in(site, "10.0.0.1", **headers, Origin="http://members.example.org")

        assert (page.status_code, signed_in.status_code) == (200, 303)


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
async def test_another_site_gets_no_hints(site: Site, site_of: str) -> None:
    answer = await log_in(site, Origin="https://evil.example", Sec_Fetch_Site=site_of)

    assert answer.status_code == 403
    assert "sent from another site" in answer.text
    assert not any(words in answer.text for words in ("HOST", "proxy", "evil.example", "TRUSTED"))


async def test_no_remedy_repeats_an_address_that_came_with_the_request(site: Site) -> None:
    answer = await log_in(site, Origin="http://evil.example")

    assert facts(answer) == ["http://evil.example", "http://testserver"]
    assert answer.text.count("evil.example") == 1
    assert "evil.example" not in [element["href"] for element in tree(answer).all("a")]


@pytest.mark.parametrize("name", ["Origin", "Host"])
async def test_nothing_of_the_request_becomes_markup(site: Site, name: str) -> None:
    headers = {
        "Origin": "http://evil.example",
        "Host": "testserver",
        name: "http://<script>alert(1)</script>",
    }

    answer = await log_in(site, **headers, Referer="http://evil.example/<b>'\"><script>")

    assert answer.status_code == (400 if name == "Host" else 403)
    assert "<script>alert" not in answer.text


async def test_a_long_origin_is_cut(site: Site) -> None:
    answer = await log_in(site, Origin=f"http://{'x' * 200}.example")

    assert len(facts(answer)[0]) == 100


async def test_htmx_gets_a_toast_with_the_same_words(site: Site, secure: Site) -> None:
    olga = await secure.sign_in("olga")

    answer = await olga.post(
        "/user/logout", headers={"HX-Request": "true", "Origin": "http://members.example.org"}
    )

    assert answer.status_code == 403
    assert answer.headers["hx-reswap"] == "none"
    toast = tree(answer).one(id="toasts").text
    assert f"You opened this page over http. This server is set up for {HTTPS}: open it there." in toast


# Who runs it


async def test_the_log_names_a_pair_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        await log_in(site, Origin="http://testserver:8081")

    assert [line for line in caplog.messages if line.startswith("address:")] == [
        "address: a browser says http://testserver:8081, this server calls itself http://testserver; "
        "see HOST in docs/deploy.md"
    ]


async def test_nobody_can_fill_the_log_with_pairs(
    site: Site, clock: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    def lines() -> int:
        return sum(line.startswith("address:") for line in caplog.messages)

    for number in range(50):
        await log_in(site, Origin=f"http://testserver:{9000 + number}")
        await log_in(site, Origin="http://evil.example", Sec_Fetch_Site="cross-site")
    assert lines() == 10

    clock.move(3_600_000)
    await log_in(site, Origin="http://testserver:8081")
    assert lines() == 11


async def test_the_owners_settings_name_the_latest_pairs(site: Site) -> None:
    olga = await site.sign_in("olga")
    ids = [element.attributes.get("id") for element in tree(await olga.get(SETTINGS)).all()]
    assert "mismatches" not in ids

    await log_in(site, Origin="http://evil.example", Sec_Fetch_Site="cross-site")
    await log_in(site, Origin="null")
    for number in range(5):
        await log_in(site, Origin=f"http://testserver:{9000 + number}")

    text = tree(await olga.get(SETTINGS)).one(id="mismatches").text
    assert "A browser said http://testserver:9004; this server calls itself http://testserver." in text
    assert "evil.example" not in text
    assert "did not say" not in text
    assert "HOST, TRUSTED_PROXIES or the headers of your proxy are wrong" in text
