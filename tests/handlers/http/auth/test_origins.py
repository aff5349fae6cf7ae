"""Cross-site protection: which forms pass, and what a refusal shows."""

import logging

import pytest

from handlers.http.auth.origins import mismatch_of_form, mismatch_of_page
from handlers.http.request.mismatches import Mismatch, Reason
from settings import Settings
from tests.support.pages.site import ON_SQLITE, SECRET, Site

pytestmark = ON_SQLITE

HTTPS = "https://members.example.org"


def judged(site: Site, scheme: str = "http", **headers: str) -> Mismatch | None:
    """What speaks against a form with these headers, sent to testserver or to the Host among them."""
    sent = {"host": "testserver", **{name.replace("_", "-"): value for name, value in headers.items()}}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    scope = {"type": "http", "method": "POST", "path": "/user/login", "scheme": scheme, "headers": pairs}
    return mismatch_of_form(site.context, scope, sent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "testserver",
        "http:testserver",
        "http://",
        "http://testserver/",
        "http://testserver/path",
        "http://testserver:",
        "http://testserver:70000",
        "http://user@testserver",
        "http://test\x7fserver",
        "http://test\x85server",
        "http://test\xadserver",
        "http://test server",
        "1http://testserver",
        "://testserver",
        "http://testserver http://testserver",
        "http://[::1",
    ],
)
async def test_what_no_browser_writes_says_nothing_and_is_shown_nowhere(site: Site, origin: str) -> None:
    assert judged(site, origin=origin) == Mismatch(Reason.UNSAID, "", "http://testserver")


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("testserver", "http://testserver"),
        ("testserver", "HTTP://TestServer"),
        ("testserver", "http://testserver:80"),
        ("testserver", "https://testserver"),
        ("testserver:80", "http://testserver"),
        ("testserver:443", "https://testserver"),
        ("testserver:443", "http://testserver"),
        ("testserver:8080", "http://testserver:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
    ],
)
async def test_our_own_address_passes(site: Site, host: str, origin: str) -> None:
    assert judged(site, host=host, origin=origin) is None


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("testserver", "http://testserver:8080"),
        ("testserver:8080", "http://testserver"),
        ("testserver:8080", "https://testserver"),
        ("testserver", "http://testserver.evil.example"),
        ("testserver", "app+x.y-1://evil.example"),
        ("testserver", "app://testserver"),
    ],
)
async def test_another_address_is_shown_as_it_was_sent(site: Site, host: str, origin: str) -> None:
    assert judged(site, host=host, origin=origin) == Mismatch(Reason.OTHER_ADDRESS, origin, f"http://{host}")


@pytest.mark.parametrize(("letters", "shown"), [(93, 100), (94, 100), (253, 100), (254, 0)])
async def test_at_most_a_hundred_signs_of_an_address_are_shown(site: Site, letters: int, shown: int) -> None:
    mismatch = judged(site, origin="http://" + "x" * letters)

    assert mismatch
    assert mismatch.browser_origin == ("http://" + "x" * letters)[:shown]


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("http://members.example.org", Reason.PLAIN),
        ("http://members.example.org:8080", Reason.PLAIN),
        ("HTTP://testserver", Reason.PLAIN),
        ("http://evil.example", Reason.OTHER_ADDRESS),
        ("https://evil.example", Reason.OTHER_ADDRESS),
    ],
)
async def test_over_http_a_form_for_https_is_refused_by_why(
    database: str, origin: str, reason: Reason
) -> None:
    async with Site.opened(Settings(secret_key=SECRET, host=f"{HTTPS}/gate")) as site:
        mismatch = judged(site, "https", origin=origin)
        passed = judged(site, "https", origin=HTTPS)

    assert mismatch == Mismatch(reason, origin, HTTPS)
    assert passed is None


async def test_only_what_the_browser_calls_our_own_passes(site: Site) -> None:
    ours = {site_is: judged(site, sec_fetch_site=site_is) for site_is in ("same-origin", "none")}
    foreign = ("same-site", "cross-site", "Same-Origin")
    others = {site_is: judged(site, sec_fetch_site=site_is) for site_is in foreign}

    assert set(ours.values()) == {None}
    assert set(others.values()) == {Mismatch(Reason.ANOTHER_SITE, "", "http://testserver")}


@pytest.mark.parametrize(
    ("scheme", "cookie", "passes"),
    [
        ("http", "gatehouse_session=a", True),
        ("https", "__Host-gatehouse_session=a", False),
        ("https", "gatehouse_session=a", True),
        ("https", "", True),
    ],
)
async def test_over_https_who_says_nothing_has_no_session(
    site: Site, scheme: str, cookie: str, passes: bool
) -> None:
    mismatch = judged(site, scheme, cookie=cookie)

    assert mismatch == (None if passes else Mismatch(Reason.UNSAID, "", f"{scheme}://testserver"))


@pytest.mark.parametrize("forwarded", ["", "https"])
async def test_a_page_is_judged_by_what_a_trusted_proxy_says_alone(database: str, forwarded: str) -> None:
    scope = {"type": "http", "path": "/user/login", "query_string": b"", "scheme": "http", "headers": []}

    async with Site.opened(Settings(secret_key=SECRET, host=HTTPS)) as site:
        passed = mismatch_of_page(site.context, scope, {}, forwarded)  # type: ignore[arg-type]
        refused = mismatch_of_page(site.context, scope, {}, "http")  # type: ignore[arg-type]

    assert passed is None
    assert refused
    assert (refused.reason, refused.server_origin) == (Reason.PLAIN, HTTPS)


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"sec-fetch-site": "none"}, b""),
        ({"cookie": "a=b; __Host-gatehouse_session=c"}, b""),
        ({"referer": f"{HTTPS}/user/login"}, b""),
        ({}, b"next=/&https=1"),
    ],
)
async def test_a_page_with_any_sign_of_https_is_shown(
    database: str, headers: dict[str, str], query: bytes
) -> None:
    scope = {"type": "http", "path": "/user/login", "query_string": query, "scheme": "http", "headers": []}

    async with Site.opened(Settings(secret_key=SECRET, host=HTTPS)) as site:
        mismatch = mismatch_of_page(site.context, scope, headers, "http")  # type: ignore[arg-type]

    assert mismatch is None


@pytest.mark.parametrize(
    ("path", "headers", "query"),
    [
        ("/user/login", {"referer": HTTPS}, b""),
        ("/user/login", {"referer": f"{HTTPS}.evil.example/"}, b""),
        ("/user/login", {"cookie": "gatehouse_session=c"}, b"https=10"),
        ("/setup", {}, b"https=0"),
    ],
)
async def test_a_page_with_none_is_not(
    database: str, path: str, headers: dict[str, str], query: bytes
) -> None:
    scope = {"type": "http", "path": path, "query_string": query, "scheme": "http", "headers": []}
    sent = {"host": "members.example.org", **headers}

    async with Site.opened(Settings(secret_key=SECRET, host=HTTPS)) as site:
        mismatch = mismatch_of_page(site.context, scope, sent, "http")  # type: ignore[arg-type]

    assert mismatch == Mismatch(Reason.PLAIN, "http://members.example.org", HTTPS)


async def test_without_https_every_page_is_shown(site: Site) -> None:
    scope = {"type": "http", "path": "/user/login", "query_string": b"", "scheme": "http", "headers": []}

    assert mismatch_of_page(site.context, scope, {}, "http") is None  # type: ignore[arg-type]


async def test_the_log_never_holds_what_is_no_address(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "gatehouse")

    answer = await site.visitor().post("/user/login", headers={b"Origin": b"http://a\xadb\x85c.example"})

    assert answer.status_code == 403
    assert [record.getMessage() for record in caplog.records] == [
        "address: a browser says nothing, this server calls itself http://testserver;"
        " see HOST in docs/deploy.md"
    ]
