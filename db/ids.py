"""Ids of rows, as they stand in addresses."""

import re
from typing import Final

# int() takes full-width digits, +1, 1_0 and 40 digits, which overflow SQLite.
_ID: Final = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)


def read(text: str) -> int:
    """The id that a text is, 0 for a text that can't be one."""
    return int(text) if _ID.fullmatch(text) else 0
