"""Reading our cookies from the header."""

import string
from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.http.auth import cookies
from handlers.http.auth.cookies import DEVICE_COOKIE, SESSION_COOKIE
from tests.support.examples import TEXT, fewer
from tests.support.pages.handler_requests import asked
from tests.support.pages.site import ON_SQLITE, Site

pytestmark = ON_SQLITE

OURS = (SESSION_COOKIE, DEVICE_COOKIE)
SENT = (*OURS, *(f"__Host-{name}" for name in OURS))
# Python's parser takes these for something else.
ATTRIBUTES = ("expires", "path", "comment", "domain", "max-age", "secure", "httponly", "version", "samesite")
# What cookies may be called and hold (RFC 6265, 4.1.1), but for signs that Python's parser doesn't take.
NAMES = st.one_of(
    st.sampled_from(SENT),
    st.sampled_from(SENT).map(lambda name: name[:-1]),
    st.sampled_from(SENT).map(lambda name: f"{name}s"),
    st.sampled_from(SENT).map(lambda name: f"x{name}"),
    st.sampled_from(SENT).map(str.upper),
    st.text(string.ascii_letters + string.digits + "_-.", min_size=1, max_size=8),
).filter(lambda name: name.lower() not in ATTRIBUTES)
VALUES = st.text(string.ascii_letters + string.digits + "_-.!#$%&'()*+/:<=>?@[]^`{|}~", max_size=12)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
SCHEMES = st.sampled_from(("http", "https"))


def read(site: Site, lines: list[bytes], name: str, scheme: str) -> str:
    request = asked(site, [(b"cookie", line) for line in lines], scheme=scheme)
    return cookies.cookie_in(request, site.context, name)


@given(PAIRS, st.sampled_from(OURS), SCHEMES)
@fewer(1)
async def test_a_header_is_read_as_another_parser_reads_it(
    site: Site, pairs: list[tuple[str, str]], name: str, scheme: str
) -> None:
    line = "; ".join(f"{key}={value}" for key, value in pairs)
    parsed = SimpleCookie(line)

    value_read = read(site, [line.encode()], name, scheme)

    there = f"__Host-{name}" if scheme == "https" else name
    assert value_read == (parsed[there].value if there in parsed else "")
    # Of several the last, in one header or in as many as there are.
    assert value_read == dict(pairs).get(there, "")
    assert value_read == read(site, [f"{key}={value}".encode() for key, value in pairs], name, scheme)


@given(st.lists(st.binary(), max_size=3), st.sampled_from(OURS), SCHEMES)
@fewer(1)
async def test_no_bytes_break_the_reading(site: Site, lines: list[bytes], name: str, scheme: str) -> None:
    authentic = f"{'__Host-' if scheme == 'https' else ''}{name}=x".encode()

    assert read(site, lines, name, scheme) == ""
    assert read(site, [*lines, authentic], name, scheme) == "x"
    assert read(site, [b";".join([*lines, authentic])], name, scheme) == "x"


@given(st.lists(NAMES.filter(lambda name: name != SESSION_COOKIE), max_size=5), st.binary(max_size=5))
@fewer(1)
async def test_no_cookie_of_another_name_is_ours(site: Site, names: list[str], junk: bytes) -> None:
    lines = [name.encode() + b"=x;" + junk for name in names]

    assert read(site, lines, SESSION_COOKIE, "http") == ""


@given(
    st.sampled_from(("http", "https")), st.integers(1, 10**9), st.text(st.sampled_from("aZ0-_"), min_size=43)
)
@fewer(1)
async def test_what_is_set_is_what_comes_back(site: Site, scheme: str, member_id: int, token: str) -> None:
    request = asked(site, scheme=scheme)
    given = [
        cookies.session_cookie(request, token, 60_000),
        cookies.device_cookie(request, member_id, 7),
    ]

    # As a browser does it: name and value up to the first semicolon, sent back as they are.
    sent = [cookie.to_header(header="").partition(";")[0].strip().encode() for cookie in given]
    back = asked(site, [(b"cookie", b"; ".join(sent))], scheme=scheme)

    assert cookies.cookie_in(back, site.context, SESSION_COOKIE) == token
    known = cookies.device_of(back, site.context)
    assert known
    assert (known.member_id, known.generation) == (member_id, 7)


@given(TEXT)
@fewer(1)
async def test_a_sealed_notice_comes_back_in_one_piece(site: Site, notice: str) -> None:
    request = asked(site)
    sealed = site.context.signer.seal("notice/1", notice)
    cookie = cookies.cookie(request, "gatehouse_notice", sealed, 60).to_header(header="")
    back = asked(site, [(b"cookie", cookie.partition(";")[0].strip().encode())])

    assert (
        site.context.signer.unseal("notice/1", cookies.cookie_in(back, site.context, "gatehouse_notice"))
        == notice
    )


@pytest.mark.parametrize("before", ["", "other=1; ", "gatehouse_session=old; ", 'a="; ', "a=\x00;"])
async def test_of_several_cookies_of_one_name_the_last_counts(site: Site, before: str) -> None:
    assert read(site, [f"{before}gatehouse_session=new".encode()], SESSION_COOKIE, "http") == "new"
