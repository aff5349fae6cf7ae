"""An Administrator who was lowered: only the Owner helps them with their password for 30 days; it is told."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from db import acceptance, accounts, clock, deactivation, delivery, engine, letters, members, policy, undo
from db.letters import CauseEnded, Letter
from db.policy import COMMAND_LINE, Actor, DeadLink, NotAllowed, Refused, Role
from messages import refusals
from tests.db.invitations_house import accept, invited
from tests.db.members_house import acting, hand_over, olga
from tests.site import Site
from tests.together import at_once

DAY = 24 * 60 * 60 * 1000
NEW = "seven silver herons on the ice"


async def lower(site: Site, name: str, role: Role, by: Actor | None = None) -> None:
    await members.change_role(by or acting(site, "bo"), member_id=site.ids[name], role=role)


async def by_row(site: Site) -> None:
    await lower(site, "ada", Role.MANAGER)


async def by_bulk(site: Site) -> None:
    cyd = await site.person("cyd", Role.REVIEWER)
    await members.change_roles(acting(site, "bo"), member_ids=[site.ids["ada"], cyd], role=Role.ANNOTATOR)


async def by_undo(site: Site) -> None:
    await lower(site, "ada", Role.MANAGER)
    await lower(site, "ada", Role.ADMINISTRATOR)
    await engine.write(engine.execute, "UPDATE member SET administrator_until = 0")
    await members.take_back(
        acting(site, "bo"), given=Role.ADMINISTRATOR, before={site.ids["ada"]: Role.MANAGER}
    )


async def by_deactivation(site: Site) -> None:
    await lower(site, "ada", Role.DEACTIVATED)
    await lower(site, "ada", Role.MANAGER)


async def by_last_day(site: Site) -> None:
    await engine.write(engine.execute, "UPDATE member SET ends_at = 5 WHERE id = ?", site.ids["ada"])
    await deactivation.end_due()
    await lower(site, "ada", Role.MANAGER)


async def by_hand_over(site: Site) -> None:
    """The Owner was an Administrator in all but name."""
    await hand_over(site, "ada")
    new_owner = acting(site, "ada", Role.OWNER)
    await lower(site, "olga", Role.MANAGER, new_owner)
    site.ids["ada"] = site.ids["olga"]


WAYS = (by_row, by_bulk, by_undo, by_deactivation, by_last_day, by_hand_over)


@pytest.fixture
async def two(site: Site) -> AsyncIterator[Site]:
    """With two Administrators, ada and bo."""
    for name in ("ada", "bo"):
        await site.person(name, Role.ADMINISTRATOR)
    yield site
    clock.go_on()


@pytest.mark.parametrize("way", WAYS)
async def test_whoever_loses_the_role_keeps_their_password_to_themself(
    two: Site, way: Callable[[Site], Awaitable[None]]
) -> None:
    began = clock.now()
    await way(two)

    ((until,),) = await engine.rows("SELECT administrator_until FROM member WHERE id = ?", two.ids["ada"])
    # By the clock of the database, which may run on another machine.
    assert began - 5_000 <= until <= clock.now() + 5_000
    with pytest.raises(NotAllowed, match="last 30 days"):
        await accounts.make_reset_link(acting(two, "bo"), member_id=two.ids["ada"])

    clock.move(policy.STILL_ADMINISTRATOR_MS + 5_000)
    await accounts.make_reset_link(acting(two, "bo"), member_id=two.ids["ada"])


async def test_the_owner_and_the_command_line_may_make_a_link(two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)

    await accounts.make_reset_link(olga(two), member_id=two.ids["ada"])
    link = await accounts.make_reset_link(COMMAND_LINE, member_id=two.ids["ada"])

    await accounts.reset_password(link, password=NEW, address="192.0.2.1")


async def test_an_administrator_is_not_taken_over_by_lowering_a_link_and_raising(two: Site) -> None:
    bo, ada = acting(two, "bo"), two.ids["ada"]
    before = await engine.rows("SELECT password_hash FROM member WHERE id = ?", ada)

    for role in (Role.MANAGER, Role.PENDING, Role.ANNOTATOR):
        await members.change_role(bo, member_id=ada, role=role)
        with pytest.raises(NotAllowed):
            await accounts.make_reset_link(bo, member_id=ada)
        await members.change_role(bo, member_id=ada, role=Role.ADMINISTRATOR)

    assert await engine.rows("SELECT password_hash FROM member WHERE id = ?", ada) == before


async def test_a_link_from_before_they_rose_stays_dead_when_they_are_lowered(two: Site) -> None:
    mia = await two.person("mia", Role.MANAGER)
    link = await accounts.make_reset_link(acting(two, "bo"), member_id=mia)
    await members.change_role(olga(two), member_id=mia, role=Role.ADMINISTRATOR)
    await members.change_role(acting(two, "bo"), member_id=mia, role=Role.MANAGER)

    with pytest.raises(DeadLink):
        await accounts.whose(link)
    with pytest.raises(DeadLink):
        await accounts.reset_password(link, password=NEW, address="192.0.2.1")


async def test_nobody_is_taken_over_by_lowering_to_pending_and_an_invitation(two: Site) -> None:
    await lower(two, "ada", Role.PENDING)
    line = await invited(two, "ada", Role.MANAGER, by=acting(two, "bo"))
    theirs = ("SELECT first_name, role, password_generation FROM member WHERE id = ?", two.ids["ada"])
    before = await engine.rows(*theirs)

    with pytest.raises(Refused):
        await accept(two, line, "Eve")

    assert await engine.rows(*theirs) == before
    # Signed in with their own password they are let in by it.
    found = await acceptance.find(line.link_id)
    assert found is not None
    assert await acceptance.accept_as(acting(two, "ada", Role.PENDING), found) is Role.MANAGER


async def test_lowering_and_a_link_at_the_same_instant(two: Site) -> None:
    for _ in range(5):
        bo, ada = acting(two, "bo"), two.ids["ada"]
        ended = await at_once(
            members.change_role(bo, member_id=ada, role=Role.MANAGER),
            accounts.make_reset_link(bo, member_id=ada),
        )

        assert isinstance(ended[1], NotAllowed), ended
        await members.change_role(bo, member_id=ada, role=Role.ADMINISTRATOR)


# Mails


async def queued() -> dict[str, Letter]:
    """What is owed about people who were lowered, by address, as it would be written."""
    clock.move(undo.NOT_BEFORE_MS)
    found = {}
    for mail in await delivery.claim("test", 20, 100_000):
        if mail.kind == "lowered":
            found[mail.recipient.partition("@")[0]] = await letters.read(mail)
    return found


async def owed() -> list[tuple[str, int]]:
    """To whom, and how long after it was made."""
    found = await engine.rows(
        "SELECT recipient, due_at - made_at FROM outbox WHERE kind = 'lowered' AND state = 'queued'"
        " ORDER BY id"
    )
    return [(recipient.partition("@")[0], after) for recipient, after in found]


async def test_whoever_is_lowered_is_told_and_so_is_the_owner(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.REVIEWER)

    told = await owed()
    assert [name for name, _ in told] == ["ada", "olga"]
    assert all(undo.UNDO_MS < after <= undo.NOT_BEFORE_MS for _, after in told)
    written = await queued()
    assert [(name, letter.yours) for name, letter in written.items()] == [("ada", True), ("olga", False)]
    for letter in written.values():
        assert (letter.role, letter.by, letter.other) == (Role.REVIEWER, "Bo", "Ada")


async def test_the_owner_is_not_told_of_what_they_did(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.REVIEWER, olga(two))

    assert [name for name, _ in await owed()] == ["ada"]
    assert (await queued())["ada"].by == "Olga"


async def test_of_a_deactivation_the_owner_is_told(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.DEACTIVATED)

    assert [name for name, _ in await owed()] == ["olga"]
    assert (await queued())["olga"].role is Role.DEACTIVATED


async def test_the_command_line_is_named(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.MANAGER, COMMAND_LINE)

    assert {letter.by for letter in (await queued()).values()} == {"Whoever runs the server"}


async def test_nobody_is_told_after_an_undo(posting: Site, two: Site) -> None:
    for role in (Role.MANAGER, Role.DEACTIVATED):
        await lower(two, "ada", role)
        await members.take_back(acting(two, "bo"), given=role, before={two.ids["ada"]: Role.ADMINISTRATOR})

        assert await owed() == []


async def test_an_undo_of_what_came_later_leaves_the_mails(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)
    await lower(two, "ada", Role.ANNOTATOR)
    await members.take_back(acting(two, "bo"), given=Role.ANNOTATOR, before={two.ids["ada"]: Role.MANAGER})

    assert [name for name, _ in await owed()] == ["ada", "olga"]


async def test_others_are_not_told_of_their_role(posting: Site, two: Site) -> None:
    await two.person("mia", Role.MANAGER)
    await lower(two, "mia", Role.ANNOTATOR)

    assert await owed() == []


async def test_who_was_removed_meanwhile_is_not_told_of(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)
    clock.move(undo.NOT_BEFORE_MS)
    claimed = await delivery.claim("test", 20, 100_000)
    await members.remove(olga(two), member_id=two.ids["ada"])

    for mail in claimed:
        if mail.kind == "lowered":
            with pytest.raises((CauseEnded, letters.LeaseLost)):
                await letters.read(mail)


def test_the_reason_says_for_how_long() -> None:
    assert "30 days" in refusals.OWNER_MAKES_LINK
    assert policy.STILL_ADMINISTRATOR_MS == 30 * DAY
