"""Writes backups: a snapshot of everything worth keeping. SQLite and PostgreSQL can be restored from any.

A backup is gzipped lines of JSON: a header; for each table a line with its name and columns, then a line for
each row; and last the SHA-256 of all that, without which the file is refused as cut off. It has no secret
key, but addresses and password hashes, so its mode is 0600.
"""

import errno
import gzip
import hashlib
import json
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from db import engine
from db.common import clock, disk
from db.maintenance.snapshot import Snapshot, each_row, snapshot
from db.schema import migrate

FORMAT: Final = 1
# Rows refer only to tables before their own. A test checks that every table is in one of these two lists.
TABLES: Final = (
    "member",
    "organization",
    "role_note",
    "session",
    "links",
    "activity",
    "activity_mark",
    "activity_name",
    "batch",
    "invitation",
    "invitation_link_viewer",
    "access_request",
    "outbox",
)
# The header has the key's fingerprint, role counts are computed on restoring, and rows of the other tables
# live for an hour at most.
EXCLUDED_TABLES: Final = ("installation", "role_count", "rate_limit", "upload", "draft")
# Their single row has a fixed id, not one from a sequence.
SINGLE_ROW_TABLES: Final = ("organization", "activity_mark")
PRIVATE: Final = 0o600

JsonLine = dict[str, Any] | list[str | int | None]


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. made_at: ms. rows: how many, by table. sequences: the highest id used, by table."""

    made_at: int
    migrations: list[str]
    key_fingerprint: str
    rows: dict[str, int]
    sequences: dict[str, int]
    members: int
    format: int = FORMAT


async def write(file: Path, *, overwrite: bool = False) -> Header:
    """Writes a backup of the database in use, while others may change it.

    The file gets its name only when it is complete and on the disk. Raises FileExistsError unless
    `overwrite`, TooNew for a database with migrations unknown to this program, Unavailable and OSError.
    """
    async with snapshot() as source:
        header = await _header(source)
        with _new_file(file, overwrite=overwrite) as raw, gzip.GzipFile("", "wb", 6, raw) as out:
            digest = hashlib.sha256()
            async for line in _lines(source, header):
                encoded = _encode(line)
                digest.update(encoded)
                out.write(encoded)
            out.write(checksum_line(digest.hexdigest()))
    return header


def checksum_line(digest: str) -> bytes:
    """The last line of a backup. digest: the SHA-256 of all lines before it, in hex."""
    return _encode({"sha256": digest})


def _encode(line: JsonLine) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


async def _header(source: Snapshot) -> Header:
    migrations = [
        name for (name,) in await source.rows("SELECT name FROM migration WHERE app_name = 'gatehouse'")
    ]
    migrate.refuse_newer(set(migrations))
    rows = {table: (await source.rows(f"SELECT COUNT(*) FROM {table}"))[0][0] for table in TABLES}
    fingerprints = await source.rows("SELECT key_fingerprint FROM installation")
    return Header(
        made_at=clock.now(),
        migrations=sorted(migrations),
        key_fingerprint=fingerprints[0][0] if fingerprints else "",
        rows=rows,
        sequences={
            table: await highest_id(source, table) for table in TABLES if table not in SINGLE_ROW_TABLES
        },
        members=(await source.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0"))[0][0],
    )


async def highest_id(source: Snapshot, table: str) -> int:
    """The highest id that this table has ever used, 0 for none. Ids are never used twice."""
    if engine.dialect() == "sqlite":
        highest = await source.rows("SELECT seq FROM sqlite_sequence WHERE name = ?", table)
    else:
        ((sequence,),) = await source.rows(f"SELECT pg_get_serial_sequence('{table}', 'id')")
        highest = await source.rows(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}")
    return int(highest[0][0]) if highest else 0


async def columns_of(source: Snapshot, table: str) -> list[str]:
    """The names of a table's columns, in the order of the database."""
    if engine.dialect() == "sqlite":
        names = await source.rows("SELECT name FROM pragma_table_info(?) ORDER BY cid", table)
    else:
        names = await source.rows(
            "SELECT column_name::text FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = ? ORDER BY ordinal_position",
            table,
        )
    return [name for (name,) in names]


async def _lines(source: Snapshot, header: Header) -> AsyncIterator[JsonLine]:
    yield asdict(header)
    for table in TABLES:
        columns = await columns_of(source, table)
        yield {"table": table, "columns": columns}
        async for row in each_row(source, table, columns):
            yield list(row)


@contextmanager
def _new_file(file: Path, *, overwrite: bool) -> Iterator[IO[bytes]]:
    """A private file that gets its name only when it is complete and on the disk."""
    if not overwrite and os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file))
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)
    try:
        with disk.naming(file), open(descriptor, "wb") as raw:
            yield raw
            raw.flush()
            os.fsync(descriptor)
        if overwrite:
            partial.replace(file)
        else:
            # Unlike rename(), link() fails if a file of that name has appeared meanwhile.
            os.link(partial, file)
    finally:
        partial.unlink(missing_ok=True)
