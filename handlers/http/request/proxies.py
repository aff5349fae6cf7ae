"""Client, scheme and host of a request behind proxies: what trusted ones vouch for in forwarded headers."""

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

    named: HOST says what this site is called, so what they forward of host and port counts for nothing.
    """

    def __init__(self, networks: tuple[Network, ...], untrusted_proxies: set[str], *, named: bool) -> None:
        self._networks = networks
        self._named = named
        self._untrusted_proxies = untrusted_proxies

    def look_through(self, scope: HTTPScope, headers: Headers) -> str:
        """Puts what trusted proxies forward into `scope` and `headers`, in place of what they said.

        Returns the scheme that they vouch for, "" if none does.
        """
        peer = scope["client"][0] if scope["client"] else ""
        client = parse(peer)
        if client is None or not self._trusts(client):
            if any(name.startswith("x-forwarded-") for name in headers):
                self._name(peer)
            return ""
        # Counted from the right: the first address that isn't one of our proxies is the client.
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
            self._name_host(scope, headers)
        return scheme

    def _name_host(self, scope: HTTPScope, headers: Headers) -> None:
        """The forwarded host, and the forwarded port where the host is given without one."""
        told = headers.get("host", "")
        host, port = _last(headers, "x-forwarded-host") or told, _last(headers, "x-forwarded-port")
        is_unusual = _PORT.fullmatch(port) and port != _USUAL_PORTS[scope["scheme"]]
        if host and is_unusual and not _HAS_PORT.search(host):
            host = f"{host}:{port}"
        if host != told:
            headers["host"] = host
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            scope["headers"] = [*others, (b"host", host.encode("latin-1"))]

    def _trusts(self, address: Address) -> bool:
        return is_among(address, self._networks)

    def _name(self, peer: str) -> None:
        """All people behind a proxy that isn't trusted share one limit: whoever runs this should know."""
        if peer not in self._untrusted_proxies and len(self._untrusted_proxies) < MAX_UNTRUSTED_PROXIES:
            self._untrusted_proxies.add(peer)
            log.warning("forwarded headers from %s are ignored: it isn't in TRUSTED_PROXIES", peer)


def is_among(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def is_host(text: str) -> bool:
    """Whether a header names a host, by name or address, with a port or without (RFC 9112, 3.2)."""
    found = _HOST.fullmatch(text)
    if not found or int(found[3] or 1) > 65_535:
        return False
    if found[1]:
        return len(found[1]) <= MAX_HOST_CHARACTERS
    try:
        return bool(ipaddress.IPv6Address(found[2]))
    except ValueError:
        return False


def _last(headers: Headers, name: str) -> str:
    """What the nearest proxy put into a header, to which each on the way adds its own."""
    return headers.get(name, "").rpartition(",")[2].strip()


def parse(text: str) -> Address | None:
    """The address in `text`, which may carry a port; an IPv4 address in IPv6 clothes is the IPv4 address.

    Without its zone (fe80::1%eth0), which may be any text: what is forwarded goes into logs and pages.
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
