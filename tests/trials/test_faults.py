"""The quick part of the trial `faults`: each fault once or twice, with real servers and real clients."""

import random

import pytest

from tests.trials.faults import descriptors, kills, migrations, stopped
from tests.trials.faults.support.databases import postgres_folder
from tests.trials.faults.support.notes import Ask, Outcome, fits, may_be
from tests.trials.faults.support.served import served

CHANCE = random.Random(7)


@pytest.mark.parametrize(
    ("outcomes", "logged", "is_right"),
    [
        ("done done", ["AN", "RE"], True),
        ("done done", ["AN"], False),
        ("done done", ["RE", "AN"], False),
        ("done done", ["AN", "RE", "RE"], False),
        ("unknown done", ["AN", "RE"], True),
        ("unknown done", ["RE"], True),
        ("unknown done", ["AN"], False),
        ("done refused", ["AN"], True),
        ("done refused", ["AN", "RE"], False),
    ],
)
def test_what_is_lost_or_false_is_found(outcomes: str, logged: list[str], is_right: bool) -> None:
    asked = [
        Ask("role_changed", "ada@example.org", role, role, Outcome(outcome))
        for role, outcome in zip(("AN", "RE"), outcomes.split(), strict=True)
    ]

    assert fits(asked, logged) is is_right
    assert not is_right or logged[-1] in may_be(asked)


async def test_servers_killed_under_load_lose_nothing_and_leave_nothing_half(empty_database_url: str) -> None:
    broken, said = await kills.tried(empty_database_url, 1, CHANCE)

    assert broken == []
    assert " 0 changes" not in said


@pytest.mark.postgres
async def test_postgresql_stopped_under_load_is_told_honestly_and_comes_back() -> None:
    with postgres_folder() as folder:
        broken, said = await stopped.tried(folder, stopped.MODES, CHANCE)

    assert broken == []
    assert said.startswith("3 times")


def test_a_killed_migration_goes_on_and_an_older_program_refuses(empty_database_url: str) -> None:
    last = migrations.states()[-1]

    broken, said = migrations.tried(empty_database_url, [last], 2, CHANCE, members=200)

    assert broken == []
    assert "states of the database: 1;" in said


@pytest.mark.parametrize("room", [2, 8])
async def test_without_descriptors_people_are_told_and_the_server_recovers(room: int) -> None:
    async with served(DISABLE_SIGNUP_WITHOUT_LINK="true") as site:
        broken, answered = await descriptors.with_room(site, room)

    assert broken == []
    # Otherwise the limit bound nobody.
    assert answered["503"] or answered[descriptors.NO_ANSWER], answered
