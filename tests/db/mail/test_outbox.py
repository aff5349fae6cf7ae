"""Queued mail and what becomes of it: leases, attempts, voiding, the "waiting" notice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from db import engine
from db.auth import links
from db.common import clock
from db.common.dates import DAY_MS
from db.mail import delivery, notices, outbox
from db.mail.delivery import BACK_OFF_MS, MINUTE_MS, Mail
from db.members import new_member, removal
from db.policy import Actor, Role
from mailer import contents
from messages import refusals
from tests.support.pages.site import someone
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import (
    founded,
    invited,
    invited_many,
    person,
    queued,
    registers,
    row,
    states,
)

LEASE_MS = 100_000


@pytest.fixture
async def olga(database: str) -> AsyncIterator[int]:
    """The Owner's id; mail is set up, and the clock stands still."""
    clock.stop_at(clock.now())
    yield await founded()
    clock.go_on()
    outbox.use(False)


async def claimed(n: int = 20, lease: str = "one") -> list[Mail]:
    return await delivery.claim(lease, n, LEASE_MS)


async def the_one(lease: str = "one") -> Mail:
    (mail,) = await claimed(lease=lease)
    return mail


# Queueing


async def test_without_a_mail_server_no_mail_is_queued(olga: int) -> None:
    outbox.use(False)

    _, _, mail_id = await invited("ada@example.org", olga)
    await registers("bea")

    assert mail_id == 0
    assert await states() == {}


async def test_a_mail_is_queued_with_its_cause_or_not_at_all(olga: int) -> None:
    async def change() -> None:
        await outbox.queue("password", recipient="olga@example.org", member_id=olga)
        raise LookupError

    with pytest.raises(LookupError):
        await engine.write(change)

    assert await states() == {}


async def test_a_mail_keeps_the_message_id_it_was_queued_with(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)
    at_first = (await row(mail_id))["message_id"]

    await delivery.retry_later(await the_one(), "451 Later")

    assert at_first.endswith("@members.fenwick.example>")
    assert (await row(mail_id))["message_id"] == at_first


async def test_two_thousand_mails_are_queued_at_once_each_under_its_own_message_id(olga: int) -> None:
    await invited_many(2_000, olga)

    ((ids, recipients),) = await engine.rows(
        "SELECT COUNT(DISTINCT message_id), COUNT(DISTINCT recipient) FROM outbox"
    )
    assert (ids, recipients) == (2_000, 2_000)


async def test_approved_and_password_mails_go_to_the_member_s_own_address(
    olga: int,
) -> None:
    ada = await person("ada", Role.ANNOTATOR)
    link = await mail_steps.link_for(links.RESET, ada)

    async def change() -> tuple[int, ...]:
        return (
            *await outbox.queue_approved([ada, 999]),
            await outbox.queue_password_changed(ada),
            await outbox.queue_admin_reset_link(ada, link_id=link.id, made_by=olga),
        )

    mails = await engine.write(change)

    assert [(await row(mail_id))["recipient"] for mail_id in mails] == ["ada@example.org"] * 3


async def test_a_waiting_member_gets_one_password_mail_in_15_minutes(olga: int) -> None:
    """Anybody may have registered with this address, whose mailbox must not be filled."""
    ada, ben = await person("ada"), await person("ben", Role.ANNOTATOR)

    async def changes(member_id: int, times: int = 3) -> list[int]:
        """When the mails of so many new passwords are due."""
        before = {mail_id for (mail_id,) in await engine.rows("SELECT id FROM outbox")}
        for _ in range(times):
            await engine.write(outbox.queue_password_changed, member_id)
        mails = await engine.rows("SELECT id, due_at FROM outbox ORDER BY id")
        return [due_at for mail_id, due_at in mails if mail_id not in before]

    began = clock.now()
    assert await changes(ada) == [began]
    await delivery.sent(await the_one(), "250 Ok")
    # Later changes share one later mail.
    assert await changes(ada) == [began + outbox.PAUSE_MS]
    assert await changes(ben) == [began] * 3
    # A mail that is claimed may be too early to cover the next change.
    clock.stop_at(began + outbox.PAUSE_MS)
    await claimed()
    assert await changes(ada, 1) == [began + 2 * outbox.PAUSE_MS]


async def test_wake_sets_the_events_of_current_waiters_alone(olga: int) -> None:
    with outbox.woken() as event:
        outbox.wake()
        assert event.is_set()
        event.clear()

    outbox.wake()

    assert not event.is_set()


# Leases


@pytest.mark.parametrize("kind", ["approved", "password"])
async def test_the_longest_due_goes_first(olga: int, kind: str) -> None:
    late = await queued(kind, "a@example.org", member_id=olga, due_at=clock.now() - 1)
    early = await queued(kind, "b@example.org", member_id=olga, due_at=clock.now() - 2)
    await queued(kind, "c@example.org", member_id=olga, due_at=clock.now() + 1)

    assert [mail.id for mail in await claimed()] == [early, late]


async def test_warnings_are_claimed_before_any_number_of_invitations(olga: int) -> None:
    await invited_many(40, olga)
    clock.move(1)
    warnings = [await queued(kind, "a@example.org", member_id=olga) for kind in outbox.SECURITY]
    await queued("password", "c@example.org", member_id=olga, due_at=clock.now() + 1)

    first, second = await claimed(), await claimed()

    assert [mail.id for mail in first[:4]] == warnings
    assert {mail.kind for mail in (*first[4:], *second)} == {"invitation"}
    assert (len(first), len(second)) == (20, 20)
    assert {mail.id for mail in first}.isdisjoint(mail.id for mail in second)


async def test_warnings_alone_fill_a_claim(olga: int) -> None:
    await invited_many(2, olga)
    clock.move(1)
    warnings = [await queued("password", f"{number}@example.org", member_id=olga) for number in range(3)]

    assert [mail.id for mail in await claimed(2)] == warnings[:2]
    assert [mail.kind for mail in await claimed(2)] == ["password", "invitation"]


async def test_a_claimed_mail_is_not_claimed_again_until_its_lease_ends(olga: int) -> None:
    await invited("ada@example.org", olga)
    first = await the_one("one")

    clock.move(LEASE_MS - 1)
    assert await claimed(lease="two") == []
    clock.move(1)
    second = await the_one("two")

    assert (second.id, second.lease) == (first.id, "two")


async def test_a_renewed_lease_keeps_the_mail(olga: int) -> None:
    await invited_many(3, olga)
    first, second, third = await claimed(lease="one")
    clock.move(LEASE_MS - 1)

    kept = await delivery.renew("one", [first.id, second.id], LEASE_MS)

    assert kept == {mail.id: clock.now() + LEASE_MS for mail in (first, second)}
    clock.move(1)
    assert [mail.id for mail in await claimed(lease="two")] == [third.id]
    assert await delivery.renew("one", [third.id], LEASE_MS) == {}
    await delivery.sent(first, "250 OK")
    assert set(await delivery.renew("one", [first.id, second.id], LEASE_MS)) == {second.id}


async def test_a_claim_that_spares_ended_leases_takes_unclaimed_mails(olga: int) -> None:
    await invited_many(2, olga)
    (first,) = await claimed(1, "one")
    clock.move(LEASE_MS)

    mails = await delivery.claim("two", 9, LEASE_MS, ended=False)

    assert mails
    assert first.id not in {mail.id for mail in mails}


async def test_a_clock_set_back_does_not_keep_a_lease_for_ever(olga: int) -> None:
    await invited("ada@example.org", olga)
    clock.move(DAY_MS)
    await claimed()

    clock.move(-DAY_MS)

    assert len(await claimed(lease="two")) == 1


async def test_a_process_that_lost_the_lease_changes_nothing(olga: int) -> None:
    await invited("ada@example.org", olga)
    first = await the_one("one")
    clock.move(LEASE_MS)
    second = await the_one("two")

    await delivery.retry_later(first, "451 Later")
    await delivery.release(first)
    await delivery.release_all("one")

    assert (await row(second.id))["lease"] == "two"
    with pytest.raises(contents.LeaseLost):
        await contents.read(first)


async def test_leases_that_end_without_a_mark_count_as_attempts_and_postpone_ever_longer(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)
    waits = []
    for lease in "abcd":
        clock.stop_at((await claimed_when_due(mail_id, lease)).leased_until)
        await claimed(n=0, lease="other")
        waits.append((await row(mail_id))["due_at"] - clock.now())

    assert (await row(mail_id))["tries"] == 4
    assert waits == [0, *BACK_OFF_MS[:3]]


async def test_a_mail_whose_leases_always_end_without_a_mark_is_given_up_after_five_days(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)
    tries = 0
    while (await row(mail_id))["state"] == "queued" and tries < 20:
        clock.stop_at((await claimed_when_due(mail_id)).leased_until)
        await claimed(n=0, lease="other")
        tries += 1

    stored = await row(mail_id)
    assert (stored["state"], stored["server_reply"], stored["tries"]) == (
        "failed",
        refusals.MAIL_NOT_NOTED,
        tries,
    )
    assert delivery.GIVE_UP_MS - 2 * DAY_MS < stored["done_at"] - stored["made_at"] < delivery.GIVE_UP_MS


async def test_a_released_mail_or_one_being_sent_counts_no_attempt(olga: int) -> None:
    ids = [(await invited(f"{name}@example.org", olga))[2] for name in ("ada", "bea")]
    given_back, under_way = await claimed()
    await delivery.release(given_back)
    clock.stop_at(under_way.leased_until)

    # After the clock has jumped, by the process that holds the lease.
    await claimed(n=0)

    assert [(await row(mail_id))["tries"] for mail_id in ids] == [0, 0]


async def claimed_when_due(mail_id: int, lease: str = "one") -> Mail:
    clock.stop_at((await row(mail_id))["due_at"])
    return await the_one(lease)


async def test_claimers_at_the_same_instant_share_the_mails(olga: int) -> None:
    await invited_many(40, olga)
    barrier = asyncio.Barrier(8)

    async def claims(lease: str) -> list[int]:
        await barrier.wait()
        return [mail.id for mail in await claimed(5, lease)]

    batches = await asyncio.gather(*[claims(f"lease{n}") for n in range(8)])

    assert len({mail_id for batch in batches for mail_id in batch}) == sum(map(len, batches)) == 40


async def test_a_released_mail_can_be_claimed_at_once(olga: int) -> None:
    await invited_many(3, olga)
    mails = await claimed()

    await delivery.release(mails[0])
    assert [mail.id for mail in await claimed(lease="two")] == [mails[0].id]
    await delivery.release_all("one")

    assert [mail.id for mail in await claimed(lease="two")] == [mails[1].id, mails[2].id]


# What becomes of it


async def test_sent_mail_keeps_the_reply_of_the_server(olga: int) -> None:
    await invited("ada@example.org", olga)
    mail = await the_one()

    await delivery.sent(mail, "250 Queued as 4F2A")

    stored = await row(mail.id)
    assert (stored["state"], stored["server_reply"], stored["tries"], stored["lease"]) == (
        "sent",
        "250 Queued as 4F2A",
        1,
        "",
    )
    assert stored["done_at"] == clock.now()


async def test_mail_that_was_sent_after_its_lease_ended_is_sent(olga: int) -> None:
    await invited("ada@example.org", olga)
    first = await the_one("one")
    clock.move(LEASE_MS)
    second = await the_one("two")

    await delivery.sent(first, "250 OK")
    await delivery.retry_later(second, "451 Later")

    assert (await row(first.id))["state"] == "sent"


async def test_refused_mail_is_not_tried_again(olga: int) -> None:
    await invited("ada@example.org", olga)
    mail = await the_one()

    await delivery.failed(mail, "550 5.1.1 No such user")
    clock.move(10 * DAY_MS)

    assert ((await row(mail.id))["state"], await claimed()) == ("failed", [])


async def test_a_mail_is_tried_nine_times_in_four_days_and_then_given_up(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)

    for wait in BACK_OFF_MS:
        await delivery.retry_later(await the_one(), "451 Later")
        clock.move(wait - 1)
        assert await claimed() == []
        clock.move(1)
    await delivery.retry_later(await the_one(), "451 Later and later")

    minutes = [wait // MINUTE_MS for wait in BACK_OFF_MS]
    assert minutes == [1, 5, 15, 60, 240, 720, 1440, 2880]
    stored = await row(mail_id)
    assert (stored["state"], stored["server_reply"], stored["tries"]) == ("failed", "451 Later and later", 9)


async def test_without_a_server_all_due_mail_waits_and_keeps_the_reason(olga: int) -> None:
    emails = await invited_many(30, olga)
    await claimed(5, "one")
    elsewhere = await claimed(5, "two")

    waiting = await delivery.postpone_all("one", "No server.", MINUTE_MS)

    assert waiting == len(emails) - len(elsewhere)
    assert await claimed() == []
    assert (await outbox.progress(1)).waiting_reason == "No server."
    clock.move(MINUTE_MS)
    assert len(await claimed(100)) == waiting


async def test_a_mail_being_sent_keeps_its_lease_when_all_others_wait(olga: int) -> None:
    await invited_many(3, olga)
    first, *_ = await claimed()

    assert await delivery.postpone_all("one", "No server.", MINUTE_MS, [first.id]) == 2

    assert (await row(first.id))["lease"] == "one"


async def test_after_five_days_without_a_server_a_mail_is_given_up(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)
    clock.move(5 * DAY_MS - MINUTE_MS + 1)
    _, _, young_id = await invited("bea@example.org", olga)

    await delivery.postpone_all("one", "No server.", MINUTE_MS)

    assert ((await row(mail_id))["state"], (await row(young_id))["state"]) == ("failed", "queued")


async def test_a_new_start_tries_postponed_mail_at_once(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga)
    await registers("bea")
    await delivery.postpone_all("one", "No server.", 15 * MINUTE_MS)
    later = await queued("password", "olga@example.org", member_id=olga, due_at=clock.now() + MINUTE_MS)

    await delivery.retry_now()

    assert mail_id in {mail.id for mail in await claimed()}
    assert (await row(later))["due_at"] == clock.now() + MINUTE_MS


# Void


async def test_mail_of_a_revoked_invitation_is_void(olga: int) -> None:
    gone, _, mail_id = await invited("ada@example.org", olga)
    _, _, other_id = await invited("bea@example.org", olga)

    await engine.write(outbox.void_of_invitation, [gone])

    assert ((await row(mail_id))["state"], (await row(other_id))["state"]) == ("void", "queued")
    assert await engine.write(outbox.void_of_invitation, []) == 0


async def test_mail_of_invitations_that_are_sent_anew_is_void(olga: int) -> None:
    _, _, mail_id = await invited("ada@example.org", olga, batch_id=7)
    _, _, other_id = await invited("bea@example.org", olga, batch_id=8)

    await engine.write(outbox.void_of_batch, 7)

    assert ((await row(mail_id))["state"], (await row(other_id))["state"]) == ("void", "queued")


async def test_mail_to_and_about_somebody_who_was_removed_is_void(olga: int) -> None:
    ada = await person("ada", Role.ANNOTATOR)
    to_her = await queued("approved", "ada@example.org", member_id=ada)
    about_her = await queued("accepted", "olga@example.org", member_id=olga, subject_id=ada)
    other = await queued("password", "olga@example.org", member_id=olga)

    await engine.write(outbox.void_of_member, ada)

    assert [(await row(mail_id))["state"] for mail_id in (to_her, about_her, other)] == [
        "void",
        "void",
        "queued",
    ]


async def test_warnings_stay_queued_whatever_happens_to_the_member_next(olga: int) -> None:
    ada = await person("ada", Role.ANNOTATOR)
    warnings = [
        await queued(kind, "ada@example.org", member_id=ada, subject_id=olga) for kind in outbox.SECURITY
    ]

    await removal.remove(Actor(olga, Role.OWNER), member_id=ada)

    assert [(await row(mail_id))["state"] for mail_id in warnings] == ["queued"] * 4
    assert {(await row(mail_id))["recipient"] for mail_id in warnings} == {"ada@example.org"}
    for mail in await claimed():
        await delivery.sent(mail, "250 ada@example.org is fine")
    assert [
        ((await row(mail_id))["recipient"], (await row(mail_id))["server_reply"]) for mail_id in warnings
    ] == [("", "")] * 4


async def test_mail_that_was_voided_while_being_sent_counts_as_sent(olga: int) -> None:
    invitation_id, _, _ = await invited("ada@example.org", olga)
    mail = await the_one()

    await engine.write(outbox.void_of_invitation, [invitation_id])
    await delivery.sent(mail, "250 OK")

    assert (await row(mail.id))["state"] == "sent"


async def test_held_mail_stays_where_it_is(olga: int) -> None:
    await invited("ada@example.org", olga)

    assert await engine.write(outbox.hold_all) == 1

    assert await claimed() == []


# What a mail says, read just before it is sent


async def test_an_invitation_says_who_invites_to_what_and_until_when(olga: int) -> None:
    await invited("ada@example.org", olga, role=Role.REVIEWER)

    content = await contents.read(await the_one())

    assert (content.title, content.other, content.other_email) == (
        mail_steps.TITLE,
        "Olga",
        "olga@example.org",
    )
    assert (content.role, content.invited) == (Role.REVIEWER, "ada@example.org")
    assert content.link is not None


ENDS = {
    "somebody accepted it": "UPDATE invitation SET ended_at = 1, end_reason = 'accepted', member_id = 1",
    "it was revoked": "UPDATE invitation SET ended_at = 1, end_reason = 'revoked'",
    "its link has ended": "UPDATE links SET ended_at = 1, end_reason = 'revoked'",
    "its link has expired": "UPDATE links SET expires_at = 1",
    "its inviter was deactivated": "UPDATE member SET role = 'DI' WHERE email = 'mia@example.org'",
}


@pytest.mark.parametrize("end", ENDS)
async def test_an_invitation_is_no_longer_relevant_when(end: str, olga: int) -> None:
    await invited("ada@example.org", await person("mia", Role.ADMINISTRATOR))
    mail = await the_one()

    await engine.write(engine.execute, ENDS[end])

    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(mail)


NO_LONGER_RELEVANT = {
    "approved": "UPDATE member SET role = 'NO' WHERE email = 'ada@example.org'",
    "accepted": "UPDATE member SET role = 'MA' WHERE email = 'mia@example.org'",
    "asked": "UPDATE invitation SET new_wanted_at = 0",
    "address": "UPDATE member SET confirmed_at = 1 WHERE email = 'ada@example.org'",
    "reset": "UPDATE links SET uses = 1 WHERE purpose = 'reset'",
}
GONE = "UPDATE member SET role = 'DI', removed_at = 1, email_key = NULL WHERE email = 'ada@example.org'"
STILL_RELEVANT = {
    "they were shut out": "UPDATE member SET role = 'DI' WHERE email = 'ada@example.org'",
    "they were removed": GONE,
    "the link was used": "UPDATE links SET uses = 1, ended_at = 1, end_reason = 'used'",
    "the link was replaced": "UPDATE links SET ended_at = 1, end_reason = 'replaced'",
}


@pytest.mark.parametrize("kind", ["handed", "password"])
@pytest.mark.parametrize("later", STILL_RELEVANT)
async def test_a_warning_is_still_relevant_though(later: str, kind: str, olga: int) -> None:
    ada = await person("ada", Role.ANNOTATOR)
    link = await mail_steps.link_for(links.RESET, ada)
    await queued(kind, "ada@example.org", member_id=ada, subject_id=olga, link_id=link.id)
    mail = await the_one()

    await engine.write(engine.execute, STILL_RELEVANT[later])

    content = await contents.read(mail)
    assert content.template == {"handed": "admin_reset_link"}.get(kind, kind)
    if kind == "handed":
        state = {"the link was used": "used", "the link was replaced": "ended"}.get(later, "open")
        assert (content.other, content.state) == ("Olga", state)


@pytest.mark.parametrize("kind", NO_LONGER_RELEVANT)
async def test_a_mail_whose_reason_is_gone_is_no_longer_relevant(kind: str, olga: int) -> None:
    ada, mia = await person("ada", Role.ANNOTATOR), await person("mia", Role.ADMINISTRATOR)
    outbox.use(False)
    invitation_id, _, _ = await invited("bea@example.org", mia)
    await engine.write(engine.execute, "UPDATE invitation SET new_wanted_at = ?", clock.now())
    outbox.use(True)
    purpose = links.ADDRESS if kind == "address" else links.RESET
    link = await mail_steps.link_for(purpose, ada)
    about = {
        "member_id": mia if kind in ("accepted", "asked") else ada,
        "subject_id": ada,
        "link_id": link.id,
    }
    await queued(kind, "somebody@example.org", invitation_id=invitation_id, **about)
    mail = await the_one()

    await contents.read(mail)
    await engine.write(engine.execute, NO_LONGER_RELEVANT[kind])

    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(mail)


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("", "open"),
        ("ended_at = 1, end_reason = 'revoked'", "ended"),
        ("ended_at = 1, end_reason = 'accepted', member_id = {ada}", "used"),
        ("ended_at = 1, end_reason = 'void', email_key = '', email = ''", "removed"),
        ("email_key = 'dora@example.org'", "deactivated"),
        ("email_key = 'paul@example.org'", "open"),
        ("ended_at = 9000000000000, end_reason = 'accepted', member_id = {ada}", None),
    ],
)
async def test_a_wish_for_a_new_invitation_says_what_answers_it(
    change: str, state: str | None, olga: int
) -> None:
    ada = await person("ada", Role.ANNOTATOR)
    await person("dora", Role.DEACTIVATED)
    await person("paul")
    outbox.use(False)
    invitation_id, _, _ = await invited("ada@example.org" if "{ada}" in change else "bea@example.org", olga)
    outbox.use(True)
    values = change.format(ada=ada) or "link_revealed_at = 0"
    await engine.write(engine.execute, f"UPDATE invitation SET {values}, new_wanted_at = {clock.now()}")
    await queued("asked", "olga@example.org", member_id=olga, invitation_id=invitation_id)
    mail = await the_one()

    if state is None:
        with pytest.raises(contents.NoLongerRelevant):
            await contents.read(mail)
    else:
        assert (await contents.read(mail)).state == state


# The notice that somebody waits


async def test_members_who_may_give_roles_and_want_notices_get_the_waiting_notice(olga: int) -> None:
    mia = await person("mia", Role.ADMINISTRATOR)
    await person("max", Role.MANAGER)
    tom = await person("tom", Role.ADMINISTRATOR)
    await engine.write(engine.execute, "UPDATE member SET wants_notices = 0 WHERE id = ?", tom)

    await registers("ada")

    assert sorted(mail.member_id for mail in await claimed()) == [olga, mia]


async def test_twenty_registrations_at_once_are_one_mail_to_each_recipient(olga: int) -> None:
    await person("mia", Role.ADMINISTRATOR)
    barrier = asyncio.Barrier(20)

    async def comes(name: str) -> None:
        await barrier.wait()
        await registers(name)

    await asyncio.gather(*[comes(f"person{n}") for n in range(20)])

    mails = await claimed()
    assert len(mails) == 2
    assert [(await contents.read(mail)).waiting for mail in mails] == [20, 20]


async def test_the_next_mail_comes_no_sooner_than_after_fifteen_minutes(olga: int) -> None:
    await registers("ada")
    mail = await the_one()
    await delivery.sent(mail, "250 OK", (await contents.read(mail)).newest)

    clock.move(MINUTE_MS)
    await registers("bea")

    clock.move(14 * MINUTE_MS - 1)
    assert await claimed() == []
    clock.move(1)
    assert (await contents.read(await the_one())).waiting == 2


async def test_long_after_the_last_mail_the_next_goes_out_at_once(olga: int) -> None:
    await registers("ada")
    mail = await the_one()
    await delivery.sent(mail, "250 OK", (await contents.read(mail)).newest)
    clock.move(16 * MINUTE_MS)

    await registers("bea")

    assert len(await claimed()) == 1


async def test_a_registration_while_a_notice_is_sent_queues_another(olga: int) -> None:
    await registers("ada")
    mail = await the_one()
    content = await contents.read(mail)

    await registers("bea")
    await delivery.sent(mail, "250 OK", content.newest)

    assert (content.waiting, await states()) == (1, {"queued": 1, "sent": 1})
    clock.move(15 * MINUTE_MS)
    assert (await contents.read(await the_one())).waiting == 2


async def test_a_registration_that_is_not_committed_yet_makes_the_mail_wait_for_it(olga: int) -> None:
    await registers("ada")
    mail = await the_one()
    newest = (await contents.read(mail)).newest

    begun: list[bool] = []

    async def slowly() -> None:
        await new_member.insert(someone("bea"), Role.PENDING, joined_via="signup")
        await notices.member_registered()
        begun.append(True)
        if engine.dialect() == "postgres":
            await engine.rows("SELECT pg_sleep(0.5)::text")

    registration = asyncio.create_task(engine.write(slowly))
    await mail_steps.soon(lambda: begun)
    await delivery.sent(mail, "250 OK", newest)
    await registration

    assert await states() == {"queued": 1, "sent": 1}


async def test_notices_miss_no_registration_at_the_same_time(olga: int) -> None:
    clock.go_on()
    last_counted = 0

    async def come() -> None:
        for start in range(0, 30, 5):
            await asyncio.gather(*[registers(f"person{start + n}") for n in range(5)])

    async def send_at_once() -> int:
        """Sends as if a quarter of an hour had passed; returns the last member that a notice counted."""
        last = 0
        await engine.write(engine.execute, "UPDATE outbox SET due_at = 0 WHERE state = 'queued'")
        for mail in await claimed():
            last = (await contents.read(mail)).newest
            await delivery.sent(mail, "250 OK", last)
        return last

    coming = asyncio.create_task(come())
    while not coming.done():
        last_counted = max(last_counted, await send_at_once())
    while "queued" in await states():
        last_counted = max(last_counted, await send_at_once())

    await coming
    assert await engine.rows("SELECT MAX(id), COUNT(*) FROM member WHERE role = 'NO'") == [(last_counted, 30)]


async def test_no_mail_when_nobody_waits_any_more(olga: int) -> None:
    await registers("ada")
    mail = await the_one()
    await engine.write(engine.execute, "UPDATE member SET role = 'AN' WHERE email = 'ada@example.org'")

    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(mail)
    await delivery.void(mail)

    assert await states() == {"void": 1}


async def test_a_mail_that_was_void_does_not_delay_the_next(olga: int) -> None:
    await registers("ada")
    await delivery.void(await the_one())

    # She still waits, so another mail replaces the one that was wrongly voided.
    assert await states() == {"queued": 1, "void": 1}
    assert len(await claimed()) == 1


@pytest.mark.parametrize("change", ["wants_notices = 0", "role = 'MA'", "role = 'DI'"])
async def test_members_who_no_longer_give_roles_or_want_notices_get_none(change: str, olga: int) -> None:
    mia = await person("mia", Role.ADMINISTRATOR)
    await registers("ada")
    mails = {mail.member_id: mail for mail in await claimed()}

    await engine.write(engine.execute, f"UPDATE member SET {change} WHERE id = ?", mia)

    assert (await contents.read(mails[olga])).waiting == 1
    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(mails[mia])
    await delivery.void(mails[mia])
    assert await states() == {"queued": 1, "void": 1}


# Figures and sweeping


async def test_progress_counts_sent_refused_and_waiting(olga: int) -> None:
    await invited_many(5, olga, batch_id=3)
    first, second, third = await claimed(3)
    await delivery.sent(first, "250 OK")
    await delivery.failed(second, "550 No")
    await delivery.retry_later(third, "451 Later")

    progress = await outbox.progress(3)

    assert (progress.sent, progress.refused, progress.waiting) == (1, 1, 3)
    assert progress.waiting_reason == "451 Later"
    assert (await outbox.progress(0)).waiting == 0


async def test_finished_mail_is_deleted_after_thirty_days(olga: int) -> None:
    open_id, _, shown = await invited("ada@example.org", olga)
    await engine.write(engine.execute, "UPDATE invitation SET mail_id = ? WHERE id = ?", shown, open_id)
    done = await queued("password", "olga@example.org", member_id=olga)
    for mail in await claimed():
        await delivery.sent(mail, "250 OK")
    waits = await queued("password", "olga@example.org", member_id=olga)

    clock.move(30 * DAY_MS - 1)
    assert await engine.write(outbox.sweep) == 0
    clock.move(1)

    assert await engine.write(outbox.sweep) == 1
    assert {mail_id for (mail_id,) in await engine.rows("SELECT id FROM outbox")} == {shown, waits}
    assert done not in {shown, waits}
