"""A house with people, invitations, requests and a log, served as in earnest, for scanners to have."""

import asyncio
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from db import engine
from db.accounts import password
from db.auth import links
from db.common import addresses
from db.invitations import access_requests
from db.invitations.access_requests import AccessRequestForm
from db.maintenance import demo, secret_key
from db.members import new_member, removal
from db.organization import invite_link
from db.policy import COMMAND_LINE
from db.schema import migrate
from signing import Signer
from tests.bench import server
from tests.bench.support import seed
from tests.support.servers import postgres
from tests.support.servers.command import Checkout, Server
from tests.trials.scan.front import SESSION, Front, standing

SECRET: Final = "a secret for scanners, and for nothing else"
OWNER, ADMINISTRATOR, PENDING = demo.PEOPLE[0].email, demo.PEOPLE[1].email, demo.PEOPLE[26].email
# Members of the lowest role, of whom each may change so much of themselves.
ANYONE_OF: Final = 40
ASKING: Final = 5
ANA, DEACTIVATED = "ana@fenwick.example", "paora@fenwick.example"
WAITING, LEAVING = "emeka.nwosu@fenwick.example", "zoe@fenwick.example"
SEEDED: Final = 55
# What some ten thousand requests may leave in memory: what is loaded late, and caches that have an end.
MAX_MB: Final = 150.0
DATABASES: Final = ("sqlite", "postgres")


@dataclass
class House:
    """A running server with its proxy. ids and tokens: what stands in braces in addresses and fields."""

    front: Front
    checkout: Checkout
    server: Server
    environment: dict[str, str]
    sessions: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    memory: float = 0

    def browser(self, who: str = "") -> httpx.Client:
        """Somebody's browser, through the proxy; "" is nobody's."""
        cookies = {SESSION: self.sessions[who]} if who else {}
        headers = {"Sec-Fetch-Site": "same-origin"}
        return httpx.Client(base_url=self.front.base, cookies=cookies, headers=headers, timeout=60)

    def lives(self, who: str) -> bool:
        """Whether their session still is one."""
        with self.browser(who) as browser:
            return browser.get("/user/account").status_code == 200

    def signed_out(self) -> list[str]:
        """Whose session has ended, of those who are scanned as."""
        return [who for who in (OWNER, ADMINISTRATOR, PENDING) if not self.lives(who)]

    def broken(self) -> list[str]:
        """What the scans have left that they shouldn't have."""
        found = [*self.front.faults[:20]]
        found += [f"{line!r} came from the server" for line in self.front.called[:20]]
        found += [f"the server's log: {line}" for line in self.server.log.splitlines() if is_error(line)]
        grown = server.memory(self.server.process.pid) - self.memory
        if grown > MAX_MB:
            found.append(f"the server's memory grew by {grown:.0f} MB")
        with self.browser() as browser:
            if (status := browser.get("/health").status_code) != 200:
                found.append(f"the server answers /health with {status} after the scans")
        # A backup reads every row of every table.
        for command in (("check",), ("backup", str(self.checkout.root / "after.backup"))):
            done = self.checkout.run(*command, **self.environment)
            if done.returncode != 0:
                found.append(f"gatehouse {command[0]} after the scans: {done.stdout} {done.stderr}")
        return found


def is_error(line: str) -> bool:
    return bool(re.search(r"\b(ERROR|CRITICAL)\b|Traceback \(most recent call last\)", line))


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The url of an empty database, which is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-scan-") as name:
        folder = Path(name)
        if kind == "sqlite":
            yield f"sqlite:///{folder}/scan.db"
            return
        given = os.environ.get("TEST_POSTGRES_URL")
        if given:
            made = f"gatehouse_test_scan_{os.getpid()}"
            yield postgres.create_database(given, made)
            postgres.drop_database(given, made)
            return
        try:
            yield postgres.start(folder)
        finally:
            postgres.stop(folder)


# Houses are opened by several threads, and a process has one engine.
_FILLING = threading.Lock()


@contextmanager
def open_house(kind: str) -> Iterator[House]:
    """Fills a database of this kind and serves it; each person that is scanned as has signed in."""
    with (
        tempfile.TemporaryDirectory(prefix="gatehouse-scan-") as folder,
        database(kind) as url,
        standing() as front,
    ):
        with _FILLING:
            values = asyncio.run(_fill(url))
        environment = {
            "SECRET_KEY": SECRET,
            "HOST": front.base,
            "TRUSTED_PROXIES": "127.0.0.1",
            # With it the pages that take a token and those that ask for access are open.
            "DISABLE_SIGNUP_WITHOUT_LINK": "true",
            "EMAIL_HOST": "127.0.0.1",
            "EMAIL_PORT": str(front.mail_port),
            "EMAIL_USE_TLS": "false",
            "FROM_EMAIL": "members@fenwick.example",
        }
        checkout = Checkout(Path(folder) / "checkout", url)
        with checkout.serve(**environment) as running:
            front.upstream = int(running.base.rpartition(":")[2])
            people = [OWNER, ADMINISTRATOR, PENDING, *values.pop("anyone").split()]
            sessions = {email: sign_in(front, email) for email in [*people, ANA]}
            house = House(front, checkout, running, environment, sessions, values)
            # The first of them is signed in again and again, which ends the oldest of a hundred sessions.
            front.let_anyone([sessions[email] for email in people[4:]])
            house.values |= _made_by_hand(house) | {
                "session": sessions[ADMINISTRATOR],
                "somebody": people[3],
                "password": demo.PASSWORD,
                **{f"session of {who}": token for who, token in sessions.items()},
            }
            house.memory = server.memory(running.process.pid)
            front.answers.clear()
            yield house


def sign_in(front: Front, email: str) -> str:
    """The token of a new session, which the login page gave."""
    with httpx.Client(base_url=front.base, timeout=60) as browser:
        answer = browser.post(
            "/user/login",
            data={"email": email, "password": demo.PASSWORD},
            headers={"Sec-Fetch-Site": "same-origin", "User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"},
        )
        assert answer.status_code == 303, answer.status_code
        return str(browser.cookies[SESSION])


async def _fill(url: str) -> dict[str, str]:
    """People as in the demo, more of them, requests, a removed member, and open links of each kind."""
    engine.use(url)
    await engine.start()
    try:
        await migrate.migrate()
        await secret_key.remember_fingerprint(Signer(SECRET).fingerprint())
        await demo.fill()
        await seed.fill(SEEDED)
        return await _more()
    finally:
        await engine.stop()


async def _more() -> dict[str, str]:
    """What the demo lacks. Returns what stands in braces in places, where the database knows it."""
    for number in range(ASKING):
        await engine.write(engine.execute, "UPDATE organization SET may_ask = 1")
        access_request = AccessRequestForm(
            addresses.parse(f"asking-{number}@example.org"), f"Asking {number}", "some words"
        )
        await access_requests.submit(access_request, "192.0.2.7")
    await removal.remove(COMMAND_LINE, member_id=(removed := await new_member.id_of(DEACTIVATED)))
    found = await engine.rows(
        "SELECT id, email FROM member WHERE role = 'AN' AND password_hash = '' ORDER BY id LIMIT ?", ANYONE_OF
    )
    ((password_hash,),) = await engine.rows("SELECT password_hash FROM member WHERE email = ?", OWNER)
    for member_id, _ in found:
        sets = "UPDATE member SET password_hash = ? WHERE id = ?"
        await engine.write(engine.execute, sets, password_hash, member_id)
    signer, link = Signer(SECRET), await invite_link.present()
    people = {
        "own_id": OWNER,
        "administrator_id": ADMINISTRATOR,
        "member_id": ANA,
        "pending_id": WAITING,
        "removable_id": LEAVING,
    }
    ids = {name: await new_member.id_of(email) for name, email in people.items()}
    ((invitation_id, batch_id, link_id),) = await engine.rows(
        "SELECT id, batch_id, link_id FROM invitation ORDER BY id DESC LIMIT 1"
    )
    invitation = await engine.read(links.find, link_id, links.INVITATION)
    reset = await password.make_reset_link(COMMAND_LINE, member_id=found[-1][0])
    assert invitation is not None, "the demo has just made it"
    ((access_request_id,),) = await engine.rows("SELECT MAX(id) FROM access_request")
    return {name: str(id) for name, id in ids.items()} | {
        "anyone": " ".join(email for _, email in found),
        "removed_id": str(removed),
        "invitation_id": str(invitation_id),
        "batch_id": str(batch_id),
        "access_request_id": str(access_request_id),
        "invite": signer.token(links.INVITE, link.id, link.nonce),
        "invitation": signer.token(links.INVITATION, invitation.id, invitation.nonce),
        "reset": signer.token(links.RESET, reset.id, reset.nonce),
    }


def _made_by_hand(house: "House") -> dict[str, str]:
    """What only the server makes: sessions, an upload, and the cursors of pages."""
    with house.browser(ADMINISTRATOR) as browser:
        sent = browser.post(
            "/organization/invitations/import",
            data={"role": "AN"},
            files={"file": ("people.csv", b"email\nlisted@example.org\n", "text/csv")},
        )
        found = {"upload_id": sent.headers["location"].rpartition("/")[2]}
        for name, path in (("members", "/organization/members"), ("activity", "/organization/activity")):
            (found[f"{name}_after"], *_) = re.findall(r"[?&;]after=([^&\"]+)", browser.get(path).text)
        # Those of whom nobody scans as; the first is ended by whoever tries that address.
        panel = browser.get(f"/organization/members/{house.values['member_id']}").text
        (found["session_id"], *_) = re.findall(r"/sessions/([0-9]+)/end", panel)
    return found
