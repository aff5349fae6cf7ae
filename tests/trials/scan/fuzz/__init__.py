"""A fuzz of every address with every method and content type, as everybody, on SQLite and PostgreSQL.

It goes against a real server over plain sockets. Requests come in turns that begin with the same database:
those that may change nothing, after which every row must be what it was, and those that may change what their
sender may change.
"""

import asyncio
import os
import random
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop

from tests.bench.server import memory
from tests.support.servers import postgres
from tests.trials.sample import Sample
from tests.trials.scan.fuzz import wire
from tests.trials.scan.fuzz.judge import Facts, Judge
from tests.trials.scan.fuzz.requests import Grammar, Request, combinations
from tests.trials.scan.fuzz.world import HOST, KINDS, Kind, World, opened

REQUESTS, ALL_REQUESTS = 64_000, 320_000
# Of one world; a later one holds nothing against an earlier one.
OF_A_WORLD: Final = 16_000
QUIET, LOUD, AT_ONCE = 120, 40, 8
SETTLED_SECONDS: Final = 0.7
# What the server may grow by once it has had so many requests: before, it only loads what it needs.
WARM: Final = 4_000
MAX_GROWTH_MB: Final = 40
MAX_REPORTED: Final = 30
_LOG_LINE: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z (\w+) (.*)|gatehouse: .*|mails wait .*|")


@dataclass
class Outcome:
    """requests: how many were sent. statuses: of answers, 0 for none. broken: an example of each fault."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    broken: dict[str, str] = field(default_factory=dict)
    memory: tuple[float, float] = (0, 0)

    def note(self, request: Request, faults: Sequence[str], seed: str) -> None:
        """Keeps one example for each fault of an address."""
        for fault in faults:
            about = f"{fault.splitlines()[0][:300]}, {request.method.decode('latin-1')} {request.route}"
            example = f"as {request.who or 'nobody'} ({seed}, {request.number}): {request.raw[:700]!r}"
            self.broken.setdefault(f"{fault[:25]} {request.route}", f"fuzz: {about} {example}")


def run(sample: Sample) -> list[str]:
    """Sends all of them, two worlds at a time; prints figures, and returns what broke, one sentence each."""
    count = sample.times("requests of the fuzz", ALL_REQUESTS, REQUESTS)
    worlds = count // OF_A_WORLD
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-fuzz-"))
    server = os.environ.get("TEST_POSTGRES_URL") or postgres.start(folder)
    try:
        with ProcessPoolExecutor(2) as pool:
            tries = [
                pool.submit(
                    fuzz, KINDS[at % len(KINDS)], f"{sample.seed}/{at}", OF_A_WORLD, server, (at % 4, 4)
                )
                for at in range(worlds)
            ]
            outcomes = [one.result() for one in tries]
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder)
    for at, outcome in enumerate(outcomes):
        grown = "{:.0f} to {:.0f} MB".format(*outcome.memory)
        statuses = ", ".join(
            f"{status or 'none'} {count:,}" for status, count in sorted(outcome.statuses.items())
        )
        print(f"fuzz, {KINDS[at % len(KINDS)]}: {outcome.requests:,} requests, {grown}; {statuses}")
    broken = list({sentence for outcome in outcomes for sentence in outcome.broken.values()})
    return sorted(broken)[:MAX_REPORTED]


def fuzz(kind: Kind, seed: str, count: int, server: str, share: tuple[int, int] = (0, 1)) -> Outcome:
    """One world. share: which of how many parts of all combinations of address, method and type it takes."""
    with (
        tempfile.TemporaryDirectory(prefix="gatehouse-fuzz-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_fuzz(kind, seed, count, server, share, Path(folder)))


async def _fuzz(
    kind: Kind, seed: str, count: int, server: str, share: tuple[int, int], folder: Path
) -> Outcome:
    outcome = Outcome()
    async with opened(kind, folder, server) as world:
        rng = random.Random(seed)
        host = HOST.encode() if kind.https else b"127.0.0.1:%d" % world.port
        grammar = Grammar(world.seeded, cookie=world.cookie, root=world.root, host=host, rng=rng)
        judge = Judge(Facts(kind.https, world.root, tuple(world.seeded.secrets), tuple(world.seeded.links)))
        trying = _Trying(world, judge, outcome, seed)
        pid = world.server.process.pid
        quiet: list[Request] = []
        loud: list[Request] = []
        cut: list[Request] = []
        before = 0.0
        for number, combination in enumerate(_drawn(rng, count, share), 1):
            request = grammar.request(number, *combination)
            (quiet if request.changes_nothing else cut if request.cut else loud).append(request)
            if len(quiet) >= QUIET or number == count:
                await trying.quietly(quiet)
                quiet = []
            if len(loud) >= LOUD or number == count:
                await trying.loudly(loud)
                loud = []
            if len(cut) >= LOUD or number == count:
                await trying.loudly(cut)
                cut = []
            before = before or (memory(pid) if number >= min(count, WARM) else 0.0)
        await asyncio.sleep(0.5)
        outcome.memory = before, memory(pid)
        outcome.broken |= await trying.at_the_end()
    return outcome


def _drawn(rng: random.Random, count: int, share: tuple[int, int]) -> list[tuple[str, bytes, bytes | None]]:
    """Each combination of this share, and for the rest those that get furthest."""
    part, parts = share
    everything = combinations()
    drawn = everything[part::parts][:count]
    likely = [
        one for one in everything if (one[1] in (b"GET", b"POST") and one[2] in (None, b"")) or is_form(one)
    ]
    drawn += rng.choices(likely, k=count - len(drawn))
    rng.shuffle(drawn)
    return drawn


def is_form(combination: tuple[str, bytes, bytes | None]) -> bool:
    """Whether that is the type of what is posted there."""
    route, method, kind = combination
    is_file = route.endswith("/import") and kind == b"multipart/form-data; boundary=b"
    return method == b"POST" and (is_file or kind == b"application/x-www-form-urlencoded")


class _Trying:
    """Sends requests and keeps what is wrong."""

    def __init__(self, world: World, judge: Judge, outcome: Outcome, seed: str) -> None:
        self._world, self._judge, self._outcome, self._seed = world, judge, outcome, seed

    async def quietly(self, requests: Sequence[Request]) -> None:
        """Those after which everything is as it was."""
        await self._send(requests)
        if await self._world.changed():
            await self._find(requests)
            await self._world.restore()

    async def loudly(self, requests: Sequence[Request]) -> None:
        """Those that may change something; then all is put back."""
        await self._send(requests)
        if any(request.cut for request in requests):
            await self._settle()
        if await self._world.changed():
            await self._world.restore()

    async def _settle(self) -> None:
        """Waits for what the server goes on with after its sender has hung up."""
        before, after = ["not looked yet"], await self._world.changed()
        while before != after:
            await asyncio.sleep(SETTLED_SECONDS)
            before, after = after, await self._world.changed()

    async def _find(self, requests: Sequence[Request]) -> None:
        """Which of them it was, one by one."""
        changed = await self._world.changed()
        for request in requests:
            await self._world.restore()
            await wire.send(self._world.port, request)
            if alone := await self._world.changed():
                self._outcome.note(request, [f"changed {alone[:3]}"], self._seed)
                return
        self._outcome.note(requests[0], [f"one of {len(requests)} changed {changed[:3]}"], self._seed)

    async def _send(self, requests: Sequence[Request]) -> None:
        waiting = iter(requests)

        async def some() -> None:
            for request in waiting:
                try:
                    heard = await wire.send(self._world.port, request)
                    if not heard and not request.cut:
                        # A machine that stood still for seconds has the server hang up on whoever waits.
                        heard = await wire.send(self._world.port, request)
                except (TimeoutError, ConnectionError) as error:
                    self._outcome.note(request, [f"no answer: {error!r}"], self._seed)
                    continue
                faults, status = self._judge.faults(request, heard)
                self._outcome.note(request, faults, self._seed)
                self._outcome.statuses[status] += 1
                self._outcome.requests += 1

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    async def at_the_end(self) -> dict[str, str]:
        """What is wrong with the server itself, or its log."""
        wrong = {}
        server, (before, after) = self._world.server, self._outcome.memory
        if server.process.poll() is not None:
            wrong["end"] = f"fuzz: the server ended with {server.process.returncode} ({self._seed})"
        if after - before > MAX_GROWTH_MB:
            wrong["memory"] = f"fuzz: the server grew from {before:.0f} to {after:.0f} MB ({self._seed})"
        wrong |= {line[:60]: f"fuzz: the log says {line} ({self._seed})" for line in log_faults(server.log)}
        words = (*self._world.seeded.secrets, *self._world.seeded.links)
        if any(word in server.log for word in words):
            wrong["secret"] = f"fuzz: a token stands in the log ({self._seed})"
        return wrong


def log_faults(log: str) -> list[str]:
    """Its lines that tell of an error, or that aren't of ours."""
    wrong = []
    for line in log.splitlines():
        found = _LOG_LINE.fullmatch(line)
        if found is None or found[1] in ("ERROR", "CRITICAL") or "Traceback" in line:
            wrong.append(line[:1_500])
    return wrong[:20]
