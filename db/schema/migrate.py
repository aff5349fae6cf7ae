"""Migrates a database to this program's schema, once, even if several processes start at the same time."""

import contextlib
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from piccolo.apps.migrations.commands.forwards import ForwardsMigrationManager

from db import engine
from db.schema.piccolo_app import APP_CONFIG

FOLDER: Final = Path(__file__).parent / "migrations"
_ID: Final = re.compile(r'^ID = "([^"]+)"$', re.MULTILINE)


class NotThere(engine.Unsupported):
    """There is no database to work with; the message says in one line what to do."""


class TooNew(engine.Unsupported):
    """The database was migrated by a newer program; the message names it in one line."""


@asynccontextmanager
async def opened(url: str, *, current: bool = True) -> AsyncIterator[None]:
    """Uses and starts a database that is there already; stops it afterwards.

    current: refuse one of an older program, too. Raises NotThere, TooNew and Unavailable.
    """
    _refuse_missing_file(getattr(engine.use(url), "file", None))
    await engine.start()
    try:
        if not await engine.read(ran):
            raise NotThere(
                "The database is empty: `gatehouse serve` or `gatehouse migrate` makes its tables."
            )
        if not await is_current() and current:
            raise NotThere("The database is an older Gatehouse's: back it up, then `gatehouse migrate`.")
        yield
    finally:
        await engine.stop()


def _refuse_missing_file(file: Path | None) -> None:
    # The engine would make it, which is for those who migrate.
    if file is not None and not file.exists():
        raise NotThere(f"There is no database at {file}: `gatehouse serve` or `gatehouse migrate` makes one.")


async def migrate(url: str | None = None) -> bool:
    """Runs what is missing, in one transaction and under a lock that servers on other machines share.

    url: the database to use; None for the one in use and started. Returns whether anything was changed.
    Raises TooNew for a database that knows migrations this program doesn't.
    """
    if url is not None:
        engine.use(url)
        await engine.start()
        try:
            return await migrate()
        finally:
            await engine.stop()
    if await is_current():
        return False
    async with engine.migration_lock():
        return await engine.write(forwards)


async def is_current() -> bool:
    """Whether this database has just the migrations of this program. Raises TooNew."""
    return await engine.read(_missing) == set()


async def forwards(up_to: str = "all") -> bool:
    """Inside a write: runs what is missing, up to a migration's id or "all"; whether anything was changed."""
    if not await _missing():
        return False
    # Piccolo reports its steps on stdout; ours is for the one line that names the address.
    with contextlib.redirect_stdout(io.StringIO()):
        result = await ForwardsMigrationManager(app_name=APP_CONFIG.app_name, migration_id=up_to).run()
    if not result.success:
        raise RuntimeError(result.message)
    return True


async def ran() -> set[str]:
    """The ids of the migrations that this database has seen."""
    table = "sqlite_master" if engine.dialect() == "sqlite" else "pg_tables"
    name = "name" if engine.dialect() == "sqlite" else "schemaname = current_schema() AND tablename"
    if not await engine.rows(f"SELECT 1 FROM {table} WHERE {name} = 'migration'"):
        return set()
    return {name for (name,) in await engine.rows("SELECT name FROM migration WHERE app_name = 'gatehouse'")}


def known() -> set[str]:
    """The ids of this program's migrations, read from their files: importing them takes its time."""
    return {_ID.findall(file.read_text("utf-8"))[0] for file in FOLDER.glob("m*.py")}


def refuse_newer(ids: set[str]) -> None:
    """Raises TooNew if one of these migrations isn't this program's."""
    newer = sorted(ids - known())
    if newer:
        raise TooNew(
            f"The database was made by a newer Gatehouse (it knows {newer[-1]}); start that program, "
            "or restore a backup made by this one."
        )


async def _missing() -> set[str]:
    have = await ran()
    refuse_newer(have)
    return known() - have
