"""Backups: consistent, whole or refused, and the same on both databases."""

import asyncio
import gzip
import hashlib
import json
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from db import activity, engine
from db.accounts import password
from db.auth import links, sessions
from db.auth.sessions import SessionLimits
from db.common import addresses, clock
from db.errors import Refused
from db.invitations import creation
from db.invitations import listing as invitation_listing
from db.invitations.recipients import address_list
from db.mail import outbox
from db.maintenance import backup, backup_file, restore, secret_key
from db.maintenance.backup import Header
from db.maintenance.backup_file import BadBackup
from db.maintenance.restore import RestoreOptions
from db.members import directory, new_member, removal, roles
from db.members.directory.filters import MemberFilter
from db.members.new_member import Person
from db.organization import invite_link, setup
from db.policy import COMMAND_LINE, SYSTEM, Actor, Role
from db.schema import migrate
from db.schema.piccolo_app import APP_CONFIG
from tests.support.concurrency import soon
from tests.support.pages.site import ON_SQLITE
from tests.support.servers import postgres

SESSION_LIMITS = SessionLimits(persistent=10**9, idle=10**9)
FINGERPRINT = "the fingerprint of a key"


def person(name: str, first_name: str = "") -> Person:
    return Person(addresses.parse(f"{name}@example.org"), first_name or name.capitalize(), "Ünal", "a hash")


async def join(name: str, first_name: str = "") -> int:
    """Adds a member, with a session and a row of activity, in one change."""

    async def change() -> int:
        member_id = await new_member.insert(person(name, first_name), Role.ANNOTATOR, joined_via="command")
        await sessions.begin(
            member_id, persistent=True, session_limits=SESSION_LIMITS, address="192.0.2.1", device="Firefox"
        )
        await activity.record(SYSTEM, "registered", member_id, after="command")
        return member_id

    return await engine.write(change)


@pytest.fixture
async def filled_database(database: str) -> str:
    """An organization with some people, one of them removed."""
    await secret_key.remember_fingerprint(FINGERPRINT)
    await setup.found_by_operator("Fenwick Herbarium", person("olga"))
    await join("ada")
    await join("nur", "نور")
    await join("bob")
    await removal.remove(COMMAND_LINE, member_id=await new_member.id_of("bob@example.org"))
    return database


async def rows_of(table: str) -> list[tuple[Any, ...]]:
    columns = ", ".join(sorted(column._meta.name for column in table_of(table)._meta.columns))
    return await engine.rows(f"SELECT {columns} FROM {table} ORDER BY id")


def table_of(name: str) -> Any:
    return next(table for table in APP_CONFIG.table_classes if table._meta.tablename == name)


async def everything() -> dict[str, list[tuple[Any, ...]]]:
    return {table: await rows_of(table) for table in backup.TABLES}


@pytest.fixture
def other_database(database_kind: str, tmp_path: Path, postgres_server: str) -> Iterator[str]:
    """An empty database of the other kind."""
    if database_kind == "postgres":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    name = f"gatehouse_test_{uuid4().hex}"
    try:
        yield postgres.create_database(postgres_server, name)
    finally:
        postgres.drop_database(postgres_server, name)


@asynccontextmanager
async def using(url: str, instead_of: str) -> AsyncIterator[None]:
    """Uses another database for a while."""
    await engine.stop()
    engine.use(url)
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()
        engine.use(instead_of)
        await engine.start()


async def restored(file: Path, *, fingerprint: str, options: RestoreOptions) -> Header:
    """Brings a backup back, as the command does."""
    with backup_file.opened(file) as source:
        await restore.restore(source, fingerprint=fingerprint, options=options)
        return source.header


def header_of(file: Path) -> Header:
    with backup_file.opened(file) as source:
        return source.header


KEEP_ALL = RestoreOptions(replace=True, keep_sessions=True, keep_links=True)


async def test_what_was_backed_up_comes_back(filled_database: str, tmp_path: Path) -> None:
    before = await everything()
    await backup.write(tmp_path / "a.backup")
    await roles.change_role(
        COMMAND_LINE, member_id=await new_member.id_of("ada@example.org"), role=Role.MANAGER
    )
    await join("late")

    header = await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=KEEP_ALL)

    after = await everything()
    event = after["activity"].pop()
    assert after == before
    assert "restored" in event
    assert header.members == 3
    assert len(before["session"]) == 3


async def test_a_backup_moves_to_the_other_database(
    filled_database: str, other_database: str, tmp_path: Path
) -> None:
    before = await everything()
    await backup.write(tmp_path / "a.backup")

    async with using(other_database, filled_database):
        await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=KEEP_ALL)
        after = await everything()
        assert await migrate.is_current()
        members = await directory.page(MemberFilter(q="نور"))
        await backup.write(tmp_path / "b.backup")
        assert [row.email for row in members.rows] == ["nur@example.org"]

    assert {**after, "activity": after["activity"][:-1]} == before
    there, back = header_of(tmp_path / "a.backup"), header_of(tmp_path / "b.backup")
    assert (there.migrations, there.members) == (back.migrations, back.members)


async def test_invitations_come_back_and_their_queued_mails_are_held(
    filled_database: str, tmp_path: Path
) -> None:
    outbox.use(True, "members.fenwick.example")
    try:
        olga = Actor(await new_member.id_of("olga@example.org"), Role.OWNER)
        listed = address_list.parse("eve@example.org, fay@example.org")
        await creation.invite(olga, listed, role=Role.REVIEWER, days=7)
        await engine.write(
            engine.execute, "UPDATE outbox SET state = 'sent', done_at = 5 WHERE recipient LIKE 'eve%'"
        )
        before = await everything()
        await backup.write(tmp_path / "a.backup")
        await creation.invite(olga, address_list.parse("late@example.org"), role=Role.REVIEWER, days=7)
        ((highest,),) = await engine.rows("SELECT MAX(id) FROM outbox")

        await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=RestoreOptions(replace=True))

        after = await everything()
        for table in ("batch", "invitation"):
            assert after[table] == before[table], table
        assert await engine.rows("SELECT recipient, state FROM outbox ORDER BY id") == [
            ("eve@example.org", "sent"),
            ("fay@example.org", "held"),
        ]
        assert await restore.count_held_mail() == 1
        lines = {
            line.email: line
            for line in (await invitation_listing.page(invitation_listing.InvitationFilter())).rows
        }
        assert lines["fay@example.org"].state(clock.now()) == "unsent"
        batch = await creation.invite(
            olga, address_list.parse("fay@example.org"), role=Role.ANNOTATOR, days=7
        )
        assert await engine.rows(
            "SELECT state FROM outbox WHERE recipient = 'fay@example.org' ORDER BY id"
        ) == [("void",), ("queued",)]
        # Ids go on above all that were ever given out.
        ((newest,),) = await engine.rows("SELECT MAX(id) FROM outbox")
        assert (newest > highest, batch.id) == (True, 3)

        await restored(
            tmp_path / "a.backup",
            fingerprint=FINGERPRINT,
            options=RestoreOptions(replace=True, send_mail=True),
        )
        assert (await restore.count_held_mail(), (await everything())["outbox"]) == (0, before["outbox"])
    finally:
        outbox.use(False)


async def generations() -> set[tuple[int, int]]:
    """Members and what a cookie of a browser they are known in has to carry."""
    rows = await engine.rows("SELECT id, password_generation FROM member WHERE removed_at = 0")
    return {(member_id, generation) for member_id, generation in rows}


async def test_no_device_that_was_known_after_the_backup_is_known_after_its_restore(
    filled_database: str, tmp_path: Path
) -> None:
    await backup.write(tmp_path / "a.backup")
    known, options = await generations(), RestoreOptions(replace=True)
    for times in range(3):
        # A new password, and somebody new, whose id may come again.
        link = await password.make_reset_link(
            COMMAND_LINE, member_id=await new_member.id_of("ada@example.org")
        )
        await password.reset_password(link, password="five green kites over a hill", address="192.0.2.1")
        await join(f"new{times}")
        known |= await generations()
        await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=options)
        assert not known & await generations()
        known |= await generations()


async def test_an_id_that_comes_again_elsewhere_is_known_to_no_browser(
    filled_database: str, other_database: str, tmp_path: Path
) -> None:
    await backup.write(tmp_path / "a.backup")
    late = await join("late")
    known = await generations()

    async with using(other_database, filled_database):
        await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=RestoreOptions())
        other = await join("other")
        assert (other, known & await generations()) == (late, set())


async def test_sessions_devices_and_links_from_before_are_dead(filled_database: str, tmp_path: Path) -> None:
    link = await invite_link.present()
    before = await generations()
    await backup.write(tmp_path / "a.backup")

    await restored(tmp_path / "a.backup", fingerprint="another key", options=RestoreOptions(replace=True))

    assert await rows_of("session") == []
    assert not before & await generations()
    again = await invite_link.present()
    assert again.id == link.id
    assert again.nonce != link.nonce
    assert len(again.nonce) == len(link.nonce)
    assert await secret_key.known_fingerprint() == "another key"


async def test_ids_are_not_used_again_even_if_the_highest_had_gone(
    filled_database: str, tmp_path: Path
) -> None:
    await engine.write(engine.execute, "DELETE FROM session")
    ((highest,),) = await engine.rows("SELECT MAX(id) FROM links")
    newest = await engine.write(links.make, links.RESET)
    await engine.write(engine.execute, "DELETE FROM links WHERE id > ?", highest)
    await backup.write(tmp_path / "a.backup")
    after_backup = await engine.write(links.make, links.RESET)

    await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=RestoreOptions(replace=True))
    member_id = await join("late")

    made = await engine.write(links.make, links.RESET)
    assert made.id > after_backup.id > newest.id
    assert member_id > 4
    ((session_id,),) = await engine.rows("SELECT id FROM session")
    assert session_id > 3


async def test_counts_and_search_are_right_afterwards(filled_database: str, tmp_path: Path) -> None:
    await backup.write(tmp_path / "a.backup")
    await join("late")

    await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=RestoreOptions(replace=True))

    counts = await directory.counts()
    assert (counts[Role.OWNER], counts[Role.ANNOTATOR], counts[Role.DEACTIVATED]) == (1, 2, 0)
    assert [row.email for row in (await directory.page(MemberFilter(q="nur"))).rows] == ["nur@example.org"]
    assert (await directory.page(MemberFilter(q="late"))).rows == ()
    if engine.dialect() == "sqlite":
        # Fails if the index of the search and the members say different things.
        check = "INSERT INTO member_search (member_search, rank) VALUES ('integrity-check', 1)"
        await engine.write(engine.execute, check)


async def test_a_backup_while_others_write_is_of_one_instant(filled_database: str, tmp_path: Path) -> None:
    done = asyncio.Event()
    joined = 0

    async def go_on_joining() -> None:
        nonlocal joined
        while not done.is_set():
            await join(f"busy{joined}")
            joined += 1

    def at_least(count: int) -> bool:
        return joined >= count

    writers = asyncio.create_task(go_on_joining())
    headers = []
    for number in range(5):
        await soon(partial(at_least, joined + 2))
        await asyncio.to_thread(asyncio.run, backup.write(tmp_path / f"{number}.backup"))
        headers.append(header_of(tmp_path / f"{number}.backup"))
    done.set()
    await writers

    # Each change adds one member, one session and one row of activity.
    assert {header.rows["member"] - header.rows["session"] for header in headers} == {1}
    assert {header.rows["activity"] - header.rows["session"] for header in headers} == {2}
    assert headers[-1].members > headers[0].members
    assert joined > 5


async def test_a_cut_off_file_is_refused_wherever_it_is_cut(filled_database: str, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    await backup.write(file)
    whole = file.read_bytes()
    before = await everything()

    for length in (0, 1, 10, len(whole) // 2, len(whole) - 9, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(BadBackup, match="damaged, cut off"):
            await restored(file, fingerprint=FINGERPRINT, options=KEEP_ALL)

    assert await everything() == before


async def test_a_changed_file_is_refused(filled_database: str, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    await backup.write(file)
    lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    owner = next(line for line in lines if b'"OW"' in line)

    for changed in (
        [line.replace(b'"OW"', b'"AN"') for line in lines],
        [line for line in lines if line is not owner],
        lines[:-1],
        [*lines, b"[]\n"],
        [b"no json\n", *lines],
    ):
        file.write_bytes(gzip.compress(b"".join(changed)))
        with pytest.raises(BadBackup):
            header_of(file)

    file.write_bytes(b"".join(lines))
    with pytest.raises(BadBackup):
        header_of(file)


def forged(file: Path, change: Callable[[list[Any]], None]) -> None:
    """Changes the lines of a backup and signs them anew."""
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()][:-1]
    change(lines)
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    file.write_bytes(gzip.compress(content + backup.checksum_line(hashlib.sha256(content).hexdigest())))


def of_a_newer_program(lines: list[Any]) -> None:
    lines[0]["migrations"].append("2999-01-01T00:00:00:000000")


def with_another_column(lines: list[Any]) -> None:
    next(line for line in lines if isinstance(line, dict) and line.get("table") == "member")["columns"][1] = (
        "email) SELECT 1; --"
    )


def with_a_second_owner(lines: list[Any]) -> None:
    rows = [line for line in lines if isinstance(line, list) and "ada@example.org" in line]
    rows[0][rows[0].index("AN")] = "OW"


def without_an_owner(lines: list[Any]) -> None:
    row = next(
        line for line in lines if isinstance(line, list) and "OW" in line and "olga@example.org" in line
    )
    row[row.index("OW")] = "AD"


def of_another_format(lines: list[Any]) -> None:
    lines[0]["format"] = 2


@pytest.mark.parametrize(
    "change",
    [of_a_newer_program, with_another_column, with_a_second_owner, without_an_owner, of_another_format],
)
async def test_a_backup_that_breaks_a_rule_changes_nothing(
    filled_database: str, tmp_path: Path, change: Callable[[list[Any]], None]
) -> None:
    file = tmp_path / "a.backup"
    await backup.write(file)
    forged(file, change)
    before = await everything()

    with pytest.raises((BadBackup, engine.DatabaseError)):
        await restored(file, fingerprint=FINGERPRINT, options=KEEP_ALL)

    assert await everything() == before
    assert await join("next") == 5


async def test_members_are_only_replaced_when_asked(filled_database: str, tmp_path: Path) -> None:
    await backup.write(tmp_path / "a.backup")
    before = await everything()

    with pytest.raises(Refused, match="--replace"):
        await restored(tmp_path / "a.backup", fingerprint=FINGERPRINT, options=RestoreOptions())

    assert await everything() == before


async def test_a_file_that_is_there_is_not_overwritten(filled_database: str, tmp_path: Path) -> None:
    file = tmp_path / "a.backup"
    file.write_text("precious")

    with pytest.raises(FileExistsError):
        await backup.write(file)
    assert file.read_text() == "precious"
    await backup.write(file, overwrite=True)

    assert header_of(file).members == 3
    assert file.stat().st_mode & 0o777 == 0o600
    assert [name for name in os.listdir(tmp_path) if ".partial" in name] == []


async def test_a_backup_holds_no_throttle_and_no_key(filled_database: str, tmp_path: Path) -> None:
    await backup.write(tmp_path / "a.backup")

    content = gzip.decompress((tmp_path / "a.backup").read_bytes()).decode()

    tables = [json.loads(line)["table"] for line in content.splitlines() if line.startswith('{"table"')]
    assert tables == list(backup.TABLES)


def test_every_table_is_kept_or_left_out_on_purpose() -> None:
    tables = {table._meta.tablename for table in APP_CONFIG.table_classes}

    assert {*backup.TABLES, *backup.EXCLUDED_TABLES} == tables


async def test_the_clock_of_the_header_is_the_domains(filled_database: str, tmp_path: Path) -> None:
    clock.stop_at(1_700_000_000_000)
    try:
        await backup.write(tmp_path / "a.backup")
    finally:
        clock.go_on()

    assert header_of(tmp_path / "a.backup").made_at == 1_700_000_000_000


def test_a_damaged_file_makes_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.backup").write_bytes(b"\x1f\x8b")

    with pytest.raises(BadBackup):
        header_of(tmp_path / "a.backup")

    assert [entry.name for entry in tmp_path.iterdir()] == ["a.backup"]


@ON_SQLITE
async def test_a_backup_waits_for_no_transaction_and_leaves_out_open_ones(
    filled_database: str, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(filled_database.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE member SET first_name = 'half done'")
        await backup.write(tmp_path / "a.backup")
        other.execute("ROLLBACK")

    assert b"half done" not in gzip.decompress((tmp_path / "a.backup").read_bytes())
