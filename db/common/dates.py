"""Days: parsed as people type them, written for addresses, the log and pages. UTC unless a zone is given."""

import re
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import Final

DAY_MS: Final = 24 * 3600 * 1000
_SHAPE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def start_of(text: str) -> int | None:
    """When a day like 2026-11-22 begins, in ms; None if the text isn't such a day."""
    if not _SHAPE.fullmatch(text):
        return None
    try:
        begins = datetime.fromisoformat(f"{text}T00:00:00+00:00")
    except ValueError:
        return None
    return int(begins.timestamp()) * 1000


def start_in(text: str, zone: str, *, later: int = 0) -> int | None:
    """When a day like 2026-11-22 begins in a time zone, in ms; None if the text isn't such a day.

    zone: "" and names that this machine doesn't know mean UTC. later: counts that many days on.
    """
    start = start_of(text)
    if start is None:
        return None
    start += later * DAY_MS
    try:
        local = datetime.fromisoformat(text) + timedelta(days=later)
        offset = local.replace(tzinfo=zoneinfo.ZoneInfo(zone)).utcoffset() or timedelta()
    except (ValueError, OSError, OverflowError, zoneinfo.ZoneInfoNotFoundError):
        return start
    return start - int(offset.total_seconds() * 1000)


def iso(at: int) -> str:
    """The day of an instant, as 2026-11-22. at: ms."""
    return _instant(at).date().isoformat()


def words(at: int) -> str:
    """The day of an instant, as 22 Nov 2026. at: ms."""
    instant = _instant(at)
    return f"{instant.day} {instant:%b %Y}"


def long_words(at: int) -> str:
    """The day of an instant, as 22 November 2026. at: ms."""
    instant = _instant(at)
    return f"{instant.day} {instant:%B %Y}"


def hour(at: int) -> str:
    """The time of day of an instant, as 09:12 UTC. at: ms."""
    return f"{_instant(at):%H:%M} UTC"


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
