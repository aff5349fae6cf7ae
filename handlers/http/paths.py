"""Ids in addresses."""

from db import ids
from db.policy import Unknown
from messages import refusals


def row_id(text: str) -> int:
    """The id in a path segment; raises Unknown (404) for anything that can't be one.

    The framework's {id:int} takes more than that.
    """
    found = ids.read(text)
    if not found:
        raise Unknown(refusals.NO_SUCH_ID)
    return found
