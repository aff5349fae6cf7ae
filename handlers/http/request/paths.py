"""Ids in addresses, and addresses in the log."""

from typing import Final
from urllib.parse import quote

from db.common import ids
from db.errors import Unknown
from messages import refusals

# Of a path in the log: ours are shorter, and one of 30 KB would fill a disk by a thousandth of the requests.
MAX_LOGGED_CHARACTERS: Final = 200


def row_id(text: str) -> int:
    """The id in a path segment; raises Unknown (404) for anything that can't be one.

    The framework's {id:int} takes more than that.
    """
    found = ids.read(text)
    if not found:
        raise Unknown(refusals.NO_SUCH_ID)
    return found


def logged(path: str) -> str:
    """A path for a line of the log: without blanks or signs that could end it, and not too long."""
    return quote(path[:MAX_LOGGED_CHARACTERS]) + ("..." if len(path) > MAX_LOGGED_CHARACTERS else "")
