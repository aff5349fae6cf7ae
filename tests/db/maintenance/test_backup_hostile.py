"""Backups that somebody has changed by hand: each is refused with a sentence, and changes nothing."""

import gzip
import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from db import engine
from db.auth import sessions
from db.common import invisible
from db.errors import DomainError
from db.maintenance import backup, backup_file, restore, secret_key
from db.maintenance.backup_file import BadBackup
from db.members import new_member
from db.organization import setup
from db.policy import Role
from db.schema import migrate
from tests.db.maintenance.test_backup import FINGERPRINT, KEEP_ALL, SESSION_LIMITS, everything, person

SQL: Final = "member; DROP TABLE member; --"
Lines = list[bytes]
Change = Callable[[Lines], Lines]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def packed(lines: Lines) -> bytes:
    """The file of these lines, with the sum that belongs to them."""
    content = b"".join(lines)
    return gzip.compress(content + backup.checksum_line(hashlib.sha256(content).hexdigest()), 1)


def header(**parts: Any) -> Change:
    """Says something else in the first line; None leaves the part out."""

    def change(lines: Lines) -> Lines:
        header = {**json.loads(lines[0]), **parts}
        return [as_json({name: value for name, value in header.items() if value is not None}), *lines[1:]]

    return change


def first_line(line: bytes) -> Change:
    return lambda lines: [line, *lines[1:]]


def counted(part: str, table: str, number: Any) -> Change:
    """Says another number of a table's rows or ids."""

    def change(lines: Lines) -> Lines:
        header = json.loads(lines[0])
        header[part][table] = number
        return [as_json(header), *lines[1:]]

    return change


def place_of(lines: Lines, table: str) -> int:
    return next(
        place for place, line in enumerate(lines) if line.startswith(b'{"table":"%b"' % table.encode())
    )


def heading(of: str, **parts: Any) -> Change:
    """Says something else in the line with which a table begins."""

    def change(lines: Lines) -> Lines:
        place = place_of(lines, of)
        return [*lines[:place], as_json({**json.loads(lines[place]), **parts}), *lines[place + 1 :]]

    return change


def column(table: str, name: str, called: Any) -> Change:
    """Calls a column something else."""

    def change(lines: Lines) -> Lines:
        names = json.loads(lines[place_of(lines, table)])["columns"]
        return heading(table, columns=[called if each == name else each for each in names])(lines)

    return change


def value(table: str, name: str, instead: Any, row: int = 1) -> Change:
    """Puts another value into a row, as JSON or as these bytes."""

    def change(lines: Lines) -> Lines:
        place = place_of(lines, table)
        at = json.loads(lines[place])["columns"].index(name)
        cells = [json.dumps(cell).encode() for cell in json.loads(lines[place + row])]
        cells[at] = instead if isinstance(instead, bytes) else json.dumps(instead).encode()
        return [*lines[: place + row], b"[" + b",".join(cells) + b"]\n", *lines[place + row + 1 :]]

    return change


def row(table: str, instead: bytes) -> Change:
    def change(lines: Lines) -> Lines:
        place = place_of(lines, table) + 1
        return [*lines[:place], instead, *lines[place + 1 :]]

    return change


def more(*added: bytes) -> Change:
    return lambda lines: [*lines, *added]


def without_table(table: str) -> Change:
    def change(lines: Lines) -> Lines:
        header = json.loads(lines[0])
        begin, end = place_of(lines, table), place_of(lines, table) + 1 + header["rows"].pop(table)
        header["sequences"].pop(table, None)
        return [as_json(header), *lines[1:begin], *lines[end:]]

    return change


def twice(table: str) -> Change:
    return lambda lines: [*lines, lines[place_of(lines, table)]]


def deep(lines: Lines) -> Lines:
    return [b"[" * 500_000 + b"]" * 400_000 + b"\n", *lines[1:]]


HOSTILE: Final[dict[str, tuple[Change, str]]] = {
    "a header that is a list": (first_line(b"[1]\n"), "no backup"),
    "a header that is a number": (first_line(b"1\n"), "no backup"),
    "a header that is null": (first_line(b"null\n"), "no backup"),
    "a header of nothing": (first_line(b"{}\n"), "no backup"),
    "a header that is no JSON": (first_line(b"{'format': 1}\n"), "line 1 "),
    "a header that is no UTF-8": (first_line(b'{"format": "\xff"}\n'), "line 1 "),
    "a header in UTF-16": (first_line('{"format": 1}\n'.encode("utf-16")), "line 1 "),
    "a header a hundred thousand deep": (deep, "line 1 "),
    "a header with NaN": (first_line(b'{"format": NaN}\n'), "line 1 "),
    "a header with a name twice": (lambda lines: [b'{"format":1,' + lines[0][1:], *lines[1:]], "line 1 "),
    "a header with one part more": (header(then=SQL), "line 1 .*other parts"),
    "a header with one part less": (header(members=None), "line 1 .*other parts"),
    "another format": (header(format=2), "another Gatehouse"),
    "a format that is true": (header(format=True), "no backup"),
    "a newer program's": (
        lambda lines: header(
            migrations=[*json.loads(lines[0])["migrations"], "2999-01-01T00:00:00:000000"]
        )(lines),
        "newer Gatehouse",
    ),
    "SQL for a migration": (header(migrations=["all'; DROP TABLE member; --"]), "line 1 .*'migrations'"),
    "all migrations but the first": (
        lambda lines: header(migrations=json.loads(lines[0])["migrations"][1:])(lines),
        "line 1 .*migrations",
    ),
    "no migrations": (header(migrations=[]), "line 1 .*'migrations'"),
    "migrations that are a text": (header(migrations="2026"), "line 1 .*'migrations'"),
    "migrations that are a table": (header(migrations={"2026": 1}), "line 1 .*'migrations'"),
    "made when no date is": (header(made_at=10**18), "line 1 .*'made_at'"),
    "made before 1970": (header(made_at=-1), "line 1 .*'made_at'"),
    "a fingerprint that is a list": (header(key_fingerprint=[SQL]), "line 1 .*'key_fingerprint'"),
    "a fingerprint with NUL": (header(key_fingerprint="a\0"), "line 1 .*'key_fingerprint'"),
    "rows that are a list": (header(rows=[["member", 3]]), "line 1 .*'rows'"),
    "rows of SQL": (counted("rows", SQL, 1), "line 1 .*'rows'"),
    "rows of a table that is left out": (counted("rows", "rate_limit", 1), "line 1 .*'rows'"),
    "rows that are no whole number": (counted("rows", "member", 4.0), "line 1 "),
    "fewer than no rows": (counted("rows", "member", -1), "line 1 .*'rows'"),
    "more rows than there are": (counted("rows", "member", 5), "line .*too early"),
    "more rows than fit anywhere": (counted("rows", "member", 10**30), "line 1 .*'rows'"),
    "fewer rows than there are": (counted("rows", "member", 1), "line .*more than the header says"),
    "ids of SQL": (counted("sequences", SQL, 1), "line 1 .*'sequences'"),
    "ids that leave none": (counted("sequences", "member", 2**63 - 1), "line 1 .*'sequences'"),
    "ids that were given out, and will be again": (counted("sequences", "member", 1), "an id"),
    "members that aren't there": (header(members=17), "number of members"),
    "SQL for a table": (heading("session", table=SQL), "line .*a table"),
    "a system's table": (heading("session", table="sqlite_master"), "line .*a table"),
    "a table that is left out": (heading("session", table="installation"), "line .*a table"),
    "a table whose name is a list": (heading("session", table=["session"]), "line .*a table"),
    "a table twice": (twice("member"), "line .*a table"),
    "a table left out": (without_table("links"), "other tables"),
    "a table's line with SQL beside": (heading("session", then=SQL), "line .*neither a table nor a row"),
    "SQL for a column": (column("member", "email", "email) SELECT 1; --"), "line .*columns"),
    "a column of another table": (column("member", "email", "token_hash"), "line .*columns"),
    "a column that is a number": (column("member", "email", 1), "line .*columns"),
    "a column that is a list": (column("member", "email", ["email"]), "line .*columns"),
    "a column twice": (column("member", "email", "first_name"), "line .*twice"),
    "no columns": (heading("member", columns=[]), "line .*twice, or leaves"),
    "columns that are a text": (heading("member", columns="id"), "line .*columns"),
    "a column less": (heading("role_note", columns=["id", "role"]), "other columns"),
    "a row that is a number": (row("member", b"7\n"), "line .*no row"),
    "a row that is a table": (row("member", b'{"id": 1}\n'), "line .*too early"),
    "a row that is too short": (row("member", b"[1]\n"), "line .*no row"),
    "a row of no JSON": (row("member", b"[1,]\n"), "line .*isn't written"),
    "a row before any table": (lambda lines: [lines[0], b"[1]\n", *lines[1:]], "line 2 "),
    "a row of 2 MB": (row("member", b'["' + b"a" * 2_000_000 + b'"]\n'), "line .*longer than 1 MB"),
    "a row behind the last": (more(b"[1]\n"), "line .*more than the header says"),
    "NaN": (value("member", "joined_at", b"NaN"), "line .*isn't written"),
    "Infinity": (value("member", "joined_at", b"-Infinity"), "line .*isn't written"),
    "a fraction": (value("member", "joined_at", b"1e3"), "line .*isn't written"),
    "a number of 5,000 digits": (value("member", "joined_at", b"9" * 5_000), "line .*isn't written"),
    "a number of 65 bits": (value("member", "link_id", 2**64), "line .*member.link_id"),
    "a time that no date has": (value("member", "joined_at", 2**62), "line .*member.joined_at"),
    "true for a number": (value("member", "confirmed_at", True), "line .*member.confirmed_at"),
    "a text for a number": (value("member", "joined_at", "1"), "line .*member.joined_at"),
    "a number for a text": (value("member", "first_name", 1), "line .*member.first_name"),
    "a list for a text": (value("member", "first_name", [SQL]), "line .*member.first_name"),
    "a table for a text": (value("member", "first_name", {"a": SQL}), "line .*member.first_name"),
    "nothing for a text": (value("member", "first_name", None), "line .*member.first_name"),
    "NUL": (value("member", "first_name", "Ol\0ga"), "line .*member.first_name"),
    "half a character": (value("member", "first_name", b'"\\ud800"'), "line .*member.first_name"),
    "a line break in a text": (value("member", "first_name", b'"Ol\rga"'), "line .*isn't written"),
    "an id twice": (value("member", "id", 1, row=2), "line .*an id"),
    "an id below 1": (value("member", "id", 0), "line .*an id"),
    "a session of nobody": (value("session", "member_id", 400), "refuses what the backup holds"),
    "an Owner who isn't there": (value("organization", "owner_id", 400), "refuses what the backup holds"),
    "a role that there isn't": (value("member", "role", "XX", row=2), "refuses what the backup holds"),
    "an address twice": (value("member", "email_key", "olga@example.org", row=2), "refuses what the backup"),
}  # fmt: skip


def whole(lines: Lines) -> bytes:
    return gzip.decompress(packed(lines))


SPOILT: Final[dict[str, Callable[[Lines], bytes]]] = {
    "nothing": lambda lines: b"",
    "no gzip": whole,
    "gzip of nothing": lambda lines: gzip.compress(b""),
    "a cut end": lambda lines: packed(lines)[:-20],
    "a cut line": lambda lines: gzip.compress(whole(lines)[:-20]),
    "no sum": lambda lines: gzip.compress(b"".join(lines)),
    "the sum of something else": lambda lines: gzip.compress(
        b"".join(lines) + backup.checksum_line("0" * 64)
    ),
    "the sum alone": lambda lines: packed([]),
    "a line behind the sum": lambda lines: gzip.compress(whole(lines) + b"[]\n"),
    "something behind the gzip": lambda lines: packed(lines) + b"GATEHOUSE",
    "a bit that has fallen": lambda lines: packed(lines)[:60] + b"\xff\x00" + packed(lines)[62:],
}


@pytest.fixture
async def lines(database: str, tmp_path: Path) -> Lines:
    """The lines of a good backup of the database in use: an Owner and somebody else, with sessions."""

    async def join() -> None:
        for name in ("ada", "bob"):
            member_id = await new_member.insert(person(name), Role.ANNOTATOR, joined_via="command")
            await sessions.begin(
                member_id,
                persistent=True,
                session_limits=SESSION_LIMITS,
                address="192.0.2.1",
                device="Firefox",
            )

    await secret_key.remember_fingerprint(FINGERPRINT)
    await setup.found_by_operator("Fenwick Herbarium", person("olga"))
    await engine.write(join)
    await backup.write(tmp_path / "good.backup")
    return gzip.decompress((tmp_path / "good.backup").read_bytes()).splitlines(keepends=True)[:-1]


async def refusal_of(file: Path) -> str:
    """The sentence with which a file is refused, "" if it is brought back."""
    try:
        with backup_file.opened(file) as source:
            await restore.restore(source, fingerprint=FINGERPRINT, options=KEEP_ALL)
    except (DomainError, engine.Unsupported) as error:
        return str(error)
    return ""


async def test_what_the_hostile_files_are_made_of_is_brought_back(lines: Lines, tmp_path: Path) -> None:
    (tmp_path / "a.backup").write_bytes(packed(lines))

    assert await refusal_of(tmp_path / "a.backup") == ""


async def test_no_hostile_file_changes_anything(lines: Lines, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    before = await everything()
    wrong = {}

    for kind, (change, expected) in HOSTILE.items():
        file.write_bytes(packed(change(list(lines))))
        message = await refusal_of(file)
        if not _is_sentence(message, expected) or await everything() != before:
            wrong[kind] = message

    assert wrong == {}


async def test_no_spoilt_file_changes_anything(lines: Lines, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    before = await everything()
    wrong = {}

    for kind, spoil in SPOILT.items():
        file.write_bytes(spoil(lines))
        message = await refusal_of(file)
        if (
            not _is_sentence(message, "damaged, cut off|neither a table nor a row")
            or await everything() != before
        ):
            wrong[kind] = message

    assert wrong == {}


def _is_sentence(message: str, expected: str) -> bool:
    return re.search(expected, message) is not None and message.endswith(".") and "\n" not in message


async def test_a_file_that_changes_between_two_readings_is_refused(lines: Lines, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    file.write_bytes(packed(lines))
    before = await everything()

    with backup_file.opened(file) as source:
        file.write_bytes(packed(value("member", "role", "AD", row=2)(lines)))
        with pytest.raises(BadBackup, match="changed while it was read"):
            await restore.restore(source, fingerprint=FINGERPRINT, options=KEEP_ALL)

    assert await everything() == before


def test_a_pipe_and_a_folder_are_no_backups(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for name in ("pipe", "."):
        with pytest.raises(BadBackup, match="no backup"), backup_file.opened(tmp_path / name):
            pass


async def test_what_a_hostile_file_leaves_of_an_empty_database(
    empty_database_url: str, lines: Lines, tmp_path: Path
) -> None:
    """The database refuses it last: nothing of it stays, and no file that wasn't there."""
    (tmp_path / "a.backup").write_bytes(packed(value("session", "member_id", 400)(lines)))
    await engine.stop()
    url = empty_database_url
    engine.use(url)

    with backup_file.opened(tmp_path / "a.backup") as source, pytest.raises(BadBackup):
        async with restore.opened():
            await restore.restore(source, fingerprint=FINGERPRINT, options=KEEP_ALL)

    if url.startswith("sqlite"):
        assert not [
            name for name in os.listdir(tmp_path) if name in ("empty.db", "empty.db-wal", "empty.db-shm")
        ]
    else:
        await engine.start()
        assert await engine.read(migrate.ran) == set()


def test_no_word_of_a_file_speaks_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "\x1b[2Jgood\u202e.backup"
    file.write_bytes(b"")

    with pytest.raises(BadBackup) as refused, backup_file.opened(file):
        pass

    assert invisible.for_terminal(str(refused.value)).isprintable()
