"""A server that may open no more files: who is let in is told what is so, and it recovers by itself.

A connection that can't be taken for want of a descriptor gets no answer. One that was taken is answered as
ever, or with 503; what was answered with 503 isn't done.
"""

import asyncio
import os
import resource
from collections import Counter
from typing import Any, Final

import httpx

from db import engine
from db.policy import Role
from tests.support.concurrency import soon
from tests.support.pages.site import PASSWORD, Visitor
from tests.trials.faults.support.served import ServedSite, changed, served, state
from tests.trials.sample import Sample

# How many descriptors are left beside those that are open.
ROOMS: Final = (2, 3, 5, 8, 13, 21)
PEOPLE: Final = 30
RECOVERY_SECONDS: Final = 30
# Who gets no answer within this has been forgotten.
TIMEOUT_SECONDS: Final = 30
PAGES: Final = (
    "/health",
    "/user/login",
    "/organization/members",
    "/organization/members.csv",
    "/organization/activity",
    "/static/",
)
GOOD: Final = (200, 303, 404)


def run(_: Sample) -> list[str]:
    """Prints what was answered; returns what broke."""
    broken, said = asyncio.run(_tried())
    print(f"few file descriptors, {len(ROOMS)} times: {said}, {len(broken)} broken")
    return broken


async def _tried() -> tuple[list[str], str]:
    broken, answered = list[str](), Counter[str]()
    async with served(DISABLE_SIGNUP_WITHOUT_LINK="true") as site:
        for room in ROOMS:
            found, outcomes = await with_room(site, room)
            broken += [f"With {room} descriptors left, {what}." for what in found]
            answered += outcomes
    return broken, ", ".join(f"{number} {outcome}" for outcome, number in sorted(answered.items()))


async def with_room(site: ServedSite, room: int) -> tuple[list[str], Counter[str]]:
    """Lets the server open so many descriptors more while people ask for pages and sign in.

    Returns what broke, and how often each answer was given.
    """
    pid = site.server.process.pid
    owner = await site.sign_in("olga")
    await site.person(f"guest-{room}", Role.ANNOTATOR)
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    before, logged = await state(), len(site.server.log)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (_highest(pid) + 1 + room, limits[1]))
    try:
        people = [_Person(site, owner, number) for number in range(PEOPLE)]
        answers = await asyncio.gather(*(person.asks(f"guest-{room}@example.org") for person in people))
        wrong = [f"somebody was answered {answer}" for answer in sorted({*answers} - _ALLOWED)]
        wrong += await _recovers(site)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
    sessions = changed(before, await state()).get("session", (0, 0))[1]
    if sessions < (told := answers.count(SIGNED_IN)):
        wrong.append(f"{told} were told that they are signed in, and {sessions} are")
    log = site.server.log[logged:]
    if errors := [line for line in log.splitlines() if " error id=" in line or "Traceback" in line]:
        wrong.append(f"the log has {len(errors)} errors, the first: {errors[0][:MAX_SHOWN]}")
    await site.leave()
    await engine.write(engine.execute, "DELETE FROM rate_limit")
    return wrong, Counter(answers)


def _highest(pid: int) -> int:
    """The highest number of a descriptor that a process has open."""
    return max(map(int, os.listdir(f"/proc/{pid}/fd")))


NO_ANSWER: Final = "no answer"
SIGNED_IN: Final = "signed in"
_ALLOWED: Final = {*map(str, GOOD), "503", NO_ANSWER, SIGNED_IN}
MAX_SHOWN: Final = 300


class _Person:
    """Somebody with a browser of their own, who asks for a page, or signs in."""

    def __init__(self, site: ServedSite, owner: Visitor, number: int) -> None:
        self._browser = site.visitor()
        self._browser.cookies = owner.cookies if number % 3 else httpx.Cookies()
        self._browser.timeout = httpx.Timeout(TIMEOUT_SECONDS)
        self._path = "" if number % 3 == 0 else PAGES[number % len(PAGES)]

    async def asks(self, email: str) -> str:
        """The status of the answer, or what is wrong with it."""
        try:
            answer: Any = await (
                self._browser.get(self._path)
                if self._path
                else self._browser.submit("/user/login", {"email": email, "password": PASSWORD})
            )
        except httpx.TimeoutException:
            return f"nothing for {TIMEOUT_SECONDS} s"
        except httpx.TransportError:
            return NO_ANSWER
        if answer.status_code == 503 and "retry-after" not in answer.headers:
            return "503 without Retry-After"
        return SIGNED_IN if not self._path and answer.status_code == 303 else str(answer.status_code)


async def _recovers(site: ServedSite) -> list[str]:
    """Whether the server answers as ever, once nobody keeps connections open; the limit stays as low."""
    await site.leave()

    async def is_well() -> bool:
        async with httpx.AsyncClient(base_url=site.server.base, timeout=TIMEOUT_SECONDS) as browser:
            try:
                return (await browser.get("/user/login")).status_code == 200
            except httpx.TransportError:
                return False

    try:
        await soon(is_well, RECOVERY_SECONDS)
    except TimeoutError:
        return [f"nobody gets a page for {RECOVERY_SECONDS} s afterwards"]
    return []
