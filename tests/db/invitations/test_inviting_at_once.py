"""An invitation when somebody accepts it, or is shut out, while another change of it is half written."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from db import engine
from db.invitations import acceptance, creation, management
from db.members import invitation_ends, removal, roles
from db.policy import Role
from tests.support.concurrency import soon
from tests.support.engine.small_database import pause
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import accept, invite, invited, kinds, state
from tests.support.steps.member_steps import acting, olga

SECONDS = 0.5
Holding = Callable[[Any, str], list[bool]]


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> Holding:
    """Makes a part of a change last, whose rows stay locked; returns what is filled once it does."""

    def hold(module: Any, name: str) -> list[bool]:
        part: Callable[..., Coroutine[Any, Any, Any]] = getattr(module, name)
        begun = list[bool]()

        async def longer(*args: Any, **more: Any) -> Any:
            done = await part(*args, **more)
            begun.append(True)
            await pause(SECONDS)
            return done

        monkeypatch.setattr(module, name, longer)
        return begun

    return hold


async def both(first: Coroutine[Any, Any, Any], begun: list[bool], second: Coroutine[Any, Any, Any]) -> Any:
    """The second begins while the first is held; what both return."""
    async with asyncio.TaskGroup() as group:
        one = group.create_task(first)
        await soon(lambda: begun or one.done())
        other = group.create_task(second)
    return one.result(), other.result()


async def test_what_is_accepted_while_its_inviter_goes_has_no_other_end(site: Site, holding: Holding) -> None:
    bob = await site.person("bob", Role.ADMINISTRATOR)
    line = await invited(site, "ada", by=acting(site, "bob"))

    await both(
        accept(site, line),
        holding(acceptance, "_told"),
        roles.change_role(olga(site), member_id=bob, role=Role.DEACTIVATED),
    )

    assert await state("ada@example.org") == "accepted"
    assert await kinds(line.id) == ["invitation_made"]


@pytest.mark.parametrize("shut_out", ["ada", "bob"])
async def test_what_is_revoked_while_its_inviter_or_invited_goes_ends_once(
    site: Site, holding: Holding, shut_out: str
) -> None:
    for name in ("bob", "cyd"):
        await site.person(name, Role.ADMINISTRATOR)
    await site.person("ada")
    line = await invited(site, "ada", by=acting(site, "bob"))

    await both(
        management.revoke(acting(site, "cyd"), invitation_ids=[line.id]),
        holding(invitation_ends, "end"),
        roles.change_role(olga(site), member_id=site.ids[shut_out], role=Role.DEACTIVATED),
    )

    assert await kinds(line.id) == ["invitation_made", "invitation_revoked"]


async def test_whoever_accepts_at_that_instant_is_not_counted_as_invited_anew(
    site: Site, holding: Holding
) -> None:
    line = await invited(site, "ada")

    _, batch = await both(
        accept(site, line), holding(acceptance, "_told"), invite(site, "ada@example.org", Role.MANAGER)
    )

    assert (batch.invited, batch.left_alone) == (0, 1)
    assert await kinds(line.id) == ["invitation_made"]


async def test_whoever_is_shut_out_while_they_are_invited_has_no_open_invitation(
    site: Site, holding: Holding
) -> None:
    ada = await site.person("ada")
    await site.person("bob", Role.ADMINISTRATOR)

    await both(
        invite(site, "ada@example.org", by=acting(site, "bob")),
        holding(creation, "_preview"),
        roles.change_role(olga(site), member_id=ada, role=Role.DEACTIVATED),
    )

    assert await state("ada@example.org") == "revoked"


async def test_whoever_is_removed_while_an_invitation_approves_them_was_approved_before(
    site: Site, holding: Holding
) -> None:
    ada = await site.person("ada")
    await site.person("bob", Role.ADMINISTRATOR)
    await engine.write(engine.execute, "UPDATE member SET confirmed_at = 1 WHERE id = ?", ada)

    batch, _ = await both(
        invite(site, "ada@example.org", by=acting(site, "bob")),
        holding(creation, "_preview"),
        removal.remove(olga(site), member_id=ada),
    )

    assert batch.approved == 1
    assert await kinds(member_id=ada) == ["role_changed", "removed"]
