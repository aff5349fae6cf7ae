"""The types that name a request and what it says of itself."""

import ipaddress
from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection

AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
AnyRequest: TypeAlias = Request[Any, Any, Any]
# By lower-case name.
Headers: TypeAlias = dict[str, str]
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
