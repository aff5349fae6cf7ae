"""A real `gatehouse serve` on a database with people and secrets in it, which can be put back as it was."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg

from db import engine
from settings import Mail, Settings
from tests.support.pages.site import SECRET
from tests.support.servers import postgres
from tests.support.servers.command import Checkout, Server
from tests.trials.scan.fuzz.people import Seeded, fill

HOST: Final = "members.fenwick.example"
ROOT: Final = "/desk"
FILE: Final = "gatehouse.db"
# Search indexes, and what each try writes, whoever makes it.
NOT_COMPARED: Final = re.compile(r"rate_limit|sqlite_.*|member_search.*")
# Last activity, and what the mail worker stores about a mail.
COLUMNS_NOT_COMPARED: Final = {
    *(("session", "used_at"), ("member", "last_activity_at")),
    *(("outbox", name) for name in "state tries due_at leased_until lease done_at server_reply".split()),
}

Rows = dict[str, list[tuple[Any, ...]]]


class Store(Protocol):
    """The server's database, beside the server."""

    async def keep(self) -> None:
        """Remembers it as it is."""

    async def restore(self) -> None:
        """Makes it what it was, while the server goes on."""

    async def tables(self) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
        """Of each table its columns and rows."""


class OnSqlite:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._kept = sqlite3.connect(":memory:")

    async def keep(self) -> None:
        with closing(sqlite3.connect(self._file)) as live:
            live.backup(self._kept)

    async def restore(self) -> None:
        with closing(sqlite3.connect(self._file, timeout=30)) as live:
            self._kept.backup(live)

    async def tables(self) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
        found = {}
        with closing(sqlite3.connect(self._file)) as live:
            for (name,) in live.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                if not NOT_COMPARED.fullmatch(name):
                    rows = live.execute(f'SELECT * FROM "{name}"')
                    found[name] = ([column[0] for column in rows.description], rows.fetchall())
        return found


class OnPostgres:
    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._kept: dict[str, tuple[list[str], list[tuple[Any, ...]]]] = {}

    async def keep(self) -> None:
        self._kept = await self._read(re.compile("$."))

    async def restore(self) -> None:
        async with self._connection.transaction():
            # Neither triggers nor foreign keys have a say.
            await self._connection.execute("SET LOCAL session_replication_role = replica")
            for name, (columns, rows) in self._kept.items():
                await self._connection.execute(f'DELETE FROM "{name}"')
                await self._connection.copy_records_to_table(name, columns=columns, records=rows)

    async def tables(self) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
        return await self._read(NOT_COMPARED)

    async def _read(self, left_out: re.Pattern[str]) -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
        names = await self._connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        )
        found = {}
        async with self._connection.transaction(isolation="repeatable_read"):
            for (name,) in names:
                if not left_out.fullmatch(name):
                    statement = await self._connection.prepare(f'SELECT * FROM "{name}"')
                    columns = [attribute.name for attribute in statement.get_attributes()]
                    found[name] = (columns, [tuple(row) for row in await statement.fetch()])
        return found


async def compared(store: Store) -> Rows:
    """What must be the same before and after a request that may change nothing."""
    found: Rows = {}
    for name, (columns, rows) in (await store.tables()).items():
        wanted = [at for at, column in enumerate(columns) if (name, column) not in COLUMNS_NOT_COMPARED]
        found[name] = sorted((tuple(row[at] for at in wanted) for row in rows), key=repr)
    # The chores compact it: what counts is the sum.
    sums: dict[str, int] = {}
    for *_, role, number in found["role_count"]:
        sums[role] = sums.get(role, 0) + number
    found["role_count"] = sorted(sums.items())
    return found


def differences(before: Rows, after: Rows) -> list[str]:
    """Which rows came, went or became others."""
    return [
        f"{table}: {mark}{row!r}"[:300]
        for table in sorted(before.keys() | after.keys())
        for mark, rows, others in (("-", before, after), ("+", after, before))
        for row in rows.get(table, ())
        if row not in others.get(table, ())
    ]


@dataclass(frozen=True)
class Kind:
    """What a world is like. With https, registration is closed, and access requests are accepted."""

    database: str
    https: bool

    def __str__(self) -> str:
        return f"{self.database}, {'https below a path, with mail' if self.https else 'http, without mail'}"


KINDS: Final = tuple(Kind(database, https) for https in (False, True) for database in ("sqlite", "postgres"))


@dataclass
class World:
    """seeded: who and what is in it. kept: its rows before anybody asked."""

    kind: Kind
    server: Server
    store: Store
    seeded: Seeded
    kept: Rows

    @property
    def port(self) -> int:
        return int(urlsplit(self.server.base).port or 0)

    @property
    def root(self) -> str:
        return ROOT if self.kind.https else ""

    @property
    def cookie(self) -> str:
        """What the session's cookie is called."""
        return "__Host-gatehouse_session" if self.kind.https else "gatehouse_session"

    async def restore(self) -> None:
        await self.store.restore()

    async def changed(self) -> list[str]:
        """What isn't as it was when the world was made."""
        return differences(self.kept, await compared(self.store))


@asynccontextmanager
async def opened(kind: Kind, folder: Path, postgres_server: str) -> AsyncIterator[World]:
    """A new one. folder: an empty one, for the program and what it writes."""
    async with _database(kind, folder, postgres_server) as url:
        settings, environment = _settings(kind)
        engine.use(url)
        seeded = await fill(settings)
        with Checkout(folder / "program", url).start("serve", **environment) as server:
            await asyncio.to_thread(server.wait_until_it_answers)
            async with _store(kind, url, folder) as store:
                await store.keep()
                yield World(kind, server, store, seeded, await compared(store))


@asynccontextmanager
async def _database(kind: Kind, folder: Path, postgres_server: str) -> AsyncIterator[str]:
    """The url of an empty one."""
    if kind.database == "sqlite":
        yield f"sqlite:///{folder / FILE}"
        return
    name = f"gatehouse_fuzz_{uuid4().hex}"
    url = await asyncio.to_thread(postgres.create_database, postgres_server, name)
    try:
        yield url
    finally:
        await asyncio.to_thread(postgres.drop_database, postgres_server, name)


@asynccontextmanager
async def _store(kind: Kind, url: str, folder: Path) -> AsyncIterator[Store]:
    if kind.database == "sqlite":
        yield OnSqlite(folder / FILE)
        return
    connection = await asyncpg.connect(url)
    try:
        yield OnPostgres(connection)
    finally:
        await connection.close()


def _settings(kind: Kind) -> tuple[Settings, dict[str, str]]:
    """As the tests have it, and the same for a process."""
    environment = {"SECRET_KEY": SECRET, "TRUSTED_PROXIES": "127.0.0.1"}
    if not kind.https:
        return Settings(secret_key=SECRET), environment
    host = f"https://{HOST}{ROOT}"
    # Nothing listens there: what is owed stays owed.
    mail = Mail("127.0.0.1", 9, "", "", use_tls=False, use_ssl=False, timeout=5, sender=f"door@{HOST}")
    environment |= {"HOST": host, "EMAIL_HOST": mail.host, "EMAIL_PORT": str(mail.port)}
    environment |= {"EMAIL_USE_TLS": "false", "EMAIL_TIMEOUT": "5", "FROM_EMAIL": mail.sender}
    environment |= {"DISABLE_SIGNUP_WITHOUT_LINK": "true"}
    return Settings(secret_key=SECRET, host=host, mail=mail, closed=True), environment
