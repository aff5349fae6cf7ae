"""Brings a backup back, on SQLite or PostgreSQL, in one transaction.

What was given out after the backup was made must not work by chance, nor what was ended since: sessions and
the cookies of known browsers end, and every link gets a new nonce.
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
from db.maintenance.backup import KEPT, LEFT_OUT, UNCOUNTED, Header
from db.maintenance.backup_file import Backup, BadBackup, Value
from db.members.directory import role_counts
from db.policy import COMMAND_LINE
from db.schema import migrate, renames

GUARDED: Final = ("activity", "activity_mark")


@dataclass(frozen=True, slots=True)
class Wish:
    """replace: what is in the database may go. keep_…: people stay signed in, links given out work on.

    send_mail: what was queued in the backup goes out; otherwise it is held.
    """

    replace: bool = False
    keep_sessions: bool = False
    keep_links: bool = False
    send_mail: bool = False


@asynccontextmanager
async def opened() -> AsyncIterator[None]:
    """Starts the database in use, which nobody may serve, and stops it; one made here goes if it stays empty.

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
    """The database in use, inside a write."""

    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return await engine.rows(sql, *args)


async def restore(found: Backup, *, fingerprint: str, wish: Wish) -> None:
    """Puts a backup into the database in use, which is started and not served.

    fingerprint: of this installation's secret key, which the database belongs to from then on. Raises
    BadBackup, TooNew, Refused (there is something in the database) and Unavailable; then nothing has changed.
    """
    try:
        async with engine.migration_lock():
            await engine.write(_restore, found, fingerprint, wish)
    except (engine.ConstraintViolation, engine.BadQuery) as error:
        raise BadBackup(f"The database refuses what the backup holds, and is as it was. {error}.") from error
    await role_counts.compact()


async def held() -> int:
    """How many mails were queued in the backup and are held now."""
    ((number,),) = await engine.rows("SELECT COUNT(*) FROM outbox WHERE state = 'held'")
    return int(number)


async def _restore(found: Backup, fingerprint: str, wish: Wish) -> None:
    header = found.header
    before = await migrate.ran()
    migrate.refuse_newer(before)
    if before:
        await _empty(header, before, wish)
    else:
        # A backup of an older program goes into the tables it was made from; then they are migrated.
        await migrate.forwards(header.migrations[-1])
    columns = {table: await backup.columns_of(_Database(), table) for table in found.columns}
    if header.rows.keys() != {table for table, names in columns.items() if names}:
        raise BadBackup("The header of the backup names other tables than its Gatehouse had.")
    sequences = {table: await backup.highest_id(_Database(), table) for table in header.sequences}
    await _load(found, columns, wish)
    if not wish.send_mail:
        await outbox.hold_all()
    for table, highest in sequences.items():
        await _continue_after(table, max(highest, header.sequences[table]))
    await engine.execute(
        "INSERT INTO installation (id, key_fingerprint, made_at) VALUES (1, ?, ?)", fingerprint, clock.now()
    )
    await migrate.forwards()
    await activity.record(COMMAND_LINE, "restored")


async def _empty(header: Header, ran: set[str], wish: Wish) -> None:
    if not wish.replace and await engine.rows("SELECT 1 FROM member LIMIT 1"):
        raise Refused("There are members in this database; `--replace` puts the backup in their place.")
    if ran != set(header.migrations):
        raise Refused(
            "The backup was made by another version of Gatehouse than the one this database belongs to: "
            "restore it into an empty database, which is brought up to date afterwards."
        )
    # The log refuses to be emptied. To put another database in this one's place is the exception: its guards
    # are off for as long as that takes, in this transaction, and the log then says that it was restored.
    guards = await _take_guards_off()
    for table in (*reversed(KEPT), *LEFT_OUT):
        await engine.execute(f"DELETE FROM {renames.table_at(ran, table)}")
    for statement in guards:
        await engine.execute(statement)
    if engine.dialect() == "sqlite":
        # Nothing deletes from the index of the search when rows go: members leave tombstones otherwise.
        await engine.execute("INSERT INTO member_search (member_search) VALUES ('delete-all')")


async def _take_guards_off() -> list[str]:
    """Switches off what keeps the log append-only; returns the statements that switch it on again."""
    if engine.dialect() == "postgres":
        for table in GUARDED:
            await engine.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        return [f"ALTER TABLE {table} ENABLE TRIGGER USER" for table in GUARDED]
    marks = ", ".join("?" * len(GUARDED))
    found = await engine.rows(
        f"SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN ({marks})", *GUARDED
    )
    for name, _ in found:
        await engine.execute(f"DROP TRIGGER {name}")
    return [sql for _, sql in found]


async def _load(found: Backup, columns: dict[str, list[str]], wish: Wish) -> None:
    """columns: of each table, as the database has them; the statements take no word from the backup."""
    for piece in found.pieces():
        names = columns[piece.table]
        if sorted(names) != sorted(piece.columns):
            raise BadBackup(
                f"The table {piece.table!r} of the backup has other columns than its Gatehouse had."
            )
        if piece.table == "session" and not wish.keep_sessions:
            continue
        places = [piece.columns.index(name) for name in names]
        rows = [_changed(piece.table, names, [row[place] for place in places], wish) for row in piece.rows]
        await _insert(piece.table, names, rows)
    ((members,),) = await engine.rows("SELECT COUNT(*) FROM member WHERE removed_at = 0")
    if members != found.header.members:
        raise BadBackup("The header of the backup says another number of members than it holds.")


def _changed(table: str, columns: list[str], row: list[Value], wish: Wish) -> list[Value]:
    """A row as it goes in."""
    if table == "member" and not wish.keep_sessions:
        # Cookies of known browsers carry the generation of the password, and are worth nothing with another:
        # neither those of the backup's time, nor any that were given out since.
        row[columns.index("password_generation")] = ids.generation()
    if table == "links" and not wish.keep_links:
        row[columns.index("nonce")] = secrets.token_hex(16)
    return row


async def _insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Value]]) -> None:
    if not rows:
        return
    own_ids = " OVERRIDING SYSTEM VALUE" if engine.dialect() == "postgres" and table not in UNCOUNTED else ""
    marks = f"({', '.join('?' * len(columns))})"
    await engine.execute(
        f"INSERT INTO {table} ({', '.join(columns)}){own_ids} VALUES {', '.join([marks] * len(rows))}",
        *(value for row in rows for value in row),
    )


async def _continue_after(table: str, highest: int) -> None:
    """The next id is above every one that was ever given out, here or where the backup comes from."""
    if engine.dialect() == "sqlite":
        await engine.execute("DELETE FROM sqlite_sequence WHERE name = ?", table)
        await engine.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", table, highest)
    elif highest:
        # Not undone with the transaction, but it only ever goes up.
        await engine.rows(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), ?)", highest)
