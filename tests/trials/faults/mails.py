"""The post can't write, or is killed when a mail is taken and not marked yet: no mail is lost.

Where a write fails each mail goes out once. Where the process is killed it may go out twice, under one
Message-ID and with one link (docs/operate.md).
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
# Each waits until the post comes by, which takes up to five seconds.
MAX_FAULTS: Final = 30
KILLS: Final = 5
# A claim whose end nobody knows goes out when its lease has ended.
MAIL_SECONDS: Final = 90
# The mail server's yes is on its way for less.
ANSWER_SECONDS: Final = 0.5
LOCKS: Final = {"sqlite": "BEGIN IMMEDIATE", "postgres": "LOCK TABLE outbox IN EXCLUSIVE MODE"}


def run(sample: Sample) -> list[str]:
    """Prints how many writes failed and how often the post was killed; returns what broke."""
    try:
        provide.program("strace")
    except postgres.Missing as missing:
        return [str(missing)]
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        broken = asyncio.run(_writes(f"sqlite:///{Path(folder) / 'gatehouse.db'}", sample))
    for name, url in each():
        found = asyncio.run(_kills(url))
        print(
            f"post killed between the server's yes and the mark on {name}: {KILLS} times, {len(found)} broken"
        )
        broken += found
    return broken


@asynccontextmanager
async def house(url: str) -> AsyncIterator[int]:
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
    async with house(url) as owner:
        _, made = await sent_despite(None, owner)
        planned = [
            Fault(call, nth, error)
            for call, times in sorted(made.items())
            for nth in range(1, times + 1)
            for error in ERRORS
        ]
        broken = list[str]()
        chosen = sample.draw("writes of the post that fail", planned, MAX_FAULTS)
        for fault in chosen:
            broken += (await sent_despite(fault, owner))[0]
    print(f"writes of the post that failed: {len(chosen)}, {len(broken)} broken")
    return broken


async def sent_despite(fault: Fault | None, owner: int) -> tuple[list[str], dict[str, int]]:
    """Has the post send one mail while a call of its fails once.

    Returns what broke, and how often the post made each call.
    """
    recipient = f"guest-{await _count()}@example.org"
    wrong = list[str]()
    async with (
        smtp.serving() as server,
        mail_steps.process(_url(), server) as child,
        traced(child.pid, fault) as trace,
    ):
        mail_id = await mail_steps.owed("password", recipient, member_id=owner)
        try:
            await mail_steps.until("sent", mail_id, MAIL_SECONDS)
        except TimeoutError:
            wrong.append(f"it is {await mail_steps.row(mail_id)} after {MAIL_SECONDS} s")
    if len(taken := server.to(recipient)) != 1:
        wrong.append(f"it went out {len(taken)} times")
    if fault and not trace.injected:
        wrong.append("the write that was to fail wasn't made")
    return [f"A mail, {fault}: {what}." for what in wrong], trace.counted()


async def _kills(url: str) -> list[str]:
    async with house(url) as owner:
        return [sentence for _ in range(KILLS) for sentence in await killed_before_the_mark(owner)]


async def killed_before_the_mark(owner: int) -> list[str]:
    """Kills the post while it waits to mark a mail that was taken; another takes over when its lease ends."""
    recipient = f"guest-{await _count()}@example.org"
    link = await mail_steps.link_for(links.RESET, owner)
    async with smtp.serving() as server:
        server.seconds_for_each = 2 * ANSWER_SECONDS
        async with mail_steps.process(_url(), server) as child:
            mail_id = await mail_steps.owed("reset", recipient, member_id=owner, link_id=link.id)
            await mail_steps.soon(lambda: _claimed(mail_id))
            async with held(LOCKS[engine.dialect()]):
                await mail_steps.soon(lambda: server.to(recipient))
                await asyncio.sleep(ANSWER_SECONDS)
                child.kill()
                await child.wait()
        state = (await mail_steps.row(mail_id))["state"]
        clock.move(worker.LEASE_MS + 1)
        async with mail_steps.delivering(server.account()):
            found = await mail_steps.until("sent", mail_id, MAIL_SECONDS)
        clock.go_on()
    taken = server.to(recipient)
    texts = {mail.text for mail in taken}
    wrong = [] if state == "queued" else [f"it was {state} before the kill, which proves nothing"]
    if len(taken) != 2 or len(texts) != 1:
        wrong.append(f"it went out {len(taken)} times, with {len(texts)} texts")
    if {mail.message["Message-ID"] for mail in taken} != {found["message_id"]}:
        wrong.append("it went out under another Message-ID")
    return [f"A mail whose post was killed: {what}." for what in wrong]


async def _claimed(mail_id: int) -> bool:
    return bool((await mail_steps.row(mail_id))["lease"])


async def _count() -> int:
    ((count,),) = await engine.rows("SELECT COUNT(*) FROM outbox")
    return int(count)


def _url() -> str:
    chosen = engine.get()
    return f"sqlite:///{chosen.file}" if isinstance(chosen, SqliteEngine) else chosen.url
