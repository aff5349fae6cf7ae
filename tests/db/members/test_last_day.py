"""The last day of a membership: what can be one, what happens when it is over, and who is told before."""

from collections.abc import AsyncIterator
from types import ModuleType

import pytest

from db import engine, policy
from db.accounts import password, sign_in
from db.accounts.sign_in import IsDeactivated
from db.auth import sessions
from db.auth.client import SignedIn
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import Invalid, InvalidLink, NotAllowed, Refused
from db.invitations import acceptance, creation
from db.invitations.recipients.address_list import parse
from db.mail import delivery, outbox
from db.members import last_day, removal, roles
from db.members.new_member import Person
from db.policy import Actor, Role
from mailer import contents
from mailer.contents import MailContents, NoLongerRelevant
from tests.support.pages.site import PASSWORD, Site, someone
from tests.support.steps.member_steps import BROWSER, acting, hand_over, olga

TODAY = "2026-12-04"
NOON = 1_796_385_600_000


@pytest.fixture(autouse=True)
def noon(clock: ModuleType) -> None:
    """It is noon of 4 December 2026, UTC, before anything begins."""
    clock.stop_at(NOON)


@pytest.fixture
async def mail(site: Site) -> AsyncIterator[None]:
    outbox.use(True, "members.fenwick.example")
    yield
    outbox.use(False)


async def gives(site: Site, name: str, day: str, by: Actor | None = None) -> None:
    await last_day.set_last_day(by or olga(site), member_id=site.ids[name], day=day)


async def dates_of(site: Site, name: str) -> tuple[int, int]:
    ((ends_at, told_at),) = await engine.rows(
        "SELECT ends_at, end_notified_at FROM member WHERE id = ?", site.ids[name]
    )
    return ends_at, told_at


async def told() -> list[tuple[str, str, str]]:
    """Kind, recipient and state of what is owed."""
    owed = await engine.rows("SELECT kind, recipient, state FROM outbox ORDER BY id")
    return [(kind, recipient.partition("@")[0], state) for kind, recipient, state in owed]


async def signs_in(site: Site, name: str) -> SignedIn:
    return await sign_in.sign_in(
        f"{name}@example.org",
        PASSWORD,
        persistent=True,
        throttle=site.context.throttle,
        session_limits=site.context.session_limits,
        browser=BROWSER,
    )


# What can be a last day


@pytest.mark.parametrize(
    ("day", "ends_at"),
    [
        ("", 0),
        (TODAY, 1_796_428_800_000),
        (" 2026-12-06 ", 1_796_601_600_000),
        ("2028-02-29", 1_835_481_600_000),
        ("2036-12-04", 2_112_048_000_000),
    ],
)
def test_a_day_ends_at_midnight_utc(day: str, ends_at: int) -> None:
    assert last_day.ends_at_of(day) == ends_at
    assert last_day.iso(ends_at) == day.strip()


NO_DAYS = (
    "2026-12-03 1970-01-01 2036-12-05 9999-12-31 2027-02-29 2026-13-01 0000-00-00 6.12.2026 20261206"
    " 2026-W49-7 2026-12-06T10:00 tomorrow ２０２６-12-06 -1 0"
)


@pytest.mark.parametrize("day", NO_DAYS.split())
async def test_what_is_no_day_to_come_is_an_error_of_the_field(site: Site, day: str) -> None:
    await site.person("ada", Role.ANNOTATOR)

    with pytest.raises(Invalid) as refusal:
        await gives(site, "ada", day)

    assert list(refusal.value.errors) == ["last_day"]
    assert await dates_of(site, "ada") == (0, 0)


def test_ten_years_from_a_leap_day_are_a_day_that_there_is() -> None:
    clock.stop_at(1_835_481_600_000 - 1)

    assert (last_day.earliest(), last_day.latest()) == ("2028-02-29", "2038-02-28")


# Who may


async def test_a_last_day_is_set_and_lifted_and_each_is_told_in_the_log(site: Site) -> None:
    ada = await site.person("ada", Role.PENDING)
    for day in ("2026-12-20", "2026-12-20", "2026-12-24", ""):
        await gives(site, "ada", day)

    rows = await engine.rows("SELECT kind, before, after FROM activity WHERE subject_id = ? ORDER BY id", ada)

    assert rows == [
        ("end_set", "", "2026-12-20"),
        ("end_set", "2026-12-20", "2026-12-24"),
        ("end_lifted", "2026-12-24", ""),
    ]


async def test_nobody_ends_the_owner_themself_or_who_is_deactivated(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await site.person("bob", Role.DEACTIVATED)

    for name in ("olga", "ada", "bob"):
        with pytest.raises(Refused):
            await gives(site, name, "2026-12-20", acting(site, "ada"))
    with pytest.raises(engine.ConstraintViolation):
        await engine.write(engine.execute, "UPDATE member SET ends_at = 1 WHERE role = 'OW'")


@pytest.mark.parametrize("role", [Role.MANAGER, Role.REVIEWER, Role.ANNOTATOR, Role.PENDING])
async def test_only_the_owner_and_administrators_give_a_last_day(site: Site, role: Role) -> None:
    await site.person("ada", role)
    await site.person("bob", Role.ANNOTATOR)

    with pytest.raises(NotAllowed):
        await gives(site, "bob", "2026-12-20", acting(site, "ada", Role.OWNER))

    assert await dates_of(site, "bob") == (0, 0)


# When it is over


async def test_a_session_works_until_the_last_day_is_over_and_never_again(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", TODAY)
    token = (await signs_in(site, "ada")).token
    clock.stop_at(1_796_428_799_999)
    assert await sessions.current(token, site.context.session_limits, site.context.presence)

    clock.move(1)
    assert await sessions.current(token, site.context.session_limits, site.context.presence) is None
    clock.move(-1)

    # The chore hasn't come by, and the clock was set back: what was seen ended stays ended.
    assert await site.role_of("ada") is Role.ANNOTATOR
    assert await sessions.current(token, site.context.session_limits, site.context.presence) is None


async def test_signing_in_is_refused_from_that_moment_on_and_deactivates(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", TODAY)
    clock.stop_at(1_796_428_800_000)

    with pytest.raises(IsDeactivated):
        await signs_in(site, "ada")
    clock.move(-DAY_MS)

    assert await site.role_of("ada") is Role.DEACTIVATED
    with pytest.raises(IsDeactivated):
        await signs_in(site, "ada")


async def test_an_administrator_whose_last_day_is_over_decides_nothing_more(site: Site) -> None:
    for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.ANNOTATOR)):
        await site.person(name, role)
    await gives(site, "ada", TODAY)
    clock.move(DAY_MS)
    ada, bob = acting(site, "ada"), site.ids["bob"]

    for change in (
        roles.change_role(ada, member_id=bob, role=Role.ADMINISTRATOR),
        removal.remove(ada, member_id=bob),
        last_day.set_last_day(ada, member_id=bob, day=""),
        password.make_reset_link(ada, member_id=bob),
        creation.invite(ada, parse("cyd@example.org"), role=Role.ANNOTATOR, days=7),
    ):
        with pytest.raises(NotAllowed):
            await change
    assert await site.role_of("bob") is Role.ANNOTATOR


async def test_what_they_invited_to_can_no_longer_be_accepted(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await gives(site, "ada", TODAY)
    await creation.invite(acting(site, "ada"), parse("cyd@example.org"), role=Role.ADMINISTRATOR, days=7)
    ((link_id,),) = await engine.rows("SELECT link_id FROM invitation")
    clock.move(DAY_MS)

    invited = await acceptance.find(link_id)
    assert invited is not None
    assert invited.invalid_reason(clock.now()) == "void"
    with pytest.raises(InvalidLink):
        await acceptance.accept(invited, cyd(), session_limits=site.context.session_limits, browser=BROWSER)


def cyd() -> Person:
    return someone("cyd")


async def test_a_password_link_for_them_is_dead_and_none_is_made(site: Site, mail: None) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", TODAY)
    link = await password.make_reset_link(olga(site), member_id=ada)
    clock.move(DAY_MS - 1)

    with pytest.raises(InvalidLink):
        await password.reset_password(link, password="six green boats at noon", address="")
    with pytest.raises(NotAllowed):
        await password.make_reset_link(olga(site), member_id=ada)
    await password.ask_reset("ada@example.org", "192.0.2.1")

    assert [to for kind, to, _ in await told() if kind == "reset"] == [""], "it is nobody's"


async def test_the_chore_does_all_that_deactivation_does_and_says_who_did_it(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    await site.person("bob", Role.ANNOTATOR)
    await gives(site, "ada", TODAY)
    await gives(site, "bob", "2026-12-05")
    await signs_in(site, "ada")
    link = await password.make_reset_link(olga(site), member_id=ada)
    await creation.invite(acting(site, "ada"), parse("cyd@example.org"), role=Role.ANNOTATOR, days=7)
    clock.stop_at(1_796_428_800_000)

    await last_day.end_due()
    await last_day.end_due()

    assert (await site.role_of("ada"), await site.role_of("bob")) == (Role.DEACTIVATED, Role.ANNOTATOR)
    assert await engine.rows("SELECT end_reason FROM session") == [("membership ended",)]
    assert await engine.rows("SELECT end_reason FROM links WHERE id = ?", link.id) == [("membership ended",)]
    assert await engine.rows("SELECT end_reason FROM invitation") == [("void",)]
    assert await engine.rows(
        "SELECT actor_kind, actor_id, before, after FROM activity WHERE kind = 'role_changed'"
    ) == [("system", 0, "AD", "DI")]


async def test_more_than_one_batch_is_ended_by_one_chore(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_day, "BATCH_SIZE", 3)
    for number in range(7):
        await site.person(f"ada{number}", Role.ANNOTATOR)
        await gives(site, f"ada{number}", TODAY)
    clock.move(DAY_MS)

    await last_day.end_due()

    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'DI'") == [(7,)]


async def test_who_ended_while_nobody_served_is_out_before_the_first_request(database: str) -> None:
    async with Site.opened() as site:
        await site.person("ada", Role.ANNOTATOR)
        await gives(site, "ada", TODAY)
    clock.move(30 * DAY_MS)

    async with Site.opened(founded=False):
        # Nothing was asked yet; nor did the chores, which wait for a minute, come by.
        assert await site.role_of("ada") is Role.DEACTIVATED


# What changes it otherwise


@pytest.mark.parametrize(("days", "kept"), [(1, False), (-2, True)])
async def test_coming_back_lifts_a_last_day_that_is_over_and_keeps_one_to_come(
    site: Site, days: int, kept: bool
) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", TODAY if days > 0 else "2026-12-20")
    clock.move(days * DAY_MS if days > 0 else 0)
    await roles.change_role(olga(site), member_id=ada, role=Role.DEACTIVATED)

    change = await roles.change_role(olga(site), member_id=ada, role=Role.REVIEWER)

    assert change.before is Role.DEACTIVATED
    assert (change.row.ends_at > 0) is kept
    assert (await signs_in(site, "ada")).role is Role.REVIEWER


async def test_somebody_put_back_to_waiting_keeps_it_and_somebody_removed_does_not(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.person(name, Role.ANNOTATOR)
        await gives(site, name, "2026-12-20")

    await roles.change_role(olga(site), member_id=site.ids["ada"], role=Role.PENDING)
    await removal.remove(olga(site), member_id=site.ids["bob"])

    assert (await dates_of(site, "ada"))[0] > 0
    assert await dates_of(site, "bob") == (0, 0)


async def test_the_new_owner_has_no_last_day(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", "2026-12-20")

    row, _ = await hand_over(site, "ada")

    assert (row.role, row.ends_at) == ("OW", 0)
    assert await engine.rows("SELECT 1 FROM activity WHERE kind = 'end_lifted'") == [(1,)]


async def test_nobody_whose_last_day_is_over_becomes_the_owner(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await gives(site, "ada", TODAY)
    clock.move(DAY_MS)

    with pytest.raises(Refused, match="active member"):
        await hand_over(site, "ada")

    assert await site.role_of("olga") is Role.OWNER


# Who is told


async def people(site: Site) -> None:
    for name, role in (("ada", Role.ADMINISTRATOR), ("bob", Role.ANNOTATOR), ("cyd", Role.ADMINISTRATOR)):
        await site.person(name, role)
    await engine.write(engine.execute, "UPDATE member SET wants_notices = 0 WHERE id = ?", site.ids["cyd"])


async def test_the_end_is_told_three_days_before_and_once(site: Site, mail: None) -> None:
    await people(site)
    await gives(site, "bob", "2026-12-08")
    assert await engine.write(last_day.tell_due) == 0
    clock.stop_at(1_796_515_200_000)

    for _ in range(2):
        await engine.write(last_day.tell_due)
        clock.move(DAY_MS)

    assert await told() == [("ending", name, "queued") for name in ("bob", "olga", "ada")]


async def test_an_end_that_is_near_is_told_at_once_and_a_new_one_again(site: Site, mail: None) -> None:
    await people(site)

    await gives(site, "bob", TODAY)
    await gives(site, "bob", "2026-12-06")
    await gives(site, "bob", "2027-01-31")

    assert await told() == [("ending", name, "void") for name in ("bob", "olga", "ada") * 2]
    assert (await dates_of(site, "bob"))[1] == 0


@pytest.mark.parametrize(
    ("notice", "names"),
    [("administrators", ["bob", "olga", "ada"]), ("owner", ["bob", "olga"]), ("nobody", ["bob"])],
)
async def test_the_person_is_always_told_others_as_the_owner_settled(
    site: Site, mail: None, notice: str, names: list[str]
) -> None:
    await people(site)
    await engine.write(engine.execute, "UPDATE organization SET notice_ending = ?", notice)
    await engine.write(engine.execute, "UPDATE member SET wants_notices = 0 WHERE role = 'AN'")

    await gives(site, "bob", TODAY)

    assert [name for _, name, _ in await told()] == names


async def test_what_was_not_told_without_mail_is_told_when_there_is_mail(site: Site) -> None:
    await people(site)
    await gives(site, "bob", "2026-12-06")
    assert await told() == []

    outbox.use(True)
    await engine.write(last_day.tell_due)
    outbox.use(False)

    assert len(await told()) == 3


async def test_somebody_who_is_out_already_is_not_told(site: Site, mail: None) -> None:
    await people(site)
    await gives(site, "bob", "2026-12-08")
    await roles.change_role(olga(site), member_id=site.ids["bob"], role=Role.DEACTIVATED)
    clock.move(2 * DAY_MS)

    assert await engine.write(last_day.tell_due) == 0


async def written() -> dict[str, MailContents]:
    """The mails that are due, by whom they are for."""
    return {
        mail.recipient.partition("@")[0]: await contents.read(mail)
        for mail in await delivery.claim("one", 20, 100_000)
    }


async def test_the_letters_tell_of_the_right_person(site: Site, mail: None) -> None:
    await people(site)
    await gives(site, "bob", "2026-12-06")

    found = await written()

    assert {name: (content.yours, content.other) for name, content in found.items()} == {
        "bob": (True, "Bob"),
        "olga": (False, "Bob"),
        "ada": (False, "Bob"),
    }
    assert {content.template_values("Label Studio")["day"] for content in found.values()} == {
        "6 December 2026"
    }


async def test_a_letter_of_an_end_that_was_lifted_is_not_written(site: Site, mail: None) -> None:
    await people(site)
    await gives(site, "bob", "2026-12-06")
    claimed = await delivery.claim("one", 20, 100_000)
    await engine.write(engine.execute, "UPDATE member SET ends_at = 0")

    for owed in claimed:
        with pytest.raises(NoLongerRelevant):
            await contents.read(owed)


def test_the_end_is_over_at_its_very_instant() -> None:
    assert [policy.has_ended(ends_at, 10) for ends_at in (0, 9, 10, 11)] == [False, True, True, False]
