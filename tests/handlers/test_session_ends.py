"""A change is made for an open session: one that ends while the request is under way changes nothing.

Each address is tried: the request is held in the middle of its body, or between the guard and its
transaction, until the session has ended.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from types import ModuleType
from typing import Any, Final

import httpx
import pytest

import app
from db import engine
from db.accounts import password, sign_out
from db.auth import rate_limits, sessions
from db.auth.presence import Presence
from db.common import clock
from db.members import changes, removal, roles
from db.policy import COMMAND_LINE, Actor, Role
from handlers.http.auth.cookies import SESSION_COOKIE
from tests.support.pages.changing_requests import (
    FOR_BOTH,
    FOR_VISITORS,
    NEW_PASSWORD,
    NOTHING_CHANGED,
    OWNERS,
    SENT,
    Sent,
    actor,
    give_back,
    posted_to,
    present,
)
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor, password_hash
from tests.support.steps.member_steps import BROWSER, acting

HOURS: Final = 3600 * 1000
# What is written without a session: tries are counted whoever makes them.
COUNTS: Final = {rate_limits.count_within, rate_limits.reset, rate_limits.refund}
held: ContextVar["Held | None"] = ContextVar("held", default=None)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written by itself: no chores, no last activity."""

    async def idle(_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(app, "_chores", idle)
    monkeypatch.setattr(Presence, "seen", lambda *_: None)


@pytest.fixture
def mails(posting: Site) -> list[str]:
    """The addresses that a test mail went to."""
    sent: list[str] = []

    async def send(address: str) -> list[str]:
        sent.append(address)
        return ["250 ok"]

    posting.context.send_test_mail = send
    return sent


class Held:
    """A request that waits in the middle until it is let go."""

    def __init__(self) -> None:
        self.waits, self.goes_on = asyncio.Event(), asyncio.Event()

    async def wait(self) -> None:
        self.waits.set()
        await self.goes_on.wait()


def test_every_address_that_takes_a_form_is_here() -> None:
    assert posted_to() == set(SENT) | FOR_VISITORS


def is_checked(change: Callable[..., Any]) -> bool:
    return (change.__module__, change.__qualname__) == (changes.__name__, "write.<locals>.checked")


@ON_SQLITE
async def test_nothing_is_changed_for_somebody_but_by_the_one_function_that_asks_for_their_session(
    posting: Site, mails: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Callable[..., Any]] = []
    write = engine.write

    async def noted(change: Callable[..., Any], *args: Any, **more: Any) -> Any:
        written.append(change)
        return await write(change, *args, **more)

    wrong = {}
    for path, make in SENT.items():
        name = await actor(posting, path)
        sent, visitor, before = await make(posting, name), await posting.sign_in(name), await present()
        with monkeypatch.context() as patched:
            patched.setattr(engine, "write", noted)
            answer = await sent.by(visitor, path)
        others = [change for change in written if not is_checked(change) and change not in COUNTS]
        changed = (await present() != before) or path.endswith("test-mail")
        if answer.status_code not in (200, 303) or others or changed is (path in NOTHING_CHANGED):
            wrong[path] = (answer.status_code, others, changed)
        if path in OWNERS:
            await give_back(posting)
        written.clear()

    assert wrong == {}
    assert mails == ["olga@example.org"]


# How a session ends


async def signs_out(site: Site, name: str, copied: Visitor) -> None:
    assert (await copied.submit("/user/logout")).status_code == 303


async def gets_a_new_password(site: Site, name: str, copied: Visitor) -> None:
    """In the same session, which goes on under another token.

    Not by its form, which would wait for one of the same member that is under way.
    """
    token = copied.cookies[SESSION_COOKIE]
    current = await sessions.current(token, site.context.session_limits, site.context.presence)
    assert current is not None
    await password.change_password(
        Actor(current.member_id, current.role, session=current.key),
        session_id=current.session_id,
        current_password=PASSWORD,
        password=NEW_PASSWORD,
        throttle=site.context.throttle,
        browser=BROWSER,
    )
    # As it was, for whatever comes next.
    await engine.write(
        engine.execute,
        "UPDATE member SET password_hash = ? WHERE id = ?",
        password_hash(),
        site.ids[name],
    )
    await engine.write(engine.execute, "DELETE FROM rate_limit")


async def gets_a_new_password_elsewhere(site: Site, name: str, _: Visitor) -> None:
    await gets_a_new_password(site, name, await site.sign_in(name))


async def ends_elsewhere(site: Site, name: str, _: Visitor) -> None:
    await sign_out.end_others(acting(site, name), 0)


async def is_deactivated(site: Site, name: str, _: Visitor) -> None:
    await roles.change_role(COMMAND_LINE, member_id=site.ids[name], role=Role.DEACTIVATED)


async def is_removed(site: Site, name: str, _: Visitor) -> None:
    await removal.remove(COMMAND_LINE, member_id=site.ids[name])


async def expires(site: Site, name: str, _: Visitor) -> None:
    clock.move(13 * HOURS)


End = Callable[[Site, str, Visitor], Awaitable[None]]
ENDS: Final[tuple[End, ...]] = (
    signs_out,
    gets_a_new_password,
    gets_a_new_password_elsewhere,
    ends_elsewhere,
    is_deactivated,
    is_removed,
    expires,
)
# Nobody shuts the Owner out.
NEVER_OF_OWNERS: Final = {is_deactivated, is_removed}


async def in_the_body(held: Held, visitor: Visitor, sent: Sent, path: str, htmx: bool) -> httpx.Response:
    """All but two bytes of the form; the rest comes when it is let go."""
    whole = visitor.build_request("POST", path.format(**sent.place), data=sent.fields, files=sent.files)
    body = whole.read() or b"x=1"
    kind = whole.headers.get("content-type", "application/x-www-form-urlencoded")

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:-2]
        await held.wait()
        yield body[-2:]

    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": kind}
    headers |= {"HX-Request": "true"} if htmx else {}
    return await visitor.post(path.format(**sent.place), content=pieces(), headers=headers)


async def before_its_transaction(
    waiting: Held, visitor: Visitor, sent: Sent, path: str, htmx: bool
) -> httpx.Response:
    """The guard has let it in; its change begins when it is let go."""
    held.set(waiting)
    answer: httpx.Response = await sent.by(visitor, path, htmx=htmx)
    return answer


async def write_when_let_go(
    write: Callable[..., Any], change: Callable[..., Any], *args: Any, **more: Any
) -> Any:
    if is_checked(change) and (waiting := held.get()):
        await waiting.wait()
    return await write(change, *args, **more)


@pytest.mark.parametrize("hold", [in_the_body, before_its_transaction])
@pytest.mark.parametrize("end", ENDS)
async def test_a_request_held_until_its_session_has_ended_changes_nothing(
    posting: Site,
    mails: list[str],
    clock: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    end: End,
    hold: Callable[..., Coroutine[Any, Any, httpx.Response]],
) -> None:
    monkeypatch.setattr(engine, "write", partial(write_when_let_go, engine.write))
    wrong = {}
    for (path, make), htmx in zip(SENT.items(), itertools.cycle((False, True)), strict=False):
        if (path in OWNERS and end in NEVER_OF_OWNERS) or path in NOTHING_CHANGED:
            continue
        name = await actor(posting, path)
        sent, visitor, copied = await make(posting, name), await posting.sign_in(name), posting.visitor()
        copied.cookies.update(visitor.cookies)
        waiting = Held()
        asking = asyncio.create_task(hold(waiting, visitor, sent, path, htmx))
        await asyncio.wait([asking, asyncio.create_task(waiting.waits.wait())], return_when="FIRST_COMPLETED")
        assert not asking.done(), (path, asking.result())

        await end(posting, name, copied)
        # That its time is over is noted by whoever sees it first.
        noted = ("session",) if end is expires else ()
        before = await present(*noted)
        waiting.goes_on.set()
        answer = await asking

        leads_to = answer.headers.get("hx-redirect" if htmx else "location", "").partition("?")[0]
        is_told = (answer.status_code, leads_to) == (401 if htmx else 303, "/user/login")
        is_told = is_told or (path in FOR_BOTH and answer.status_code in (403, 409, 410, 422))
        if not is_told or await present(*noted) != before:
            wrong[path] = (answer.status_code, leads_to)

    assert wrong == {}
    assert mails == []


@pytest.mark.parametrize("end", [signs_out, ends_elsewhere, expires, gets_a_new_password, is_deactivated])
async def test_what_was_typed_is_kept_when_the_session_runs_out_just_before_it_is_written(
    site: Site, clock: ModuleType, monkeypatch: pytest.MonkeyPatch, end: End
) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    visitor, copied, waiting = await site.sign_in("ada"), site.visitor(), Held()
    copied.cookies.update(visitor.cookies)
    sent = Sent(fields={"first_name": "Zed", "last_name": "", "theme": "dark"})
    monkeypatch.setattr(engine, "write", partial(write_when_let_go, engine.write))
    asking = asyncio.create_task(before_its_transaction(waiting, visitor, sent, "/user/account", False))
    await waiting.waits.wait()

    await end(site, "ada", copied)
    waiting.goes_on.set()

    ran_out = end is expires
    assert ("draft%3D" in (await asking).headers["location"]) is ran_out
    assert len(await engine.rows("SELECT 1 FROM draft")) == ran_out
