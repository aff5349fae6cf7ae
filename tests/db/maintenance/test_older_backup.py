"""What a program wrote before tables and columns were renamed comes back whole, on both databases.

before_field_terms.backup was written by that program: the demo's organization, and a row at least in each
table that was renamed, with something in each renamed column.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from db import engine
from db.errors import Refused
from db.maintenance import backup, backup_file, restore
from db.maintenance.restore import RestoreOptions
from db.members import directory
from db.members.directory import MemberFilter
from db.policy import Role
from db.schema import migrate
from db.schema.renames import FIELD_TERMS

FILE = Path(__file__).with_name("before_field_terms.backup")
KEEP_ALL = RestoreOptions(replace=True, keep_sessions=True, keep_links=True, send_mail=True)


def written() -> dict[str, list[dict[str, Any]]]:
    """The rows of the file by table, by the names that it has."""
    tables: dict[str, list[dict[str, Any]]] = {}
    columns, rows = list[str](), list[dict[str, Any]]()
    for line in map(json.loads, gzip.decompress(FILE.read_bytes()).splitlines()[1:-1]):
        if isinstance(line, dict):
            columns, rows = line["columns"], tables.setdefault(line["table"], [])
        else:
            rows.append(dict(zip(columns, line, strict=True)))
    return tables


async def restored() -> None:
    with backup_file.opened(FILE) as source:
        await restore.restore(source, fingerprint="of-today", options=KEEP_ALL)


async def rows_now() -> dict[str, list[dict[str, Any]]]:
    """The same of the database in use, by today's names."""
    tables = {}
    for table in backup.TABLES:
        columns = await backup.columns_of(restore._Database(), table)
        rows = await engine.rows(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")
        tables[table] = [dict(zip(columns, row, strict=True)) for row in rows]
    return tables


def by_todays_names(tables: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    return {
        FIELD_TERMS.tables.get(table, table): [
            {FIELD_TERMS.columns.get(table, {}).get(name, name): value for name, value in row.items()}
            for row in rows
        ]
        for table, rows in tables.items()
    }


def test_the_file_has_something_in_each_column_that_was_renamed() -> None:
    rows = written()

    empty = [
        (table, column)
        for table, columns in FIELD_TERMS.columns.items()
        for column in columns
        if table in rows and not any(row[column] for row in rows[table])
    ]

    assert empty == []


async def test_an_older_backup_comes_back_into_an_empty_database(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    await engine.start()
    try:
        await restored()

        now, before = await rows_now(), by_todays_names(written())
        assert now["activity"].pop()["kind"] == "restored"
        assert now == before
        assert await migrate.is_current()
        assert [row.last_name for row in (await directory.page(MemberFilter(q="vodick"))).rows] == [
            "Vodičková"
        ]
        roles = [row["role"] for row in before["member"]]
        assert await directory.counts() == {role: roles.count(role.value) for role in Role}
    finally:
        await engine.stop()


async def test_an_older_database_takes_its_backup_and_is_migrated(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    await engine.start()
    try:
        older = sorted(name for name in migrate.known() if name < FIELD_TERMS.migration)
        await engine.write(migrate.forwards, older[-1])

        await restored()
        await restored_anew()

        assert len((await rows_now())["member"]) == len(written()["member"])
    finally:
        await engine.stop()


async def restored_anew() -> None:
    """Once more, now that the database is today's: that is another program's backup."""
    with pytest.raises(Refused, match="another version"):
        await restored()


async def test_every_part_of_a_renamed_table_has_its_name(database: str) -> None:
    if engine.dialect() == "sqlite":
        parts = await engine.rows("SELECT name FROM sqlite_master")
    else:
        parts = await engine.rows(
            "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " UNION ALL SELECT conname::text FROM pg_constraint"
            " WHERE connamespace = current_schema()::regnamespace"
        )
    names = [name for (name,) in parts]

    assert "access_request_by_address" in names
    assert [name for name in names for old in FIELD_TERMS.tables if name.startswith(old)] == []
