"""Client, scheme and host of a request behind proxies, from the forwarded headers of trusted ones."""

import ipaddress
import logging
import re
from typing import Final

from litestar.types import HTTPScope

from handlers.http.request.types import Address, Headers, Network

# Of the addresses that send forwarded headers without being trusted, so many are named, each once in the log.
MAX_UNTRUSTED_PROXIES: Final = 100
_HAS_PORT: Final = re.compile(r"(^[^:]*|\]):\d*$")
_PORT: Final = re.compile(r"[1-9]\d{0,4}")
_USUAL_PORTS: Final = {"http": "80", "https": "443"}

MAX_HOST_CHARACTERS: Final = 253
_HOST: Final = re.compile(r"(?:([A-Za-z0-9._-]+)|\[([0-9A-Fa-f:.]+)\])(?::([1-9][0-9]{0,4}))?")

log = logging.getLogger("gatehouse")


class Proxies:
    """networks: whose forwarded headers are believed (TRUSTED_PROXIES).
    untrusted_proxies: the addresses of all others that send them.

    named: HOST names this site, so forwarded hosts and ports are ignored.
    """

    def __init__(self, networks: tuple[Network, ...], untrusted_proxies: set[str], *, named: bool) -> None:
        self._networks = networks
        self._named = named
        self._untrusted_proxies = untrusted_proxies

    def look_through(self, scope: HTTPScope, headers: Headers) -> str:
        """Replaces client, scheme and host in `scope` and `headers` by what trusted proxies forward.

        Returns the forwarded scheme, "" if there is none.
        """
        peer = scope["client"][0] if scope["client"] else ""
        client = parse(peer)
        if client is None or not self._trusts(client):
            if any(name.startswith("x-forwarded-") for name in headers):
                self._report(peer)
            return ""
        # From the right, the first address that isn't one of our proxies is the client.
        for hop in reversed(headers.get("x-forwarded-for", "").split(",")):
            address = parse(hop.strip())
            if address is None:
                break
            client = address
            if not self._trusts(client):
                break
        scope["client"] = (str(client), 0)
        scheme = _last(headers, "x-forwarded-proto").lower()
        if scheme not in _USUAL_PORTS:
            scheme = ""
        scope["scheme"] = scheme or scope["scheme"]
        if not self._named:
            self._set_host(scope, headers)
        return scheme

    def _set_host(self, scope: HTTPScope, headers: Headers) -> None:
        """Puts in the forwarded host, and the forwarded port if the host comes without one."""
        original = headers.get("host", "")
        host, port = _last(headers, "x-forwarded-host") or original, _last(headers, "x-forwarded-port")
        is_unusual = _PORT.fullmatch(port) and port != _USUAL_PORTS[scope["scheme"]]
        if host and is_unusual and not _HAS_PORT.search(host):
            host = f"{host}:{port}"
        if host != original:
            headers["host"] = host
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [*others, (b"host", host.encode("latin-1"))]

    def _trusts(self, address: Address) -> bool:
        return is_among(address, self._networks)

    def _report(self, peer: str) -> None:
        """Names an untrusted proxy in the log: all people behind it share one limit."""
        if peer not in self._untrusted_proxies and len(self._untrusted_proxies) < MAX_UNTRUSTED_PROXIES:
            self._untrusted_proxies.add(peer)
            log.warning("forwarded headers from %s are ignored: it isn't in TRUSTED_PROXIES", peer)


def is_among(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def is_host(text: str) -> bool:
    """Whether a header names a host, by name or address, with a port or without (RFC 9112, 3.2)."""
    match = _HOST.fullmatch(text)
    if not match or int(match[3] or 1) > 65_535:
        return False
    if match[1]:
        return len(match[1]) <= MAX_HOST_CHARACTERS
    try:
        return bool(ipaddress.IPv6Address(match[2]))
    except ValueError:
        return False


def _last(headers: Headers, name: str) -> str:
    """The value that the nearest proxy put into a header: each proxy on the way appends its own."""
    return headers.get(name, "").rpartition(",")[2].strip()


def parse(text: str) -> Address | None:
    """The address in `text`, which may carry a port. An IPv4-mapped IPv6 address becomes the IPv4 address.

    The zone (fe80::1%eth0) is dropped: it may be any text, and forwarded addresses go into logs and pages.
    """
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
