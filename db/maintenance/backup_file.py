"""Reads a backup and trusts nothing in it.

The file is opened once and read twice: first to its end, before a database is created for it, then to load
the rows. Both times every line is checked, and both readings must see the same content. Names in the file are
only compared with those that the program knows.
"""

import gzip
import hashlib
import json
import os
import re
import stat
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from piccolo.columns import Text

from db.errors import DomainError
from db.maintenance.backup import FORMAT, SINGLE_ROW_TABLES, TABLES, Header, checksum_line
from db.schema import migrate, renames
from db.schema.piccolo_app import APP_CONFIG

# The longest row, with several texts that people typed, has at most 32 KB.
MAX_LINE_BYTES: Final = 1_000_000
# Rows are loaded in batches of this size.
BATCH_ROWS: Final = 500
BATCH_BYTES: Final = 4_000_000
# The largest BIGINT of both databases, and the largest count or id that we accept.
MAX_NUMBER: Final = 2**63 - 1
MAX_COUNT: Final = 2**53
# The last millisecond of the year 9999. Later dates can't be shown.
MAX_INSTANT_MS: Final = 253_402_300_799_999
MAX_FINGERPRINT_CHARACTERS: Final = 1_000
_MIGRATION: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d:\d{6}", re.ASCII)
_INSTANT: Final = re.compile(r"at|.*_(at|until)")

Value = str | int | None


class BadBackup(DomainError):
    """The file can't be used. The message is one line."""


@dataclass(frozen=True, slots=True)
class RowBatch:
    """Some rows of a table, ordered by id. A table without rows makes one batch, too."""

    table: str
    columns: list[str]
    rows: list[list[Value]]


@dataclass(frozen=True, slots=True)
class _Column:
    is_text: bool
    may_be_null: bool
    is_instant: bool

    def takes(self, value: object) -> bool:
        if value is None:
            return self.may_be_null
        if self.is_text:
            return isinstance(value, str) and is_storable(value)
        return _is_number(
            value, MAX_INSTANT_MS if self.is_instant else MAX_NUMBER, 0 if self.is_instant else None
        )


def is_storable(text: str) -> bool:
    """Whether both databases can store this text: PostgreSQL refuses NUL, and UTF-8 has no surrogates."""
    return re.search("[\0\ud800-\udfff]", text) is None


def _is_number(value: object, maximum: int, minimum: int | None = 0) -> bool:
    # In Python True is an int, but in a backup it isn't a number.
    return type(value) is int and (-maximum - 1 if minimum is None else minimum) <= value <= maximum


# By their current names.
_COLUMNS: Final = {
    table._meta.tablename: {
        column._meta.name: _Column(
            isinstance(column, Text), column._meta.null, _INSTANT.fullmatch(column._meta.name) is not None
        )
        for column in table._meta.columns
    }
    for table in APP_CONFIG.table_classes
}


def _columns_at(migrations: Collection[str]) -> dict[str, dict[str, _Column]]:
    """By table, the columns that a backup made with these migrations may have, by their names then."""
    return {
        renames.table_at(migrations, table): {
            renames.column_at(migrations, table, name): column for name, column in _COLUMNS[table].items()
        }
        for table in TABLES
    }


class Backup:
    """A backup that was read to its end and is complete.

    header: its first line. columns: of each table, in the order of the file, by the names that tables and
    columns had in the program that wrote it.
    """

    def __init__(self, name: str, raw: IO[bytes]) -> None:
        """raw: the open file. Raises BadBackup, TooNew and OSError."""
        self._name = name
        self._raw = raw
        self._digest = ""
        for number, line in self._lines():
            if number == 1:
                self.header = self._header(line)
                break
        else:
            self._refuse()
        for _ in self.batches():
            pass

    def batches(self) -> Iterator[RowBatch]:
        """All rows, in batches. Raises BadBackup and OSError, possibly only at the end."""
        remaining: list[str] = [table for table in self.columns if table in self.header.rows]
        table, columns, rows, size, left, last_id = "", list[str](), list[list[Value]](), 0, 0, 0
        for number, line in self._lines():
            if number == 1:
                continue
            value = self._parsed(number, line)
            if isinstance(value, dict):
                if left:
                    self._refuse(number, f"comes {left} rows of the table {table!r} too early")
                if table:
                    yield RowBatch(table, columns, rows)
                table, columns = self._table(number, value, remaining)
                rows, size, left, last_id = [], 0, self.header.rows[table], 0
                continue
            if not left:
                self._refuse(number, "is a row more than the header says")
            last_id = self._check_row(number, table, columns, value, last_id)
            left -= 1
            rows.append(value)
            size += len(line)
            if len(rows) == BATCH_ROWS or size > BATCH_BYTES:
                yield RowBatch(table, columns, rows)
                rows, size = [], 0
        if left or remaining:
            self._refuse(0, "holds fewer rows or tables than its header says")
        yield RowBatch(table, columns, rows)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """The number and content of each line but the last, which must be the checksum."""
        digest = hashlib.sha256()
        held, number = b"", 0
        self._raw.seek(0)
        try:
            with gzip.GzipFile(fileobj=self._raw, mode="rb") as unpacked:
                while line := unpacked.readline(MAX_LINE_BYTES + 1):
                    if number:
                        digest.update(held)
                        yield number, held
                    number += 1
                    held = line
                    if len(line) > MAX_LINE_BYTES:
                        self._refuse(number, "is longer than 1 MB")
        except (EOFError, gzip.BadGzipFile, zlib.error):
            self._refuse()
        if held != checksum_line(digest.hexdigest()):
            self._refuse()
        if self._digest not in ("", digest.hexdigest()):
            self._refuse(0, "was changed while it was read")
        self._digest = digest.hexdigest()

    def _parsed(self, number: int, line: bytes) -> Any:
        try:
            return _DECODER.decode(line.decode())
        except (ValueError, RecursionError):
            self._refuse(number, "isn't written as a backup's lines are")

    def _header(self, line: bytes) -> Header:
        value = self._parsed(1, line)
        if not isinstance(value, dict) or type(value.get("format")) is not int:
            self._refuse()
        if value["format"] != FORMAT:
            raise BadBackup(f"{self._name} was made by another Gatehouse, whose backups this one can't read.")
        if value.keys() != Header.__dataclass_fields__.keys():
            self._refuse(1, "has other parts than a backup's header")
        header = Header(**value)
        are_migrations = _are_migrations(header.migrations)
        self.columns = _columns_at(header.migrations if are_migrations else ())
        for part, is_right in (
            ("migrations", are_migrations),
            ("made_at", _is_number(header.made_at, MAX_INSTANT_MS)),
            ("key_fingerprint", _is_fingerprint(header.key_fingerprint)),
            ("rows", _are_counts(header.rows, {*self.columns}) and bool(header.rows)),
            ("sequences", _are_counts(header.sequences, {*self.columns} - {*SINGLE_ROW_TABLES})),
            ("members", _is_number(header.members, MAX_COUNT)),
        ):
            if not is_right:
                self._refuse(1, f"has no {part!r} that a backup's header could have")
        migrate.refuse_newer({*header.migrations})
        if header.migrations != sorted(known for known in migrate.known() if known <= header.migrations[-1]):
            self._refuse(1, "names migrations that no Gatehouse has left out, or put in another order")
        if header.sequences.keys() != header.rows.keys() - {*SINGLE_ROW_TABLES}:
            self._refuse(1, "counts the ids of other tables than it has rows of")
        return header

    def _table(self, number: int, value: dict[str, Any], remaining: list[str]) -> tuple[str, list[str]]:
        """The name and columns of the table that begins here. Removes it from `remaining`."""
        if value.keys() != {"table", "columns"}:
            self._refuse(number, "is neither a table nor a row")
        table, columns = value["table"], value["columns"]
        if table not in remaining:
            self._refuse(number, "names a table that doesn't belong there")
        known = self.columns[table]
        if not isinstance(columns, list) or not all(
            isinstance(name, str) and name in known for name in columns
        ):
            self._refuse(number, f"names columns that the table {table!r} doesn't have")
        if len({*columns}) != len(columns) or "id" not in columns:
            self._refuse(number, f"names columns of the table {table!r} twice, or leaves its id out")
        remaining.remove(table)
        return table, columns

    def _check_row(self, number: int, table: str, columns: list[str], row: Any, last_id: int) -> int:
        """Refuses a row that doesn't fit its table. Returns its id."""
        if not isinstance(row, list) or len(row) != len(columns):
            self._refuse(number, f"is no row of the table {table!r}, which has {len(columns)} columns")
        for name, value in zip(columns, row, strict=True):
            if not self.columns[table][name].takes(value):
                self._refuse(number, f"has a value that {table}.{name} can't have")
        row_id: int = row[columns.index("id")]
        if not last_id < row_id <= self.header.sequences.get(table, 1):
            self._refuse(number, f"has an id that doesn't follow in the table {table!r}")
        return row_id

    def _refuse(
        self, number: int = 0, why: str = "is damaged, cut off, or no backup of Gatehouse"
    ) -> NoReturn:
        """Raises BadBackup. number: of the line, 0 for the whole file."""
        raise BadBackup(f"{self._name}{f': line {number}' if number else ''} {why}.") from None


@contextmanager
def opened(file: Path) -> Iterator[Backup]:
    """Opens a backup and checks it. Raises BadBackup, TooNew and OSError."""
    # O_NONBLOCK: to open a pipe would otherwise wait for a writer.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise BadBackup(f"{file} is a folder, a pipe or the like, and no backup of Gatehouse.")
        with open(descriptor, "rb", closefd=False) as raw:
            yield Backup(str(file), raw)
    finally:
        os.close(descriptor)


def _are_migrations(value: object) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) < MAX_FINGERPRINT_CHARACTERS
        and all(isinstance(name, str) and _MIGRATION.fullmatch(name) for name in value)
    )


def _is_fingerprint(value: object) -> bool:
    return isinstance(value, str) and len(value) <= MAX_FINGERPRINT_CHARACTERS and is_storable(value)


def _are_counts(value: object, known: set[str]) -> bool:
    """Whether this is a number for each of some known tables."""
    return (
        isinstance(value, dict)
        and value.keys() <= known
        and all(_is_number(number, MAX_COUNT) for number in value.values())
    )


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no whole number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name stands there twice")
    return value


_DECODER: Final = json.JSONDecoder(
    parse_float=_refuse_number, parse_constant=_refuse_number, object_pairs_hook=_without_duplicates
)
