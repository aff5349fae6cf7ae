"""A site whose server is a process, with people in front of it and its database within reach."""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from app import create_app
from db import engine
from db.maintenance.backup import columns_of
from db.members import new_member
from db.organization import setup
from settings import Settings
from tests.support.pages.site import SECRET, Site, Visitor, someone
from tests.support.servers import smtp
from tests.support.servers.command import TIMEOUT_SECONDS, Checkout, Server

HOST: Final = "http://members.fenwick.example"
# Columns that the server's chores and its mail worker write at any time.
AT_ANY_TIME: Final = {
    "member": ("last_activity_at",),
    "session": ("used_at",),
    "outbox": ("state", "tries", "due_at", "leased_until", "lease", "done_at", "server_reply"),
}
TABLES: Final = (
    *("member", "organization", "session", "links", "invitation", "batch", "outbox", "activity"),
    *("activity_name", "upload", "access_request", "role_note"),
)
State = dict[str, Counter[tuple[Any, ...]]]


class ServedSite(Site):
    """People in front of a server process. What they need is made from here, on the same database."""

    def __init__(
        self, checkout: Checkout, server: Server, mail_server: smtp.Server, environment: dict[str, str]
    ) -> None:
        super().__init__(create_app(Settings(secret_key=SECRET, host=HOST, mail=mail_server.account())))
        self.checkout, self.server, self.mail_server = checkout, server, mail_server
        # What to start another server with.
        self.environment = environment

    def visitor(self, address: str = "", base: str = "") -> Visitor:
        """A browser; all are at the same network address."""
        visitor = Visitor(base_url=self.server.base, timeout=TIMEOUT_SECONDS)
        self._visitors.append(visitor)
        return visitor

    async def sign_in(self, name: str, address: str = "127.0.0.1", base: str = "") -> Visitor:
        return await super().sign_in(name, address, self.server.base)

    async def leave(self) -> None:
        """Closes all browsers."""
        for visitor in self._visitors:
            await visitor.aclose()
        self._visitors.clear()


@asynccontextmanager
async def served(url: str = "", *, founded: bool = True, **environment: str) -> AsyncIterator[ServedSite]:
    """A server on an empty database, SQLite's if no url is given. founded: olga owns the organization."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        checkout = Checkout(Path(folder) / "checkout", url)
        async with smtp.serving() as mail_server:
            environment |= {
                "SECRET_KEY": SECRET,
                "HOST": HOST,
                "FROM_EMAIL": "gatehouse@fenwick.example",
                "EMAIL_HOST": "localhost",
                "EMAIL_PORT": str(mail_server.port),
                "EMAIL_USE_TLS": "false",
            }
            with checkout.serve(**environment) as server:
                engine.use(url or f"sqlite:///{checkout.data}/gatehouse.db")
                await engine.start()
                site = ServedSite(checkout, server, mail_server, environment)
                try:
                    if founded:
                        await setup.found_by_operator("Fenwick Herbarium", someone("olga"))
                        site.ids["olga"] = await new_member.id_of("olga@example.org")
                    yield site
                finally:
                    await site.leave()
                    await engine.stop()


async def state() -> State:
    """Every row that people's changes write, but for what changes at any time."""
    return {table: await _rows(table) for table in TABLES}


async def _rows(table: str) -> Counter[tuple[Any, ...]]:
    names = [name for name in await _columns(table) if name not in AT_ANY_TIME.get(table, ())]
    return Counter(map(tuple, await engine.rows(f"SELECT {', '.join(names)} FROM {table}")))


async def _columns(table: str) -> list[str]:
    return await columns_of(_Database(), table)


class _Database:
    async def rows(self, sql: str, *args: Any) -> list[tuple[Any, ...]]:
        return await engine.rows(sql, *args)


def changed(before: State, after: State) -> dict[str, tuple[int, int]]:
    """How many rows of each table have gone and come; a changed one counts for both."""
    gone = {table: (before[table] - after[table]).total() for table in before}
    come = {table: (after[table] - before[table]).total() for table in before}
    return {table: (gone[table], come[table]) for table in before if gone[table] or come[table]}
