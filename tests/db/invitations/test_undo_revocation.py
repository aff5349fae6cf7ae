"""Undo for revoking: everything is as it was before, or nothing is changed."""

import asyncio
from types import ModuleType
from typing import Any

import pytest

from db import engine
from db.auth.client import SignedIn
from db.common import undo
from db.errors import NotAllowed, Refused, Unknown
from db.invitations import management, undo_revocation
from db.invitations.acceptance import find
from db.invitations.listing import InvitationRow
from db.invitations.management import Revoked
from db.members import removal, roles
from db.policy import Actor, Role
from db.schema import tables
from messages import refusals
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import accept, invite, invited, kinds, mailed, mails, one, state
from tests.support.steps.member_steps import acting, olga

ROUNDS = 8


async def revoke(site: Site, *lines: InvitationRow) -> Revoked:
    return await management.revoke(olga(site), invitation_ids=[line.id for line in lines])


async def rows(table: str) -> list[tuple[Any, ...]]:
    """The whole table, but for when mails may leave, which is later than before."""
    found = await engine.rows(f"SELECT * FROM {table} ORDER BY id")
    due_at = [column._meta.name for column in tables.Outbox._meta.columns].index("due_at")
    return [row[:due_at] + row[due_at + 1 :] for row in found] if table == "outbox" else found


async def test_undo_brings_invitations_links_and_mails_back_as_they_were(posting: Site) -> None:
    sent = await invited(posting, "ada")
    await mailed(sent)
    queued = await invited(posting, "ben")
    before = [await rows(table) for table in ("invitation", "links", "outbox")]
    revoked = await revoke(posting, sent, queued)
    assert await mails("invitation") == []

    assert await undo_revocation.undo(olga(posting), revoked) == 2

    assert [await rows(table) for table in ("invitation", "links", "outbox")] == before
    assert (await kinds(sent.id))[-2:] == ["invitation_revoked", "invitation_brought_back"]
    await accept(posting, sent)
    assert await state("ada@example.org") == "accepted"


async def test_a_revoked_link_is_dead_until_the_undo(posting: Site) -> None:
    line = await invited(posting, "ada")
    revoked = await revoke(posting, line)
    ended = await find(line.link_id)
    await undo_revocation.undo(olga(posting), revoked)
    alive = await find(line.link_id)

    assert [found and found.end_reason for found in (ended, alive)] == ["revoked", ""]


async def test_a_mail_that_was_void_before_stays_so(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "ada")
    await management.resend(
        olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
    )
    before = await rows("outbox")
    # What ends at the same instant counts as ended by the same press.
    clock.move(1)

    await undo_revocation.undo(olga(posting), await revoke(posting, line))

    assert await rows("outbox") == before
    assert await mails("invitation") == ["ada@example.org"]


async def test_undo_is_accepted_for_a_minute(site: Site, clock: ModuleType) -> None:
    first, second = await invited(site, "ada"), await invited(site, "ben")
    clock.stop_at(clock.now())
    in_time, late = await revoke(site, first), await revoke(site, second)
    clock.stop_at(in_time.at + undo.UNDO_MS)
    await undo_revocation.undo(olga(site), in_time)
    clock.stop_at(late.at + undo.UNDO_MS + 1)

    with pytest.raises(Refused, match=refusals.TOO_LATE_TO_UNDO):
        await undo_revocation.undo(olga(site), late)

    assert [await state(f"{name}@example.org") for name in ("ada", "ben")] == ["unsent", "revoked"]


async def _invite_anew(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await invite(site, line.email)


async def _invite_anew_and_revoke(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await revoke(site, await invited(site, "ada"))


async def _accept_another(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await accept(site, await invited(site, "ada"))


async def _undo_and_revoke_again(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await undo_revocation.undo(olga(site), revoked)
    # Nobody presses Undo and Revoke within one millisecond.
    await asyncio.sleep(0.01)
    await revoke(site, line)


async def _undo(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await undo_revocation.undo(olga(site), revoked)


async def _shut_the_inviter_out(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await roles.change_role(olga(site), member_id=site.ids["alma"], role=Role.ANNOTATOR)


async def _shut_the_invited_out(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    for role in (Role.DEACTIVATED, Role.PENDING):
        await roles.change_role(olga(site), member_id=site.ids["ada"], role=role)


async def _remove_the_invited(site: Site, line: InvitationRow, revoked: Revoked) -> None:
    await removal.remove(olga(site), member_id=site.ids["ada"])


@pytest.mark.parametrize(
    "decide",
    [
        _invite_anew,
        _invite_anew_and_revoke,
        _accept_another,
        _undo_and_revoke_again,
        _undo,
        _shut_the_inviter_out,
        _shut_the_invited_out,
        _remove_the_invited,
    ],
)
async def test_what_was_decided_since_stands_and_nothing_else_comes_back(site: Site, decide: Any) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    if decide in (_shut_the_invited_out, _remove_the_invited):
        await site.person("ada")
    line = await invited(site, "ada", by=acting(site, "alma"))
    other = await invited(site, "ben")
    both = await revoke(site, line, other)
    await decide(site, line, both)
    before = [await rows(table) for table in ("invitation", "links", "outbox", "activity")]

    with pytest.raises(Refused):
        await undo_revocation.undo(olga(site), both)

    assert [await rows(table) for table in ("invitation", "links", "outbox", "activity")] == before


async def test_who_registered_by_the_link_meanwhile_still_has_the_invitation_back(site: Site) -> None:
    line = await invited(site, "ada")
    revoked = await revoke(site, line)
    await site.person("ada")

    await undo_revocation.undo(olga(site), revoked)

    assert await state("ada@example.org") == "unsent"


async def test_only_what_was_revoked_by_that_press_comes_back(site: Site) -> None:
    await site.person("ada", Role.MANAGER)
    line = await invited(site, "ben")
    revoked = await revoke(site, line)

    with pytest.raises(NotAllowed):
        await undo_revocation.undo(Actor(site.ids["ada"], Role.MANAGER), revoked)
    with pytest.raises(Unknown):
        await undo_revocation.undo(olga(site), Revoked([line.id, 999], revoked.at))
    with pytest.raises(Refused):
        await undo_revocation.undo(olga(site), Revoked([line.id], revoked.at + 1))
    with pytest.raises(Refused):
        await undo_revocation.undo(olga(site), Revoked([], revoked.at))

    assert await state("ben@example.org") == "revoked"


async def test_two_undos_at_the_same_instant_bring_it_back_once(site: Site) -> None:
    for number in range(ROUNDS):
        line = await invited(site, f"ada{number}")
        revoked = await revoke(site, line)

        ended = await at_once(*(undo_revocation.undo(olga(site), revoked) for _ in range(4)))

        assert sorted(type(one).__name__ for one in ended) == ["Refused"] * 3 + ["int"]
        assert (await kinds(line.id)).count("invitation_brought_back") == 1


async def test_inviting_anew_and_undo_at_the_same_instant_leave_one_open_invitation(site: Site) -> None:
    for number in range(ROUNDS):
        line = await invited(site, f"ada{number}")
        revoked = await revoke(site, line)

        await at_once(undo_revocation.undo(olga(site), revoked), invite(site, line.email))

        open_ones = await engine.rows(
            "SELECT i.id, l.ended_at FROM invitation AS i JOIN links AS l ON l.id = i.link_id"
            " WHERE i.email = ? AND i.ended_at = 0",
            line.email,
        )
        assert [ended_at for _, ended_at in open_ones] == [0]


async def test_accepting_and_undo_at_the_same_instant_agree(site: Site) -> None:
    for number in range(ROUNDS):
        line = await invited(site, f"ada{number}")
        revoked = await revoke(site, line)

        accepted, undone = await at_once(accept(site, line), undo_revocation.undo(olga(site), revoked))

        assert undone == 1
        expected = "accepted" if isinstance(accepted, SignedIn) else "unsent"
        assert await state(line.email) == expected
        ((ended_at,),) = await engine.rows("SELECT ended_at FROM links WHERE id = ?", line.link_id)
        assert (ended_at > 0) == isinstance(accepted, SignedIn)


async def test_losing_the_right_and_undo_at_the_same_instant_leave_nothing_open(site: Site) -> None:
    for number in range(ROUNDS):
        alma = await site.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(site, f"ada{number}", by=Actor(alma, Role.ADMINISTRATOR))
        revoked = await revoke(site, line)

        await at_once(
            undo_revocation.undo(olga(site), revoked),
            roles.change_role(olga(site), member_id=alma, role=Role.ANNOTATOR),
        )

        assert (await one(line.email)).end_reason in ("revoked", "void")
