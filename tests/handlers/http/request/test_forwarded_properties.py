"""Client, host and origin, for any headers: nobody can pass as somebody else."""

import ipaddress
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.types import Scope

from handlers.http.auth import origins
from handlers.http.request import proxies
from handlers.http.request.client import network_in
from handlers.http.request.mismatches import Reason
from handlers.http.request.proxies import Proxies
from tests.support.examples import fewer
from tests.support.pages.site import ON_SQLITE, Site

TRUSTED = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "fe80::/10", "::1/128"))
LATIN = st.text(st.characters(max_codepoint=0xFF, exclude_categories=["Cc"]))
ADDRESSES = st.one_of(
    st.ip_addresses(),
    st.sampled_from([network[index] for network in TRUSTED[:2] for index in (1, 2, 3)]),
    st.just(ipaddress.ip_address("::ffff:10.0.0.9")),
)
# As proxies write them.
HOPS = ADDRESSES.flatmap(
    lambda address: st.sampled_from(
        (str(address), f"[{address}]:4711")
        if address.version == 6
        else (str(address), f"{address}:4711", f"::ffff:{address}")
    )
)
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?(\.[a-z]{2,4})?", fullmatch=True)
PORTS = st.sampled_from(("", ":80", ":443", ":8080", ":1", ":65535"))
SCHEMES = st.sampled_from(("http", "https"))


def plain(hop: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address in a well-formed hop."""
    text = hop[1:].partition("]")[0] if hop[0] == "[" else hop.removesuffix(":4711")
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def is_trusted(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return any(address in network for network in TRUSTED)


def looked_through(peer: str, *, named: bool = False, **headers: str) -> tuple[dict[str, Any], str]:
    """The scope, and the scheme that was vouched for."""
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    scope: Any = {
        "client": (peer, 40_000),
        "scheme": "http",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in given_headers.items()],
    }
    return scope, Proxies(TRUSTED, set(), named=named).look_through(scope, given_headers)


@given(
    st.one_of(
        st.text(),
        st.text("0123456789abcdef:.%[]\n<é٣", max_size=30),
        st.builds("{}{}{}".format, HOPS, st.sampled_from("%:]/ "), st.text(max_size=5)),
    )
)
def test_what_is_taken_for_an_address_is_nothing_but_one(text: str) -> None:
    address = proxies.parse(text)

    assert address is None or set(str(address)) <= set("0123456789abcdef.:")


@given(st.lists(HOPS, max_size=5), HOPS)
def test_the_client_is_the_last_that_no_proxy_of_ours_is(hops: list[str], peer: str) -> None:
    scope, _ = looked_through(str(plain(peer)), x_forwarded_for=", ".join(hops))

    chain = [plain(peer), *map(plain, reversed(hops))]
    expected = next((address for address in chain if not is_trusted(address)), chain[-1])
    assert scope["client"][0] == str(expected)


@given(
    ADDRESSES, st.one_of(LATIN, st.builds("{}%{}".format, HOPS, LATIN)), LATIN, LATIN, LATIN, st.booleans()
)
def test_whatever_is_forwarded_the_client_is_an_address(
    peer: Any, client: str, proto: str, host: str, port: str, named: bool
) -> None:
    scope, scheme = looked_through(
        str(peer),
        named=named,
        host="members.example.org",
        x_forwarded_for=client,
        x_forwarded_proto=proto,
        x_forwarded_host=host,
        x_forwarded_port=port,
    )

    assert proxies.parse(scope["client"][0])
    assert network_in(cast(Scope, scope))
    assert scope["scheme"] in ("http", "https")
    assert [name for name, _ in scope["headers"]].count(b"host") == 1
    if named or not is_trusted(proxies.parse(str(peer)) or peer):
        assert dict(scope["headers"])[b"host"] == b"members.example.org"
    if not is_trusted(proxies.parse(str(peer)) or peer):
        assert (scope["client"][0], scope["scheme"], scheme) == (str(peer), "http", "")


def judged(site: Site, scheme: str, host: str, origin: str) -> Reason | None:
    scope: Any = {"scheme": scheme, "path": "/user/login", "query_string": b"", "headers": []}
    mismatch = origins.mismatch_of_form(site.context, scope, {"host": host, "origin": origin})
    return mismatch.reason if mismatch else None


def effective(scheme: str, port: str) -> int:
    """As browsers count; which of the two usual ports it is, a proxy that ends TLS may hide."""
    number = int(port[1:] or {"http": 80, "https": 443}[scheme])
    return 443 if number == 80 else number


@ON_SQLITE
@given(SCHEMES, NAMES, PORTS, SCHEMES, NAMES, PORTS, st.booleans())
@fewer(1)
async def test_a_form_passes_from_its_own_host_and_port_alone(
    site: Site, scheme: str, host: str, port: str, origin_scheme: str, other: str, other_port: str, same: bool
) -> None:
    origin_host = host if same else other

    reason = judged(site, scheme, f"{host}{port}", f"{origin_scheme}://{origin_host}{other_port}")

    ours = origin_host == host and effective(origin_scheme, other_port) == effective(scheme, port)
    assert (reason is None) == (ours and not (scheme == "https" and origin_scheme == "http"))
    assert judged(site, scheme, f"{host.upper()}{port}", f"{scheme}://{host}{port}") is None


@ON_SQLITE
@given(SCHEMES, st.one_of(LATIN, NAMES), st.one_of(LATIN, NAMES.map("http://{}".format)))
@fewer(1)
async def test_no_origin_and_no_host_break_the_comparison(
    site: Site, scheme: str, host: str, origin: str
) -> None:
    reason = judged(site, scheme, host, origin)

    if origin and reason is None:
        assert urlsplit(origin).hostname, "an origin that passes names a host"


@ON_SQLITE
@pytest.mark.parametrize(
    "origin", ["null", "://", "http://", "http://[", "http://x:y", "file://", "data:x", " "]
)
@pytest.mark.parametrize("host", ["", "[", "null", "x:y", ":", " "])
async def test_an_origin_without_a_host_never_passes(site: Site, host: str, origin: str) -> None:
    assert judged(site, "http", host, origin) is not None
