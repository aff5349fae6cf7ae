"""The schema is the same on both databases, and is made once, whoever starts at the same time."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from piccolo.table import Table

from db import engine
from db.auth import links
from db.schema import migrate, tables
from tests.support.servers import postgres

ROOT = Path(__file__).parent.parent.parent.parent
ABOUT = ("columns", "keys", "checks", "references", "indexes")
# What one database has alone: its search, and the log of the migrations themselves.
OWN = re.compile(r"migration|sqlite_.*|member_search.*")
FAMILIES = {"integer": "number", "bigint": "number", "text": "text"}


@asynccontextmanager
async def in_use(url: str) -> AsyncIterator[None]:
    engine.use(url)
    await engine.start()
    try:
        yield
    finally:
        await engine.stop()


@pytest.fixture
def both(postgres_server: str, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The urls of an empty SQLite and an empty PostgreSQL database."""
    name = f"gatehouse_test_{uuid4().hex}"
    yield f"sqlite:///{tmp_path / 'gatehouse.db'}", postgres.create_database(postgres_server, name)
    postgres.drop_database(postgres_server, name)


async def test_both_databases_have_the_same_schema(both: tuple[str, str]) -> None:
    schemas = []
    for url in both:
        await migrate.migrate(url)
        async with in_use(url):
            schemas.append(await engine.read(schema))

    for about in ABOUT:
        assert schemas[0][about] == schemas[1][about], about
    # Neither schema is empty: each has at least what the first migration makes.
    assert all(
        len(schemas[0][about]) >= least for about, least in zip(ABOUT, (66, 8, 14, 2, 17), strict=True)
    )


async def test_the_tables_name_just_the_columns_of_the_database(database: str) -> None:
    columns = {line.rsplit(" ", 2)[0] for line in (await engine.read(schema))["columns"]}

    named = [
        f"{table._meta.tablename}.{column._meta.name}"
        for table in vars(tables).values()
        if isinstance(table, type) and issubclass(table, Table) and table is not Table
        for column in table._meta.columns
    ]

    assert columns == set(named)


async def schema() -> dict[str, set[str]]:
    """What the database in use says of itself, one line a thing, in words that are the same on both."""
    return await (_sqlite() if engine.dialect() == "sqlite" else _postgres())


async def _sqlite() -> dict[str, set[str]]:
    facts: dict[str, set[str]] = {about: set() for about in ABOUT}
    for table, sql in await engine.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'"):
        if not OWN.fullmatch(table):
            facts["columns"] |= {line async for line in _columns_on_sqlite(table, sql)}
            facts["keys"] |= {line async for line in _keys_on_sqlite(table)}
            facts["checks"] |= {f"{table}: {plain(check)}" for check in checks_in(sql)}
            facts["references"] |= {line async for line in _references_on_sqlite(table, sql)}
            facts["indexes"] |= {line async for line in _indexes_on_sqlite(table)}
    return facts


async def _columns_on_sqlite(table: str, sql: str) -> AsyncIterator[str]:
    for _, name, kind, not_null, _, _ in await engine.rows(f"PRAGMA table_info({table})"):
        counted = "counted" if "AUTOINCREMENT" in sql and name == "id" else "given"
        yield f"{table}.{name} {FAMILIES[kind.lower()]}{'!' * not_null} {counted}"


async def _keys_on_sqlite(table: str) -> AsyncIterator[str]:
    columns = await engine.rows(f"PRAGMA table_info({table})")
    yield f"{table} {[name for _, name, *_, place in columns if place]}"


async def _references_on_sqlite(table: str, sql: str) -> AsyncIterator[str]:
    columns = await engine.rows(f"PRAGMA foreign_key_list({table})")
    for number in {column[0] for column in columns}:
        own = [(other, name, key) for which, _, other, name, key, *_ in columns if which == number]
        late = "DEFERRABLE INITIALLY DEFERRED" in sql
        yield f"{table} {[name for _, name, _ in own]} -> {own[0][0]} {[key for _, _, key in own]} {late}"


async def _indexes_on_sqlite(table: str) -> AsyncIterator[str]:
    for _, name, unique, origin, _ in await engine.rows(f"PRAGMA index_list({table})"):
        if origin == "pk" or name.startswith("member_search"):
            continue
        columns = [column for _, _, column in await engine.rows(f"PRAGMA index_info({name})")]
        sql = await engine.rows("SELECT sql FROM sqlite_master WHERE name = ? AND sql <> ''", name)
        yield index(table, columns, unique, sql[0][0] if sql else "")


async def _postgres() -> dict[str, set[str]]:
    columns = await engine.rows(
        "SELECT table_name, column_name, data_type, is_nullable = 'NO', is_identity = 'YES'"
        " FROM information_schema.columns"
        " WHERE table_schema = current_schema()"
    )
    constraints = await engine.rows(
        "SELECT c.contype::text, t.relname, pg_get_constraintdef(c.oid), o.relname, c.condeferred,"
        " ARRAY(SELECT attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (n, i)"
        "  JOIN pg_attribute ON attrelid = c.conrelid AND attnum = n ORDER BY i),"
        " ARRAY(SELECT attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (n, i)"
        "  JOIN pg_attribute ON attrelid = c.confrelid AND attnum = n ORDER BY i)"
        " FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid"
        " LEFT JOIN pg_class AS o ON o.oid = c.confrelid"
        " WHERE c.connamespace = current_schema()::regnamespace"
    )
    indexes = await engine.rows(
        "SELECT t.relname, i.indisunique, pg_get_indexdef(i.indexrelid),"
        " ARRAY(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) AS k),"
        " i.indisprimary FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid"
        " WHERE t.relnamespace = current_schema()::regnamespace"
    )
    return {
        "columns": {
            f"{table}.{name} {FAMILIES[kind]}{'!' * not_null} {'counted' if counted else 'given'}"
            for table, name, kind, not_null, counted in columns
            if not OWN.fullmatch(table)
        },
        "checks": {
            f"{table}: {plain(text.removeprefix('CHECK '))}"
            for kind, table, text, *_ in constraints
            if kind == "c"
        },
        "references": {
            f"{table} {own} -> {other} {there} {late}"
            for kind, table, _, other, late, own, there in constraints
            if kind == "f"
        },
        "keys": {f"{table} {own}" for kind, table, _, _, _, own, _ in constraints if kind == "p"}
        - {"migration ['id']"},
        # The trigrams have another form on SQLite.
        "indexes": {
            index(table, names, unique, text)
            for table, unique, text, names, primary in indexes
            if not OWN.fullmatch(table) and " gin " not in text and not primary
        },
    }


def index(table: str, columns: list[str], unique: object, sql: str) -> str:
    condition = re.search(r"WHERE (.*)", sql)
    kind = "unique" if unique else "index"
    return f"{kind} on {table} {columns} {plain(condition[1]) if condition else 'all'}"


def plain(condition: str) -> str:
    """A condition without casts, parentheses and the way PostgreSQL writes IN."""
    text = re.sub(r"::\w+", "", condition)
    text = re.sub(r"= ANY \(ARRAY\[(.*?)\]\)", r"IN \1", text)
    return " ".join(re.sub(r"[()]", "", text).split())


def checks_in(sql: str) -> Iterator[str]:
    """What stands in the parentheses after each CHECK."""
    for start in re.finditer(r"CHECK \(", sql):
        depth, end = 1, start.end()
        while depth:
            depth += {"(": 1, ")": -1}.get(sql[end], 0)
            end += 1
        yield sql[start.end() : end - 1]


async def test_to_migrate_twice_changes_nothing(empty_database_url: str) -> None:
    changed = [await migrate.migrate(empty_database_url) for _ in range(2)]

    async with in_use(empty_database_url):
        assert await migrate.is_current()
    assert changed == [True, False]


async def test_a_database_without_tables_is_not_current(empty_database_url: str) -> None:
    async with in_use(empty_database_url):
        assert not await migrate.is_current()


async def test_a_newer_database_is_refused_in_one_line(database: str) -> None:
    await engine.write(
        engine.execute,
        "INSERT INTO migration (name, app_name, ran_on)"
        " VALUES ('2099-01-01', 'gatehouse', CURRENT_TIMESTAMP)",
    )

    for call in (migrate.migrate, migrate.is_current):
        with pytest.raises(migrate.TooNew, match="newer Gatehouse") as refusal:
            await call()
        assert "2099-01-01" in str(refusal.value)
        assert "\n" not in str(refusal.value)


MIGRATE = (
    "import asyncio, os, sys; os.environ['PICCOLO_CONF'] = 'db.engine.piccolo_conf';"
    " from db.schema.migrate import migrate; print(asyncio.run(migrate(sys.argv[1])))"
)


async def test_of_three_processes_at_once_one_migrates_and_all_come_up(empty_database_url: str) -> None:
    async def start() -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATE, empty_database_url, cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode().strip()

    ended = await asyncio.gather(*(start() for _ in range(3)))

    assert sorted(ended) == [(0, "False"), (0, "False"), (0, "True")]


async def test_ids_are_counted(database: str) -> None:
    columns = (await engine.read(schema))["columns"]

    counted = {line.partition(".")[0] for line in columns if line.endswith("id number! counted")}

    # The other tables have one row, or a key that says what it is.
    mail = {"batch", "invitation", "invitation_link_viewer", "access_request", "upload", "draft", "outbox"}
    others = {"member", "role_note", "session", "links", "activity", "activity_name", "role_count"}
    assert counted == others | mail


async def test_an_id_is_never_used_again(database: str) -> None:
    first = await engine.write(links.make, links.RESET)
    await engine.write(engine.execute, "DELETE FROM links")

    second = await engine.write(links.make, links.RESET)

    assert second.id > first.id


BEFORE_PASSWORDS_ANEW = "2026-11-27T12:00:00:000005"


async def test_what_was_there_before_passwords_were_asked_for_anew(empty_database_url: str) -> None:
    async with in_use(empty_database_url):
        async with engine.migration_lock():
            await engine.write(migrate.forwards, BEFORE_PASSWORDS_ANEW)
        await engine.write(_older)

        async with engine.migration_lock():
            await engine.write(migrate.forwards)

        # A session's password was given when it began; who lost the role did so when the log says.
        assert await engine.rows("SELECT made_at, password_at FROM session") == [(7, 7)]
        assert await engine.rows("SELECT role, administrator_until FROM member ORDER BY id") == [
            ("OW", 0),
            ("MA", 900),
            ("MA", 0),
        ]
        # Mails are as they were, their ids go on, and their rules still hold.
        assert await engine.rows("SELECT kind, recipient, due_at FROM outbox") == [
            ("reset", "a@x.example", 3)
        ]
        for kind in ("lowered", "waiting"):
            await engine.write(engine.execute, MAIL_NOW, kind, "b@x.example", f"<{kind}@x>")
        ((lowest,),) = await engine.rows("SELECT MIN(id) FROM outbox WHERE kind <> 'reset'")
        assert lowest > 2
        with pytest.raises(engine.UniqueViolation):
            await engine.write(engine.execute, MAIL_NOW, "waiting", "b@x.example", "<again@x>")
        with pytest.raises(engine.DatabaseError):
            await engine.write(engine.execute, MAIL_NOW, "nonsense", "b@x.example", "<nonsense@x>")


# Of the programs before tables and columns were renamed.
MAIL = (
    "INSERT INTO outbox (kind, recipient, member_id, subject_id, invitation_id, link_id, batch_id,"
    " message_id, state, tries, made_at, due_at, leased_until, lease, done_at, said)"
    " VALUES (?, ?, 1, 0, 0, 0, 0, ?, 'queued', 0, 3, 3, 0, '', 0, '')"
)
MAIL_NOW = MAIL.replace("said)", "server_reply)")


async def _people_of_old(*roles: str) -> None:
    """Of an older program: an organization, the first of these its Owner."""
    for number, role in enumerate(roles):
        await engine.execute(
            "INSERT INTO member (email, email_key, first_name, last_name, name_key, search_key,"
            " password_hash, password_generation, role, came_by, link_id, invited_by, confirmed_at,"
            " joined_at, last_activity_at, time_zone, theme, removed_at)"
            " VALUES (?, ?, '', '', '', '', '', 0, ?, 'link', 0, 0, 0, 0, 0, '', 'system', 0)",
            f"{number}@x.example",
            f"{number}@x.example",
            role,
        )
    await engine.execute(
        "INSERT INTO organization (id, title, made_at, owner_id, owner_role) VALUES (1, 'Old', 1, 1, 'OW')"
    )


async def _older() -> None:
    """Of an older program: the Owner, one who was an Administrator, one who never was; and two mails."""
    await _people_of_old("OW", "MA", "MA")
    for at, before, after in ((500, "MA", "AD"), (900, "AD", "RE"), (950, "RE", "MA")):
        await engine.execute(
            "INSERT INTO activity (at, actor_kind, actor_id, kind, about, subject_id, before, after, address)"
            " VALUES (?, 'member', 1, 'role_changed', 'member', 2, ?, ?, '')",
            at,
            before,
            after,
        )
    await engine.execute(
        "INSERT INTO session (member_id, token_hash, kept, made_at, used_at, expires_at, ended_at,"
        " end_reason, address, device) VALUES (1, 'x', 0, 7, 8, 9, 0, '', '', '')"
    )
    await engine.execute(MAIL, "reset", "a@x.example", "<a@x>")
    await engine.execute(MAIL, "reset", "gone@x.example", "<gone@x>")
    await engine.execute("DELETE FROM outbox WHERE recipient = 'gone@x.example'")


BEFORE_WHO_WAS_SHOWN = "2026-11-27T12:00:00:000006"


async def test_what_was_shown_before_it_was_noted_to_whom(empty_database_url: str) -> None:
    async with in_use(empty_database_url):
        async with engine.migration_lock():
            await engine.write(migrate.forwards, BEFORE_WHO_WAS_SHOWN)
        await engine.write(_shown_before)

        async with engine.migration_lock():
            await engine.write(migrate.forwards)

        # 1 was shown to both once it was mailed, 2 stood on a page; what ended or was never shown has no row.
        seen = await engine.rows(
            "SELECT invitation_id, member_id, viewed_at FROM invitation_link_viewer ORDER BY 1, 2"
        )
        assert seen == [(1, 1, 40), (1, 2, 30), (2, 1, 30), (2, 3, 30), (5, 1, 30), (5, 3, 40)]
        # Who saw 1 is no Administrator any more; who could open the page of 2 is one still.
        ended = await engine.rows(
            "SELECT i.id, i.end_reason, l.end_reason, o.state FROM invitation AS i JOIN links AS l"
            " ON l.id = i.link_id JOIN outbox AS o ON o.invitation_id = i.id ORDER BY i.id"
        )
        assert ended == [
            (1, "void", "void", "void"),
            (2, "", "", "queued"),
            (3, "", "", "queued"),
            (4, "revoked", "revoked", "queued"),
            (5, "", "", "queued"),
        ]
        voided = "SELECT subject_id FROM activity WHERE kind = 'invitation_voided' AND actor_kind = 'system'"
        assert await engine.rows(voided) == [(1,)]


async def _shown_before() -> None:
    """Of an older program: the Owner, one who was an Administrator and one who is; five invitations."""
    await _people_of_old("OW", "MA", "AD")
    await engine.execute(
        "INSERT INTO batch (made_at, made_by, invited, approved, left_alone) VALUES (1, 1, 5, 0, 0)"
    )
    for number, (shown_at, reason) in enumerate(
        [(30, ""), (30, ""), (0, ""), (30, "revoked"), (30, "")], start=1
    ):
        await engine.execute(
            "INSERT INTO links (purpose, subject, nonce, made_at, made_by, expires_at, ended_at, end_reason,"
            " uses, max_uses) VALUES ('invitation', 0, ?, 1, 1, 0, ?, ?, 0, 1)",
            str(number),
            len(reason),
            reason,
        )
        await engine.execute(
            "INSERT INTO invitation (email, email_key, first_name, last_name, search_key, role, invited_by,"
            " batch_id, link_id, mail_id, made_at, shown_at, asked_at, reminded_at, member_id, ended_at,"
            " end_reason) VALUES (?, ?, '', '', '', 'AN', 1, 1, ?, 0, 1, ?, 0, 0, 0, ?, ?)",
            f"i{number}@x.example",
            f"i{number}@x.example",
            number,
            shown_at,
            len(reason),
            reason,
        )
        await engine.execute(
            MAIL.replace("1, 0, 0, 0, 0", f"0, 0, {number}, {number}, 0", 1),
            "invitation",
            f"i{number}@x.example",
            f"<{number}@x>",
        )
    # The last one stood on a page first, and was shown to the Administrator later.
    for number, actor, at in ((1, 2, 30), (1, 1, 40), (1, 1, 50), (4, 2, 30), (5, 3, 40)):
        await engine.execute(
            "INSERT INTO activity (at, actor_kind, actor_id, kind, about, subject_id, before, after, address)"
            " VALUES (?, 'member', ?, 'invitation_shown', 'invitation', ?, '', '', '')",
            at,
            actor,
            number,
        )
