"""Ids of rows, as they stand in addresses, and numbers that don't come twice."""

import re
import secrets
from typing import Final

# int() takes full-width digits, +1, 1_0 and 40 digits, which overflow SQLite.
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def generation() -> int:
    """A number for a password that no other has had, nor will have: cookies of known browsers carry it.

    Numbers that are counted come again after a backup was brought back, and members' ids may.
    """
    return secrets.randbelow(10**18 - 1) + 1


def read(text: str) -> int:
    """The id that a text is, 0 for a text that can't be one."""
    return int(text) if _ID.fullmatch(text) else 0
