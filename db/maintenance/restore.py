"""Restores a backup, on SQLite or PostgreSQL, in one transaction.

A session or link made after the backup must not work by chance, and one ended since must not work again. So
sessions and the cookies of known browsers end, and every link gets a new nonce.
"""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from db import activity, engine
from db.common import clock, ids
from db.engine.sqlite import SqliteEngine
from db.errors import Refused
from db.mail import outbox
from db.maintenance import backup
from db.maintenance.backup import EXCLUDED_TABLES, SINGLE_ROW_TABLES, TABLES, Header
from db.maintenance.backup_file import Backup, BadBackup, Value
from db.members.directory import role_counts
from db.policy import COMMAND_LINE
from db.schema import migrate, renames

APPEND_ONLY_TABLES: Final = ("activity", "activity_mark")


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """replace: delete what is in the database. keep_sessions: people stay signed in.

    keep_links: links go on working. send_mail: send the mail queued in the backup, which is held otherwise.
    """

    replace: bool = False
    keep_sessions: bool = False
    keep_links: bool = False
    send_mail: bool = False


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """Starts the database in use and stops it afterwards. If the body fails, one created here is deleted.

    Raises BeingServed, Unsupported and Unavailable.
    """
    chosen = engine.get()
    made_here = chosen if isinstance(chosen, SqliteEngine) and not chosen.file.exists() else None
    await engine.start()
    try:
        async with engine.replacement_lock():
            try:
                yield
            except BaseException:
                if made_here is not None and not await engine.read(migrate.ran):
                    await engine.stop()
                    made_here.remove()
                raise
    finally:
        await engine.stop()


class _Database:
    """A Snapshot of the database in use, inside a write transaction."""

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return await engine.rows(sql, *args)


async def restore(source: Backup, *, fingerprint: str, options: RestoreOptions) -> None:
    """Restores a backup into the database in use, which must be started and not served.

    fingerprint: of this installation's secret key, to which the database belongs from then on. Raises
    BadBackup, TooNew, Refused (the database isn't empty) and Unavailable; then nothing has changed.
    """
    try:
        async with engine.migration_lock():
            await engine.write(_restore, source, fingerprint, options)
    except (engine.ConstraintViolation, engine.BadQuery) as error:
        raise BadBackup(f"The database refuses what the backup holds, and is as it was. {error}.") from error
    await role_counts.compact()


async def count_held_mail() -> int:
    """How many mails of the backup are held."""
    ((number,),) = await engine.rows("SELECT COUNT(*) FROM outbox WHERE state = 'held'")
    return int(number)


async def _restore(source: Backup, fingerprint: str, options: RestoreOptions) -> None:
    header = source.header
    before = await migrate.ran()
    migrate.refuse_newer(before)
    if before:
        await _empty(header, before, options)
    else:
        # Load an older backup into tables of its version, then migrate them.
        await migrate.forwards(header.migrations[-1])
    columns = {table: await backup.columns_of(_Database(), table) for table in source.columns}
    if header.rows.keys() != {table for table, names in columns.items() if names}:
        raise BadBackup("The header of the backup names other tables than its Gatehouse had.")
    sequences = {table: await backup.highest_id(_Database(), table) for table in header.sequences}
    await _load(source, columns, options)
    if not options.send_mail:
        await outbox.hold_all()
    for table, highest in sequences.items():
        await _continue_after(table, max(highest, header.sequences[table]))
    await engine.execute(
        "INSERT INTO installation (id, key_fingerprint, made_at) VALUES (1, ?, ?)", fingerprint, clock.now()
    )
    await migrate.forwards()
    await activity.record(COMMAND_LINE, "restored")


async def _empty(header: Header, ran: set[str], options: RestoreOptions) -> None:
    if not options.replace and await engine.rows("SELECT 1 FROM member LIMIT 1"):
        raise Refused("There are members in this database; `--replace` puts the backup in their place.")
    if ran != set(header.migrations):
        raise Refused(
            "The backup was made by another version of Gatehouse than the one this database belongs to: "
            "restore it into an empty database, which is brought up to date afterwards."
        )
    # Triggers keep the log append-only. They are off only in this transaction, which replaces the database
    # and adds a row about that to the log.
    enable_statements = await _disable_triggers()
    for table in (*reversed(TABLES), *EXCLUDED_TABLES):
        await engine.execute(f"DELETE FROM {renames.table_at(ran, table)}")
    for statement in enable_statements:
        await engine.execute(statement)
    if engine.dialect() == "sqlite":
        # No trigger removes deleted members from the search index, since members are never deleted otherwise.
        await engine.execute("INSERT INTO member_search (member_search) VALUES ('delete-all')")


async def _disable_triggers() -> list[str]:
    """Disables the triggers that keep the log append-only. Returns the statements that enable them again."""
    if engine.dialect() == "postgres":
        for table in APPEND_ONLY_TABLES:
            await engine.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in APPEND_ONLY_TABLES]
    marks = ", ".join("?" * len(APPEND_ONLY_TABLES))
    triggers = await engine.rows(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({marks})",
        *APPEND_ONLY_TABLES,
    )
    for name, _ in triggers:
        await engine.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in triggers]


async def _load(source: Backup, columns: dict[str, list[str]], options: RestoreOptions) -> None:
    """Loads all rows. columns: of each table in the database; statements contain no name from the backup."""
    for batch in source.batches():
        names = columns[batch.table]
        if sorted(names) != sorted(batch.columns):
            raise BadBackup(
                f"The table {batch.table!r} of the backup has other columns than its Gatehouse had."
            )
        if batch.table == "session" and not options.keep_sessions:
            continue
        order = [batch.columns.index(name) for name in names]
        rows = [
            _as_restored(batch.table, names, [row[index] for index in order], options) for row in batch.rows
        ]
        await _insert(batch.table, names, rows)
    ((members,),) = await engine.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0")
    if members != source.header.members:
        raise BadBackup("The header of the backup says another number of members than it holds.")


def _as_restored(table: str, columns: list[str], row: list[Value], options: RestoreOptions) -> list[Value]:
    """The row as it is stored."""
    if table == "member" and not options.keep_sessions:
        # Cookies of known browsers carry the generation of the password. A new one invalidates them all, also
        # those that are older than the backup.
        row[columns.index("password_generation")] = ids.generation()
    if table == "links" and not options.keep_links:
        row[columns.index("nonce")] = secrets.token_hex(16)
    return row


async def _insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    if not rows:
        return
    own_ids = (
        " OVERRIDING SYSTEM VALUE"
        if engine.dialect() == "postgres" and table not in SINGLE_ROW_TABLES
        else ""
    )
    marks = f"({', '.join('?' * len(columns))})"
    await engine.execute(
        f"INSERT INTO {table} ({', '.join(columns)}){own_ids} VALUES {', '.join([marks] * len(rows))}",
        *(value for row in rows for value in row),
    )


async def _continue_after(table: str, highest: int) -> None:
    """Makes the next id higher than any used before, here or where the backup was made."""
    if engine.dialect() == "sqlite":
        await engine.execute("DELETE FROM sqlite_sequence WHERE name = ?", table)
        await engine.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, highest)
    elif highest:
        # A rollback doesn't undo this, which does no harm: the sequence only goes up.
        await engine.rows(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ?)", highest)
