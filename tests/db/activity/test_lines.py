"""The activity log as lines of JSON on stderr: each event once, committed, whatever was typed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from db import activity, engine
from db.members import roles
from db.policy import COMMAND_LINE, Actor, Role, visitor
from settings import Settings
from tests.support.pages.site import SECRET, Site

Told = Callable[[], list[dict[str, Any]]]


@pytest.fixture
async def shipping(database: str) -> AsyncIterator[Site]:
    """A site whose log is shipped."""
    async with Site.opened(Settings(secret_key=SECRET, activity_to_stderr=True)) as opened:
        yield opened


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """What has been written to stderr since it was last asked."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


async def recorded() -> list[int]:
    return [event_id for (event_id,) in await engine.rows("SELECT id FROM activity ORDER BY id")]


async def test_each_event_is_one_line_with_who_did_what_to_whom(shipping: Site, told: Told) -> None:
    ada_id = await shipping.person("ada")
    told()

    olga = Actor(shipping.ids["olga"], Role.OWNER, address="192.0.2.7")
    await roles.change_role(olga, member_id=ada_id, role=Role.REVIEWER)

    (line,) = told()
    (event,) = await activity.of_member(ada_id, limit=1)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "log": "activity",
        "id": event.id,
        "actor_kind": "member",
        "actor_id": shipping.ids["olga"],
        "actor_email": "olga@example.org",
        "action": "role_changed",
        "target_kind": "member",
        "target_id": ada_id,
        "before": "NO",
        "after": "RE",
        "address": "192.0.2.7",
    }


async def test_what_is_rolled_back_is_never_told(shipping: Site, told: Told) -> None:
    told()

    async def change() -> None:
        await activity.record(COMMAND_LINE, "restored")
        raise ZeroDivisionError

    async def broken() -> None:
        await activity.record(COMMAND_LINE, "restored")
        await engine.execute("UPDATE organization SET owner_id = 0")

    for doomed in (change, broken):
        with pytest.raises((ZeroDivisionError, engine.DatabaseError)):
            await engine.write(doomed)

    assert told() == []


async def test_whatever_was_typed_stays_on_its_line(shipping: Site, told: Told) -> None:
    typed = 'a\r\n{"log": "activity"}\x1b[31m\u2028 Ünal \U0001f33f'
    told()

    await engine.write(activity.record, COMMAND_LINE, "title_changed", after=typed)

    (line,) = told()
    assert line["after"] == typed


async def test_many_at_once_are_each_told_once_in_order(shipping: Site, told: Told) -> None:
    before = await recorded()
    told()

    await engine.write(activity.record_many, COMMAND_LINE, "removed", [(n, "", "") for n in range(1, 1501)])
    await asyncio.gather(
        *(engine.write(activity.record, visitor(f"192.0.2.{n}"), "sign_in_refused") for n in range(20))
    )

    lines = [line["id"] for line in told()]
    assert sorted(lines) == [event_id for event_id in await recorded() if event_id not in before]
    assert lines[:1500] == sorted(lines[:1500])


async def test_a_change_whose_caller_left_is_told(shipping: Site, told: Told) -> None:
    before = await recorded()
    told()
    caller = asyncio.create_task(engine.write(activity.record, COMMAND_LINE, "restored"))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    # Whatever is under way is over when another change is.
    await engine.write(activity.record, COMMAND_LINE, "restored")

    assert {line["id"] for line in told()} == set(await recorded()) - set(before)


async def test_nothing_is_told_unless_it_is_asked_for(site: Site, told: Told) -> None:
    told()

    await engine.write(activity.record, COMMAND_LINE, "restored")

    assert told() == []


async def test_a_stderr_that_nobody_reads_fails_no_change(
    shipping: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> int:
        raise BrokenPipeError

    before = await recorded()
    monkeypatch.setattr("sys.stderr.write", broken)

    await engine.write(activity.record, COMMAND_LINE, "restored")

    assert len(await recorded()) == len(before) + 1
