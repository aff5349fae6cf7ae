"""Addresses that browser and server disagree on: the latest five are shown, and ten an hour are logged."""

import pytest

from db.common import clock
from handlers.http.request.mismatches import (
    HOUR_MS,
    MAX_LOG_LINES_AN_HOUR,
    MAX_SHOWN,
    Mismatch,
    Reason,
    RecentMismatches,
)


def mismatch(number: int) -> Mismatch:
    return Mismatch(Reason.OTHER_ADDRESS, f"http://{number}.example", "http://testserver")


def test_a_mismatch_is_logged_once_while_it_is_among_the_latest() -> None:
    mismatches = RecentMismatches()

    logged = [mismatches.add(mismatch(number)) for number in (1, 1, 2, 3, 4, 5, 1, 6, 2, 1)]

    assert logged == [True, False, True, True, True, True, False, True, False, True]
    assert list(mismatches) == [mismatch(number) for number in (3, 4, 5, 6, 1)]
    assert len(list(mismatches)) == MAX_SHOWN == 5


def test_the_same_address_for_another_reason_is_another_mismatch() -> None:
    mismatches = RecentMismatches()

    assert mismatches.add(Mismatch(Reason.PLAIN, "http://a.example", "https://a.example"))
    assert mismatches.add(Mismatch(Reason.OTHER_ADDRESS, "http://a.example", "https://a.example"))


@pytest.mark.parametrize(("later", "logged"), [(HOUR_MS - 1, False), (HOUR_MS, True)])
def test_an_hour_has_ten_lines_in_the_log(monkeypatch: pytest.MonkeyPatch, later: int, logged: bool) -> None:
    mismatches, now = RecentMismatches(), [1_000_000]
    monkeypatch.setattr(clock, "now", lambda: now[0])

    first = [mismatches.add(mismatch(0))]
    now[0] += 1_000
    first += [mismatches.add(mismatch(number)) for number in range(1, MAX_LOG_LINES_AN_HOUR)]
    eleventh = mismatches.add(mismatch(50))
    now[0] = 1_000_000 + later

    assert first == [True] * 10
    assert not eleventh
    assert mismatches.add(mismatch(60)) is logged
    assert list(mismatches)[-2:] == [mismatch(50), mismatch(60)], "what isn't logged is on the Owner's page"
