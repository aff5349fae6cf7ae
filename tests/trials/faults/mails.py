"""The mail worker can't write, or is killed before it marks an accepted mail: no mail is lost.

If a write fails, each mail is sent once. If the process is killed, it may be sent twice, with one Message-ID
and one link (docs/operate.md).
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from db import engine
from db.auth import links
from db.common import clock
from db.engine.sqlite import SqliteEngine
from db.mail import outbox
from db.schema import migrate
from mailer import worker
from tests import provide
from tests.support.servers import postgres, smtp
from tests.support.steps import mail_steps
from tests.trials.faults.locked import held
from tests.trials.faults.support.databases import each
from tests.trials.faults.support.injection import Fault, traced
from tests.trials.sample import Sample

ERRORS: Final = ("ENOSPC", "EIO")
# Each waits until the mail worker polls, which takes up to five seconds.
MAX_FAULTS: Final = 30
KILLS: Final = 5
# A mail whose claim failed halfway is sent when the lease has ended.
MAIL_SECONDS: Final = 90
# The mail server's reply arrives in less.
ANSWER_SECONDS: Final = 0.5
LOCKS: Final = {"sqlite": "BEGIN IMMEDIATE", "postgres": "LOCK TABLE outbox IN EXCLUSIVE MODE"}


def run(sample: Sample) -> list[str]:
    """Prints how many writes failed and how often the mail worker was killed; returns what broke."""
    try:
        provide.program("strace")
    except postgres.Missing as missing:
        return [str(missing)]
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        broken = asyncio.run(_writes(f"sqlite:///{Path(folder) / 'gatehouse.db'}", sample))
    for name, url in each():
        broken_here = asyncio.run(_kills(url))
        print(
            f"mail worker killed between the server's yes and the mark on {name}: {KILLS} times,"
            f" {len(broken_here)} broken"
        )
        broken += broken_here
    return broken


@asynccontextmanager
async def organization(url: str) -> AsyncIterator[int]:
    """An organization on this database, which is migrated if need be; its Owner's id."""
    engine.use(url)
    await engine.start()
    try:
        await migrate.migrate()
        yield await mail_steps.founded()
    finally:
        clock.go_on()
        outbox.use(False)
        await engine.stop()


async def _writes(url: str, sample: Sample) -> list[str]:
    async with organization(url) as owner:
        _, made = await sent_despite(None, owner)
        planned = [
            Fault(call, nth, error)
            for call, times in sorted(made.items())
            for nth in range(1, times + 1)
            for error in ERRORS
        ]
        broken = list[str]()
        chosen = sample.draw("writes of the mail worker that fail", planned, MAX_FAULTS)
        for fault in chosen:
            broken += (await sent_despite(fault, owner))[0]
    print(f"writes of the mail worker that failed: {len(chosen)}, {len(broken)} broken")
    return broken


async def sent_despite(fault: Fault | None, owner: int) -> tuple[list[str], dict[str, int]]:
    """Lets a mail worker send one mail while one of its system calls fails once.

    Returns what broke, and how often it made each call.
    """
    recipient = f"guest-{await _count()}@example.org"
    wrong = list[str]()
    async with (
        smtp.serving() as server,
        mail_steps.process(_url(), server) as child,
        traced(child.pid, fault) as trace,
    ):
        mail_id = await mail_steps.queued("password", recipient, member_id=owner)
        try:
            await mail_steps.until("sent", mail_id, MAIL_SECONDS)
        except TimeoutError:
            wrong.append(f"it is {await mail_steps.row(mail_id)} after {MAIL_SECONDS} s")
    if len(received := server.to(recipient)) != 1:
        wrong.append(f"it was sent {len(received)} times")
    if fault and not trace.injected:
        wrong.append("the write that was to fail wasn't made")
    return [f"A mail, {fault}: {what}." for what in wrong], trace.counted()


async def _kills(url: str) -> list[str]:
    async with organization(url) as owner:
        return [sentence for _ in range(KILLS) for sentence in await killed_before_the_mark(owner)]


async def killed_before_the_mark(owner: int) -> list[str]:
    """Kills a mail worker that waits to mark an accepted mail; another takes over when the lease ends."""
    recipient = f"guest-{await _count()}@example.org"
    link = await mail_steps.link_for(links.RESET, owner)
    async with smtp.serving() as server:
        server.seconds_per_mail = 2 * ANSWER_SECONDS
        async with mail_steps.process(_url(), server) as child:
            mail_id = await mail_steps.queued("reset", recipient, member_id=owner, link_id=link.id)
            await mail_steps.soon(lambda: _claimed(mail_id))
            async with held(LOCKS[engine.dialect()]):
                await mail_steps.soon(lambda: server.to(recipient))
                await asyncio.sleep(ANSWER_SECONDS)
                child.kill()
                await child.wait()
        state = (await mail_steps.row(mail_id))["state"]
        clock.move(worker.LEASE_MS + 1)
        async with mail_steps.delivering(server.account()):
            mail = await mail_steps.until("sent", mail_id, MAIL_SECONDS)
        clock.go_on()
    received = server.to(recipient)
    texts = {copy.text for copy in received}
    wrong = [] if state == "queued" else [f"it was {state} before the kill, which proves nothing"]
    if len(received) != 2 or len(texts) != 1:
        wrong.append(f"it was sent {len(received)} times, with {len(texts)} texts")
    if {copy.message["Message-ID"] for copy in received} != {mail["message_id"]}:
        wrong.append("it was sent under another Message-ID")
    return [f"A mail whose worker was killed: {what}." for what in wrong]


async def _claimed(mail_id: int) -> bool:
    return bool((await mail_steps.row(mail_id))["lease"])


async def _count() -> int:
    ((count,),) = await engine.rows("SELECT COUNT(*) FROM outbox")
    return int(count)


def _url() -> str:
    chosen = engine.get()
    return f"sqlite:///{chosen.file}" if isinstance(chosen, SqliteEngine) else chosen.url
