"""Pairs of addresses that disagreed: the latest five are kept, and ten an hour are told to the log."""

import pytest

from db.common import clock
from handlers.http.request.mismatches import (
    HOUR_MS,
    MAX_LOG_LINES_AN_HOUR,
    MAX_PAIRS,
    Mismatch,
    Pairs,
    Reason,
)


def pair(number: int) -> Mismatch:
    return Mismatch(Reason.OTHER_ADDRESS, f"http://{number}.example", "http://testserver")


def test_a_pair_is_told_once_as_long_as_it_is_among_the_latest() -> None:
    pairs = Pairs()

    told = [pairs.add(pair(number)) for number in (1, 1, 2, 3, 4, 5, 1, 6, 2, 1)]

    assert told == [True, False, True, True, True, True, False, True, False, True]
    assert list(pairs) == [pair(number) for number in (3, 4, 5, 6, 1)]
    assert len(list(pairs)) == MAX_PAIRS == 5


def test_the_same_address_for_another_reason_is_another_pair() -> None:
    pairs = Pairs()

    assert pairs.add(Mismatch(Reason.PLAIN, "http://a.example", "https://a.example"))
    assert pairs.add(Mismatch(Reason.OTHER_ADDRESS, "http://a.example", "https://a.example"))


@pytest.mark.parametrize(("later", "told"), [(HOUR_MS - 1, False), (HOUR_MS, True)])
def test_an_hour_has_ten_lines_in_the_log(monkeypatch: pytest.MonkeyPatch, later: int, told: bool) -> None:
    pairs, now = Pairs(), [1_000_000]
    monkeypatch.setattr(clock, "now", lambda: now[0])

    first = [pairs.add(pair(0))]
    now[0] += 1_000
    first += [pairs.add(pair(number)) for number in range(1, MAX_LOG_LINES_AN_HOUR)]
    eleventh = pairs.add(pair(50))
    now[0] = 1_000_000 + later

    assert first == [True] * 10
    assert not eleventh
    assert pairs.add(pair(60)) is told
    assert list(pairs)[-2:] == [pair(50), pair(60)], "what the log isn't told is on the Owner's page"
