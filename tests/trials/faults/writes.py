"""Each write to the disk fails, once or from there on: what was said about the change is so.

Either it is done and was acknowledged, or the answer was 503 and nothing of it is there. Pages go on being
shown, and the same server makes the same change as soon as the disk can be written again.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from db import engine
from db.policy import Role
from tests import provide
from tests.support.pages.changing_requests import (
    NEW_PASSWORD,
    NOTHING_CHANGED,
    SENT,
    Sent,
    actor,
    give_back,
    numbers,
)
from tests.support.pages.site import PASSWORD, Visitor
from tests.support.servers import postgres
from tests.support.steps import access_request_steps, invitation_steps
from tests.trials.faults import commands
from tests.trials.faults.support.injection import Fault, traced
from tests.trials.faults.support.served import ServedSite, State, changed, served, state
from tests.trials.sample import Sample

ERRORS: Final = ("ENOSPC", "EIO")
# Runs of one change with one fault, each a twentieth of a second.
MAX_FAULTS: Final = 3_000
MAX_CHECKPOINT_FAULTS: Final = 60
# More than the thousand pages after which a commit carries the log over into the database.
FILLING: Final = 6_000_000
DONE: Final = (200, 303)


@dataclass(frozen=True)
class Case:
    """A change about to be made: by whose browser, where, with what, and what it shows afterwards."""

    visitor: Visitor
    path: str
    sent: Sent
    look: str = "/user/account"

    async def send(self) -> Any:
        return await self.sent.by(self.visitor, self.path)


Make = Callable[[ServedSite], Awaitable[Case]]


def run(sample: Sample) -> list[str]:
    """Prints how many writes failed in how many changes; returns what broke."""
    try:
        provide.program("strace")
    except postgres.Missing as missing:
        return [str(missing)]
    return asyncio.run(_run(sample))


async def _run(sample: Sample) -> list[str]:
    tried = Tried()
    async with served(DISABLE_SIGNUP_WITHOUT_LINK="true") as site:
        planned = [
            (name, fault)
            for name, make in CASES.items()
            for fault in _faults(await tried.without_fault(site, name, make))
        ]
        for name, fault in sample.draw("writes of a change that fail", planned, MAX_FAULTS):
            await tried.with_fault(site, name, fault)
        await tried.look_over(site)
        await _checkpoint(tried, site, sample)
        await tried.look_over(site)
    await _set_up(tried, sample)
    print(f"writes that failed during a request: {tried.figures()}")
    return tried.broken + commands.run(sample)


def _faults(counted: dict[str, int]) -> list[Fault]:
    """Each call that was counted, failing once and for good, as on a full and as on a broken disk."""
    return [
        Fault(call, nth, error, stays)
        for call, times in sorted(counted.items())
        for nth in range(1, times + 1)
        for error in ERRORS
        for stays in (False, True)
    ]


class Tried:
    """What came of it."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.refused = self.done = self.untouched = 0
        # By the name of a change: its status and the rows it changes when nothing fails.
        self._usual: dict[str, tuple[int, dict[str, tuple[int, int]]]] = {}

    def figures(self) -> str:
        return (
            f"{len(self._usual)} changes, {self.refused:,} refused with 503 and made afterwards, "
            f"{self.done:,} made all the same, {self.untouched:,} not reached, {len(self.broken)} broken"
        )

    async def without_fault(self, site: ServedSite, name: str, make: Make) -> dict[str, int]:
        """How often the change makes each call, when nothing fails."""
        case, before = await _prepared(site, make)
        async with traced(site.server.process.pid) as trace:
            answer = await case.send()
        self._usual[name] = (answer.status_code, changed(before, await state()))
        if answer.status_code not in DONE:
            self.broken.append(f"{name} can't be tried: {answer.status_code}.")
        await _left(site, name)
        return trace.counted()

    async def with_fault(self, site: ServedSite, name: str, fault: Fault, make: Make | None = None) -> None:
        """Makes the change while a call fails, and once more if it was refused."""
        case, before = await _prepared(site, make or CASES[name])
        status, usual = self._usual[name]
        shown = 200
        async with traced(site.server.process.pid, fault) as trace:
            answer = await case.send()
            if fault.stays and answer.status_code == 503:
                shown = (await case.visitor.get(case.look)).status_code
        after = changed(before, await state())
        wrong = [] if shown == 200 else [f"a page answers {shown} meanwhile"]
        if answer.status_code == 503:
            self.refused += 1
            wrong += _dishonest(answer) + ([f"503, and yet {after}"] if after else [])
            again = await case.send()
            before_again = changed(before, await state())
            if (again.status_code, before_again) != (status, usual):
                wrong.append(f"made again: {again.status_code} and {before_again} instead of {usual}")
        elif (answer.status_code, after) != (status, usual):
            wrong.append(f"{answer.status_code} and {after} instead of {status} and {usual}")
        elif trace.injected:
            self.done += 1
        else:
            self.untouched += 1
        self.broken += [f"{name}, {fault}: {what}." for what in wrong]
        await _left(site, name)

    async def look_over(self, site: ServedSite) -> None:
        """Whether the database is whole, and nothing went wrong that no answer told."""
        (found,) = await engine.rows("PRAGMA integrity_check")
        if found != ("ok",):
            self.broken.append(f"The database is damaged: {found}.")
        errors = [line for line in site.server.log.splitlines() if " error id=" in line]
        if errors:
            self.broken.append(f"The log has {len(errors)} errors, the first: {errors[0]}.")


def _dishonest(answer: Any) -> list[str]:
    said = [] if "nothing was changed" in answer.text else ["the page doesn't say that nothing was changed"]
    kept = [] if answer.headers.get("retry-after") else ["no Retry-After"]
    return said + kept + [f"{word} in the page" for word in ("Traceback", "sqlite") if word in answer.text]


async def _prepared(site: ServedSite, make: Make) -> tuple[Case, State]:
    case = await make(site)
    # Everybody is at one network address here, which would soon have to wait.
    await engine.write(engine.execute, "DELETE FROM rate_limit")
    return case, await state()


async def _left(site: ServedSite, name: str) -> None:
    if name == "/organization/ownership":
        await give_back(site)
    # Or each change would tell all who made one before.
    await engine.write(engine.execute, "UPDATE member SET wants_notices = 0")
    await site.leave()


# Changes by somebody who is signed in, and by those who aren't


async def _signed_in(path: str, site: ServedSite) -> Case:
    name = await actor(site, path)
    sent = await SENT[path](site, name)
    return Case(await site.sign_in(name), path, sent)


async def _signs_up(site: ServedSite) -> Case:
    fields = {"email": _new(), "password": NEW_PASSWORD, "token": await site.invite_token()}
    return _guest(site, "/user/signup", fields)


async def _signs_in(site: ServedSite) -> Case:
    name = f"guest-{next(numbers)}"
    await site.person(name, Role.ANNOTATOR)
    return _guest(site, "/user/login", {"email": f"{name}@example.org", "password": PASSWORD})


async def _signs_out(site: ServedSite) -> Case:
    name = f"guest-{next(numbers)}"
    await site.person(name, Role.ANNOTATOR)
    return Case(await site.sign_in(name), "/user/logout", Sent())


async def _forgot(site: ServedSite) -> Case:
    name = f"guest-{next(numbers)}"
    await site.person(name, Role.ANNOTATOR)
    return _guest(site, "/user/password/forgot", {"email": f"{name}@example.org"})


async def _sets_password(site: ServedSite) -> Case:
    name = f"guest-{next(numbers)}"
    await site.person(name, Role.ANNOTATOR)
    fields = {"token": await site.reset_token(name), "password": NEW_PASSWORD}
    return _guest(site, "/user/password/reset", fields)


async def _asks(site: ServedSite) -> Case:
    await access_request_steps.switch_on()
    return _guest(site, "/user/access-request", {"name": "Gus", "email": _new(), "words": "I press ferns"})


async def _confirms_asking(site: ServedSite) -> Case:
    await access_request_steps.switch_on()
    name = f"guest-{next(numbers)}"
    await access_request_steps.submit(name)
    link = await access_request_steps.link_of(name)
    token = site.context.signer.token("request", link.id, link.nonce)
    return _guest(site, "/user/access-request/confirmation", {"token": token})


async def _accepts(site: ServedSite) -> Case:
    line = await invitation_steps.invited(site, f"guest-{next(numbers)}")
    fields = {"token": invitation_steps.token(site, line), "password": NEW_PASSWORD}
    return _guest(site, "/user/invitation", fields)


def _guest(site: ServedSite, path: str, fields: dict[str, Any]) -> Case:
    return Case(site.visitor(), path, Sent(fields=fields), "/user/login")


def _new() -> str:
    return f"guest-{next(numbers)}@example.org"


CASES: Final[dict[str, Make]] = {
    **{path: partial(_signed_in, path) for path in SENT if path not in NOTHING_CHANGED},
    "signing up by the link": _signs_up,
    "signing in": _signs_in,
    "signing out": _signs_out,
    "forgetting a password": _forgot,
    "setting a password by its link": _sets_password,
    "asking for access": _asks,
    "confirming that": _confirms_asking,
    "accepting an invitation": _accepts,
}


# A commit that carries the log over into the database


async def _checkpoint(tried: Tried, site: ServedSite, sample: Sample) -> None:
    name, make = "a change that carries the log over", partial(_with_a_full_log, CASES["signing out"])
    planned = _faults(await tried.without_fault(site, name, make))
    for fault in sample.draw("writes of a checkpoint that fail", planned, MAX_CHECKPOINT_FAULTS):
        await tried.with_fault(site, name, fault, make)


async def _with_a_full_log(make: Make, site: ServedSite) -> Case:
    case = await make(site)
    file = f"{site.checkout.data}/gatehouse.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA wal_autocheckpoint=0")
        rows = ((f"{n}{'x' * 1000}", n, n, n) for n in range(FILLING // 1000))
        other.execute("BEGIN IMMEDIATE")
        other.executemany("INSERT INTO rate_limit (key, tries, last_at, ends_at) VALUES (?, ?, ?, ?)", rows)
        other.execute("COMMIT")
    return case


# The first set-up, which each server takes once


async def _set_up(tried: Tried, sample: Sample) -> None:
    """Whoever was refused can try again at the same server; it takes a new one after each that was done."""
    name, planned = "setting up", list[Fault]()
    async with served(founded=False) as site:
        planned = _faults(await tried.without_fault(site, name, _sets_up))
    planned = sample.draw("writes of the set-up that fail", planned, 40)
    while planned:
        async with served(founded=False) as site:
            while planned and not await engine.rows("SELECT 1 FROM organization"):
                await tried.with_fault(site, name, planned.pop(0), _sets_up)
            await tried.look_over(site)


async def _sets_up(site: ServedSite) -> Case:
    code = await site.setup_code()
    fields = {
        "code": code,
        "title": "Fenwick Herbarium",
        "first_name": "Olga",
        "last_name": "Fenwick",
        "email": "olga@example.org",
        "password": PASSWORD,
    }
    return Case(site.visitor(), "/setup", Sent(fields=fields), f"/setup?code={code}")
