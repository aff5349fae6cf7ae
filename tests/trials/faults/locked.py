"""Another program keeps the database locked: changes wait for seconds, then are refused; pages are shown."""

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from db import engine
from db.engine.sqlite import SqliteEngine
from db.policy import Role
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.pages.site import Visitor
from tests.support.servers import postgres
from tests.trials.faults.support.served import ServedSite, changed, served, state
from tests.trials.sample import Sample

SHORT_SECONDS: Final = 8
LONG_SECONDS: Final = 30
# How long the server waits before it refuses, and how much later the answer may come on a busy machine.
TIMEOUT_SECONDS: Final = 10
LATE_SECONDS: Final = 15
READERS: Final = 4
# What another program may have locked: on SQLite there is one lock.
LOCKS: Final = {
    "sqlite": ("BEGIN IMMEDIATE",),
    "postgres": (
        "LOCK TABLE member IN EXCLUSIVE MODE",
        "SELECT 1 FROM organization FOR UPDATE",
    ),
}


def run(_: Sample) -> list[str]:
    """Prints how long changes and pages took; returns what broke."""
    broken = asyncio.run(_tried(""))
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        given = os.environ.get("TEST_POSTGRES_URL")
        server = given or postgres.start(Path(folder))
        name = f"gatehouse_test_{uuid4().hex}"
        try:
            broken += asyncio.run(_tried(postgres.create_database(server, name)))
        finally:
            if given:
                postgres.drop_database(server, name)
            else:
                postgres.stop(Path(folder))
    return broken


async def _tried(url: str) -> list[str]:
    broken = list[str]()
    async with served(url) as site:
        for statement in LOCKS[engine.dialect()]:
            for seconds in (SHORT_SECONDS, LONG_SECONDS):
                broken += await while_locked(site, statement, seconds)
    return broken


async def while_locked(site: ServedSite, statement: str, seconds: float) -> list[str]:
    """Three changes and some readers while this statement holds a lock for so long; what broke."""
    title, name = f"Title {uuid4().hex}", f"locked-{uuid4().hex}"
    owner, member_id = await site.sign_in("olga"), await site.person(name, Role.ANNOTATOR)
    changes: list[tuple[Visitor, str, dict[str, Any]]] = [
        (owner, "/organization/settings", {"title": title}),
        (owner, f"/organization/members/{member_id}/role", {"role": "RE"}),
        (
            site.visitor(),
            "/user/signup",
            {"email": f"new-{name}@example.org", "password": NEW_PASSWORD},
        ),
    ]
    over, reading = asyncio.Event(), [await site.sign_in("olga") for _ in range(READERS)]
    readers = [asyncio.create_task(_read(visitor, over)) for visitor in reading]
    before = await state()
    async with held(statement):
        waiting = [asyncio.create_task(_timed(*change)) for change in changes]
        await asyncio.sleep(seconds)
    answers = await asyncio.gather(*waiting)
    over.set()
    reads = [read for task in readers for read in await task]
    where = f"{engine.dialect()}, {statement}, {seconds:g} s"
    broken = _judged(where, seconds, answers, reads)
    statuses = [answer.status_code for answer, _ in answers]
    refused = [answer for answer, _ in answers if answer.status_code == 503]
    if len(refused) == 3 and changed(before, await state()):
        broken.append(f"{where}: refused, and yet {changed(before, await state())}.")
    again = [
        (await _timed(*change))[0].status_code
        for change, status in zip(changes, statuses, strict=True)
        if status == 503
    ]
    if again != [303] * len(refused):
        broken.append(f"{where}: afterwards the changes were answered {again}.")
    if " error id=" in site.server.log:
        broken.append(f"{where}: there are errors in the log.")
    slowest = max(took for _, took in reads)
    print(
        f"{where}: answers {statuses} after {', '.join(f'{took:.1f}' for _, took in answers)} s; "
        f"{len(reads):,} pages meanwhile, the slowest in {slowest:.2f} s"
    )
    return broken


def _judged(
    where: str, seconds: float, answers: list[tuple[Any, float]], reads: list[tuple[int, float]]
) -> list[str]:
    """What is wrong about these answers to changes, and to readers."""
    broken, statuses = list[str](), [answer.status_code for answer, _ in answers]
    refused = [(answer, took) for answer, took in answers if answer.status_code == 503]
    early = seconds < TIMEOUT_SECONDS and refused
    late = seconds > TIMEOUT_SECONDS + LATE_SECONDS and not refused
    if early or late or not set(statuses) <= {303, 503}:
        broken.append(f"{where}: the changes were answered {statuses}.")
    for answer, took in refused:
        if not TIMEOUT_SECONDS - 1 < took < TIMEOUT_SECONDS + LATE_SECONDS:
            broken.append(f"{where}: a change was refused after {took:.1f} s.")
        if "retry-after" not in answer.headers:
            broken.append(f"{where}: no Retry-After.")
    if bad := [status for status, _ in reads if status != 200]:
        broken.append(f"{where}: pages answered {bad[:5]}.")
    return broken


async def _timed(visitor: Visitor, path: str, fields: dict[str, Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return await visitor.submit(path, fields), time.monotonic() - began


async def _read(visitor: Visitor, over: asyncio.Event) -> list[tuple[int, float]]:
    """Asks for a page again and again; the status of each, and how long it took."""
    found = []
    while not over.is_set():
        began = time.monotonic()
        answer = await visitor.get("/organization/members")
        found.append((answer.status_code, time.monotonic() - began))
        await asyncio.sleep(0.2)
    return found


@asynccontextmanager
async def held(statement: str) -> AsyncIterator[None]:
    """In the body another program has this lock on the database in use."""
    chosen = engine.get()
    if isinstance(chosen, SqliteEngine):
        with closing(sqlite3.connect(chosen.file, isolation_level=None)) as other:
            other.execute(statement)
            yield
            other.execute("ROLLBACK")
        return
    connection = await asyncpg.connect(chosen.url)
    try:
        async with connection.transaction():
            await connection.execute(statement)
            yield
    finally:
        await connection.close()
