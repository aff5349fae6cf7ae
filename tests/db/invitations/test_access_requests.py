"""Access requests: which are stored, who is notified, how each ends, on both databases."""

from types import ModuleType

import pytest

from db import activity, engine
from db.auth import links
from db.common.dates import DAY_MS
from db.errors import InvalidLink, NotAllowed, Refused, Unknown
from db.invitations import access_request_listing, access_requests
from db.invitations import listing as invitation_listing
from db.mail import delivery, outbox
from db.maintenance import secret_key
from db.members import new_member, removal
from db.policy import Role
from mailer import contents
from mailer.contents import NoLongerRelevant
from tests.support.concurrency import at_once
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps import invitation_steps
from tests.support.steps.access_request_steps import (
    confirm,
    end,
    events,
    id_of,
    invite,
    link_of,
    listed,
    row,
    submit,
    submitted,
    switch_on,
)
from tests.support.steps.invitation_steps import mails, one
from tests.support.steps.member_steps import acting, olga, register

MINUTE_MS = 60_000


@pytest.fixture
async def open_ear(site: Site) -> Site:
    """A site without mail whose Owner lets people ask."""
    await switch_on()
    return site


@pytest.fixture
async def post_house(posting: Site) -> Site:
    """The same with mail set up, where what is queued stays so."""
    await switch_on()
    return posting


# Asking


async def test_nobody_asks_while_the_owner_has_not_switched_it_on(site: Site) -> None:
    with pytest.raises(Unknown):
        await submit("ada")

    assert await engine.rows("SELECT 1 FROM access_request") == []


async def test_without_mail_a_request_is_seen_at_once_and_not_confirmed(open_ear: Site) -> None:
    await submit("ada", "I press ferns")

    found = await row("ada")
    assert (found.email, found.name, found.words) == ("ada@example.org", "Ada", "I press ferns")
    assert found.confirmed_at == 0
    assert await events() == ["request_made"]
    assert await engine.rows("SELECT 1 FROM outbox") == []


async def test_with_mail_only_a_confirmed_request_is_seen_and_told(post_house: Site) -> None:
    await submit("ada")
    assert (await listed(), await mails("request"), await mails("requested")) == ([], ["ada@example.org"], [])

    await confirm("ada")

    assert (await row("ada")).confirmed_at > 0
    assert await mails("requested") == ["olga@example.org"]
    assert await events() == ["request_made", "request_confirmed"]


async def test_a_link_confirms_once_and_for_a_day(post_house: Site, clock: ModuleType) -> None:
    await submit("ada")
    link = await link_of("ada")
    assert link.invalid_reason(clock.now() + DAY_MS - 1) is None
    assert link.invalid_reason(clock.now() + DAY_MS) == "expired"

    results = await at_once(access_requests.confirm(link, ""), access_requests.confirm(link, ""))

    assert [type(result) for result in results if result] == [InvalidLink]
    assert await mails("requested") == ["olga@example.org"]


async def test_an_unconfirmed_request_is_replaced_by_a_newer_one(post_house: Site) -> None:
    await submit("ada", "written by somebody else")
    older = await link_of("ada")

    await submit("ada", "I press ferns")

    with pytest.raises(InvalidLink):
        await access_requests.of_link(older)
    assert (await access_requests.of_link(await link_of("ada"))).words == "I press ferns"
    assert len(await engine.rows("SELECT 1 FROM access_request")) == 1


async def test_a_seen_request_is_not_changed_by_asking_again(post_house: Site) -> None:
    await submitted("ada", "I press ferns")

    await submit("ada", "written by somebody else")

    assert (await row("ada")).words == "I press ferns"
    assert await mails("request") == ["ada@example.org"] * 2
    assert len(await engine.rows("SELECT 1 FROM links WHERE purpose = 'request'")) == 1


@pytest.mark.parametrize("role", [Role.ANNOTATOR, Role.PENDING, Role.DEACTIVATED])
async def test_a_member_makes_no_request_and_is_told_by_mail(post_house: Site, role: Role) -> None:
    await post_house.person("ada", role)

    await submit("ada")

    assert await engine.rows("SELECT 1 FROM access_request") == []
    assert await engine.rows("SELECT recipient, member_id, link_id FROM outbox") == [
        ("ada@example.org", post_house.ids["ada"], 0)
    ]
    assert await events() == ["request_left_alone"]


async def test_two_who_ask_at_once_with_one_address_make_one_request(open_ear: Site) -> None:
    await at_once(*(submit("ada", str(number)) for number in range(5)))

    assert await listed() == ["Ada"]


async def test_a_thousand_open_requests_are_the_most(open_ear: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_requests, "MAX_OPEN", 3)
    await open_ear.person("cleo", Role.ANNOTATOR)

    results = await at_once(*(submit(f"guest{number}") for number in range(8)))

    assert len([result for result in results if isinstance(result, Refused)]) == 5
    assert (await access_request_listing.page()).total == 3
    # Whoever is known gets the same answer.
    with pytest.raises(Refused, match="no more requests"):
        await submit("cleo")


async def test_an_invited_address_may_ask_and_the_list_says_so(open_ear: Site) -> None:
    await invitation_steps.invite(open_ear, "ada@example.org")

    await submit("ada")

    assert (await row("ada")).invited_at == (await one("ada@example.org")).made_at


# Who is told


async def test_one_mail_for_each_in_fifteen_minutes_however_many_ask(
    post_house: Site, clock: ModuleType
) -> None:
    await submitted("ada")
    await submitted("ben")
    (mail,) = [mail for mail in await delivery.claim("one", 9, MINUTE_MS) if mail.kind == "requested"]
    assert (await contents.read(mail)).waiting == 2
    # Whoever confirms while the mail is being written is told of by another, and only by one.
    await submitted("cleo")
    assert await mails("requested") == ["olga@example.org"] * 2
    await delivery.sent(mail, "250 OK")
    await submitted("dora")
    assert await mails("requested") == ["olga@example.org"]
    ((due_at,),) = await engine.rows(
        "SELECT due_at FROM outbox WHERE kind = 'requested' AND state = 'queued'"
    )
    assert due_at == clock.now() + 15 * MINUTE_MS


@pytest.mark.parametrize(
    ("told", "recipients"),
    [
        ("administrators", ["olga@example.org", "alma@example.org"]),
        ("owner", ["olga@example.org"]),
        ("nobody", []),
    ],
)
async def test_the_owner_says_who_is_told(post_house: Site, told: str, recipients: list[str]) -> None:
    await post_house.person("alma", Role.ADMINISTRATOR)
    await post_house.person("deaf", Role.ADMINISTRATOR)
    await post_house.person("mara", Role.MANAGER)
    await engine.write(
        engine.execute, "UPDATE member SET wants_notices = 0 WHERE email_key = 'deaf@example.org'"
    )
    await engine.write(engine.execute, "UPDATE organization SET notice_asked = ?", told)

    await submitted("ada")

    assert await mails("requested") == recipients


async def test_many_confirmed_at_once_are_told_in_one_mail(post_house: Site) -> None:
    names = [f"guest{number}" for number in range(6)]
    for name in names:
        await submit(name)

    results = await at_once(*(confirm(name) for name in names))

    assert results == [None] * 6
    assert await mails("requested") == ["olga@example.org"]


async def test_a_mail_whose_cause_has_ended_is_not_written(post_house: Site) -> None:
    access_request_id = await submitted("ada")
    await access_requests.dismiss(olga(post_house), access_request_id=access_request_id)

    found = {mail.kind: mail for mail in await delivery.claim("one", 9, MINUTE_MS)}

    for kind in ("request", "requested"):
        with pytest.raises(NoLongerRelevant):
            await contents.read(found[kind])


# The answer


async def test_inviting_ends_the_request_with_an_invitation_like_any_other(post_house: Site) -> None:
    access_request_id = await submitted("ada")

    invited = await invite(post_house, "ada", Role.REVIEWER)

    made = await one("ada@example.org")
    assert (made.first_name, made.role, made.state(0)) == ("Ada", "RE", "queued")
    assert await mails("invitation") == ["ada@example.org"]
    assert await engine.rows("SELECT end_reason, invitation_id FROM access_request") == [("invited", made.id)]
    assert await invitation_steps.kinds(made.id) == ["invitation_made"]
    assert (await engine.rows("SELECT id, invited FROM batch")) == [(invited.batch_id, 1)]
    with pytest.raises(Refused, match="invited meanwhile"):
        await access_requests.invite(
            olga(post_house), access_request_id=access_request_id, role=Role.MANAGER, days=7
        )


async def test_who_was_invited_through_a_request_confirms_the_address_by_accepting(post_house: Site) -> None:
    await submitted("ada")
    await invite(post_house, "ada")
    made = await one("ada@example.org")
    await invitation_steps.mailed(made)

    signed_in = await invitation_steps.accept(post_house, made)

    assert await invitation_steps.confirmed(signed_in.member_id)
    assert await post_house_role(signed_in.member_id) == Role.ANNOTATOR


async def post_house_role(member_id: int) -> str:
    ((role,),) = await engine.rows("SELECT role FROM member WHERE id = ?", member_id)
    return str(role)


async def test_an_invitation_by_another_way_ends_the_request_too(open_ear: Site) -> None:
    await submit("ada")

    await invitation_steps.invite(open_ear, "ben@example.org, Ada <ADA@example.org>")

    made = await one("ada@example.org")
    assert await engine.rows("SELECT end_reason, invitation_id FROM access_request") == [("invited", made.id)]


async def test_inviting_whom_somebody_invited_before_extends_that_invitation(open_ear: Site) -> None:
    await invitation_steps.invite(open_ear, "ada@example.org")
    await submit("ada")

    await invite(open_ear, "ada", Role.MANAGER)

    assert await engine.rows("SELECT role FROM invitation") == [("MA",)]
    assert await end("ada") == "invited"


async def test_of_two_who_invite_at_once_one_wins(open_ear: Site) -> None:
    await open_ear.person("alma", Role.ADMINISTRATOR)
    await submit("ada")

    results = await at_once(
        invite(open_ear, "ada", Role.MANAGER),
        invite(open_ear, "ada", Role.REVIEWER, by=acting(open_ear, "alma")),
    )

    assert [str(result) for result in results if isinstance(result, Exception)] == [
        "They have been invited meanwhile. Nothing was changed."
    ]
    assert len(await engine.rows("SELECT 1 FROM batch")) == 1


async def test_of_one_who_invites_and_one_who_dismisses_at_once_one_wins(open_ear: Site) -> None:
    await open_ear.person("alma", Role.ADMINISTRATOR)
    for number in range(6):
        name = f"guest{number}"
        await submit(name)

        results = await at_once(
            access_requests.dismiss(acting(open_ear, "alma"), access_request_id=await id_of(name)),
            invite(open_ear, name),
        )

        assert len([result for result in results if isinstance(result, Refused)]) == 1, results
        dismissed = isinstance(results[0], access_requests.DismissedAccessRequest)
        assert await end(name) == ("dismissed" if dismissed else "invited")
        made = await engine.rows("SELECT 1 FROM invitation WHERE email_key = ?", f"{name}@example.org")
        assert len(made) == (0 if dismissed else 1)


async def test_of_two_who_dismiss_at_once_one_wins(open_ear: Site) -> None:
    await open_ear.person("alma", Role.ADMINISTRATOR)
    for number in range(6):
        access_request_id = await submitted(f"guest{number}")

        results = await at_once(
            access_requests.dismiss(acting(open_ear, "alma"), access_request_id=access_request_id),
            access_requests.dismiss(olga(open_ear), access_request_id=access_request_id),
        )

        assert len([result for result in results if isinstance(result, Refused)]) == 1
    assert (await events()).count("request_dismissed") == 6


async def test_who_joined_meanwhile_is_not_invited_and_that_is_told(open_ear: Site) -> None:
    await submit("ada")
    await register(open_ear, "ada")
    assert await listed() == []

    with pytest.raises(Refused, match="They have an account by now"):
        await invite(open_ear, "ada")

    assert await end("ada") == "joined"
    assert await engine.rows("SELECT 1 FROM invitation") == []


async def test_who_was_dismissed_is_heard_again_after_thirty_days(
    post_house: Site, clock: ModuleType
) -> None:
    await submitted("ada")
    await access_requests.dismiss(olga(post_house), access_request_id=await id_of("ada"))

    clock.move(30 * DAY_MS - 1)
    await engine.write(access_requests.sweep)
    await submit("ada")
    assert await listed() == []
    assert await end("ada") == "dismissed"
    clock.move(1)
    await submitted("ada")

    assert await listed() == ["Ada"]
    assert await mails("request") == ["ada@example.org"] * 3


async def test_only_who_administers_answers(open_ear: Site) -> None:
    await open_ear.person("mara", Role.MANAGER)
    access_request_id = await submitted("ada")

    for answer in (
        access_requests.dismiss(acting(open_ear, "mara"), access_request_id=access_request_id),
        access_requests.invite(
            acting(open_ear, "mara"), access_request_id=access_request_id, role=Role.ANNOTATOR, days=7
        ),
    ):
        with pytest.raises(NotAllowed):
            await answer
    assert await listed() == ["Ada"]


async def test_what_nobody_confirmed_can_not_be_answered(post_house: Site) -> None:
    await submit("ada")

    with pytest.raises(Unknown):
        await invite(post_house, "ada")
    with pytest.raises(Unknown):
        await access_requests.dismiss(olga(post_house), access_request_id=await id_of("ada"))


# The end


async def test_unconfirmed_ones_are_forgotten_after_a_day_and_open_ones_end_after_ninety(
    post_house: Site, clock: ModuleType
) -> None:
    await submitted("ada")
    await submit("ben")
    clock.move(DAY_MS)
    await engine.write(access_requests.sweep)
    assert await engine.rows("SELECT name FROM access_request") == [("Ada",)]

    clock.move(89 * DAY_MS)
    await engine.write(access_requests.sweep)
    assert await end("ada") == "expired"
    assert (await events())[-1] == "request_expired"
    clock.move(30 * DAY_MS)
    await engine.write(access_requests.sweep)

    assert await engine.rows("SELECT 1 FROM access_request") == []


async def test_the_chore_ends_the_requests_of_those_who_joined(open_ear: Site) -> None:
    await submit("ada")
    await register(open_ear, "ada")

    assert await engine.write(access_requests.sweep) == 1

    assert await end("ada") == "joined"


async def test_the_requests_of_somebody_removed_go_with_them(post_house: Site) -> None:
    await submitted("ada")
    await register(post_house, "ada")
    await engine.write(access_requests.sweep)

    await removal.remove(olga(post_house), member_id=await new_member.id_of("ada@example.org"))

    assert await engine.rows("SELECT 1 FROM access_request") == []
    assert await engine.rows("SELECT kind FROM outbox WHERE recipient = 'ada@example.org'") == []
    assert await engine.rows("SELECT state FROM outbox WHERE kind = 'request'") == [("void",)]


async def test_the_log_names_nobody_who_asks(post_house: Site) -> None:
    await submitted("ada", "I press ferns")
    await access_requests.dismiss(olga(post_house), access_request_id=await id_of("ada"))

    rows = await engine.rows(
        "SELECT kind, subject_id, before, after FROM activity WHERE kind LIKE 'req%' ORDER BY id"
    )

    assert rows == [
        (kind, 0, "", str(await id_of("ada")))
        for kind in ("request_made", "request_confirmed", "request_dismissed")
    ]
    assert "request_made" not in [event.kind for event in await activity.of_member(1)]


async def test_the_log_is_read_with_who_asks_while_the_request_is_kept_and_seen(
    post_house: Site, clock: ModuleType
) -> None:
    async def told() -> dict[str, str]:
        events = await activity.events(kinds=["request_made", "request_dismissed"], limit=9)
        return {f"{event.kind} {event.after}": event.subject_email for event in events}

    await submit("ben")
    ada = await submitted("ada")
    await access_requests.dismiss(olga(post_house), access_request_id=ada)
    ben = await id_of("ben")

    assert await told() == {
        f"request_made {ben}": "",
        f"request_made {ada}": "ada@example.org",
        f"request_dismissed {ada}": "ada@example.org",
    }
    clock.move(31 * DAY_MS)
    await engine.write(access_requests.sweep)

    assert set((await told()).values()) == {""}


async def test_who_asks_is_counted_beside_open_invitations(open_ear: Site) -> None:
    await submit("ada")
    await invitation_steps.invite(open_ear, "ben@example.org")

    assert await engine.read(invitation_listing.count_open) == 1
    assert await engine.read(access_request_listing.count) == 1


@ON_SQLITE
async def test_the_list_is_searched_and_turned_page_by_page(open_ear: Site) -> None:
    for number in range(access_request_listing.PAGE_SIZE + 2):
        await submit(f"guest{number}")
    await submit("ada")

    first = await access_request_listing.page()
    second = await access_request_listing.page(after=first.older)
    back = await access_request_listing.page(before=second.newer)

    assert (first.total, len(first.rows), len(second.rows)) == (53, 50, 3)
    assert first.rows[0].name == "Ada"
    assert back.rows == first.rows
    assert (first.newer, second.older) == (0, 0)
    assert await listed("ADA@exa") == ["Ada"]
    assert await listed("100%") == []


@ON_SQLITE
async def test_a_new_key_ends_the_links_that_confirm(post_house: Site) -> None:

    await submit("ada")
    await secret_key.rotate_key("another")

    link = await engine.read(links.find, (await link_of("ada")).id, links.ACCESS_REQUEST)

    assert link is not None
    assert link.end_reason == "key rotated"
    assert outbox.set_up()
