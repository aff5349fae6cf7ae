"""Confirming an address by a link that was mailed to it, and the mails around a registration and a role."""

import asyncio
from types import ModuleType
from typing import Any

import pytest

from db import activity, engine
from db.accounts import confirmation, password, profile
from db.auth import links
from db.auth.links import Link
from db.common import clock
from db.common.dates import DAY_MS
from db.common.undo import NOT_BEFORE_MS, UNDO_MS
from db.errors import InvalidLink, NotAllowed, Refused
from db.invitations import management
from db.mail import delivery, outbox
from db.members import removal, roles
from db.policy import COMMAND_LINE, Actor, Role
from mailer import contents
from tests.support.concurrency import at_once
from tests.support.pages.site import PASSWORD, Site
from tests.support.servers.smtp import serving
from tests.support.steps.invitation_steps import confirmed, invited, mails, one
from tests.support.steps.mail_steps import delivering, soon
from tests.support.steps.member_steps import BROWSER, acting, hand_over, olga, register


async def link_of(member_id: int) -> Link:
    link = await engine.read(links.open_one, links.ADDRESS, member_id)
    assert link is not None, "no link was mailed"
    return link


async def test_who_registers_is_asked_and_the_administrators_are_told(posting: Site) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)

    ada = (await register(posting, "ada")).member_id

    assert await mails("address") == ["ada@example.org"]
    assert await mails("waiting") == ["olga@example.org", "alma@example.org"]
    await confirmation.confirm(acting_as(ada), await link_of(ada))
    assert await confirmed(ada)
    assert [event.kind for event in await activity.of_member(ada)] == ["address_confirmed", "registered"]


async def test_without_mail_nothing_is_asked_and_nothing_queued(site: Site) -> None:
    ada = (await register(site, "ada")).member_id

    assert await engine.rows("SELECT 1 FROM outbox") == []
    assert await engine.read(links.open_one, links.ADDRESS, ada) is None
    with pytest.raises(Refused, match="Mail isn't set up"):
        await confirmation.ask_again(acting_as(ada))


def acting_as(member_id: int) -> Actor:
    return Actor(member_id, Role.PENDING)


async def test_the_link_confirms_once_and_for_a_week(posting: Site, clock: ModuleType) -> None:
    ada = (await register(posting, "ada")).member_id
    link = await link_of(ada)
    clock.move(7 * DAY_MS)
    with pytest.raises(InvalidLink):
        await confirmation.confirm(acting_as(ada), link)
    assert not await confirmed(ada)

    await confirmation.ask_again(acting_as(ada))
    new = await link_of(ada)
    ended = await at_once(*(confirmation.confirm(acting_as(ada), new) for _ in range(3)))

    assert sorted(type(each).__name__ for each in ended) == ["InvalidLink", "InvalidLink", "NoneType"]
    assert await confirmed(ada)
    with pytest.raises(Refused, match="confirmed already"):
        await confirmation.ask_again(acting_as(ada))


async def test_it_confirms_until_the_last_moment_and_what_was_confirmed_keeps_its_time(
    posting: Site, clock: ModuleType
) -> None:
    ada, ben = [(await register(posting, name)).member_id for name in ("ada", "ben")]
    late, confirmed_before = await link_of(ada), await link_of(ben)
    clock.stop_at(late.made_at + 7 * DAY_MS - 1)
    await engine.write(engine.execute, "UPDATE member SET confirmed_at = 5 WHERE id = ?", ben)

    await confirmation.confirm(acting_as(ada), late)
    await confirmation.confirm(acting_as(ben), confirmed_before)

    found = await engine.rows("SELECT confirmed_at FROM member WHERE id IN (?, ?) ORDER BY id", ada, ben)
    assert found == [(late.made_at + 7 * DAY_MS - 1,), (5,)]


async def test_somebody_else_s_link_confirms_nobody_and_still_works(posting: Site) -> None:
    ada, ben = [(await register(posting, name)).member_id for name in ("ada", "ben")]
    link = await link_of(ada)

    with pytest.raises(InvalidLink, match="void"):
        await confirmation.confirm(acting_as(ben), link)

    assert [await confirmed(member_id) for member_id in (ada, ben)] == [False, False]
    await confirmation.confirm(acting_as(ada), link)


async def test_a_newer_link_ends_the_older(posting: Site) -> None:
    ada = (await register(posting, "ada")).member_id
    old = await link_of(ada)

    await confirmation.ask_again(acting_as(ada))

    with pytest.raises(InvalidLink):
        await confirmation.confirm(acting_as(ada), old)
    await confirmation.confirm(acting_as(ada), await link_of(ada))


@pytest.mark.parametrize("end", ["deactivated", "removed"])
async def test_it_is_dead_with_its_member(posting: Site, end: str) -> None:
    ada = (await register(posting, "ada")).member_id
    link = await link_of(ada)

    if end == "removed":
        await removal.remove(olga(posting), member_id=ada)
    else:
        await roles.change_role(olga(posting), member_id=ada, role=Role.DEACTIVATED)

    with pytest.raises(NotAllowed):
        await confirmation.confirm(acting_as(ada), link)
    assert await mails("address") == []


async def test_who_gets_a_role_is_told_once(posting: Site) -> None:
    ada, bob = await posting.person("ada"), await posting.person("bob", Role.REVIEWER)

    await roles.change_roles(olga(posting), member_ids=[ada, bob], role=Role.ANNOTATOR)
    await roles.change_role(olga(posting), member_id=ada, role=Role.MANAGER)
    await roles.change_role(COMMAND_LINE, member_id=bob, role=Role.PENDING)

    assert await mails("approved") == ["ada@example.org"]


async def test_nobody_is_told_of_a_role_before_it_is_too_late_to_undo(
    posting: Site, clock: ModuleType
) -> None:
    people = {await posting.person(f"ada{number}"): Role.PENDING for number in range(18)}
    async with serving() as server, delivering(server.account()):
        await roles.change_roles(olga(posting), member_ids=list(people), role=Role.ANNOTATOR)
        clock.move(UNDO_MS)
        await _settled()
        told_early = len(server.received)

        await roles.undo(olga(posting), given=Role.ANNOTATOR, before=people)
        clock.move(NOT_BEFORE_MS)
        await _settled()

    assert (told_early, server.received) == (0, [])
    assert await mails("approved") == []


async def test_who_keeps_a_role_is_told_when_it_is_too_late_to_undo(posting: Site, clock: ModuleType) -> None:
    ada = await posting.person("ada")
    async with serving() as server, delivering(server.account()):
        await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)
        clock.move(NOT_BEFORE_MS)
        outbox.wake()

        await soon(lambda: server.to("ada@example.org"))


async def test_who_gets_a_role_again_after_an_undo_is_told_once(posting: Site) -> None:
    ada = await posting.person("ada")

    await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)
    await roles.undo(olga(posting), given=Role.ANNOTATOR, before={ada: Role.PENDING})
    await roles.change_role(olga(posting), member_id=ada, role=Role.REVIEWER)

    assert await mails("approved") == ["ada@example.org"]


async def test_who_is_deactivated_by_mistake_is_still_told_of_the_role(posting: Site) -> None:
    ada = await posting.person("ada")
    await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)

    await roles.change_role(olga(posting), member_id=ada, role=Role.DEACTIVATED)
    told_meanwhile = await mails("approved")
    await roles.undo(olga(posting), given=Role.DEACTIVATED, before={ada: Role.ANNOTATOR})

    assert (told_meanwhile, await mails("approved")) == ([], ["ada@example.org"])


async def test_who_comes_back_and_was_told_once_is_not_told_again(posting: Site, clock: ModuleType) -> None:
    ada = await posting.person("ada")
    async with serving() as server, delivering(server.account()):
        await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)
        clock.move(NOT_BEFORE_MS)
        outbox.wake()
        await soon(lambda: server.to("ada@example.org"))
        await soon(_is_marked)

    await roles.change_role(olga(posting), member_id=ada, role=Role.DEACTIVATED)
    await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)

    assert await mails("approved") == []


async def test_who_waits_by_mistake_for_a_moment_hears_nothing(posting: Site) -> None:
    ada = await posting.person("ada", Role.ANNOTATOR)

    await roles.change_role(olga(posting), member_id=ada, role=Role.PENDING)
    await roles.undo(olga(posting), given=Role.PENDING, before={ada: Role.ANNOTATOR})

    assert await mails("approved") == []


async def test_undoing_a_deactivation_brings_back_the_link_and_the_mail_about_the_address(
    posting: Site,
) -> None:
    ada = (await register(posting, "ada")).member_id
    link = await link_of(ada)

    await roles.change_role(olga(posting), member_id=ada, role=Role.DEACTIVATED)
    await roles.undo(olga(posting), given=Role.DEACTIVATED, before={ada: Role.PENDING})

    assert await mails("address") == ["ada@example.org"]
    await confirmation.confirm(acting_as(ada), link)
    assert await confirmed(ada)


async def test_undoing_an_approval_leaves_the_invitation_open_and_tells_nobody_even_at_once(
    posting: Site, clock: ModuleType
) -> None:
    await invited(posting, "ada")
    ada = await posting.person("ada")
    # Both within one millisecond.
    clock.stop_at(clock.now())

    await roles.change_role(olga(posting), member_id=ada, role=Role.ANNOTATOR)
    await roles.undo(olga(posting), given=Role.ANNOTATOR, before={ada: Role.PENDING})

    assert (await one("ada@example.org")).end_reason == ""
    assert await mails("approved") == []


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.DEACTIVATED])
async def test_undoing_the_loss_of_the_right_to_invite_brings_their_invitations_back(
    posting: Site, role: Role
) -> None:
    eve = await posting.person("eve", Role.ADMINISTRATOR)
    for name in ("ada", "bea", "cyd"):
        await invited(posting, name, by=Actor(eve, Role.ADMINISTRATOR))
    await management.revoke(olga(posting), invitation_ids=[(await one("cyd@example.org")).id])

    await roles.change_role(olga(posting), member_id=eve, role=role)
    ended = [(await one(f"{name}@example.org")).end_reason for name in ("ada", "bea", "cyd")]
    await invited(posting, "bea")
    await roles.undo(olga(posting), given=role, before={eve: Role.ADMINISTRATOR})

    assert ended == ["void", "void", "revoked"]
    open_again = [(await one(f"{name}@example.org")).end_reason for name in ("ada", "bea", "cyd")]
    assert open_again == ["", "", "revoked"]
    # bea was invited anew meanwhile, which stands alone.
    assert await mails("invitation") == ["ada@example.org", "bea@example.org"]


async def _is_marked() -> bool:
    return await engine.rows("SELECT 1 FROM outbox WHERE kind = 'approved' AND state = 'sent'") != []


async def _settled() -> None:
    """Mail that is due would be on its way by now."""
    outbox.wake()
    await asyncio.sleep(0.3)


async def test_notices_can_be_switched_off(posting: Site) -> None:
    await profile.change_notices(olga(posting), wanted=False)
    await register(posting, "ada")
    assert await mails("waiting") == []
    assert not (await profile.own(posting.ids["olga"])).wants_notices

    await profile.change_notices(olga(posting), wanted=True)
    await register(posting, "bob")
    assert await mails("waiting") == ["olga@example.org"]


# Passwords


async def test_a_new_password_is_told_to_its_owner(posting: Site) -> None:
    await posting.sign_in("olga")
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    await password.change_password(
        olga(posting),
        session_id=session_id,
        current_password=PASSWORD,
        password="seven silver herons on the ice",
        throttle=posting.context.throttle,
        browser=BROWSER,
    )

    assert await mails("password") == ["olga@example.org"]


async def test_a_forgotten_one_is_set_by_the_newest_link_once_within_an_hour(
    posting: Site, clock: ModuleType
) -> None:
    ada = await posting.person("ada")
    await password.ask_reset("ADA@example.org", "192.0.2.1")
    old = await engine.read(links.open_one, links.RESET, ada)
    await password.ask_reset("ada@example.org", "192.0.2.1")
    new = await engine.read(links.open_one, links.RESET, ada)
    assert old is not None
    assert new is not None
    assert new.expires_at - new.made_at == 3600 * 1000

    with pytest.raises(InvalidLink):
        await password.reset_password(old, password="seven silver herons", address="192.0.2.1")
    await password.reset_password(new, password="seven silver herons", address="192.0.2.1")
    with pytest.raises(InvalidLink):
        await password.reset_password(new, password="eight silver herons", address="192.0.2.1")
    assert await mails("password") == ["ada@example.org"]

    await password.ask_reset("ada@example.org", "192.0.2.1")
    late = await engine.read(links.open_one, links.RESET, ada)
    assert late is not None
    clock.move(3600 * 1000)
    with pytest.raises(InvalidLink):
        await password.reset_password(late, password="nine silver herons", address="192.0.2.1")


async def test_nobody_else_gets_a_mail(posting: Site) -> None:
    await posting.person("ada", Role.DEACTIVATED)

    for email in ("ada@example.org", "nobody@example.org", "no address"):
        await password.ask_reset(email, "192.0.2.1")

    # What is owed to nobody is seen to be void when it would be written.
    assert await mails("reset") == [""] * 3
    for mail in await delivery.claim("ours", 9, 1_000):
        with pytest.raises(contents.NoLongerRelevant):
            await contents.read(mail)
    assert await engine.read(links.open_one, links.RESET, posting.ids["ada"]) is None
    assert await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'reset_asked_for'") == [(3,)]


async def test_asking_for_a_link_makes_the_same_statements_whoever_is_asked_for(
    posting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await posting.person("ada")
    await posting.person("dora", Role.DEACTIVATED)
    seen, made = list[str](), []

    def watch(way: str) -> None:
        original = getattr(engine.get(), way)

        async def watched(asked: Any, *args: Any, **more: Any) -> Any:
            seen.append(asked if isinstance(asked, str) else asked.compile_string()[0])
            return await original(asked, *args, **more)

        monkeypatch.setattr(engine.get(), way, watched)

    for way in ("rows", "execute", "run_querystring"):
        watch(way)

    for email in ("ada@example.org", "dora@example.org", "nobody@example.org", "no address"):
        seen.clear()
        await password.ask_reset(email, "192.0.2.1")
        made.append(list(seen))

    assert made == [made[0]] * 4
    assert sum(statement.startswith("INSERT INTO") for statement in made[0]) == 3


@pytest.mark.parametrize("by_hand", [True, False])
async def test_asking_for_a_link_by_mail_ends_older_mailed_ones_alone(posting: Site, by_hand: bool) -> None:
    await posting.person("alan", Role.ADMINISTRATOR)
    ada = await posting.person("ada")
    maker = acting(posting, "alan") if by_hand else COMMAND_LINE
    handed = await password.make_reset_link(maker, member_id=ada)
    mailed = list[Link]()
    for _ in range(2):
        await password.ask_reset("ada@example.org", "192.0.2.1")
        newest = await engine.read(links.open_one, links.RESET, ada)
        assert newest
        mailed.append(newest)

    found = [await password.find_reset_link(link.id) for link in (handed, *mailed)]
    assert [link and link.invalid_reason(clock.now()) for link in found] == [None, "replaced", None]
    assert (await password.whose(handed))[0] == "ada@example.org"

    await password.reset_password(handed, password="seven silver herons", address="192.0.2.1")
    for link in mailed:
        with pytest.raises(InvalidLink):
            await password.reset_password(link, password="eight silver herons", address="192.0.2.1")


async def test_of_each_hand_over_both_are_told_whatever_comes_next(posting: Site, clock: ModuleType) -> None:
    for name in ("ada", "bob"):
        await posting.person(name, Role.ADMINISTRATOR)
    for by, to in (("olga", "ada"), ("ada", "bob"), ("bob", "ada")):
        clock.move(1_000)
        await hand_over(posting, to, by=by)
    await removal.remove(acting(posting, "ada", Role.OWNER), member_id=posting.ids["bob"])

    told = []
    for mail in await delivery.claim("ours", 20, 1_000):
        if mail.kind == "ownership":
            content = await contents.read(mail)
            told.append((mail.recipient.partition("@")[0], content.yours, content.other))

    assert told == [
        ("olga", False, "Ada"),
        ("ada", True, "Olga"),
        ("ada", False, "Bob"),
        ("bob", True, "Ada"),
        ("bob", False, "Ada"),
        ("ada", True, "Bob"),
    ]


async def test_whose_link_was_handed_over_is_told(posting: Site) -> None:
    ada = await posting.person("ada")

    await password.make_reset_link(olga(posting), member_id=ada)

    assert await mails("handed") == ["ada@example.org"]
