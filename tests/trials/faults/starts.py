"""The first start of a server whose writes fail: it serves, or says why not, and the next start recovers.

Never is there half a database, nor a set-up link printed that doesn't work.
"""

import contextlib
import os
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import httpx

from db.schema import migrate
from tests import provide
from tests.support.servers import postgres
from tests.support.servers.command import TIMEOUT_SECONDS, Checkout, Server
from tests.trials.faults.commands import CALLS, OWNER, faults_in
from tests.trials.faults.support.injection import Fault, Trace, command
from tests.trials.sample import Sample

# Each takes some five seconds: two starts, one of them traced.
MAX_FAULTS: Final = 30
REFUSED: Final = "refused"
SERVED: Final = "served all the same"


def run(sample: Sample) -> list[str]:
    """Prints how many writes failed in how many first starts; returns what broke."""
    try:
        provide.program("strace")
    except postgres.Missing as missing:
        return [str(missing)]
    broken, figures = list[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        checkout = Checkout(Path(folder) / "checkout")
        for fault in sample.draw("writes of a first start that fail", planned(checkout), MAX_FAULTS):
            wrong, outcome = tried(checkout, fault)
            figures[outcome] += 1
            broken += [f"The first start, {fault}: {what}." for what in wrong]
    counted = ", ".join(f"{number} {outcome}" for outcome, number in sorted(figures.items()))
    print(f"writes that failed in a first start: {counted}, {len(broken)} broken")
    return broken


def planned(checkout: Checkout) -> list[Fault]:
    """What may fail in a first start, by what it does when nothing fails."""
    with _first_start(checkout, None) as (server, trace):
        assert _is_up(server), server.log
    trace.lines = trace.file.read_text(errors="replace").splitlines()
    return faults_in(trace, checkout.data)


def tried(checkout: Checkout, fault: Fault) -> tuple[list[str], str]:
    """What is wrong, and what became of the start."""
    wrong = list[str]()
    with _first_start(checkout, fault) as (server, _):
        outcome = SERVED if _is_up(server) else REFUSED
        if outcome is SERVED:
            wrong += _set_up(server) if fault.stays is False else []
        elif server.process.returncode != 1 or server.lines:
            wrong.append(f"it ended with {server.process.returncode} and printed {server.lines}")
        if "Traceback" in server.log or "Errno" in server.log:
            wrong.append(f"it logged {server.log[:300]!r}")
    wrong += _half(checkout)
    try:
        with checkout.serve() as server:
            # Whoever set it up at the first start is the Owner still.
            owned = outcome is SERVED and not fault.stays
            wrong += _set_up(server) if not owned else [] if not server.setup_code else ["the Owner is gone"]
    except AssertionError as error:
        wrong.append(f"the next start fails: {error}")
    return wrong, outcome


@contextmanager
def _first_start(checkout: Checkout, fault: Fault | None) -> Iterator[tuple[Server, Trace]]:
    """A server in an empty folder, traced from its first call on; stopped in the end."""
    shutil.rmtree(checkout.data, ignore_errors=True)
    trace = Trace(checkout.root / "trace")
    checkout.under = command(trace.file, CALLS, fault)
    try:
        with checkout.start("serve") as server:
            try:
                yield server, trace
            finally:
                # strace lets no signal through, and a server would outlive it.
                if server.process.poll() is None:
                    pid = server.process.pid
                    (served,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                    os.kill(int(served), signal.SIGTERM)
                    server.process.wait(TIMEOUT_SECONDS)
    finally:
        checkout.under = []


def _is_up(server: Server) -> bool:
    """Whether it has come to answer; False when it has ended."""
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        if server.process.poll() is not None:
            return False
        if server.lines and _answers(server):
            return True
        time.sleep(0.02)
    raise AssertionError(f"neither a line nor an end in {TIMEOUT_SECONDS} s: {server.log}")


def _answers(server: Server) -> bool:
    with server.browser() as browser, contextlib.suppress(httpx.TransportError):
        return browser.get("/health").status_code == 200
    return False


def _set_up(server: Server) -> list[str]:
    """What is wrong about the set-up by the link that was printed."""
    if not server.setup_code:
        return ["no set-up link was printed"]
    fields = {
        "code": server.setup_code,
        "title": "Fenwick Herbarium",
        "first_name": "Olga",
        "last_name": "Fenwick",
        "email": OWNER["LABEL_STUDIO_USERNAME"],
        "password": OWNER["LABEL_STUDIO_PASSWORD"],
    }
    with server.browser() as browser:
        answer = browser.post("/setup", data=fields)
        if answer.status_code == 503:
            # The write that was to fail was one of this change's; it is made again.
            answer = browser.post("/setup", data=fields)
    return [] if answer.status_code == 303 else [f"the set-up is answered {answer.status_code}"]


def _half(checkout: Checkout) -> list[str]:
    """What of the database is there in part, or is damaged."""
    file = checkout.data / "gatehouse.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as database:
        (found,) = database.execute("PRAGMA integrity_check").fetchone()
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        ran = set[str]()
        if "migration" in tables:
            ran = {name for (name,) in database.execute("SELECT name FROM migration")}
    wrong = [] if found == "ok" else [f"the database is damaged: {found}"]
    if ran != migrate.known() and tables:
        wrong.append(f"half a database is there: {sorted(tables)[:3]} and {len(ran)} migrations")
    return wrong
