"""What browsers and this server call the address of this site, where the two disagree."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from db.common import clock

# Mismatches that the Owner's settings page shows, the newest last.
MAX_SHOWN: Final = 5
MAX_LOG_LINES_AN_HOUR: Final = 10
# In the address behind "Continue over https": a visitor who comes by it has read why, and is not stopped.
CONTINUED: Final = "https=1"
HOUR_MS: Final = 3_600_000


class Reason(StrEnum):
    """Why a request can't be answered at this address."""

    # By the browser's own word the form stands on another site.
    ANOTHER_SITE = "another-site"
    # The browser doesn't say where the form stands: perhaps a proxy's Referrer-Policy forbids it.
    UNSAID = "unsaid"
    # The page was opened over http, where no browser keeps the cookies of an https address.
    PLAIN = "plain"
    # The form stands at an address that this server doesn't know as its own.
    OTHER_ADDRESS = "other-address"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """browser_origin: the address of the page, as the browser has it, or "".
    server_origin: what this server calls itself.
    """

    reason: Reason
    browser_origin: str
    server_origin: str


class RecentMismatches:
    """The latest mismatches, each once, and a limit on how many of them go into the log."""

    def __init__(self) -> None:
        self._latest: deque[Mismatch] = deque(maxlen=MAX_SHOWN)
        self._logged_at: deque[int] = deque(maxlen=MAX_LOG_LINES_AN_HOUR)

    def __iter__(self) -> Iterator[Mismatch]:
        return iter(self._latest)

    def add(self, mismatch: Mismatch) -> bool:
        """Remembers a mismatch. Returns whether to log it: a new one, unless this hour had ten already."""
        if mismatch in self._latest:
            return False
        self._latest.append(mismatch)
        full = len(self._logged_at) == MAX_LOG_LINES_AN_HOUR
        if full and clock.now() - self._logged_at[0] < HOUR_MS:
            return False
        self._logged_at.append(clock.now())
        return True
