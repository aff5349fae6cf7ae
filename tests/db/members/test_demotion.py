"""An Administrator who was lowered: only the Owner helps them with their password for 30 days; it is told."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pytest

from db import engine, policy
from db.accounts import password
from db.common import clock, undo
from db.errors import InvalidLink, NotAllowed, Refused
from db.invitations import acceptance
from db.mail import delivery
from db.members import last_day, removal, roles
from db.policy import COMMAND_LINE, Actor, Role
from mailer import contents
from mailer.contents import MailContents, NoLongerRelevant
from messages import phrases, refusals
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import accept, invited
from tests.support.steps.member_steps import acting, hand_over, olga

DAY = 24 * 60 * 60 * 1000
NEW = "seven silver herons on the ice"


async def lower(site: Site, name: str, role: Role, by: Actor | None = None) -> None:
    await roles.change_role(by or acting(site, "bo"), member_id=site.ids[name], role=role)


async def by_row(site: Site) -> None:
    await lower(site, "ada", Role.MANAGER)


async def by_bulk(site: Site) -> None:
    cyd = await site.person("cyd", Role.REVIEWER)
    await roles.change_roles(acting(site, "bo"), member_ids=[site.ids["ada"], cyd], role=Role.ANNOTATOR)


async def by_undo(site: Site) -> None:
    await lower(site, "ada", Role.MANAGER)
    await lower(site, "ada", Role.ADMINISTRATOR)
    await engine.write(engine.execute, "UPDATE member SET administrator_until = 0")
    await roles.undo(acting(site, "bo"), given=Role.ADMINISTRATOR, before={site.ids["ada"]: Role.MANAGER})


async def by_deactivation(site: Site) -> None:
    await lower(site, "ada", Role.DEACTIVATED)
    await lower(site, "ada", Role.MANAGER)


async def by_last_day(site: Site) -> None:
    await engine.write(engine.execute, "UPDATE member SET ends_at = 5 WHERE id = ?", site.ids["ada"])
    await last_day.end_due()
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
        await password.make_reset_link(acting(two, "bo"), member_id=two.ids["ada"])

    clock.move(policy.STILL_ADMINISTRATOR_MS + 5_000)
    await password.make_reset_link(acting(two, "bo"), member_id=two.ids["ada"])


async def test_the_owner_and_the_command_line_may_make_a_link(two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)

    await password.make_reset_link(olga(two), member_id=two.ids["ada"])
    link = await password.make_reset_link(COMMAND_LINE, member_id=two.ids["ada"])

    await password.reset_password(link, password=NEW, address="192.0.2.1")


async def test_an_administrator_is_not_taken_over_by_lowering_a_link_and_raising(two: Site) -> None:
    bo, ada = acting(two, "bo"), two.ids["ada"]
    before = await engine.rows("SELECT password_hash FROM member WHERE id = ?", ada)

    for role in (Role.MANAGER, Role.PENDING, Role.ANNOTATOR):
        await roles.change_role(bo, member_id=ada, role=role)
        with pytest.raises(NotAllowed):
            await password.make_reset_link(bo, member_id=ada)
        await roles.change_role(bo, member_id=ada, role=Role.ADMINISTRATOR)

    assert await engine.rows("SELECT password_hash FROM member WHERE id = ?", ada) == before


async def test_a_link_from_before_they_rose_stays_dead_when_they_are_lowered(two: Site) -> None:
    mia = await two.person("mia", Role.MANAGER)
    link = await password.make_reset_link(acting(two, "bo"), member_id=mia)
    await roles.change_role(olga(two), member_id=mia, role=Role.ADMINISTRATOR)
    await roles.change_role(acting(two, "bo"), member_id=mia, role=Role.MANAGER)

    with pytest.raises(InvalidLink):
        await password.whose(link)
    with pytest.raises(InvalidLink):
        await password.reset_password(link, password=NEW, address="192.0.2.1")


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
            roles.change_role(bo, member_id=ada, role=Role.MANAGER),
            password.make_reset_link(bo, member_id=ada),
        )

        assert isinstance(ended[1], NotAllowed), ended
        await roles.change_role(bo, member_id=ada, role=Role.ADMINISTRATOR)


# Mails


async def queued() -> dict[str, MailContents]:
    """What is owed about people who were lowered, by address, as it is written when it is due."""
    return dict(await all_queued())


async def all_queued() -> list[tuple[str, MailContents]]:
    """The same, each of several to one address."""
    clock.move(undo.NOT_BEFORE_MS)
    found = []
    for mail in await delivery.claim("test", 20, 100_000):
        if mail.kind == "lowered":
            with suppress(NoLongerRelevant):
                found.append((mail.recipient.partition("@")[0], await contents.read(mail)))
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
    assert [(name, content.yours) for name, content in written.items()] == [
        ("ada", True),
        ("olga", False),
    ]
    for content in written.values():
        assert (content.role, content.by, content.other) == (Role.REVIEWER, "Bo", "Ada")


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

    assert {content.by for content in (await queued()).values()} == {"Whoever runs the server"}


async def test_nobody_is_told_after_an_undo(posting: Site, two: Site) -> None:
    for role in (Role.MANAGER, Role.DEACTIVATED):
        await lower(two, "ada", role)
        await roles.undo(acting(two, "bo"), given=role, before={two.ids["ada"]: Role.ADMINISTRATOR})

        assert await owed() == []


async def test_an_undo_of_what_came_later_leaves_the_mails(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)
    await lower(two, "ada", Role.ANNOTATOR)
    await roles.undo(acting(two, "bo"), given=Role.ANNOTATOR, before={two.ids["ada"]: Role.MANAGER})

    assert [name for name, _ in await owed()] == ["ada", "olga"]


async def test_who_stays_an_administrator_is_told_nothing(posting: Site, two: Site) -> None:
    mia = await two.person("mia", Role.MANAGER)
    await roles.change_roles(acting(two, "bo"), member_ids=[two.ids["ada"], mia], role=Role.ADMINISTRATOR)

    assert await owed() == []


async def test_others_are_not_told_of_their_role(posting: Site, two: Site) -> None:
    await two.person("mia", Role.MANAGER)
    await lower(two, "mia", Role.ANNOTATOR)

    assert await owed() == []


REMOVED = "removed"
GIVEN_AN_END = "given an end"
OVER = "over"
ENDED = "ended"
# What another Administrator does to ada, and what the Owner is told of it: of the role that was lost, and for
# 30 days of what shuts out whoever had it.
LOST, LATELY = False, True
STEPS = [
    ((Role.ANNOTATOR, Role.DEACTIVATED), [("changed", LOST), ("changed", LATELY)]),
    ((Role.ANNOTATOR, Role.DEACTIVATED, Role.ANNOTATOR), [("changed", LOST), ("changed", LATELY)]),
    ((Role.ANNOTATOR, Role.MANAGER), [("changed", LOST)]),
    ((Role.ANNOTATOR, REMOVED), [("changed", LOST), ("removed", LATELY)]),
    ((Role.DEACTIVATED, REMOVED), [("changed", LOST), ("removed", LATELY)]),
    ((Role.DEACTIVATED, Role.ANNOTATOR), [("changed", LOST)]),
    (
        (Role.ANNOTATOR, Role.DEACTIVATED, REMOVED),
        [("changed", LOST), ("changed", LATELY), ("removed", LATELY)],
    ),
    ((Role.ANNOTATOR, ENDED), [("changed", LOST), ("end_set", LATELY)]),
    # They had the last day before.
    ((GIVEN_AN_END, Role.ANNOTATOR, OVER), [("changed", LOST), ("ended", LATELY)]),
    ((GIVEN_AN_END, Role.ANNOTATOR, ENDED), [("changed", LOST), ("ended", LATELY)]),
    ((REMOVED,), [("removed", LOST)]),
    ((ENDED,), [("ended", LOST)]),
    ((ENDED, REMOVED), [("ended", LOST), ("removed", LATELY)]),
]


async def take(site: Site, step: Role | str, by: Actor | None = None) -> None:
    by = by or acting(site, "bo")
    if isinstance(step, Role):
        await lower(site, "ada", step, by)
    elif step == REMOVED:
        await removal.remove(by, member_id=site.ids["ada"])
    if step in (GIVEN_AN_END, ENDED):
        await last_day.set_last_day(by, member_id=site.ids["ada"], day=last_day.earliest())
    if step == ENDED:
        clock.move(10)
    if step in (OVER, ENDED):
        await engine.write(engine.execute, "UPDATE member SET ends_at = 5 WHERE id = ?", site.ids["ada"])
        await last_day.end_due()


@pytest.mark.parametrize(("steps", "told"), STEPS)
async def test_the_owner_is_told_of_each_step_whatever_another_does_next(
    posting: Site, two: Site, steps: Sequence[Role | str], told: Sequence[tuple[str, bool]]
) -> None:
    for step in steps:
        await take(two, step)
        clock.move(10)

    to_olga = [content for name, content in await all_queued() if name == "olga"]

    assert sorted((content.how, content.lately) for content in to_olga) == sorted(told)
    for content in to_olga:
        assert (content.by, content.other, content.other_email) == (
            "Bo",
            "Ada",
            "ada@example.org",
        )
        assert (content.state == "removed") is (REMOVED in steps)


async def test_who_was_lowered_is_told_of_a_last_day_at_once_and_so_is_the_owner(
    posting: Site, two: Site
) -> None:
    await lower(two, "ada", Role.MANAGER)
    day = last_day.earliest()
    for _ in range(2):
        await last_day.set_last_day(acting(two, "bo"), member_id=two.ids["ada"], day=day)
    await last_day.set_last_day(acting(two, "bo"), member_id=two.ids["ada"], day="")

    told = await delivery.claim("test", 20, 100_000)

    written = [await contents.read(mail) for mail in told if mail.kind == "lowered"]
    assert [(content.how, content.yours) for content in written] == [
        ("end_set", True),
        ("end_set", False),
    ]
    assert {(content.by, content.role, last_day.iso(content.ends_at)) for content in written} == {
        ("Bo", Role.MANAGER, day)
    }


async def test_an_undo_of_a_deactivation_takes_its_own_mail_away_and_no_other(
    posting: Site, two: Site
) -> None:
    ada, bo = two.ids["ada"], acting(two, "bo")
    await lower(two, "ada", Role.MANAGER)
    await last_day.set_last_day(bo, member_id=ada, day=last_day.earliest())
    clock.move(10)
    await lower(two, "ada", Role.DEACTIVATED)
    assert len(await owed()) == 5

    await roles.undo(bo, given=Role.DEACTIVATED, before={ada: Role.MANAGER})

    assert [name for name, _ in await owed()] == ["ada", "olga"] * 2


async def test_after_30_days_what_becomes_of_them_is_told_no_more(posting: Site, two: Site) -> None:
    await lower(two, "ada", Role.MANAGER)
    clock.move(policy.STILL_ADMINISTRATOR_MS + 5_000)

    await lower(two, "ada", Role.DEACTIVATED)

    assert len(await owed()) == 2


@pytest.mark.parametrize("step", [Role.ANNOTATOR, Role.DEACTIVATED, REMOVED, ENDED])
async def test_the_owner_is_not_told_of_what_they_did_by_any_way(
    posting: Site, two: Site, step: Role | str
) -> None:
    await take(two, step, olga(two))

    assert "olga" not in await queued()


async def test_who_was_shut_out_and_let_in_again_is_told(posting: Site, two: Site) -> None:
    for role in (Role.ANNOTATOR, Role.DEACTIVATED, Role.ANNOTATOR):
        await lower(two, "ada", role)

    assert sorted(await queued()) == ["ada", "olga"]


@pytest.mark.parametrize("taken_back", [False, True])
async def test_who_was_lowered_is_told_though_they_are_shut_out_or_gone_by_then(
    posting: Site, two: Site, taken_back: bool
) -> None:
    ada = two.ids["ada"]
    await lower(two, "ada", Role.ANNOTATOR)
    clock.move(10)
    await lower(two, "ada", Role.DEACTIVATED)
    if taken_back:
        await roles.undo(acting(two, "bo"), given=Role.DEACTIVATED, before={ada: Role.ANNOTATOR})
    await removal.remove(acting(two, "bo"), member_id=ada)

    content = (await queued())["ada"]

    assert (content.yours, content.by, content.role, content.state) == (
        True,
        "Bo",
        Role.ANNOTATOR,
        "removed",
    )
    assert (content.how, content.lately) == ("changed", LOST)


async def test_who_did_it_is_named_though_they_were_removed_since(posting: Site, two: Site) -> None:
    await take(two, REMOVED)
    await removal.remove(olga(two), member_id=two.ids["bo"])

    assert (await queued())["olga"].by == "Bo"


async def test_who_set_a_last_day_is_left_out_once_the_log_has_forgotten_it(posting: Site, two: Site) -> None:
    await engine.write(engine.execute, "UPDATE member SET ends_at = 5 WHERE id = ?", two.ids["ada"])
    await last_day.end_due()

    assert (await queued())["olga"].by == ""


async def test_who_was_the_owner_then_is_told_though_they_handed_over_since(posting: Site, two: Site) -> None:
    await two.person("cyd", Role.MANAGER)
    await lower(two, "ada", Role.ANNOTATOR)
    await hand_over(two, "cyd")

    assert (await queued())["olga"].by == "Bo"


async def test_a_name_that_was_erased_is_told_to_nobody(posting: Site, two: Site) -> None:
    await take(two, REMOVED)
    await removal.erase_names(olga(two), member_ids=[two.ids["ada"]])

    content = (await queued())["olga"]
    assert (content.other, content.other_email) == (phrases.SOMEBODY_REMOVED, "")


async def test_removal_and_lowering_at_the_same_instant_are_told_once_each(posting: Site, two: Site) -> None:
    await two.person("cyd", Role.ADMINISTRATOR)
    for number in range(5):
        ann = await two.person(f"ann{number}", Role.ADMINISTRATOR)
        ended = await at_once(
            removal.remove(acting(two, "cyd"), member_id=ann),
            roles.change_role(acting(two, "bo"), member_id=ann, role=Role.DEACTIVATED),
        )
        found = await engine.rows(
            "SELECT state FROM outbox WHERE kind = 'lowered' AND subject_id = ? AND member_id <> ?", ann, ann
        )
        assert found == [("queued",)] * sum(not isinstance(end, Exception) for end in ended)


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.DEACTIVATED])
async def test_an_undo_that_is_undone_is_told(posting: Site, two: Site, role: Role) -> None:
    """Of the same instant or not: what the first Undo made void stays void."""
    ada, bo = two.ids["ada"], acting(two, "bo")
    for still in (False, True):
        if still:
            clock.stop_at(clock.now())
        await lower(two, "ada", role)
        await roles.undo(bo, given=role, before={ada: Role.ADMINISTRATOR})
        assert await owed() == []
        await roles.undo(bo, given=Role.ADMINISTRATOR, before={ada: role})

        assert [name for name, _ in await owed()].count("olga") == 1
        await roles.undo(bo, given=role, before={ada: Role.ADMINISTRATOR})
        assert await owed() == []


async def test_who_takes_back_that_somebody_else_raised_them_is_told_of(posting: Site, two: Site) -> None:
    mia = await two.person("mia", Role.MANAGER)
    await roles.change_role(olga(two), member_id=mia, role=Role.ADMINISTRATOR)
    await roles.undo(acting(two, "bo"), given=Role.ADMINISTRATOR, before={mia: Role.MANAGER})

    assert [name for name, _ in await owed()] == ["mia", "olga"]


async def test_whoever_presses_the_wrong_role_and_undo_troubles_nobody(posting: Site, two: Site) -> None:
    mia, bo = await two.person("mia", Role.MANAGER), acting(two, "bo")
    await roles.change_role(bo, member_id=mia, role=Role.ADMINISTRATOR)
    await roles.undo(bo, given=Role.ADMINISTRATOR, before={mia: Role.MANAGER})

    assert await owed() == []


def test_the_reason_says_for_how_long() -> None:
    assert "30 days" in refusals.OWNER_MAKES_LINK
    assert policy.STILL_ADMINISTRATOR_MS == 30 * DAY
