"""The account that mail is sent from, the sender's address, and this machine's name in SMTP."""

import ipaddress
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Protocol
from urllib.parse import urlsplit

from db.common import addresses
from mailer.text import one_line


class Account(Protocol):
    """The settings of mail, as settings.Mail has them.

    timeout: seconds for each step of the dialogue. sender: FROM_EMAIL, or "".
    """

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> str: ...
    @property
    def use_tls(self) -> bool: ...
    @property
    def use_ssl(self) -> bool: ...
    @property
    def timeout(self) -> float: ...
    @property
    def sender(self) -> str: ...


def sender_of(account: Account, host: str) -> Address:
    """The address in From: FROM_EMAIL, or else the user if it is an address, or gatehouse@ the public host.

    Raises ValueError.
    """
    name, email = parseaddr(account.sender or (account.user if "@" in account.user else ""))
    local, _, domain = (email or f"gatehouse@{ehlo_name(host)}").rpartition("@")
    if not domain.isascii():
        domain = addresses.parse(f"a@{domain}").key.rpartition("@")[2]
    return Address(display_name=one_line(name), addr_spec=f"{local}@{domain}")


def ehlo_name(host: str) -> str:
    """The name for EHLO and in Message-IDs: the public URL's host in ASCII, an IP address in brackets."""
    name = urlsplit(host).hostname or "localhost"
    try:
        version = ipaddress.ip_address(name).version
    except ValueError:
        return name if name.isascii() else addresses.parse(f"a@{name}").key.rpartition("@")[2]
    return f"[IPv6:{name}]" if version == 6 else f"[{name}]"
