"""The clock of a running server is set ahead or behind, and back: nothing dead comes alive, nobody waits.

By libfaketime, which reads from a file how far the clock is off; timers go on as they are.
"""

import asyncio
import contextlib
import glob
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from db import engine
from db.accounts import password
from db.auth import sessions
from db.common import clock
from db.common.dates import DAY_MS
from db.invitations.listing import InvitationRow
from db.members import last_day
from db.policy import COMMAND_LINE, Role
from tests import provide
from tests.support.concurrency import soon
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.pages.site import PASSWORD, Visitor
from tests.support.servers import postgres
from tests.support.steps.invitation_steps import invited, token
from tests.trials.faults.support.served import ServedSite, served
from tests.trials.sample import Sample

LIBRARY: Final = "/usr/lib/*/faketime/libfaketimeMT.so.1"
DAYS: Final = 2
# The chores come each minute; they are given time on a busy machine.
CHORE_SECONDS: Final = 66
MAIL_SECONDS: Final = 120
TRIES: Final = 7
# Longer than an invitation works.
FAR_DAYS: Final = 8


class Moved:
    """The clock of the server, and that of this process, which makes what the server finds."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, days: int) -> None:
        """So many days ahead of the machine's, or behind it."""
        whole = self._file.with_suffix(".new")
        whole.write_text(f"{days:+d}d\n")
        whole.replace(self._file)
        clock.go_on()
        if days:
            clock.move(days * DAY_MS)


def run(_: Sample) -> list[str]:
    """Prints what was looked at; returns what broke."""
    try:
        provide.program("faketime")
    except postgres.Missing as missing:
        return [str(missing)]
    found = glob.glob(LIBRARY)
    try:
        broken = [
            sentence
            for part in (_ahead_and_back, _behind_and_far_ahead, _back_over_a_restart)
            for sentence in asyncio.run(part(found[0]))
        ]
    finally:
        clock.go_on()
    print(f"clock {DAYS} days ahead, behind and back, running and over a restart: {len(broken)} broken")
    return broken


@asynccontextmanager
async def _moved(library: str) -> AsyncIterator[tuple[ServedSite, Moved]]:
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        moved = Moved(Path(folder) / "clock")
        environment = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": str(Path(folder) / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        async with served(founded=True, **environment) as site:
            yield site, moved


async def _signs_in(site: ServedSite, name: str, password: str = PASSWORD) -> tuple[int, Visitor]:
    visitor = site.visitor()
    fields = {"email": f"{name}@example.org", "password": password}
    return (await visitor.submit("/user/login", fields)).status_code, visitor


async def _shown(visitor: Visitor) -> int:
    return int((await visitor.get("/user/account")).status_code)


async def _ahead_and_back(library: str) -> list[str]:
    wrong = Wrong()
    async with _moved(library) as (site, moved):
        for name in ("ada", "bea", "tom", "tim", "pia"):
            await site.person(name, Role.ANNOTATOR)
        _, before = await _signs_in(site, "ada")
        token = await site.reset_token("ada")
        today = last_day.earliest()
        owner = await site.sign_in("olga")
        await owner.submit(f"/organization/members/{site.ids['bea']}/end", last_day=today)
        await _spend(site, "tom")

        moved.set(DAYS)
        wrong.unless(await _shown(before) == 303, "a session of twelve hours lives after two days")
        wrong.unless(await _reset(site, token) == 410, "a password link of a day lives after two days")
        wrong.unless((await _signs_in(site, "bea"))[0] == 403, "who had a last day gets in after it")
        wrong.unless((await _signs_in(site, "tom"))[0] == 303, "a spent throttle holds after two days")
        await _spend(site, "tim")
        status, ahead = await _signs_in(site, "pia")
        wrong.unless(status == 303, f"signing in ahead is answered {status}")
        link_ahead = await site.reset_token("pia")
        await asyncio.sleep(CHORE_SECONDS)
        # No mail can be sent: what was postponed with the clock ahead isn't postponed for days.
        site.mail_server.max_connections = 0
        await engine.write(engine.execute, "DELETE FROM outbox")
        await password.make_reset_link(COMMAND_LINE, member_id=site.ids["ada"])
        await soon(_put_off)

        moved.set(0)
        site.mail_server.max_connections = 1_000
        site.mail_server.received.clear()
        wrong.unless(await _shown(before) == 303, "an ended session came alive")
        wrong.unless(await _reset(site, token) == 410, "an expired password link came alive")
        wrong.unless((await _signs_in(site, "bea"))[0] == 403, "a membership that had ended came alive")
        status, _ = await _signs_in(site, "tim")
        wrong.unless(status == 303, f"who spent tries ahead waits after the clock came back: {status}")
        wrong.unless(await _shown(ahead) == 200, "a session begun ahead is lost")
        wrong.unless(await _reset(site, link_ahead) == 200, "a link made ahead is lost")
        await asyncio.sleep(CHORE_SECONDS)
        wrong.add(await _too_long())
        with contextlib.suppress(TimeoutError):
            await soon(lambda: site.mail_server.to("ada@example.org"), MAIL_SECONDS)
        wrong.unless(bool(site.mail_server.to("ada@example.org")), "a mail queued ahead doesn't leave")
        wrong.add(_errors(site))
    return wrong.found


async def _behind_and_far_ahead(library: str) -> list[str]:
    """What was there goes on two days earlier; an invitation that has expired ahead stays dead."""
    wrong = Wrong()
    async with _moved(library) as (site, moved):
        for name in ("ada", "tom", "pia"):
            await site.person(name, Role.ANNOTATOR)
        _, before = await _signs_in(site, "ada")
        owner, reset = await site.sign_in("olga"), await site.reset_token("pia")
        eve, ida = await invited(site, "eve"), await invited(site, "ida")
        await _spend(site, "tom")

        moved.set(-DAYS)
        wrong.unless(await _shown(before) == 200, "a session ends when the clock is set behind")
        for name in ("tom", "pia"):
            status, _ = await _signs_in(site, name)
            wrong.unless(status == 303, f"signing in behind is answered {status} for {name}")
        wrong.unless(await _reset(site, reset) == 200, "a password link is dead behind")
        wrong.unless(await _invitation(site, eve) == 200, "an invitation is dead behind")
        accepted = {"token": token(site, eve), "password": NEW_PASSWORD}
        answer = await site.visitor().submit("/user/invitation", accepted)
        wrong.unless(answer.status_code == 303, f"accepting behind is answered {answer.status_code}")
        answer = await owner.submit("/organization/invitations", {"emails": "fay@example.org", "role": "AN"})
        wrong.unless(answer.status_code == 303, f"inviting behind is answered {answer.status_code}")
        with contextlib.suppress(TimeoutError):
            await soon(lambda: site.mail_server.to("fay@example.org"), MAIL_SECONDS)
        wrong.unless(bool(site.mail_server.to("fay@example.org")), "a mail queued behind doesn't leave")

        moved.set(FAR_DAYS)
        wrong.unless(await _invitation(site, ida) == 410, f"an invitation lives after {FAR_DAYS} days")
        await asyncio.sleep(CHORE_SECONDS)
        moved.set(0)
        wrong.unless(await _invitation(site, ida) == 410, "an expired invitation came alive")
        # Nobody is signed in any more: all sessions have ended ahead.
        again = await invited(site, "ida")
        wrong.unless(await _invitation(site, again) == 200, "an invitation after that is dead")
        wrong.add(_errors(site))
    return wrong.found


async def _back_over_a_restart(library: str) -> list[str]:
    wrong = Wrong()
    async with _moved(library) as (site, moved):
        await site.person("ada", Role.ANNOTATOR)
        moved.set(DAYS)
        _, ahead = await _signs_in(site, "ada")
        ended = site.visitor()
        ended.cookies = ahead.cookies
        await _spend(site, "olga")
        for days in (0, -DAYS, 0):
            site.server.stop()
            moved.set(days)
            with site.checkout.serve(**site.environment) as server:
                site.server = server
                status, visitor = await _signs_in(site, "ada")
                where = f"started again {days:+d} days off"
                wrong.unless(status == 303, f"{where}, signing in is answered {status}")
                wrong.unless(await _shown(visitor) == 200, f"{where}, a new session doesn't work")
                status, _ = await _signs_in(site, "olga")
                wrong.unless(status == 303, f"{where}, who spent tries ahead is answered {status}")
                await visitor.submit("/user/logout")
                wrong.unless(await _shown(visitor) == 303, f"{where}, a session lives after signing out")
                wrong.add(_errors(site))
    return wrong.found


class Wrong:
    """What broke."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def unless(self, holds: bool, sentence: str) -> None:
        if not holds:
            self.add([f"Clock: {sentence}."])

    def add(self, sentences: list[str]) -> None:
        self.found += sentences


async def _spend(site: ServedSite, name: str) -> None:
    """Wrong passwords until the next try has to wait."""
    for _ in range(TRIES):
        await _signs_in(site, name, "not the password at all")


async def _reset(site: ServedSite, token: str) -> int:
    answer: Any = await site.visitor().get("/user/password/reset", params={"token": token})
    return int(answer.status_code)


async def _invitation(site: ServedSite, line: InvitationRow) -> int:
    answer: Any = await site.visitor().get("/user/invitation", params={"token": token(site, line)})
    return int(answer.status_code)


async def _put_off() -> bool:
    return bool(await engine.rows("SELECT 1 FROM outbox WHERE state = 'queued' AND server_reply <> ''"))


async def _too_long() -> list[str]:
    """What lives longer by the machine's clock than it may, once the chores have come by."""
    now = time.time_ns() // 1_000_000
    ((late,),) = await engine.rows(
        "SELECT COUNT(*) FROM session WHERE ended_at = 0 AND persistent = 0 AND expires_at > ?",
        now + sessions.TEMPORARY_AGE_MS,
    )
    ((links,),) = await engine.rows(
        "SELECT COUNT(*) FROM links WHERE ended_at = 0 AND purpose = 'reset' AND expires_at > ?", now + DAY_MS
    )
    return [f"Clock: {late} sessions and {links} password links live too long."] if late or links else []


def _errors(site: ServedSite) -> list[str]:
    found = [line for line in site.server.log.splitlines() if " error id=" in line or "Traceback" in line]
    return [f"Clock: {len(found)} errors in the log, the first: {found[0]}."] if found else []
