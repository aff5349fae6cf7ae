"""The clock of the domain."""

import time
from collections.abc import Iterator

import pytest

from db.common import clock


@pytest.fixture(autouse=True)
def clock_goes_on_afterwards() -> Iterator[None]:
    yield
    clock.go_on()


def test_now_is_the_time_in_milliseconds_since_1970() -> None:
    assert abs(clock.now() - time.time() * 1000) < 1000
    assert type(clock.now()) is int


def test_a_test_stops_and_moves_the_clock() -> None:
    clock.stop_at(1_000_000)
    clock.move(5_000)
    assert clock.now() == 1_005_000
    clock.move(-10_000)
    assert clock.now() == 995_000

    clock.go_on()
    assert clock.now() > 1_005_000
