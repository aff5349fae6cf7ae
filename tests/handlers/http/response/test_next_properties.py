"""`next`, for any text: the browser stays on our site."""

import re
import string
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.async_api import Browser

from handlers.http.response import rendering

BASES = ("http://127.0.0.1:8080/user/login?next=x", "https://members.example.org/gate/user/login")
# Of these, everything is put together that may lead elsewhere.
PIECES = (
    *("/", "\\", ".", "..", ":", "@", "?", "#", "%2f", "%5c", "%09", "http:", "https:", "javascript:"),
    *(
        "evil.example",
        "user",
        "\t",
        "\n",
        "\r",
        " ",
        "\0",
        "\x7f",
        "\u2044",
        "\uff0f",
        "\u3002",
        "[::1]",
        "//",
    ),
)
VISIBLE = [piece for piece in PIECES if piece.isascii() and piece.isprintable() and piece != " "]
ANYTHING = st.one_of(
    st.text(),
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.sampled_from(VISIBLE), max_size=4).map(lambda pieces: "/" + "".join(pieces)),
)
# What is in paths and queries of ours (RFC 3986, pchar and query).
LOCAL = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@/?%", max_size=60)


def stays(text: str) -> bool:
    """Whether an http page's link to this leads to the same origin, by the WHATWG's URL standard."""
    text = re.sub(r"[\t\n\r]", "", re.sub(r"\A[\0- ]+|[\0- ]+\Z", "", text)).replace("\\", "/")
    return not text.startswith("//") and re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text) is None


@given(ANYTHING)
def test_whatever_is_sent_leads_to_a_path_of_ours(text: str) -> None:
    path = rendering.local_path(text)

    assert path in (text, "/")
    assert path.startswith("/")
    assert path.isascii()
    assert path.isprintable()
    assert stays(path)
    assert stays(f"/gate{path}"), "below the path of HOST"
    assert rendering.local_path(path) == path


@given(LOCAL.filter(lambda text: not re.match(r"/|[^?#]*(//|\.|%)", text)))
def test_a_path_of_ours_is_kept_as_it_is(text: str) -> None:
    assert rendering.local_path(f"/{text}") == f"/{text}"


DOTS = (
    "/..",
    "/.",
    "/a/..",
    "/a/../b",
    "/./a",
    "/%2e",
    "/%2E%2e/a",
    "/.%2e",
    "/a/%2E./b?c",
    "/..?a",
    "/..#a",
)
SLASHES = ("//", "//a", "/a//b", "/a//?b", "/a\\b", "/a?\\", "", "a", "?/", "http://a/b")
UNSEEN = ("/a b", "/a\x7f", "/\x80", "/\x1f", "/\u00a0")


@pytest.mark.parametrize("text", DOTS + SLASHES + UNSEEN)
def test_what_is_resolved_or_read_in_two_ways_leads_to_the_start(text: str) -> None:
    assert rendering.local_path(text) == "/"


@pytest.mark.parametrize(
    "text",
    ["/...", "/.a", "/a..b", "/a.", "/a?b=//&c=/../", "/a#/../", "/!~", "/%252e%252e", "/%2fa", "/%5c"],
)
def test_dots_and_slashes_elsewhere_stay(text: str) -> None:
    assert rendering.local_path(text) == text


async def test_a_browser_stays_at_our_address(browser: Browser) -> None:
    """With everything that three pieces make, alone and behind a slash; the browser alone decides."""
    sent = {begin + "".join(pieces) for begin in ("", "/") for pieces in product(PIECES, repeat=3)}
    texts = sorted(text for text in sent if text.startswith("/"))
    page = await browser.new_page()

    leaves = await page.evaluate(
        """([texts, bases]) => texts.filter((text) => bases.some((base) => {
            try { return new URL(text, base).origin !== new URL(base).origin } catch { return true }
        }))""",
        [texts, BASES],
    )

    assert [text for text in leaves if rendering.local_path(text) == text] == []
    assert leaves == [text for text in texts if not stays(text)], "what this file says of browsers is true"
    assert len(leaves) > 1_000
