"""Parses DATABASE_URL more strictly than the drivers do.

A character of the password that isn't percent-encoded can end the password early. A driver would take the
rest for a host, a port, a database or a parameter, and print it in an error. So a URL that can be read in two
ways is refused, and no message repeats any part of it.
"""

import re
import string
from pathlib import Path
from typing import Final
from urllib.parse import quote

ACCEPTED: Final = "accepted are sqlite:///path/to/file.db and postgresql://user:password@host/database"
ENCODE: Final = "a character of the password has to be percent-encoded, like %2F for /"
NO_NOTE: Final = "a note can't follow it; # in the password has to be percent-encoded, as %23"
NO_PORT: Final = f"the port isn't a number, or {ENCODE}"
ACCEPTED_FILE: Final = "accepted is the path of a file, like sqlite:///data/gatehouse.db"

_SCHEME: Final = re.compile(r"([A-Za-z]+)(?:\+[A-Za-z0-9_]+)?://(.*)", re.DOTALL)
# user or user:password, both percent-encoded: no character that has a meaning in URLs.
_CHAR: Final = r"(?:[^/?#@:\[\]%]|%[0-9A-Fa-f]{2})"
_USER: Final = re.compile(rf"{_CHAR}*(?::(?:{_CHAR}|:)*)?")
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._%-]+)(?::([0-9]{1,5}))?")
_PARAMETER: Final = re.compile(r"[a-z_.]+=[^@]*")


def parse(value: str, checkout: Path) -> str:
    """sqlite:///path (relative paths count from the checkout) or postgresql://user:password@host/name.

    SQLAlchemy's names of drivers, as in postgresql+psycopg2://, are left out.
    """
    if re.search(r"\s#", value):
        raise ValueError(NO_NOTE)
    match = _SCHEME.fullmatch(value)
    if not match or not value.isprintable():
        raise ValueError(ACCEPTED)
    scheme, rest = match[1].lower(), match[2]
    if scheme in ("postgres", "postgresql") and rest:
        _check_postgres(rest)
        # What isn't ASCII needs no encoding by hand: there is only one way to read it.
        return f"postgresql://{quote(rest, safe=string.printable)}"
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return f"sqlite:///{checkout / _file(rest[1:])}"
    raise ValueError(ACCEPTED)


def _file(path: str) -> str:
    if path.endswith("/") or any(char in path for char in "?#") or path.startswith((":", "~", "file:")):
        raise ValueError(ACCEPTED_FILE)
    return path


def _check_postgres(rest: str) -> None:
    authority, behind = re.fullmatch(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    user, at, hosts = authority.rpartition("@")
    path, _, query = behind.partition("?")
    ambiguous = "@" in path or "#" in behind or not _USER.fullmatch(user)
    if ambiguous or any(not _PARAMETER.fullmatch(pair) for pair in query.split("&") if query):
        raise ValueError(ENCODE)
    for host in hosts.split(",") if hosts else ():
        if not (address := _HOST.fullmatch(host)) or not 1 <= int(address[1] or 5432) <= 65535:
            # Without an @ it may be a user and the beginning of a password.
            raise ValueError("accepted is a host with a number as its port" if at else NO_PORT)
