"""What becomes of an invitation: another role, sent again, revoked, asked for, reminded of, forgotten."""

from types import ModuleType

import pytest

from db import activity, engine
from db.auth import links
from db.common.dates import DAY_MS
from db.errors import InvalidLink, NotAllowed, Refused, Unknown
from db.invitations import acceptance, creation, management
from db.invitations.acceptance import InvitationForToken
from db.invitations.listing import InvitationRow
from db.invitations.recipients import address_list
from db.members import removal, roles
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps.invitation_steps import accept, invite, invited, kinds, mailed, mails, one, state
from tests.support.steps.member_steps import acting, olga


async def found(line: InvitationRow) -> InvitationForToken:
    invited = await acceptance.find(line.link_id)
    assert invited is not None
    return invited


async def test_the_role_is_changed_and_the_change_is_told(site: Site) -> None:
    line = await invited(site, "ada")

    await management.change_role(olga(site), invitation_id=line.id, role=Role.MANAGER)
    await management.change_role(olga(site), invitation_id=line.id, role=Role.MANAGER)

    assert (await one("ada@example.org")).role == "MA"
    assert await engine.rows(
        "SELECT kind, before, after FROM activity WHERE subject_id = ? AND kind <> 'invitation_made'"
        " AND kind LIKE 'invitation%'",
        line.id,
    ) == [("invitation_role_changed", "AN", "MA")]


@pytest.mark.parametrize("role", [Role.OWNER, Role.PENDING, Role.DEACTIVATED])
@ON_SQLITE
async def test_there_are_four_roles_to_choose_from(site: Site, role: Role) -> None:
    line = await invited(site, "ada")

    with pytest.raises(Refused):
        await management.change_role(olga(site), invitation_id=line.id, role=role)


async def test_resending_extends_and_keeps_earlier_mails_valid(posting: Site, clock: ModuleType) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await mailed(line)
    clock.move(5 * DAY_MS)

    assert (
        await management.resend(
            acting(posting, "alma"), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
        )
        == 1
    )

    again = await one("ada@example.org")
    assert (again.nonce, again.inviter, again.state(clock.now())) == (line.nonce, "Alma", "queued")
    assert again.expires_at == clock.now() + 7 * DAY_MS
    assert await mails("invitation") == ["ada@example.org"]
    assert await kinds(line.id) == ["invitation_made", "invitation_resent"]
    clock.move(6 * DAY_MS)
    await accept(posting, line)


async def test_an_earlier_mail_works_again_after_the_end(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    clock.move(8 * DAY_MS)
    await engine.write(links.stamp_expired)
    with pytest.raises(InvalidLink):
        await accept(posting, line)

    await management.resend(
        olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
    )

    assert await state("ada@example.org") == "queued"
    await accept(posting, line)


async def test_a_mail_that_still_waits_is_replaced(posting: Site) -> None:
    line = await invited(posting, "ada")

    await management.resend(
        olga(posting), invitation_ids=[line.id, line.id], days=7, throttle=posting.context.throttle
    )

    assert await mails("invitation") == ["ada@example.org"]


async def test_revoking_kills_it_at_once(posting: Site) -> None:
    line = await invited(posting, "ada")

    assert (await management.revoke(olga(posting), invitation_ids=[line.id])).invitation_ids == [line.id]

    assert await state("ada@example.org") == "revoked"
    assert await mails("invitation") == []
    assert await kinds(line.id) == ["invitation_made", "invitation_revoked"]
    with pytest.raises(InvalidLink):
        await accept(posting, line)
    for change in (
        management.revoke(olga(posting), invitation_ids=[line.id]),
        management.resend(olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle),
        management.change_role(olga(posting), invitation_id=line.id, role=Role.MANAGER),
    ):
        with pytest.raises(Refused, match="was revoked already"):
            await change


async def test_several_are_all_or_nothing(posting: Site) -> None:
    ada, bob, cleo = [await invited(posting, name) for name in ("ada", "bob", "cleo")]
    await accept(posting, bob)
    ids = [cleo.id, bob.id, ada.id]

    for change in (
        management.revoke(olga(posting), invitation_ids=ids),
        management.resend(olga(posting), invitation_ids=ids, days=7, throttle=posting.context.throttle),
    ):
        with pytest.raises(Refused, match=r"bob@example.org was accepted already. Nothing was changed"):
            await change
    with pytest.raises(Unknown):
        await management.revoke(olga(posting), invitation_ids=[ada.id, 999])
    with pytest.raises(Refused, match="Select"):
        await management.revoke(olga(posting), invitation_ids=[])
    assert await state("ada@example.org") == "queued"
    assert await kinds(ada.id) == ["invitation_made"]

    revoked = await management.revoke(olga(posting), invitation_ids=[cleo.id, ada.id, ada.id])
    assert revoked.invitation_ids == [ada.id, cleo.id]
    assert [await state(f"{name}@example.org") for name in ("ada", "cleo")] == ["revoked"] * 2


async def test_who_was_shown_a_link_is_told_each_time(posting: Site, clock: ModuleType) -> None:
    ada, bob = await invited(posting, "ada"), await invited(posting, "bob")
    await accept(posting, bob)

    for _ in range(2):
        clock.move(1)
        await management.mark_link_revealed(olga(posting), [ada.id])
    for ids, error in (([ada.id, bob.id], Refused), ([ada.id, 999], Unknown), ([], Refused)):
        with pytest.raises(error):
            await management.mark_link_revealed(olga(posting), ids)

    assert (await one("ada@example.org")).link_revealed_at == clock.now() - 1
    assert await kinds(ada.id) == ["invitation_made"] + ["invitation_shown"] * 2
    assert "invitation_shown" not in await kinds(bob.id)


async def test_who_is_demoted_at_that_instant_is_shown_no_link_afterwards(posting: Site) -> None:
    for number in range(5):
        alma = await posting.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(posting, f"ada{number}")

        shown, _ = await at_once(
            management.mark_link_revealed(Actor(alma, Role.ADMINISTRATOR), [line.id]),
            roles.change_role(olga(posting), member_id=alma, role=Role.ANNOTATOR),
        )

        told = await engine.rows(
            "SELECT kind FROM activity WHERE ? IN (actor_id, subject_id) ORDER BY id", alma
        )
        assert told[-1] == ("role_changed",)
        assert (("invitation_shown",) in told) is isinstance(shown, list)


async def test_only_the_owner_and_administrators_take_care_of_them(site: Site) -> None:
    line = await invited(site, "ada")

    for role in set(Role) - {Role.OWNER, Role.ADMINISTRATOR}:
        actor = Actor(await site.person(f"a-{role.value.lower()}", role), Role.OWNER)
        for change in (
            management.change_role(actor, invitation_id=line.id, role=Role.MANAGER),
            management.resend(actor, invitation_ids=[line.id], days=7, throttle=site.context.throttle),
            management.revoke(actor, invitation_ids=[line.id]),
            management.mark_link_revealed(actor, [line.id]),
        ):
            with pytest.raises(NotAllowed):
                await change

    assert await kinds(line.id) == ["invitation_made"]


async def test_who_is_demoted_while_resending_vouches_for_nobody(site: Site) -> None:
    for number in range(5):
        alma = await site.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(site, f"ada{number}")

        resent, _ = await at_once(
            management.resend(
                Actor(alma, Role.ADMINISTRATOR),
                invitation_ids=[line.id],
                days=7,
                throttle=site.context.throttle,
            ),
            roles.change_role(olga(site), member_id=alma, role=Role.ANNOTATOR),
        )

        assert resent == 1 or isinstance(resent, NotAllowed)
        expected = "void" if resent == 1 else "unsent"
        assert await state(f"ada{number}@example.org") == expected


# Asking for a new one


async def test_asking_for_a_new_one_tells_the_inviter_once_an_hour(posting: Site, clock: ModuleType) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada", by=acting(posting, "alma"))
    clock.move(8 * DAY_MS)

    for minutes, told in ((0, 1), (59, 1), (2, 2)):
        clock.move(minutes * 60_000)
        await management.note_new_invitation_wanted(await found(line))
        assert await mails("asked") == ["alma@example.org"] * told

    assert (await one("ada@example.org")).new_wanted_at == clock.now()
    assert await kinds(line.id) == ["invitation_made"] + ["invitation_asked_for"] * 2


async def test_many_who_ask_at_the_same_instant_tell_the_inviter_once(posting: Site) -> None:
    line = await invited(posting, "ada")
    await management.revoke(olga(posting), invitation_ids=[line.id])
    ended = await found(line)

    await at_once(*(management.note_new_invitation_wanted(ended) for _ in range(10)))

    assert await mails("asked") == ["olga@example.org"]


async def test_the_owner_is_told_when_the_inviter_is_gone(posting: Site) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada", by=acting(posting, "alma"))
    await removal.remove(olga(posting), member_id=alma)

    await management.note_new_invitation_wanted(await found(line))

    assert await mails("asked") == ["olga@example.org"]


@pytest.mark.parametrize("end", ["revoked", "accepted"])
async def test_what_has_ended_is_asked_for_once_until_it_is_answered(
    posting: Site, clock: ModuleType, end: str
) -> None:
    line = await invited(posting, "ada")
    if end == "revoked":
        await management.revoke(olga(posting), invitation_ids=[line.id])
    else:
        await accept(posting, line)

    for _ in range(3):
        await management.note_new_invitation_wanted(await found(line))
        clock.move(DAY_MS)
    assert await mails("asked") == ["olga@example.org"]
    assert (await one("ada@example.org")).new_is_wanted

    if end == "revoked":
        await invited(posting, "ada")
    else:
        await engine.write(engine.execute, "UPDATE member SET last_activity_at = ?", clock.now())
    assert not (await one("ada@example.org")).new_is_wanted
    clock.move(DAY_MS)
    for _ in range(3):
        await management.note_new_invitation_wanted(await found(line))
    assert await mails("asked") == ["olga@example.org"] * 2


async def test_who_asks_with_an_old_link_is_noted_at_the_newest_invitation(posting: Site) -> None:
    old = await invited(posting, "ada")
    await management.revoke(olga(posting), invitation_ids=[old.id])
    new = await invited(posting, "ada")

    await management.note_new_invitation_wanted(await found(old))

    assert (await one("ada@example.org")).new_is_wanted
    assert await kinds(new.id) == ["invitation_made", "invitation_asked_for"]
    assert await kinds(old.id) == ["invitation_made", "invitation_revoked"]


async def test_what_lives_again_meanwhile_is_not_asked_for(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "ada")
    clock.move(8 * DAY_MS)
    ended = await found(line)
    await management.resend(
        olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
    )

    await management.note_new_invitation_wanted(ended)

    assert await mails("asked") == []


# The reminder


async def test_one_reminder_two_days_before_the_end(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "ada")
    await mailed(line)

    clock.move(5 * DAY_MS - 1)
    assert await engine.write(management.remind) == 0
    clock.move(1)
    assert await engine.write(management.remind) == 1
    assert await engine.write(management.remind) == 0

    assert await mails("reminder") == ["ada@example.org"]


async def test_two_servers_remind_once(posting: Site, clock: ModuleType) -> None:
    await mailed(await invited(posting, "ada"))
    clock.move(6 * DAY_MS)

    await at_once(*(engine.write(management.remind) for _ in range(5)))

    assert await mails("reminder") == ["ada@example.org"]


@pytest.mark.parametrize("why", ["not mailed", "revoked", "accepted", "ended", "in by another way"])
async def test_there_is_no_reminder_where_there_is_nothing_to_remind_of(
    posting: Site, clock: ModuleType, why: str
) -> None:
    line = await invited(posting, "ada")
    if why != "not mailed":
        await mailed(line)
    if why == "revoked":
        await management.revoke(olga(posting), invitation_ids=[line.id])
    if why == "accepted":
        await accept(posting, line)
    if why == "in by another way":
        await posting.person("ada", Role.ANNOTATOR)
    clock.move((7 if why == "ended" else 6) * DAY_MS)

    await engine.write(management.remind)

    assert await mails("reminder") == []


async def test_what_is_sent_again_is_reminded_of_again(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    clock.move(6 * DAY_MS)
    await engine.write(management.remind)

    await management.resend(
        olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
    )
    await mailed(line)
    clock.move(6 * DAY_MS)
    await engine.write(management.remind)

    assert await mails("reminder") == ["ada@example.org"]
    assert await engine.rows("SELECT COUNT(*) FROM outbox WHERE kind = 'reminder'") == [(2,)]


# Forgetting


async def test_removal_and_erasure_forget_the_address_in_invitations_mails_and_log(posting: Site) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    signed_in = await accept(posting, line, "Ada")
    await invited(posting, "bob")

    await removal.remove(COMMAND_LINE, member_id=signed_in.member_id)

    await removal.erase_names(olga(posting), member_ids=[signed_in.member_id])
    told = await activity.of_member(posting.ids["olga"])
    assert "ada" not in str(told).lower()
    for table in ("member", "invitation", "outbox", "activity", "activity_name"):
        kept = await engine.rows(f"SELECT * FROM {table}")
        assert "ada@example.org" not in str(kept), table
    assert await state("bob@example.org") == "queued"
    # The address may be invited again.
    await invited(posting, "ada")
    assert await state("ada@example.org") == "queued"


async def test_removal_ends_and_forgets_an_invitation_that_was_never_accepted(site: Site) -> None:
    await invited(site, "ada")
    ada = await site.person("ada", Role.ANNOTATOR)

    await removal.remove(olga(site), member_id=ada)

    assert await engine.rows("SELECT email, email_key, search_text, end_reason FROM invitation") == [
        ("", "", "", "revoked")
    ]


async def resend(posting: Site, *lines: InvitationRow, name: str = "olga", role: Role = Role.OWNER) -> int:
    ids = [line.id for line in lines]
    return await management.resend(
        acting(posting, name, role), invitation_ids=ids, days=7, throttle=posting.context.throttle
    )


async def test_an_address_gets_its_invitation_again_three_times_an_hour(
    posting: Site, clock: ModuleType
) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    line, other = await invited(posting, "ada"), await invited(posting, "ben")
    for _ in range(2):
        await resend(posting, line)
    await management.revoke(olga(posting), invitation_ids=[line.id])
    line = await invited(posting, "ada")
    await resend(posting, line, name="alma", role=Role.ADMINISTRATOR)
    before = await kinds(other.id)

    for lines in ((line,), (line, other)):
        with pytest.raises(Refused, match=r"ada@example\.org was sent again three times .* 60 minutes"):
            await resend(posting, *lines, name="alma", role=Role.ADMINISTRATOR)

    assert await kinds(other.id) == before, "all or nothing"
    assert await resend(posting, other) == 1
    await management.mark_link_revealed(olga(posting), [line.id])
    clock.move(3600 * 1000)
    assert await resend(posting, line, other) == 2


async def test_inviting_once_more_is_sending_again(posting: Site) -> None:
    await invited(posting, "ada")
    listed = address_list.parse("Ada@Example.ORG, ben@example.org")

    async def invite_both() -> int:
        batch = await creation.invite(
            olga(posting), listed, role=Role.ANNOTATOR, days=7, throttle=posting.context.throttle
        )
        return batch.left_alone

    # The fourth time Ben is sent his third.
    assert [await invite_both() for _ in range(4)] == [0, 0, 0, 1]
    with pytest.raises(Refused, match="Wait 60 minutes, or copy its link"):
        await invite_both()


async def test_revoking_and_inviting_anew_is_sending_again(posting: Site, clock: ModuleType) -> None:
    listed = address_list.parse("ada@example.org")

    async def invite_anew() -> None:
        await creation.invite(
            olga(posting), listed, role=Role.ANNOTATOR, days=7, throttle=posting.context.throttle
        )
        line = await one("ada@example.org")
        await management.revoke(olga(posting), invitation_ids=[line.id])

    for _ in range(4):
        await invite_anew()

    with pytest.raises(Refused, match=r"ada@example\.org was sent again three times"):
        await invite_anew()
    clock.move(3600 * 1000)
    await invite_anew()


async def test_removing_and_inviting_anew_is_sending_again(posting: Site, clock: ModuleType) -> None:
    async def invite_and_remove(typed: str) -> None:
        await creation.invite(
            olga(posting),
            address_list.parse(typed),
            role=Role.ANNOTATOR,
            days=7,
            throttle=posting.context.throttle,
        )
        joined = await accept(posting, await one("ada@example.org"))
        await removal.remove(olga(posting), member_id=joined.member_id)

    for typed in ("ada@example.org", "Ada@example.org", "ADA@EXAMPLE.ORG", "ada@Example.org"):
        await invite_and_remove(typed)

    preview = await creation.preview(
        address_list.parse("ada@example.org"), Role.ANNOTATOR, posting.context.throttle
    )
    assert preview.mails == 0
    with pytest.raises(Refused, match=r"ada@example\.org was sent again three times"):
        await invite_and_remove("ada@example.org")
    clock.move(3600 * 1000)
    await invite_and_remove("ada@example.org")


async def test_of_ten_who_send_again_at_the_same_instant_three_do(posting: Site) -> None:
    line = await invited(posting, "ada")

    answers = await at_once(*(resend(posting, line) for _ in range(10)))

    assert answers.count(1) == 3
    assert sum(isinstance(answer, Refused) for answer in answers) == 7
    assert (await kinds(line.id)).count("invitation_resent") == 3


async def test_five_hundred_are_sent_again_at_once(posting: Site) -> None:
    names = ", ".join(f"guest{number}@example.org" for number in range(500))
    await invite(posting, names)
    found = await engine.rows("SELECT id FROM invitation ORDER BY id")
    ids = [invitation_id for (invitation_id,) in found]

    for _ in range(3):
        done = await management.resend(
            olga(posting), invitation_ids=ids, days=7, throttle=posting.context.throttle
        )
        assert done == 500
