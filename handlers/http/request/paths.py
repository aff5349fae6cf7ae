"""Ids in addresses, and addresses in the log."""

from typing import Final
from urllib.parse import quote

from db.common import ids
from db.errors import Unknown
from messages import refusals

# Our paths are shorter. A path of 30 KB in each line would fill a disk with a thousandth of the requests.
MAX_LOGGED_CHARACTERS: Final = 200


def row_id(text: str) -> int:
    """The id in a path segment. Raises Unknown (404) for anything that can't be one.

    The framework's {id:int} accepts more than that.
    """
    number = ids.parse(text)
    if not number:
        raise Unknown(refusals.NO_SUCH_ID)
    return number


def logged(path: str) -> str:
    """A path for a line of the log: nothing in it can end the line, and it isn't too long."""
    return quote(path[:MAX_LOGGED_CHARACTERS]) + ("..." if len(path) > MAX_LOGGED_CHARACTERS else "")
