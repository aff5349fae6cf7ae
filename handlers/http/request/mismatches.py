"""What browsers and this server call the address of this site, where the two disagree."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from db.common import clock

# Pairs of addresses that the Owner's settings page shows, the newest last.
MAX_PAIRS: Final = 5
MAX_LOG_LINES_AN_HOUR: Final = 10
# In the address behind "Continue over https": who comes by it was told, and isn't stopped again.
CONTINUED: Final = "https=1"
HOUR_MS: Final = 3_600_000


class Reason(StrEnum):
    """Why a request can't be answered at this address."""

    # The browser itself says that the form stands on another site.
    ANOTHER_SITE = "another-site"
    # The browser doesn't say where the form stands: a proxy may have told it not to.
    UNSAID = "unsaid"
    # The page was opened over http, where no browser keeps the cookies of an https address.
    PLAIN = "plain"
    # The form stands at an address that this server doesn't know as its own.
    OTHER_ADDRESS = "other-address"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """said: the address of the page, as the browser has it, or "". own: what this server calls itself."""

    reason: Reason
    said: str
    own: str


class Pairs:
    """The latest pairs of addresses that disagreed, and which of them the log is told."""

    def __init__(self) -> None:
        self._latest: deque[Mismatch] = deque(maxlen=MAX_PAIRS)
        self._logged_at: deque[int] = deque(maxlen=MAX_LOG_LINES_AN_HOUR)

    def __iter__(self) -> Iterator[Mismatch]:
        return iter(self._latest)

    def add(self, mismatch: Mismatch) -> bool:
        """Remembers a pair; whether it is new and may have a line in the log, of which an hour has ten."""
        if mismatch in self._latest:
            return False
        self._latest.append(mismatch)
        full = len(self._logged_at) == MAX_LOG_LINES_AN_HOUR
        if full and clock.now() - self._logged_at[0] < HOUR_MS:
            return False
        self._logged_at.append(clock.now())
        return True
