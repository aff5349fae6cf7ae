"""Undo for dismissing a request: for a minute, as long as nobody has decided otherwise; on both databases."""

from collections.abc import Awaitable, Callable
from types import ModuleType

import pytest

from db import engine
from db.common import undo
from db.errors import NotAllowed, Refused, Unknown
from db.invitations import access_requests, management, undo_dismissal
from db.invitations.access_requests import DismissedAccessRequest
from db.policy import Actor, Role
from messages import refusals
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps import invitation_steps
from tests.support.steps.access_request_steps import end, events, id_of, listed, submit, submitted, switch_on
from tests.support.steps.member_steps import acting, olga, register

ROUNDS = 6


@pytest.fixture
async def open_ear(site: Site) -> Site:
    """A site without mail whose Owner lets people ask."""
    await switch_on()
    return site


async def dismissed(site: Site, name: str) -> DismissedAccessRequest:
    """Somebody asks, and the Owner dismisses it."""
    return await access_requests.dismiss(olga(site), access_request_id=await submitted(name))


async def undone(site: Site, name: str, at: int, by: Actor | None = None) -> str:
    return await undo_dismissal.undo(by or olga(site), access_request_id=await id_of(name), dismissed_at=at)


async def row(name: str) -> list[tuple[object, ...]]:
    return await engine.rows("SELECT * FROM access_request WHERE id = ?", await id_of(name))


async def test_undo_brings_a_request_back_as_it_was(open_ear: Site) -> None:
    await submitted("ada", "I press ferns")
    before = await row("ada")
    done = await access_requests.dismiss(olga(open_ear), access_request_id=await id_of("ada"))
    assert await listed() == []

    assert await undone(open_ear, "ada", done.at) == "Ada"

    assert (await listed(), await row("ada")) == (["Ada"], before)
    assert await events() == ["request_made", "request_dismissed", "request_brought_back"]


async def test_undo_is_accepted_for_a_minute(open_ear: Site, clock: ModuleType) -> None:
    clock.stop_at(clock.now())
    in_time, late = await dismissed(open_ear, "ada"), await dismissed(open_ear, "ben")
    clock.stop_at(in_time.at + undo.UNDO_MS)
    await undone(open_ear, "ada", in_time.at)
    clock.stop_at(late.at + undo.UNDO_MS + 1)

    with pytest.raises(Refused, match=refusals.TOO_LATE_TO_UNDO):
        await undone(open_ear, "ben", late.at)

    assert (await end("ada"), await end("ben")) == ("", "dismissed")


async def _invite(site: Site) -> None:
    await invitation_steps.invite(site, "ada@example.org")


async def _invite_and_revoke(site: Site) -> None:
    line = await invitation_steps.invited(site, "ada")
    await management.revoke(olga(site), invitation_ids=[line.id])


async def _register(site: Site) -> None:
    await register(site, "ada")


@pytest.mark.parametrize("decide", [_invite, _invite_and_revoke, _register])
async def test_what_was_decided_since_stands(
    open_ear: Site, decide: Callable[[Site], Awaitable[None]]
) -> None:
    done = await dismissed(open_ear, "ada")
    await decide(open_ear)

    with pytest.raises(Refused, match="Somebody has decided otherwise about the request of Ada"):
        await undone(open_ear, "ada", done.at)

    assert await end("ada") == "dismissed"


async def test_only_that_press_is_undone_and_only_once(open_ear: Site) -> None:
    done = await dismissed(open_ear, "ada")

    with pytest.raises(Refused, match="Somebody has decided otherwise"):
        await undone(open_ear, "ada", done.at + 1)
    await undone(open_ear, "ada", done.at)
    with pytest.raises(Refused, match="Somebody has decided otherwise"):
        await undone(open_ear, "ada", done.at)
    with pytest.raises(Unknown):
        await undo_dismissal.undo(olga(open_ear), access_request_id=999, dismissed_at=done.at)

    assert (await events()).count("request_brought_back") == 1


async def test_only_who_administers_undoes(open_ear: Site) -> None:
    await open_ear.person("mara", Role.MANAGER)
    done = await dismissed(open_ear, "ada")

    with pytest.raises(NotAllowed):
        await undone(open_ear, "ada", done.at, acting(open_ear, "mara"))

    assert await end("ada") == "dismissed"


async def test_who_asks_again_before_the_undo_asks_once(open_ear: Site) -> None:
    for number in range(ROUNDS):
        name = f"guest{number}"
        done = await dismissed(open_ear, name)

        await at_once(submit(name), undone(open_ear, name, done.at))

    assert sorted(await listed()) == [f"Guest{number}" for number in range(ROUNDS)]


async def test_inviting_and_undo_at_the_same_instant_agree(open_ear: Site) -> None:
    await open_ear.person("alma", Role.ADMINISTRATOR)
    for number in range(ROUNDS):
        name = f"guest{number}"
        done = await dismissed(open_ear, name)

        results = await at_once(
            invitation_steps.invite(open_ear, f"{name}@example.org"),
            undone(open_ear, name, done.at, acting(open_ear, "alma")),
        )

        refused = isinstance(results[1], Refused)
        assert not isinstance(results[0], Exception), results
        # Brought back first, it is answered by the invitation.
        assert await end(name) == ("dismissed" if refused else "invited")
