"""What a running server does by itself."""

import asyncio
import logging
from types import ModuleType

import pytest

import app
from db import activity, engine
from db.auth import links
from db.policy import SYSTEM
from settings import Settings
from tests.support.pages.site import SECRET, Site

DAY = 24 * 3600 * 1000


async def test_a_running_server_forgets_old_activity_by_itself(
    database: str, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "CHORE_SECONDS", 0.01)
    await engine.write(activity.record, SYSTEM, "restored")
    clock.move(3 * DAY)

    async with Site.opened(Settings(secret_key=SECRET, activity_days=2)):
        async with asyncio.timeout(60):
            # Nobody tells when a chore is done.
            while (await activity.events(limit=9))[-1].kind == "restored":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        left = [event.kind for event in await activity.events(limit=9)]

    assert left == ["organization_made"]


async def test_links_that_anybody_asked_for_are_forgotten_three_months_after_their_end(
    database: str, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = (links.RESET, links.ACCESS_REQUEST, links.INVITATION, links.ADDRESS)
    for purpose in kinds:
        await engine.write(links.make, purpose, subject=7, expires_at=clock.now() + DAY)
    await engine.write(links.make, links.RESET, subject=8, expires_at=clock.now() + 90 * DAY)
    clock.move(2 * DAY)
    await engine.write(links.stamp_expired)
    clock.move(90 * DAY - 1)
    assert await links.forget() == 0
    clock.move(1)
    monkeypatch.setattr(app, "CHORE_SECONDS", 0.01)

    async with Site.opened():
        async with asyncio.timeout(60):
            while await engine.rows(  # noqa: ASYNC110
                "SELECT 1 FROM links WHERE subject = 7 AND purpose = 'reset'"
            ):
                await asyncio.sleep(0.01)
        left = await engine.rows("SELECT purpose, subject FROM links WHERE subject > 0 ORDER BY id")

    assert left == [(links.INVITATION, 7), (links.ADDRESS, 7), (links.RESET, 8)]


async def test_a_chore_that_the_database_keeps_waiting_is_a_line_in_the_log_and_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def waits() -> None:
        raise engine.Unavailable("The database can't be used at the moment.")

    async def is_wrong() -> None:
        raise engine.BadQuery("not SQL")

    for chore in (waits, is_wrong):
        await app._do(chore)

    told = [(record.levelno, record.exc_info is not None) for record in caplog.records]
    assert told == [(logging.WARNING, False), (logging.ERROR, True)]
