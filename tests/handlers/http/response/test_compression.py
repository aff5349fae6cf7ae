"""Compression: for browsers that accept it, but not for a request from another site."""

import gzip
from typing import Any

import httpx
import pytest

from handlers.http.response.compression import Compressing, accepts_gzip
from tests.support.pages.site import ON_SQLITE, Site, Visitor


async def raw(visitor: Visitor, path: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its body as it was on the wire."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with visitor.stream("GET", path, headers={"Accept-Encoding": "gzip, br", **named}) as answer:
        return answer, b"".join([piece async for piece in answer.aiter_raw()])


@ON_SQLITE
async def test_a_page_is_compressed_for_who_takes_it(site: Site) -> None:
    visitor = site.visitor()
    plain = await visitor.get("/user/signup", headers={"Accept-Encoding": "identity"})

    answer, body = await raw(visitor, "/user/signup")

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(body))
    assert gzip.decompress(body) == plain.content
    assert len(body) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == answer.headers["vary"] == "HX-Request, Accept-Encoding"


@ON_SQLITE
async def test_errors_and_fragments_are_compressed_too(site: Site) -> None:
    olga = await site.sign_in("olga")

    wrong, _ = await raw(olga, "/organization/members?sort=shoe-size")
    fragment, _ = await raw(olga, "/organization/invite", HX_Request="true")

    assert (wrong.status_code, wrong.headers["content-encoding"]) == (422, "gzip")
    assert (fragment.status_code, fragment.headers["content-encoding"]) == (200, "gzip")


@ON_SQLITE
@pytest.mark.parametrize(
    ("base", "fetch_site", "compressed"),
    [
        ("https://testserver", "same-origin", True),
        ("https://testserver", "none", True),
        ("https://testserver", "same-site", False),
        ("https://testserver", "cross-site", False),
        ("https://testserver", "", False),
        ("http://testserver", "cross-site", False),
        ("http://testserver", "", True),
    ],
)
async def test_nobody_else_may_choose_what_is_compressed_beside_a_secret(
    site: Site, base: str, fetch_site: str, compressed: bool
) -> None:
    visitor = site.visitor(base=base)
    headers = {"Sec-Fetch-Site": fetch_site} if fetch_site else {}

    answer, _ = await raw(visitor, "/user/signup", **headers)

    assert ("content-encoding" in answer.headers) is compressed


@ON_SQLITE
async def test_what_is_small_or_no_page_stays_as_it_is(site: Site) -> None:
    olga = await site.sign_in("olga")

    for path in ("/health", "/organization/members.csv", "/organization"):
        answer, _ = await raw(olga, path)
        assert "content-encoding" not in answer.headers, path


async def test_a_page_that_comes_in_pieces_stays_as_it_is() -> None:
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)

    messages: list[Any] = [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]},
        {"type": "http.response.body", "body": b"a" * 5_000, "more_body": True},
        {"type": "http.response.body", "body": b"a" * 5_000, "more_body": False},
    ]
    compressing = Compressing(send)
    for message in messages:
        await compressing(message)

    assert sent == messages
    assert [len(message.get("body", b"")) for message in sent] == [0, 5_000, 5_000]


@pytest.mark.parametrize(
    ("accept_encoding", "taken"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=0", False),
        ("gzip;q=0.000, br", False),
        ("identity", False),
        ("", False),
        ("x-gzipped", False),
    ],
)
def test_gzip_is_sent_only_where_it_is_named(accept_encoding: str, taken: bool) -> None:
    assert accepts_gzip(accept_encoding) is taken
