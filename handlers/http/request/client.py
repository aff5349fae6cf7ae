"""The network that a request comes from. The defences have looked through trusted proxies already."""

import ipaddress

from litestar.types import Scope

from handlers.http.request import proxies
from handlers.http.request.types import AnyRequest


def address_of(request: AnyRequest) -> str:
    """The client's network address."""
    return _client_of(request.scope)


def _client_of(scope: Scope) -> str:
    client = scope["client"]
    return client[0] if client else ""


def network_of(request: AnyRequest) -> str:
    """The network that limits count by: an IPv4 address, or the /64 of an IPv6 address."""
    return network_in(request.scope)


def network_in(scope: Scope) -> str:
    """The same, from the ASGI scope."""
    return network_of_address(_client_of(scope))


def network_of_address(text: str) -> str:
    """The network of an address, "" for text that is none."""
    address = proxies.parse(text)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), 64), strict=False))
    return str(address or "")
