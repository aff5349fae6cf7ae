"""Ids of rows in addresses, and numbers that never repeat."""

import re
import secrets
from typing import Final

# int() also accepts full-width digits, +1, 1_0 and 40 digits, which overflow SQLite.
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def generation() -> int:
    """A random number that no other password has had or will have. Cookies of known browsers carry it.

    A counter would repeat its numbers once a backup has been restored, and so may the ids of members.
    """
    return secrets.randbelow(10**18 - 1) + 1


def parse(text: str) -> int:
    """The id in a text; 0 if the text can't be an id."""
    return int(text) if _ID.fullmatch(text) else 0
