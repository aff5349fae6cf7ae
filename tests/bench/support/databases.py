"""Databases for a bench: the one that was named, or a fresh one of each kind."""

import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from db import engine
from db.schema import migrate
from tests.bench.support import seed
from tests.support.servers import postgres


async def filled(urls: list[str] | None, members: int) -> AsyncIterator[str]:
    """Puts each database in use, migrated and with so many members; yields what to call it."""
    if urls is not None:
        for url in urls:
            async for name in _in_use(url, members):
                yield name
        return
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        async for name in _in_use(f"sqlite:///{folder}/bench.db", members):
            yield name
        server = postgres.start(Path(folder))
        try:
            async for name in _in_use(server, members):
                yield name
        finally:
            postgres.stop(Path(folder))


async def _in_use(url: str, members: int) -> AsyncIterator[str]:
    engine.use(url)
    await engine.start()
    try:
        await migrate.migrate()
        if not await engine.rows("SELECT 1 FROM member LIMIT 1"):
            began = time.perf_counter()
            await seed.fill(members)
            seconds = time.perf_counter() - began
            say(f"# {engine.dialect()}: seeded {members:,} members in {seconds:.1f} s")
        yield engine.dialect()
    finally:
        await engine.stop()


def say(line: str = "") -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
