"""Servers killed while people work: what was acknowledged is there, and nothing is there half."""

import asyncio
import itertools
import random
import re
import time
from typing import Final

from tests.support.concurrency import soon
from tests.support.engine.small_database import from_outside
from tests.trials.faults.support.cluster import Cluster, Crowd
from tests.trials.faults.support.databases import each
from tests.trials.faults.support.notes import Outcome, broken_in
from tests.trials.sample import Sample

EVERYTHING: Final = 200
A_PART: Final = 60
# Rounds are given up after so long, so that a busy machine ends in time as well.
SECONDS: Final = 240
# A mail that a killed server had in its hands goes out half a minute later.
MAIL_SECONDS: Final = 120
VICTIMS: Final = ((0,), (1,), (0, 1))


def run(sample: Sample) -> list[str]:
    """Kills servers on SQLite and on PostgreSQL; prints the figures and returns what broke."""
    broken = []
    for name, url in each():
        times = sample.times(f"kills on {name}", EVERYTHING, A_PART)
        chance = random.Random(f"{sample.seed} {name}")
        until = None if sample.full else time.monotonic() + SECONDS
        found, said = asyncio.run(tried(url, times, chance, until))
        print(f"kill -9 on {name}, of {times} rounds: {said}", flush=True)
        broken += [f"kill -9 on {name}: {sentence}" for sentence in found]
    return broken


async def tried(
    url: str, times: int, chance: random.Random, until: float | None = None
) -> tuple[list[str], str]:
    """What broke in so many rounds on an empty database, and the figures in one sentence.

    until: when to stop early, by the monotonic clock.
    """
    async with Cluster.opened(url, chance) as cluster:
        crowd = Crowd(cluster)
        await crowd.gather()
        kills = rounds = 0
        broken = list[str]()
        for _ in range(times):
            if broken or (until and time.monotonic() > until):
                break
            kills += await _round(cluster, crowd)
            rounds += 1
            broken += [*cluster.notes.wrong, *await crowd.broken(), *broken_in(url, cluster.notes)]
        mails = await _mails(cluster)
        broken += mails + [fault for server in cluster.logs for fault in faults(server.log)]
        notes = cluster.notes
        said = (
            f"{rounds} rounds, {kills} processes killed, {notes.count(Outcome.DONE):,} changes acknowledged,"
            f" {notes.count(Outcome.UNKNOWN)} without an answer, {notes.count(Outcome.REFUSED)} refused,"
            f" {len(cluster.mail.received)} mails, {_doubles(cluster)} twice; {len(broken)} broken"
        )
        return broken, said


async def _round(cluster: Cluster, crowd: Crowd) -> int:
    """Kills one server or both in the middle of the work and starts them again; how many."""
    before = cluster.notes.count(Outcome.DONE)
    cluster.over.clear()
    working = asyncio.create_task(crowd.work())
    await soon(lambda: working.done() or cluster.notes.count(Outcome.DONE) > before + 10)
    await asyncio.sleep(cluster.chance.uniform(0, 0.5))
    victims = cluster.chance.choice(VICTIMS)
    for victim in victims:
        cluster.kill(victim)
    # Those who are left go on meanwhile.
    await asyncio.gather(*map(cluster.start, victims))
    cluster.over.set()
    await working
    return len(victims)


def faults(log: str) -> list[str]:
    """What a server has logged that it shouldn't."""
    return [
        f"a server logged: {line}" for line in log.splitlines() if " ERROR " in line or "Traceback" in line
    ]


async def _mails(cluster: Cluster) -> list[str]:
    """Each invitation that was acknowledged goes out, at least once, with one link, which works."""

    def all_gone() -> bool:
        queued = "SELECT COUNT(*) FROM outbox WHERE state = 'queued' AND kind IN ('invitation', 'handed')"
        return list(from_outside(cluster.url, queued)) == [(0,)]

    try:
        await soon(all_gone, MAIL_SECONDS)
    except TimeoutError:
        return [f"mails are still queued after {MAIL_SECONDS} s"]
    broken = []
    visitor = cluster.person()
    for about in cluster.notes.done("invitation_made"):
        paths = _links_to(cluster, about)
        revoked = cluster.notes.of("invitation_revoked", about)
        if len(paths) != 1 and not revoked:
            broken.append(f"{about} got {len(paths)} links by mail")
        answer = await visitor.get(paths.pop()) if paths else None
        wanted = 410 if revoked and revoked[0].outcome is Outcome.DONE else 200
        unknown = any(ask.outcome is Outcome.UNKNOWN for ask in revoked)
        if answer is not None and not unknown and answer.status_code != wanted:
            broken.append(f"the link mailed to {about} answers {answer.status_code}, not {wanted}")
    return broken


def _links_to(cluster: Cluster, recipient: str) -> set[str]:
    """The paths of the links in the mails that somebody got."""
    found = itertools.chain(
        *(re.findall(r"/user/invitation\?token=\S+", mail.text) for mail in cluster.mail.to(recipient))
    )
    return set(found)


def _doubles(cluster: Cluster) -> int:
    """How many mails came again, under the same Message-ID."""
    ids = [mail.message["Message-ID"] for mail in cluster.mail.received]
    return len(ids) - len(set(ids))
