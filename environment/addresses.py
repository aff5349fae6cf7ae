"""Addresses in settings: the public one, the app's, the mail server's.

An accepted address works everywhere. One that browsers, proxies and mail programs read differently is refused
at the start.
"""

import ipaddress
import re
from typing import Final

import idna

# Our own pages begin with these. As a sub-path, one of them would make addresses ambiguous.
OWN_PATHS: Final = frozenset({"api", "health", "organization", "setup", "static", "styleguide", "user"})
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# It stands in every link, and in lines of mails.
MAX_PUBLIC_CHARACTERS: Final = 500
NOT_TO_OPEN: Final = ("0.0.0.0", "::")

_ADDRESS: Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
_HOST_AND_PORT: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]*))?")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_SEGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+")


def public(value: str) -> str:
    """HOST in plain form: lower case and ASCII, as browsers send it; no default port, no final slash."""
    scheme, host, path, rest = _parts(
        value, "accepted is an address like https://members.example.org, with a path if need be"
    )
    if len(value) > MAX_PUBLIC_CHARACTERS:
        raise ValueError(f"accepted is an address of up to {MAX_PUBLIC_CHARACTERS} characters")
    if rest.strip("?#"):
        raise ValueError("accepted is an address without ? and #, like https://members.example.org/members")
    if host.rpartition(":")[0].strip("[]") in NOT_TO_OPEN or host.strip("[]") in NOT_TO_OPEN:
        raise ValueError("accepted is the address that people open, like https://members.example.org")
    segments = path.rstrip("/").split("/")[1:]
    if any(not _SEGMENT.fullmatch(segment) or segment in (".", "..") for segment in segments):
        raise ValueError("accepted is a path of letters, digits and - . _ ~ between single slashes")
    if segments and segments[0] in OWN_PATHS:
        raise ValueError(
            f"accepted is another path than /{segments[0]}, where Gatehouse has pages of its own"
        )
    return "/".join([f"{scheme}://{host}", *segments])


def of_app(value: str) -> str:
    """APP_URL: any http or https address, path, query and fragment included."""
    accepted = "accepted is an address like https://app.example.org/projects?tab=1"
    scheme, host, path, rest = _parts(value, accepted)
    if not value.isprintable() or any(char in value for char in "\"'<>\\ `{}|^"):
        raise ValueError(accepted)
    return f"{scheme}://{host}{path}{rest}"


def mail_server(value: str) -> str:
    """EMAIL_HOST: a name or an address, without a scheme and without a port."""
    accepted = "accepted is a name like smtp.example.org; its port goes into EMAIL_PORT"
    try:
        return str(ipaddress.ip_address(value.removeprefix("[").removesuffix("]")))
    except ValueError:
        pass
    try:
        return host_name(value)
    except ValueError:
        raise ValueError(accepted) from None


def host_name(value: str) -> str:
    """A DNS name or IPv4 address in lower case and ASCII, without the final dot; _ is allowed, for Docker."""
    name = value.removesuffix(".").lower()
    if not name.isascii():
        name = _in_ascii(name)
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("that is no name of a host")
    if labels[-1].isdigit() or re.fullmatch("0x[0-9a-f]*", labels[-1]):
        # Browsers take it for IPv4 however it is written, so only the common form is unambiguous.
        return str(_ipv4(name))
    return name


def _parts(value: str, accepted: str) -> tuple[str, str, str, str]:
    """Scheme, host with port, path, and query with fragment. Raises ValueError(accepted)."""
    match = _ADDRESS.fullmatch(value)
    address = _HOST_AND_PORT.fullmatch(match[2]) if match else None
    if not match or not address or address[0] == "":
        raise ValueError(accepted)
    scheme, port = match[1].lower(), address[2] or ""
    try:
        host = f"[{_ipv6(address[1][1:-1])}]" if address[1].startswith("[") else host_name(address[1])
    except ValueError:
        raise ValueError(accepted) from None
    if port and not 1 <= int(port[:6]) <= 65535:
        raise ValueError("accepted is a port from 1 to 65535")
    if port and int(port) != DEFAULT_PORTS[scheme]:
        host += f":{int(port)}"
    return scheme, host, match[3], (match[4] or "") + (match[5] or "")


def _in_ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("that is no name of a host") from None


def _ipv4(text: str) -> ipaddress.IPv4Address:
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError("that is no address of a host") from None


def _ipv6(text: str) -> ipaddress.IPv6Address:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError:
        raise ValueError("that is no address of a host") from None
