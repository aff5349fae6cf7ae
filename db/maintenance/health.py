"""Checks whether a database can be served, with sentences for the person who runs the server."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from db import engine
from db.common import disk
from db.maintenance import secret_key
from db.maintenance.snapshot import Snapshot, snapshot
from db.schema import migrate

MIN_FREE_BYTES: Final = 100_000_000
# The lower limit of the role and the database; NULL if neither has one.
_CONNECTIONS: Final = """
    SELECT least(nullif(rolconnlimit, -1), nullif(datconnlimit, -1))
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """subject: settings, database, disk … ok: whether it can be used. sentence: without a full stop."""

    subject: str
    ok: bool
    sentence: str


async def check_database(url: str, fingerprint: Callable[[], str | None], folder: Path) -> list[CheckResult]:
    """Checks the database at `url`, the secret key and the disk.

    fingerprint: returns that of the key, None without a key. folder: the folder of the key file.
    """
    results: list[CheckResult] = []
    try:
        async with migrate.opened(url):
            results.append(await _database())
            results.append(await _key(fingerprint()))
    except (engine.DatabaseError, OSError) as error:
        results.append(CheckResult("key" if results else "database", False, _describe(error)))
    file: Path | None = getattr(engine.get(), "file", None)
    return [*results, _disk([folder, file.parent] if file else [folder])]


def _describe(error: engine.DatabaseError | OSError) -> str:
    if isinstance(error, OSError):
        return disk.describe(error)
    why = engine.reason(error.__cause__)
    return f"{error} ({why})" if why else str(error)


async def _database() -> CheckResult:
    async with snapshot() as source:
        of_sqlite = engine.dialect() == "sqlite"
        ok, sentence = await (_of_sqlite(source) if of_sqlite else _of_postgres(source))
        ((members,),) = await source.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0")
    return CheckResult("database", ok, f"{sentence}, members: {members}")


async def _of_sqlite(source: Snapshot) -> tuple[bool, str]:
    damage = [str(line) for (line,) in await source.rows("PRAGMA quick_check(3)")]
    if damage != ["ok"]:
        return False, f"SQLite {sqlite3.sqlite_version} finds damage ({'; '.join(damage)}): restore a backup"
    return True, f"SQLite {sqlite3.sqlite_version}, integrity ok"


async def _of_postgres(source: Snapshot) -> tuple[bool, str]:
    ((version,),) = await source.rows("SELECT current_setting('server_version')")
    indexed = await source.rows("SELECT 1 FROM pg_indexes WHERE indexname = 'member_by_trigram'")
    search = (
        "search by pg_trgm" if indexed else "search without pg_trgm, slower from some thousand members on"
    )
    ((limit,),) = await source.rows(_CONNECTIONS)
    limited = "" if limit is None else f", connections: at most {limit}"
    return True, f"PostgreSQL {version}, {search}{limited}"


async def _key(fingerprint: str | None) -> CheckResult:
    known = await secret_key.known_fingerprint()
    if known is None:
        return CheckResult(
            "key", True, "the database belongs to none yet; the first start takes or makes one"
        )
    if fingerprint is None:
        return CheckResult(
            "key", False, "there is none, but the database belongs to one: `gatehouse rotate-key`"
        )
    if fingerprint != known:
        return CheckResult(
            "key", False, "the database belongs to another: put it back, or `gatehouse rotate-key`"
        )
    return CheckResult("key", True, "it is the one that the database belongs to")


def _disk(folders: Iterable[Path]) -> CheckResult:
    sentences = []
    for folder in dict.fromkeys(folders):
        try:
            if not folder.exists():
                sentences.append(f"{folder} isn't made yet")
                continue
            with tempfile.TemporaryFile(dir=folder):
                free = shutil.disk_usage(folder).free
        except OSError as error:
            return CheckResult("disk", False, disk.describe(OSError(error.errno, "", str(folder))))
        if free < MIN_FREE_BYTES:
            return CheckResult("disk", False, f"only {free // 1_000_000} MB are free in {folder}")
        sentences.append(f"{free / 1e9:.1f} GB are free in {folder}")
    return CheckResult("disk", True, ", ".join(sentences))
