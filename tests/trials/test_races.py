"""The quick part of the trial `races`: each kind of race once on each database, against two real servers."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.trials import races


@pytest.mark.parametrize("name", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_each_race_of_writers_ends_by_the_rules(name: str) -> None:
    kinds = list(dict.fromkeys(races.all_tries()))
    # PostgreSQL runs as somebody else, who may not enter pytest's folders.
    with TemporaryDirectory(prefix="gatehouse-races-") as made, races.databases(name, Path(made)) as new:
        tally = races.hold("7", kinds, new, Path(made))

    assert tally.broken == []
    assert tally.tried.total() == len(kinds)
    assert tally.statuses[303] > 0
    assert tally.statuses[500] == 0
