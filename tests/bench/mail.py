"""Mail: how soon 500 invitations are answered while the mail server hangs; 1,000 mails by three processes.

The first is the time of the POST over HTTP to `gatehouse serve`, whose mail server accepts connections and
never replies. The thousand are sent by three processes at once to an SMTP server on this machine, which
counts them.
"""

import argparse
import asyncio
import http.client
import statistics
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from db import engine
from db.mail import outbox
from tests.bench.server import PORT, fill, served, sign_in
from tests.bench.support.databases import say
from tests.support.servers import postgres
from tests.support.servers.smtp import Server, serving, silent
from tests.support.steps import mail_steps

ROUNDS: Final = 5
INVITED: Final = 500
MAILS: Final = 1_000
PROCESSES: Final = 3
TIMEOUT_SECONDS: Final = 120
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


async def run(options: argparse.Namespace) -> None:
    """Prints two lines for each database."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        await _report("sqlite", f"sqlite:///{folder}/bench.db", options.members)
        try:
            await _report("postgres", postgres.start(Path(folder)), options.members)
        finally:
            postgres.stop(Path(folder))


async def _report(name: str, url: str, members: int) -> None:
    await fill(url, members)
    async with silent() as server:
        seconds = await asyncio.to_thread(_invite, url, server)
    say(
        f"# {name}: {INVITED} invitations while the mail server hangs, {ROUNDS} times: answered after"
        f" {statistics.median(seconds):.2f} s (median), {max(seconds):.2f} s (longest)"
    )
    received, seconds_for_all = await _send(url)
    once = sum(times == 1 for times in received.values())
    say(
        f"# {name}: {MAILS:,} mails over {PROCESSES} processes: {once:,} sent exactly once,"
        f" {len(received) - once} more often, {MAILS - len(received)} not, in {seconds_for_all:.1f} s"
    )


def _invite(url: str, server: Server) -> list[float]:
    """Seconds from each POST to its answer."""
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": str(server.port), "EMAIL_USE_TLS": "false"}
    here = f"http://127.0.0.1:{PORT}"
    with (
        served(url, HOST=here, **mail),
        closing(http.client.HTTPConnection("127.0.0.1", PORT)) as browser,
    ):
        headers = {**FORM, "Cookie": sign_in(browser)}
        _post(browser, headers, ["first@example.org"])
        ends = time.monotonic() + TIMEOUT_SECONDS
        while not server.connections:
            if time.monotonic() > ends:
                raise SystemExit("the mail server was never asked")
            time.sleep(0.01)
        seconds = []
        for number in range(ROUNDS):
            began = time.perf_counter()
            _post(browser, headers, [f"guest{number}-{guest}@example.org" for guest in range(INVITED)])
            seconds.append(time.perf_counter() - began)
    return seconds


def _post(browser: http.client.HTTPConnection, headers: dict[str, str], emails: list[str]) -> None:
    browser.request(
        "POST",
        "/organization/invitations",
        urlencode({"emails": "\n".join(emails), "role": "AN"}),
        headers,
    )
    answer = browser.getresponse()
    answer.read()
    if answer.status != 303:
        raise SystemExit(f"inviting answered {answer.status}")


async def _send(url: str) -> tuple[Counter[str], float]:
    """How often the server got each recipient's mail, and the seconds until the last was marked."""
    engine.use(url)
    await engine.start()
    outbox.use(True, "members.fenwick.example")
    try:
        ((owner_id,),) = await engine.rows("SELECT owner_id FROM organization")
        await engine.write(engine.execute, "UPDATE outbox SET state = 'void' WHERE state = 'queued'")
        async with serving() as server, AsyncExitStack() as processes:
            for _ in range(PROCESSES):
                await processes.enter_async_context(mail_steps.process(url, server))
            began = time.perf_counter()
            await mail_steps.invited_many(MAILS, owner_id)
            await mail_steps.soon(_all_are_marked, TIMEOUT_SECONDS)
            seconds = time.perf_counter() - began
        return Counter(mail.recipient for mail in server.received), seconds
    finally:
        outbox.use(False)
        await engine.stop()


async def _all_are_marked() -> bool:
    return "queued" not in await mail_steps.states()
