"""Passwords under load: fifty sign-ins at once, and a member who changes their password without end.

What is told of others is the time from a request to its whole answer, over HTTP to `gatehouse serve`, all
from one network address, as behind one router.
"""

import argparse
import asyncio
import secrets
import string
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import httpx

from db import engine
from db.auth import passwords
from db.common import addresses
from db.members import new_member
from db.members.new_member import Person
from db.policy import Role
from tests.bench import server
from tests.bench.support.databases import say
from tests.support.servers import postgres

AT_ONCE: Final = 50
ROUNDS: Final = 5
CONNECTIONS: Final = 120
CHARACTERS: Final = 72
SECONDS: Final = 10
ALONE_SECONDS: Final = 3
PAUSE_SECONDS: Final = 0.005
SIGNS: Final = string.ascii_letters + string.digits + string.punctuation
SAME_ORIGIN: Final = {"Sec-Fetch-Site": "same-origin"}
# Sign-ins of earlier rounds don't count for later ones.
FORGET: Final = "DELETE FROM rate_limit"


async def run(options: argparse.Namespace) -> None:
    """Prints three lines for each database; the first tells how busy the machine is without us."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        await _report("sqlite", f"sqlite:///{folder}/bench.db", options.members)
        try:
            await _report("postgres", postgres.start(Path(folder)), options.members)
        finally:
            postgres.stop(Path(folder))


async def _report(name: str, url: str, number: int) -> None:
    await server.fill(url, number)
    engine.use(url)
    await engine.start()
    try:
        await engine.write(_add_people, await passwords.hash_of(server.PASSWORD))
        with server.served(url):
            await _report_alone(name)
            await _report_burst(name)
            await engine.write(engine.execute, FORGET)
            await _report_changes(name)
    finally:
        await engine.stop()


async def _add_people(password_hash: str) -> None:
    """Inside a write: fifty who sign in, and eve, who is Pending."""
    for name, role in [
        *((f"person{number}", Role.ANNOTATOR) for number in range(AT_ONCE)),
        ("eve", Role.PENDING),
    ]:
        person = Person(addresses.parse(f"{name}@example.org"), name, "", password_hash)
        await new_member.insert(person, role, joined_via="link")


@asynccontextmanager
async def _browser(connections: int = 1) -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    address = f"http://127.0.0.1:{server.PORT}"
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=60, headers=SAME_ORIGIN) as client:
        yield client


async def _sign_in(browser: httpx.AsyncClient, name: str) -> int:
    fields = {"email": f"{name}@example.org", "password": server.PASSWORD}
    return (await browser.post("/user/login", data=fields)).status_code


async def _timed(waits: list[float], ask: Callable[[], Awaitable[object]], done: asyncio.Event) -> None:
    """Asks again and again; milliseconds to each answer."""
    while not done.is_set():
        began = time.perf_counter()
        await ask()
        waits.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(PAUSE_SECONDS)


async def _report_alone(name: str) -> None:
    """The same page and the same sign-in while nobody else asks for anything."""
    pages: list[float] = []
    sign_ins: list[float] = []
    async with _browser() as olga, _browser() as ada:
        await _sign_in(olga, "olga")
        asked: list[tuple[list[float], Callable[[], Awaitable[object]]]] = [
            (pages, lambda: olga.get("/user/account")),
            (sign_ins, lambda: _sign_in(ada, "person1")),
        ]
        for waits, ask in asked:
            done = asyncio.Event()
            asyncio.get_running_loop().call_later(ALONE_SECONDS, done.set)
            await _timed(waits, ask, done)
    say(f"# {name}: nobody else: pages {_figures(pages)}; sign-ins {_figures(sign_ins)}")


async def _report_burst(name: str) -> None:
    """Fifty people sign in at the same instant, while somebody else looks at a page."""
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    longest = 0.0
    async with _browser() as olga:
        await _sign_in(olga, "olga")
        for _ in range(ROUNDS):
            await engine.write(engine.execute, FORGET)
            done = asyncio.Event()
            watching = asyncio.create_task(_timed(waits, lambda: olga.get("/user/account"), done))
            async with _browser(AT_ONCE) as people:
                began = time.perf_counter()
                names = [f"person{number}" for number in range(AT_ONCE)]
                statuses.update(await asyncio.gather(*(_sign_in(people, who) for who in names)))
                longest = max(longest, time.perf_counter() - began)
            done.set()
            await watching
    say(
        f"# {name}: {AT_ONCE} sign-ins at once, {ROUNDS} times: {statuses[303]} of {statuses.total()} let in,"
        f" the last after {longest:.1f} s; {len(waits)} pages of others meanwhile: {_figures(waits)}"
    )


async def _report_changes(name: str) -> None:
    """Eve's 120 connections send new passwords of 72 characters, while somebody else signs in."""
    pages: list[float] = []
    sign_ins: list[float] = []
    statuses: Counter[int] = Counter()
    async with _browser() as olga, _browser() as ada, _browser(CONNECTIONS) as eve:
        await _sign_in(olga, "olga")
        await _sign_in(ada, "person1")
        await _sign_in(eve, "eve")
        done = asyncio.Event()

        async def change() -> None:
            while not done.is_set():
                statuses[await _change_password(eve)] += 1

        async def sign_in() -> None:
            if await _sign_in(ada, "person1") != 303:
                raise SystemExit("somebody else was not let in")

        work = [asyncio.create_task(change()) for _ in range(CONNECTIONS)]
        work.append(asyncio.create_task(_timed(pages, lambda: olga.get("/user/account"), done)))
        work.append(asyncio.create_task(_timed(sign_ins, sign_in, done)))
        await asyncio.sleep(SECONDS)
        done.set()
        await asyncio.gather(*work)
    say(
        f"# {name}: one member sends new passwords over {CONNECTIONS} connections for {SECONDS} s:"
        f" {statuses.total()} sent, {statuses[429]} told to wait; {len(sign_ins)} sign-ins of somebody else"
        f" meanwhile: {_figures(sign_ins)}; {len(pages)} pages: {_figures(pages)}"
    )


async def _change_password(browser: httpx.AsyncClient) -> int:
    drawn = "".join(secrets.choice(SIGNS) for _ in range(CHARACTERS))
    fields = {"current_password": server.PASSWORD, "password": drawn}
    return (await browser.post("/user/account/password", data=fields)).status_code


def _figures(waits: list[float]) -> str:
    p99 = quantiles(waits, n=100, method="inclusive")[98]
    return f"median {median(waits):.0f} ms, p99 {p99:.0f} ms, longest {max(waits):.0f} ms"
