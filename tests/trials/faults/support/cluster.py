"""A cluster under load: servers on one database, and people who sign up, sign in, invite and change roles."""

import asyncio
import itertools
import random
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx

from tests.support.concurrency import soon
from tests.support.pages.site import PASSWORD, SECRET
from tests.support.servers import smtp
from tests.support.servers.command import TIMEOUT_SECONDS, Checkout, Server
from tests.trials.faults.support.notes import Ask, Notes, Outcome

NAME: Final = "members.fenwick.example"
OWNER: Final = "olga@example.org"
ROLES: Final = ("AN", "RE", "MA")
LOST: Final = 503


class Cluster:
    """Servers on one database that can be killed and started again, and what people there have noted."""

    def __init__(self, url: str, root: Path, mail: smtp.Server, chance: random.Random) -> None:
        self.url = url
        self.mail = mail
        self.chance = chance
        self.notes = Notes()
        self.servers: dict[int, Server] = {}
        self.over = asyncio.Event()
        self.people = itertools.count(1)
        self.addresses = itertools.count(1)
        self.token = ""
        # When a server says 503 nothing has been done, unless the database went away during the COMMIT.
        self.after_503 = Outcome.REFUSED
        self.transport = httpx.AsyncHTTPTransport(verify=False)
        self.logs: list[Server] = []
        self._stack = ExitStack()
        self._checkout = Checkout(root, url)
        self._environment = {
            "HOST": f"http://{NAME}",
            "TRUSTED_PROXIES": "127.0.0.1",
            "SECRET_KEY": SECRET,
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(mail.port),
            "EMAIL_USE_TLS": "false",
            "FROM_EMAIL": f"gatehouse@{NAME}",
            "LABEL_STUDIO_USERNAME": OWNER,
            "LABEL_STUDIO_PASSWORD": PASSWORD,
        }

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, chance: random.Random, servers: int = 2) -> AsyncIterator[Self]:
        """So many servers on an empty database, with the Owner and a place that takes their mail."""
        with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
            async with smtp.serving() as mail:
                cluster = cls(url, Path(folder) / "checkout", mail, chance)
                try:
                    for number in range(servers):
                        await cluster.start(number)
                    yield cluster
                finally:
                    await cluster.transport.aclose()
                    await asyncio.to_thread(cluster._stack.close)

    async def start(self, number: int) -> None:
        """Starts a server and waits until it answers."""
        starting = self._checkout.start("serve", **self._environment)
        server = await asyncio.to_thread(self._stack.enter_context, starting)
        self.logs.append(server)
        await asyncio.to_thread(server.wait_until_it_answers)
        self.servers[number] = server

    def kill(self, number: int) -> None:
        """Ends a server by SIGKILL."""
        server = self.servers.pop(number)
        server.process.kill()
        server.process.wait(TIMEOUT_SECONDS)

    def person(self) -> "Person":
        """Somebody's browser, at a network address of its own."""
        return Person(self, next(self.addresses))


class Person:
    """A browser without a script, that keeps its cookies whichever server answers."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        self.cluster = cluster
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        headers = {"Host": NAME, "X-Forwarded-For": address, "Sec-Fetch-Site": "same-origin"}
        self.browser = httpx.AsyncClient(
            transport=cluster.transport, headers=headers, timeout=TIMEOUT_SECONDS
        )

    async def get(self, path: str) -> httpx.Response | None:
        """The page, None when nobody answers. A fault of the server's own is noted."""
        return await self._send("GET", path)

    async def ask(self, path: str, *asks: Ask, done: int = 303, **fields: object) -> httpx.Response | None:
        """Asks for a change and notes what becomes of it; the answer if it was done, else None."""
        notes = self.cluster.notes
        for ask in asks:
            notes.add(ask)
        answer = await self._send("POST", path, fields)
        if answer is None or (answer.status_code == LOST and self.cluster.after_503 is Outcome.UNKNOWN):
            return None
        signed_out = answer.headers.get("location", "").startswith("/user/login")
        if signed_out and path != "/user/logout":
            notes.wrong.append(f"POST {path}: the session that was there is gone")
        is_done = answer.status_code == done
        for ask in asks:
            ask.outcome = Outcome.DONE if is_done else Outcome.REFUSED
        return answer if is_done else None

    async def _send(
        self, method: str, path: str, fields: dict[str, object] | None = None
    ) -> httpx.Response | None:
        cluster = self.cluster
        await soon(lambda: cluster.servers)
        base = cluster.servers[cluster.chance.choice(sorted(cluster.servers))].base
        began = asyncio.get_running_loop().time()
        try:
            answer = await self.browser.request(method, base + path, data=fields)
        except httpx.TransportError:
            await asyncio.sleep(0.02)
            return None
        cluster.notes.waits.append(asyncio.get_running_loop().time() - began)
        if answer.status_code >= 400:
            cluster.notes.refusals[answer.status_code] += 1
        if answer.status_code >= 500 and (answer.status_code != LOST or "retry-after" not in answer.headers):
            cluster.notes.wrong.append(f"{method} {path} answered {answer.status_code}")
        if answer.status_code == LOST:
            await asyncio.sleep(0.1)
        return answer

    async def sign_in(self, email: str) -> bool:
        """Whether it was acknowledged."""
        asked = Ask("signed_in", email)
        answer = await self.ask("/user/login", asked, email=email, password=PASSWORD)
        return answer is not None

    async def is_signed_in(self) -> bool | None:
        """What the start page says; None when nobody answers."""
        answer = await self.get("/")
        return None if answer is None or answer.status_code == LOST else answer.status_code == 200

    async def is_healthy(self, base: str) -> bool:
        """Whether the server at this address says that it and its database are well."""
        return (await self.browser.get(f"{base}/health")).status_code == 200


class Crowd:
    """All people of a cluster: the Owner, Administrators and newcomers.

    sessions: browsers whose sign-in was acknowledged, or whose sign-out was. links: paths of links that were
    acknowledged last, by what they are for; None while nobody knows which one is the last.
    """

    def __init__(self, cluster: Cluster, administrators: int = 2, newcomers: int = 2) -> None:
        self.cluster = cluster
        self.owner = cluster.person()
        self.administrators: list[Person] = []
        self.newcomers = newcomers
        self.waiting: list[str] = []
        self.sessions: list[tuple[Person, str, bool]] = []
        self.links: dict[str, str | None] = {}
        self._wanted_administrators = administrators

    async def gather(self) -> None:
        """The Owner signs in and makes administrators of the first who register."""
        assert await self.owner.sign_in(OWNER)
        await self._read_token()
        for number in range(self._wanted_administrators):
            administrator, email = self.cluster.person(), f"administrator{number}@example.org"
            assert await self._sign_up(administrator, email)
            member_id = await self._id_of(self.owner, email)
            made = await self.owner.ask(
                f"/organization/members/{member_id}/role", Ask("role_changed", email, "AD"), role="AD"
            )
            assert made is not None
            self.administrators.append(administrator)

    async def work(self) -> None:
        """Everybody works until the cluster says that it is over."""
        tasks = [self._owner(), *map(self._administrator, self.administrators)]
        tasks += [self._newcomer() for _ in range(self.newcomers)]
        await asyncio.gather(*tasks)

    async def _owner(self) -> None:
        cluster = self.cluster
        while not cluster.over.is_set():
            title = f"Title {next(cluster.people)}"
            await self.owner.ask("/organization/settings", Ask("title_changed", after=title), title=title)
            # Whoever has just opened the old one is refused, so it isn't done all the time.
            if cluster.chance.random() < 0.1:
                self.links["/user/signup"] = None
                await self.owner.ask("/organization/invite-link/reset", Ask("invite_link_reset"))
            if not self.links.get("/user/signup"):
                await self._read_token()
            await asyncio.sleep(cluster.chance.uniform(0.1, 0.5))

    async def _read_token(self) -> None:
        """What the page says is the link now: whoever has it may register."""
        answer = await self.owner.get("/organization/invite")
        found = re.search(r"/user/signup\?token=([^\"&<]+)", answer.text) if answer is not None else None
        if found:
            self.cluster.token = found[1]
            self.links["/user/signup"] = f"/user/signup?token={found[1]}"

    async def _newcomer(self) -> None:
        cluster = self.cluster
        while not cluster.over.is_set():
            email = f"person{next(cluster.people)}@example.org"
            first, second = cluster.person(), cluster.person()
            if not await self._sign_up(first, email):
                continue
            name = f"Zoe {next(cluster.people)}"
            await first.ask(
                "/user/account",
                Ask("name_changed", email, value=name),
                first_name=name,
                last_name="",
                time_zone="",
                theme="dark",
            )
            if await second.sign_in(email):
                self.sessions.append((second, email, True))
                if cluster.chance.random() < 0.5:
                    self.sessions.pop()
                    if await second.ask("/user/logout", Ask("signed_out", email)):
                        self.sessions.append((second, email, False))
            self.waiting.append(email)

    async def _sign_up(self, person: Person, email: str) -> bool:
        fields: dict[str, Any] = {"email": email, "password": PASSWORD, "first_name": "New", "last_name": ""}
        asked = Ask("registered", email, "link", value="New")
        done = await person.ask("/user/signup", asked, **fields, token=self.cluster.token)
        if done:
            self.sessions.append((person, email, True))
        return done is not None

    async def _administrator(self, administrator: Person) -> None:
        cluster = self.cluster
        while not cluster.over.is_set():
            await self._invite(administrator)
            if len(self.waiting) >= 2:
                one, other = self.waiting.pop(0), self.waiting.pop(0)
                await self._manage(administrator, one, other)

    async def _invite(self, administrator: Person) -> None:
        cluster = self.cluster
        guests = [f"guest{next(cluster.people)}@example.org" for _ in range(cluster.chance.randint(1, 3))]
        asks = [Ask("invitation_made", guest, "AN") for guest in guests]
        done = await administrator.ask("/organization/invitations", *asks, emails=" ".join(guests), role="AN")
        if not done:
            return
        answer = await administrator.get(f"/organization/invitations?q={guests[0]}")
        found = re.search(r'id="invitation-(\d+)"', answer.text) if answer is not None else None
        if not found:
            return
        path = f"/organization/invitations/{found[1]}"
        if cluster.chance.random() < 0.3:
            await administrator.ask(f"{path}/revocation", Ask("invitation_revoked", guests[0]))
        else:
            await administrator.ask(
                f"{path}/role", Ask("invitation_role_changed", guests[0], "MA"), role="MA"
            )

    async def _manage(self, administrator: Person, one: str, other: str) -> None:
        """Roles for one and for both, a name, a password link, and perhaps the end."""
        ids = [await self._id_of(administrator, email) for email in (one, other)]
        if not all(ids):
            return
        path, roles = f"/organization/members/{ids[0]}", [*ROLES]
        self.cluster.chance.shuffle(roles)
        if not await administrator.ask(f"{path}/role", Ask("role_changed", one, roles[0]), role=roles[0]):
            return
        both = [Ask("role_changed", email, roles[1]) for email in (one, other)]
        if not await administrator.ask("/organization/members/roles", *both, member=ids, role=roles[1]):
            return
        name = f"Zed {next(self.cluster.people)}"
        await administrator.ask(
            f"{path}/name", Ask("name_corrected", one, value=name), first_name=name, last_name=""
        )
        self.links[one] = None
        made = await administrator.ask(f"{path}/password-link", Ask("reset_link_made", one), done=200)
        if made and (found := re.search(r"/user/password/reset\?token=[^\"&<]+", made.text)):
            self.links[one] = found[0]
        if self.cluster.chance.random() < 0.3:
            self.links.pop(one, None)
            self.sessions = [entry for entry in self.sessions if entry[1] != one]
            await administrator.ask(f"{path}/removal", Ask("removed", one))

    async def _id_of(self, person: Person, email: str) -> str | None:
        answer = await person.get(f"/organization/members?q={email}")
        found = re.search(r'<tr id="member-(\d+)"', answer.text) if answer is not None else None
        return found[1] if found else None

    async def broken(self) -> list[str]:
        """What the pages say otherwise than what was acknowledged since the last time. All servers run."""
        found, sessions = [], self.sessions
        links = {about: path for about, path in self.links.items() if path}
        self.sessions, self.links = [], {}
        for person, email, signed_in in sessions:
            if await person.is_signed_in() is not signed_in:
                found.append(f"{email} {'is no longer' if signed_in else 'is still'} signed in")
        visitor = self.cluster.person()
        for about, path in links.items():
            answer = await visitor.get(path)
            if answer is None or answer.status_code != 200:
                found.append(f"the link {path.partition('?')[0]} made last for {about} doesn't work")
        return found
