"""PostgreSQL that is stopped and started while people work, and connections to it that are cut."""

import asyncio
import random
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from tests.support.concurrency import soon
from tests.support.engine.small_database import KILL_CONNECTIONS, from_outside
from tests.support.servers import postgres
from tests.trials.faults.kills import faults
from tests.trials.faults.support.cluster import LOST, Cluster, Crowd
from tests.trials.faults.support.databases import postgres_folder
from tests.trials.faults.support.notes import Outcome, broken_in
from tests.trials.sample import Sample

MODES: Final = ("fast", "immediate", "connections")
EVERYTHING: Final = 60
A_PART: Final = 18
# A request waits ten seconds for a connection, then it is told; the machine may be busy.
HONEST_SECONDS: Final = 20
BACK_SECONDS: Final = 60
ONE_CONNECTION: Final = f"{KILL_CONNECTIONS} ORDER BY random() LIMIT 1"


def run(sample: Sample) -> list[str]:
    """Stops a server of its own again and again; prints the figures and returns what broke."""
    modes = sample.draw("stops of PostgreSQL", MODES * (EVERYTHING // len(MODES)), A_PART)
    with postgres_folder() as folder:
        broken, said = asyncio.run(tried(folder, modes, random.Random(f"{sample.seed} stopped")))
    print(f"PostgreSQL stopped: {said}", flush=True)
    return [f"PostgreSQL stopped: {sentence}" for sentence in broken]


async def tried(folder: Path, modes: Sequence[str], chance: random.Random) -> tuple[list[str], str]:
    """What broke after each of these stops of a server in this folder, and the figures in one sentence."""
    url = postgres.create_database(postgres.start(folder), "gatehouse")
    broken, back = list[str](), [0.0]
    async with Cluster.opened(url, chance) as cluster:
        notes, crowd = cluster.notes, Crowd(cluster)
        await crowd.gather()
        # The one thing nobody can know is whether a COMMIT arrived before its connection broke.
        cluster.after_503 = Outcome.UNKNOWN
        for mode in modes:
            cluster.over.clear()
            working = asyncio.create_task(crowd.work())
            await _goes_on(cluster, working)
            await _break(cluster, folder, mode)
            began = time.monotonic()
            await _goes_on(cluster, working)
            back.append(time.monotonic() - began)
            cluster.over.set()
            await working
            broken += [*notes.wrong, *await crowd.broken(), *broken_in(url, notes)]
            if broken:
                break
        broken += [fault for server in cluster.logs for fault in faults(server.log)]
        if max(notes.waits) > HONEST_SECONDS:
            broken.append(f"somebody waited {max(notes.waits):.0f} s for an answer")
        said = (
            f"{len(back) - 1} times, {notes.count(Outcome.DONE):,} changes acknowledged,"
            f" {notes.refusals[LOST]} answers 503 with Retry-After, longest wait {max(notes.waits):.1f} s,"
            f" changes again after {max(back):.1f} s at most; {len(broken)} lost, half or false"
        )
    return broken, said


async def _goes_on(cluster: Cluster, working: "asyncio.Task[None]") -> None:
    """Returns when each server answers, and people get on with their work."""
    async with asyncio.timeout(BACK_SECONDS):
        visitor = cluster.person()
        for server in cluster.servers.values():
            await soon(partial(visitor.is_healthy, server.base), BACK_SECONDS)
        before = cluster.notes.count(Outcome.DONE)
        await soon(lambda: working.done() or cluster.notes.count(Outcome.DONE) > before + 5, BACK_SECONDS)


async def _break(cluster: Cluster, folder: Path, mode: str) -> None:
    """Stops PostgreSQL for some seconds, or cuts one connection after the other; it is there in the end."""
    if mode == "connections":
        until = time.monotonic() + 3
        while time.monotonic() < until:
            cut = cluster.chance.choice((KILL_CONNECTIONS, ONE_CONNECTION))
            await asyncio.to_thread(from_outside, cluster.url, cut)
            await asyncio.sleep(cluster.chance.uniform(0.02, 0.3))
        return
    await asyncio.to_thread(postgres.stop, folder, mode)
    await asyncio.sleep(cluster.chance.choice((0, 1, 3, 12)))
    await asyncio.to_thread(postgres.start, folder)
