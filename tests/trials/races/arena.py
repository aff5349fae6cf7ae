"""Where races are held: one database, two server processes on it, and people at a barrier in front of them.

A request is sent but for its last byte, over a connection of its own, and waits; the servers decide nothing
before a form is whole. So requests meet in the servers within a millisecond, or as far apart as was drawn.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import httpx

from db import engine
from db.auth import links, sessions
from db.auth.links import Link
from db.common import clock
from db.errors import DomainError
from db.mail import outbox
from db.members import last_day
from db.policy import Actor, Role
from db.schema import migrate
from handlers.http.auth.cookies import SESSION_COOKIE
from settings import Settings
from tests.support.concurrency import at_once
from tests.support.pages.site import SECRET, Site
from tests.support.servers import smtp
from tests.support.servers.command import TIMEOUT_SECONDS, Checkout, Server
from tests.trials.races import invariants
from tests.trials.races.race import Answer, Ended, Named, events_since, newest_event, untold

HOST: Final = "http://races.example"
# How far apart two may be at most who come at the same instant: as long as a password is looked at.
APART_SECONDS: Final = 0.04


@dataclass(frozen=True)
class Member:
    id: int
    name: str
    email: str


@dataclass
class Arena:
    """site: the same database in this process, by which races are prepared and looked at."""

    url: str
    site: Site
    servers: list[Server]
    rng: random.Random = field(default_factory=random.Random)
    network: str = "198.51.100.1"
    statuses: Counter[int] = field(default_factory=Counter)
    _people: int = 0
    _turn: int = 0
    # Told once, by the try after which it was seen first.
    _broken: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, folder: Path) -> AsyncIterator[Self]:
        """Two servers on an empty database, with mail. folder: for the servers' program and what they say."""
        engine.use(url)
        await engine.start()
        try:
            await migrate.migrate()
            async with smtp.serving() as mail_server, Site.opened(Settings(secret_key=SECRET)) as site:
                outbox.use(True, "races.example")
                checkout = Checkout(folder / "checkout", url)
                settings = {
                    "SECRET_KEY": SECRET,
                    "HOST": HOST,
                    "TRUSTED_PROXIES": "127.0.0.1",
                    "EMAIL_HOST": "localhost",
                    "EMAIL_PORT": str(mail_server.port),
                    "EMAIL_USE_TLS": "false",
                    "FROM_EMAIL": "door@races.example",
                }
                with contextlib.ExitStack() as stack:
                    servers = [stack.enter_context(checkout.start("serve", **settings)) for _ in range(2)]
                    for server in servers:
                        await asyncio.to_thread(server.wait_until_it_answers)
                    yield cls(url, site, servers)
                outbox.use(False)
        finally:
            await engine.stop()

    # People

    async def person(self, role: Role = Role.ANNOTATOR, *, confirmed: bool = False) -> Member:
        self._people += 1
        name = f"racer{self._people}"
        member_id = await self.site.person(name, role)
        if confirmed:
            await self.write("UPDATE member SET confirmed_at = ? WHERE id = ?", clock.now(), member_id)
        return Member(member_id, name, f"{name}@example.org")

    def new_name(self) -> str:
        """Of somebody who isn't a member: their address is name@example.org."""
        self._people += 1
        return f"guest{self._people}"

    @property
    def olga(self) -> Member:
        """The Owner, before each try."""
        return Member(self.site.ids["olga"], "olga", "olga@example.org")

    async def olga_owns(self) -> None:
        """olga is the Owner again, whoever became it."""
        await self.owner_is(self.olga.id)

    async def owner_is(self, member_id: int) -> None:
        async def change() -> None:
            ((owner_id,),) = await engine.rows("SELECT owner_id FROM organization")
            if owner_id != member_id:
                await engine.execute("UPDATE member SET role = 'AD' WHERE role = 'OW'")
                await engine.execute("UPDATE member SET role = 'OW' WHERE id = ?", member_id)
                await engine.execute("UPDATE organization SET owner_id = ?", member_id)

        await engine.write(change)

    async def session(self, member_id: int) -> str:
        """The token of a new session of theirs, who has just given the password."""
        return await engine.write(
            sessions.begin,
            member_id,
            persistent=False,
            session_limits=self.site.context.session_limits,
            address=self.network,
            device="Firefox on Linux",
        )

    async def many_sessions(self, member: Member, number: int) -> None:
        async def change() -> None:
            for _ in range(number):
                await sessions.begin(
                    member.id,
                    persistent=False,
                    session_limits=self.site.context.session_limits,
                    address="",
                    device="",
                )

        await engine.write(change)

    async def ends_soon(self, member: Member) -> None:
        """The membership is over within a few hundredths of a second."""
        at = clock.now() + self.rng.randrange(1, int(APART_SECONDS * 1000))
        await self.write("UPDATE member SET ends_at = ? WHERE id = ?", at, member.id)

    async def after_the_end(self) -> None:
        """Such a membership is over, and the chore has been."""
        await asyncio.sleep(APART_SECONDS)
        await last_day.end_due()

    def actor(self, member: Member, role: Role = Role.ADMINISTRATOR) -> Actor:
        return Actor(member.id, role, password_at=clock.now())

    def token(self, link: Link) -> str:
        return self.site.context.signer.token(link.purpose, link.id, link.nonce)

    async def link(self, purpose: str, **more: Any) -> str:
        """The token of a new link."""
        return self.token(await engine.write(links.make, purpose, **more))

    async def write(self, sql: str, *args: Any) -> int:
        return await engine.write(engine.execute, sql, *args)

    # Requests

    async def form(
        self,
        path: str,
        fields: dict[str, Any] | None = None,
        *,
        session: str = "",
        network: str = "",
        files: dict[str, Any] | None = None,
    ) -> Callable[[], Awaitable[Answer]]:
        """A form that has been sent to one of the servers, in turn, but for its last byte."""
        self._turn += 1
        port = int(self.servers[self._turn % len(self.servers)].base.rpartition(":")[2])
        sent = httpx.Request("POST", f"{HOST}{path}", data=fields or {"x": "1"}, files=files)
        body = sent.read()
        headers = {
            "Host": sent.headers["host"],
            "Connection": "close",
            "Content-Type": sent.headers["content-type"],
            "Content-Length": str(len(body)),
            "Sec-Fetch-Site": "same-origin",
            "X-Forwarded-For": network or self.network,
            "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            **({"Cookie": f"{SESSION_COOKIE}={session}"} if session else {}),
            **({"HX-Request": "true"} if self.rng.random() < 0.3 else {}),
        }
        head = f"POST {path} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + b"\r\n" + body[:-1])
        await writer.drain()

        async def rest() -> Answer:
            try:
                writer.write(body[-1:])
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    return _read(await reader.read())
            finally:
                writer.close()

        return rest

    def here(self, work: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Answer]]:
        """What this process does on the same database: a command, or a chore. A refusal counts as 409."""

        async def run() -> Answer:
            try:
                await work()
            except DomainError:
                return Answer(409)
            return Answer(200)

        return run

    # Tries

    async def attempt(self, kind: Named, rng: random.Random) -> list[str]:
        """One try of a kind; what is broken after it, a sentence each."""
        self.rng = rng
        self.network = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
        await self.write("DELETE FROM rate_limit")
        await self.olga_owns()
        race = await kind.prepare(self)
        mark, began = await newest_event(), time.monotonic()
        results = await at_once(*(self._late(contestant.go) for contestant in race.contestants))
        seconds = time.monotonic() - began
        answers, wrong = list[tuple[str, Answer]](), list[str]()
        for contestant, result in zip(race.contestants, results, strict=True):
            answer = Answer(0) if isinstance(result, BaseException) else result
            if isinstance(result, BaseException):
                wrong.append(f"{contestant.name} raised {result!r}")
            elif answer.status == 500:
                wrong.append(f"{contestant.name} was answered by 500")
            self.statuses[answer.status] += 1
            answers.append((contestant.name, answer))
        ended = Ended(answers, await events_since(mark), seconds)
        wrong += [*await race.rule(ended), *untold(race, ended), *await self._newly_broken()]
        said = ", ".join(f"{name} {answer.status}" for name, answer in answers)
        return [f"{kind.name} ({said}): {sentence}" for sentence in wrong]

    async def _newly_broken(self) -> list[str]:
        found = [sentence for sentence in await invariants.broken() if sentence not in self._broken]
        self._broken.update(found)
        return found

    async def _late(self, go: Callable[[], Awaitable[Answer]]) -> Answer:
        """Half of them at the very instant, the others a little later."""
        delay = self.rng.choice((0.0, self.rng.random() * APART_SECONDS))
        if delay:
            await asyncio.sleep(delay)
        return await go()

    def faults_in_the_logs(self) -> list[str]:
        """What the servers wrote of something that they didn't expect."""
        return [line for server in self.servers for line in server.log.splitlines() if "Traceback" in line]


def _read(whole: bytes) -> Answer:
    head, _, body = whole.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.lower() for name, _, value in (line.partition(": ") for line in lines)}
    leads_to = headers.get("location") or headers.get("hx-redirect", "")
    return Answer(int(first.split(" ")[1]) if " " in first else 0, leads_to, body.decode(errors="replace"))
