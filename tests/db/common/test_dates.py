"""Days, by UTC."""

import pytest

from db.common import dates


def test_a_day_begins_at_midnight_utc() -> None:
    assert dates.start_of("1970-01-02") == dates.DAY_MS
    assert dates.start_of("0001-01-01") == -719_162 * dates.DAY_MS


@pytest.mark.parametrize(
    "text",
    ["", "2026-02-29", "2026-13-01", "0000-01-01", "6.12.2026", "20261206", "2026-W01-1", "２026-11-22"],
)
def test_what_is_no_day_begins_never(text: str) -> None:
    assert dates.start_of(text) is None


@pytest.mark.parametrize("text", ["1969-12-31", "2024-02-29", "2026-11-22", "9999-12-31"])
def test_a_day_lasts_to_its_last_millisecond(text: str) -> None:
    start = dates.start_of(text)

    assert start is not None
    assert [dates.iso(at) for at in (start, start + dates.DAY_MS - 1)] == [text, text]
    assert dates.iso(start - 1) < text


def test_a_day_is_written_in_words() -> None:
    at = (dates.start_of("2026-11-02") or 0) + 9 * 3_600_000

    assert (dates.words(at), dates.long_words(at), dates.hour(at)) == (
        "2 Nov 2026",
        "2 November 2026",
        "09:00 UTC",
    )
