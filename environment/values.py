"""One parser for each kind of value. Each takes text without blanks around it and returns the value.

Each raises ValueError with a sentence that says what is accepted or what is wrong. It never passes on the
message of a library, which may repeat a part of a password.
"""

import ipaddress
from collections.abc import Callable
from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address
from email.utils import getaddresses
from typing import Final

from environment import addresses

TRUE: Final = frozenset({"true", "yes", "on", "1"})
FALSE: Final = frozenset({"false", "no", "not", "off", "0"})
MAX_NAME_CHARACTERS: Final = 100
# ::ffff:0:0/96 holds the IPv4 addresses written as IPv6.
MAPPED_BITS: Final = 96

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def boolean(value: str) -> bool:
    lowered = value.lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise ValueError("accepted are true, yes, on, 1 and false, no, not, off, 0")


def number(minimum: int, maximum: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if value.isascii() and value.isdigit() and minimum <= int(value[:12]) <= maximum:
            return int(value[:12])
        raise ValueError(f"accepted is a whole number from {minimum} to {maximum}")

    return parse


def name(value: str) -> str:
    """A name that stands in headings and in the subjects of mails."""
    if not value.isprintable() or len(value) > MAX_NAME_CHARACTERS:
        raise ValueError(f"accepted is a name of up to {MAX_NAME_CHARACTERS} visible characters")
    return value


def secret_key(value: str) -> str:
    if len(value) < 32:
        raise ValueError("accepted are 32 characters and more, made at random")
    return value


def sender(value: str) -> str:
    """One address, with a name before it if need be, as it stands in the header From."""
    accepted = "accepted is one address like Gatehouse <members@example.org>, a name with a comma in quotes"
    parsed = getaddresses([value])
    if len(parsed) != 1 or not value.isprintable():
        raise ValueError(accepted)
    shown, email = parsed[0]
    local, at, domain = email.rpartition("@")
    try:
        # Before the @ only ASCII passes every mail server; behind it the name is written in ASCII.
        Address(display_name=shown, addr_spec=f"{local}@{addresses.host_name(domain)}")
    except (HeaderParseError, MessageDefect, ValueError, IndexError):
        raise ValueError(accepted) from None
    if not at or not local.isascii():
        raise ValueError(accepted)
    return value


def networks(value: str) -> tuple[Network, ...]:
    return tuple(_network(part.strip()) for part in value.split(",") if part.strip())


def _network(text: str) -> Network:
    """An address or a network. IPv4 written as IPv6 becomes IPv4, as the addresses of clients do."""
    try:
        written = ipaddress.ip_interface(text)
    except ValueError:
        raise ValueError(
            "accepted are addresses and networks with commas, like 127.0.0.1, 10.0.0.0/8"
        ) from None
    mapped = getattr(written, "ipv4_mapped", None)
    if mapped and written.network.prefixlen >= MAPPED_BITS:
        written = ipaddress.ip_interface((mapped, written.network.prefixlen - MAPPED_BITS))
    if int(written) != int(written.network.network_address):
        # Whether one address was meant or all of them is for a person to say.
        raise ValueError(f"an address and a network are mixed up: write {written.ip} or {written.network}")
    return written.network


def domain(value: str) -> str:
    try:
        return addresses.host_name(value.removeprefix("."))
    except ValueError:
        raise ValueError("accepted is a domain like example.org") from None
