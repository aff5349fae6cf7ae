"""The clock of the domain. Every instant is a whole number of milliseconds since 1970, UTC."""

import time


class _Stopped:
    at: int | None = None


def now() -> int:
    """The time in milliseconds since 1970 UTC, or the instant at which a test has stopped the clock."""
    return time.time_ns() // 1_000_000 if _Stopped.at is None else _Stopped.at


def stop_at(instant: int) -> None:
    """Makes `now()` answer `instant` (milliseconds since 1970 UTC) until `go_on()`. For tests."""
    _Stopped.at = instant


def move(milliseconds: int) -> None:
    """Moves the clock by some milliseconds, backwards if negative, and stops it there. For tests."""
    stop_at(now() + milliseconds)


def go_on() -> None:
    """Lets the clock run again with the machine's. For tests."""
    _Stopped.at = None
