"""Accepting an invitation: once, with the role of this moment, and never more than its inviter could give."""

import asyncio
import json
import sys
from dataclasses import fields
from types import ModuleType
from typing import Any

import pytest

from db import activity, engine
from db.auth import links, sessions
from db.auth.client import SignedIn
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import Invalid, InvalidLink, NotAllowed, Refused
from db.invitations import acceptance, management
from db.invitations.acceptance import InvitationForToken
from db.invitations.listing import InvitationRow
from db.mail import outbox
from db.members import removal, roles
from db.members.new_member import Person
from db.policy import STILL_ADMINISTRATOR_MS, Actor, Role
from messages import refusals
from tests.support.concurrency import at_once
from tests.support.pages.site import Site, password_hash, someone
from tests.support.steps.invitation_steps import (
    accept,
    confirmed,
    invite,
    invited,
    kinds,
    mailed,
    mails,
    one,
    state,
)
from tests.support.steps.member_steps import BROWSER, acting, hand_over, olga, register


async def test_accepting_makes_an_account_with_the_role_and_tells_the_inviter(posting: Site) -> None:
    line = await invited(posting, "ada", Role.REVIEWER)
    await mailed(line)

    signed_in = await accept(posting, line)

    found = await engine.rows(
        "SELECT email, role, joined_via, invited_by FROM member WHERE id = ?", signed_in.member_id
    )
    assert found == [("ada@example.org", "RE", "invitation", posting.ids["olga"])]
    assert signed_in.role is Role.REVIEWER
    assert await state("ada@example.org") == "accepted"
    assert await mails("accepted") == ["olga@example.org"]
    assert await kinds(member_id=signed_in.member_id) == ["accepted_invitation"]
    assert len(await sessions.of_member(signed_in.member_id)) == 1


async def test_the_role_is_read_when_it_is_accepted(site: Site) -> None:
    line = await invited(site, "ada")
    found = await acceptance.find(line.link_id)
    await management.change_role(olga(site), invitation_id=line.id, role=Role.MANAGER)

    assert found is not None
    assert (await accept(site, line)).role is Role.MANAGER


async def test_ten_at_the_same_instant_and_one_gets_in(site: Site) -> None:
    line = await invited(site, "ada")

    ended = await at_once(*(accept(site, line) for _ in range(10)))

    assert sorted(type(each).__name__ for each in ended) == ["InvalidLink"] * 9 + ["SignedIn"]
    assert await engine.rows("SELECT COUNT(*) FROM member WHERE joined_via = 'invitation'") == [(1,)]


PROCESS = """
import asyncio, json, sys
from db.invitations import acceptance
from db import engine
from db.members.new_member import Person
from db.errors import InvalidLink
from db.auth.sessions import SessionLimits
from tests.support.steps.member_steps import BROWSER
from tests.support.pages.site import password_hash, someone
from tests.support.concurrency import at_once

async def main(url, link_id):
    engine.use(url)
    await engine.start()
    found = await acceptance.find(link_id)
    person = Person(someone("ada").address, "Ada", "", password_hash())
    print("ready", flush=True)
    sys.stdin.readline()
    session_limits = SessionLimits(10**9, 10**9)
    ended = await at_once(*(
        acceptance.accept(found, person, session_limits=session_limits, browser=BROWSER) for _ in range(5)
    ))
    await engine.stop()
    print(json.dumps([type(each).__name__ for each in ended]))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_of_ten_on_two_processes_one_gets_in(site: Site, database: str) -> None:
    line = await invited(site, "ada")
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, database, str(line.link_id), stdin=pipe, stdout=pipe
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"

    said = await asyncio.gather(*(process.communicate(b"\n") for process in processes))

    ended = [kind for out, _ in said for kind in json.loads(out)]
    assert sorted(ended) == ["InvalidLink"] * 9 + ["SignedIn"]


@pytest.mark.parametrize("loss", ["demoted", "deactivated", "removed"])
async def test_it_is_void_when_its_inviter_loses_the_right(posting: Site, loss: str) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada", Role.ADMINISTRATOR, by=acting(posting, "alma"))

    if loss == "removed":
        await removal.remove(olga(posting), member_id=alma)
    else:
        role = Role.MANAGER if loss == "demoted" else Role.DEACTIVATED
        await roles.change_role(olga(posting), member_id=alma, role=role)

    assert await state("ada@example.org") == "void"
    assert await mails("invitation") == []
    found = await acceptance.find(line.link_id)
    assert found is not None
    assert found.invalid_reason(clock.now()) == "void"
    with pytest.raises(InvalidLink):
        await accept(posting, line)
    # The address is free for another invitation.
    await invited(posting, "ada")
    assert await state("ada@example.org") == "queued"


async def test_an_owner_who_handed_over_still_vouches(site: Site) -> None:
    await site.person("bob", Role.MANAGER)
    line = await invited(site, "ada", Role.ADMINISTRATOR)

    await hand_over(site, "bob")

    assert (await accept(site, line)).role is Role.ADMINISTRATOR


async def test_at_the_same_instant_as_the_inviter_s_end_it_is_accepted_first_or_not_at_all(
    site: Site,
) -> None:
    for number in range(8):
        alma = await site.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(site, f"ada{number}", by=Actor(alma, Role.ADMINISTRATOR))

        accepted, demoted = await at_once(
            accept(site, line), roles.change_role(olga(site), member_id=alma, role=Role.ANNOTATOR)
        )

        assert not isinstance(demoted, BaseException)
        assert isinstance(accepted, (SignedIn, InvalidLink))
        expected = "accepted" if isinstance(accepted, SignedIn) else "void"
        assert await state(f"ada{number}@example.org") == expected


async def test_revoked_at_the_same_instant_it_is_accepted_or_dead(site: Site) -> None:
    for number in range(8):
        line = await invited(site, f"ada{number}")

        accepted, revoked = await at_once(
            accept(site, line), management.revoke(olga(site), invitation_ids=[line.id])
        )

        assert (isinstance(accepted, SignedIn), isinstance(revoked, Refused)) in (
            (True, True),
            (False, False),
        )
        expected = "accepted" if isinstance(accepted, SignedIn) else "revoked"
        assert await state(f"ada{number}@example.org") == expected


# An address that somebody registered meanwhile


async def test_a_pending_account_under_the_address_is_taken_over(posting: Site) -> None:
    line = await invited(posting, "ada", Role.REVIEWER)
    await mailed(line)
    stranger = await register(posting, "ada")
    before = await engine.rows(
        "SELECT password_generation, password_hash FROM member WHERE id = ?", stranger.member_id
    )
    await engine.write(links.make, links.RESET, subject=stranger.member_id)
    await engine.write(
        engine.execute, "UPDATE member SET password_hash = 'theirs' WHERE id = ?", stranger.member_id
    )

    signed_in = await accept(posting, line, "Adele")

    assert signed_in.member_id == stranger.member_id
    ((generation, hash_, role, name, key),) = await engine.rows(
        "SELECT password_generation, password_hash, role, first_name, sort_key FROM member WHERE id = ?",
        stranger.member_id,
    )
    assert (role, name) == ("RE", "Adele")
    assert generation == signed_in.generation != before[0][0]
    assert "adele" in key
    assert hash_ == before[0][1]
    assert len(await sessions.of_member(stranger.member_id)) == 1
    assert (
        await engine.rows("SELECT 1 FROM session WHERE ended_at = 0 AND token_hash = ?", stranger.token) == []
    )
    assert await engine.read(links.open_one, links.RESET, stranger.member_id) is None


@pytest.mark.parametrize("proven", [True, False])
async def test_registering_and_accepting_at_the_same_instant_ends_in_one_account(
    posting: Site, proven: bool
) -> None:
    for number in range(5):
        line = await invited(posting, f"ada{number}", Role.REVIEWER)
        if proven:
            await mailed(line)

        accepted, registered = await at_once(accept(posting, line), register(posting, f"ada{number}"))

        assert isinstance(accepted, SignedIn) or (isinstance(accepted, Refused) and not proven)
        assert isinstance(registered, SignedIn if not isinstance(accepted, SignedIn) else (SignedIn, Invalid))
        found = await engine.rows("SELECT role FROM member WHERE email_key = ?", f"ada{number}@example.org")
        assert found == [("RE" if isinstance(accepted, SignedIn) else "NO",)]


@pytest.mark.parametrize(("role", "left"), [(Role.ANNOTATOR, "joined"), (Role.DEACTIVATED, "unsent")])
async def test_an_active_or_deactivated_member_isn_t_taken_over(site: Site, role: Role, left: str) -> None:
    line = await invited(site, "ada", Role.ADMINISTRATOR)
    await site.person("ada", role)

    with pytest.raises(Refused, match="Log in"):
        await accept(site, line)

    assert await site.role_of("ada") is role
    assert await state("ada@example.org") == left


@pytest.mark.parametrize("link", ["mailed", "mailed and shown", "shown", "neither", "on its way"])
@pytest.mark.parametrize("account", ["new", "had a role", "confirmed its address"])
async def test_an_account_that_waits_is_taken_over_by_a_link_that_proves_the_address_alone(
    posting: Site, account: str, link: str
) -> None:
    proven = link == "mailed"
    if account == "had a role":
        ada = await posting.person("ada", Role.MANAGER)
        await roles.change_role(olga(posting), member_id=ada, role=Role.PENDING)
        line = await invited(posting, "ada", Role.REVIEWER)
    else:
        line = await invited(posting, "ada", Role.REVIEWER)
        ada = await posting.person("ada")
        confirmed_at = int(account == "confirmed its address")
        await engine.write(
            engine.execute, "UPDATE member SET confirmed_at = ? WHERE id = ?", confirmed_at, ada
        )
    if link.startswith("mailed"):
        await mailed(line)
    if link == "neither":
        await engine.write(engine.execute, "UPDATE outbox SET state = 'failed' WHERE state = 'queued'")
    if link.endswith("shown"):
        await management.mark_link_revealed(olga(posting), [line.id])

    if proven:
        assert (await accept(posting, line)).member_id == ada
    else:
        with pytest.raises(Refused, match="Log in"):
            await accept(posting, line)

    assert await posting.role_of("ada") is (Role.REVIEWER if proven else Role.PENDING)


async def test_who_was_an_administrator_lately_is_taken_over_by_no_invitation(
    posting: Site, clock: ModuleType
) -> None:
    ada = await posting.person("ada", Role.ADMINISTRATOR)
    await roles.change_role(olga(posting), member_id=ada, role=Role.PENDING)
    line = await invited(posting, "ada", Role.REVIEWER)
    await mailed(line)
    ((until,),) = await engine.rows("SELECT administrator_until FROM member WHERE id = ?", ada)
    over = until + STILL_ADMINISTRATOR_MS
    await engine.write(engine.execute, "UPDATE links SET expires_at = ?", over + 1)

    clock.stop_at(over - 1)
    with pytest.raises(Refused, match="Log in"):
        await accept(posting, line)
    found = await acceptance.find(line.link_id)
    assert found is not None
    assert found.has_account

    clock.stop_at(over)
    assert (await accept(posting, line)).member_id == ada


async def test_a_mail_about_it_to_somebody_else_proves_nothing(posting: Site) -> None:
    line = await invited(posting, "ada")
    await engine.write(engine.execute, "UPDATE outbox SET state = 'failed'")
    await engine.write(
        outbox.queue, "asked", recipient="olga@example.org", member_id=1, invitation_id=line.id
    )
    await mailed(line)

    assert not await confirmed((await accept(posting, line)).member_id)


async def test_who_is_signed_in_with_the_address_gets_the_role(site: Site) -> None:
    line = await invited(site, "ada", Role.MANAGER)
    ada = await site.person("ada")
    found = await acceptance.find(line.link_id)
    assert found is not None

    role = await acceptance.accept_as(acting(site, "ada", Role.PENDING), found)

    assert role is await site.role_of("ada") is Role.MANAGER
    assert [event.kind for event in await activity.of_member(ada)] == ["accepted_invitation", "role_changed"]
    with pytest.raises(InvalidLink):
        await acceptance.accept_as(acting(site, "ada"), found)


async def test_an_active_member_s_role_stays(site: Site) -> None:
    line = await invited(site, "ada", Role.ADMINISTRATOR)
    await site.person("ada", Role.ANNOTATOR)
    found = await acceptance.find(line.link_id)
    assert found is not None

    assert await acceptance.accept_as(acting(site, "ada"), found) is Role.ANNOTATOR
    assert await state("ada@example.org") == "accepted"


@pytest.mark.parametrize("how", ["role = 'DI'", "ends_at = 1"])
async def test_who_is_shut_out_while_they_accept_gets_nothing(site: Site, how: str) -> None:
    line = await invited(site, "ada")
    ada = await site.person("ada")
    found = await acceptance.find(line.link_id)
    assert found is not None
    await engine.write(engine.execute, f"UPDATE member SET {how} WHERE id = ?", ada)

    with pytest.raises(NotAllowed):
        await acceptance.accept_as(acting(site, "ada", Role.PENDING), found)

    assert await site.role_of("ada") in (Role.PENDING, Role.DEACTIVATED)


async def test_somebody_else_uses_nothing_up(site: Site) -> None:
    line = await invited(site, "ada")
    await site.person("bob", Role.ANNOTATOR)
    found = await acceptance.find(line.link_id)
    assert found is not None

    with pytest.raises(NotAllowed):
        await acceptance.accept_as(acting(site, "bob"), found)

    await accept(site, line)


@pytest.mark.parametrize("end", ["removed", "deactivated", "waits again"])
async def test_an_old_invitation_doesn_t_bring_back_who_was_shut_out(posting: Site, end: str) -> None:
    line = await invited(posting, "ada", Role.ADMINISTRATOR)
    ada = await posting.person("ada", Role.ANNOTATOR)

    if end == "removed":
        await removal.remove(olga(posting), member_id=ada)
    else:
        role = Role.DEACTIVATED if end == "deactivated" else Role.PENDING
        await roles.change_role(olga(posting), member_id=ada, role=role)

    assert await mails("invitation") == []
    with pytest.raises(InvalidLink):
        await accept(posting, line)


# Who is told


@pytest.mark.parametrize("way", ["new", "taken over", "one button"])
async def test_the_inviter_is_told_once_and_who_accepts_only_of_a_new_password(
    posting: Site, way: str
) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    if way != "new":
        await posting.person("ada")

    if way == "one button":
        await accept_as_ada(posting, line)
    else:
        await accept(posting, line)

    told = await engine.rows("SELECT kind, recipient FROM outbox WHERE state = 'queued' ORDER BY id")
    password = [("password", "ada@example.org")] if way == "taken over" else []
    assert told == [*password, ("accepted", "olga@example.org")]


async def test_two_ways_at_the_same_instant_tell_the_inviter_once(posting: Site) -> None:
    line = await invited(posting, "ada")
    await posting.person("ada")

    ways = (accept, accept_as_ada)
    answers = await at_once(*(way(posting, line) for way in ways * 2))

    by_link, as_ada = answers[::2], answers[1::2]
    taken = [answer for answer in answers if not isinstance(answer, Exception)]
    assert len(taken) == 1, answers
    assert all(isinstance(answer, InvalidLink) for answer in as_ada if answer not in taken), answers
    # Whoever isn't signed in and comes first is told to log in; nothing is used up by that.
    late = [answer for answer in by_link if answer not in taken and not isinstance(answer, InvalidLink)]
    assert {str(answer) for answer in late} <= {refusals.ACCOUNT_EXISTS}
    assert await mails("accepted") == ["olga@example.org"]


async def accept_as_ada(site: Site, line: InvitationRow) -> object:
    found = await acceptance.find(line.link_id)
    assert found is not None
    return await acceptance.accept_as(acting(site, "ada", Role.PENDING), found)


# Whether the address is confirmed


@pytest.mark.parametrize(
    ("was_mailed", "was_shown", "is_confirmed"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
async def test_an_address_is_confirmed_only_by_a_mail_of_ours_that_nobody_else_saw(
    posting: Site, was_mailed: bool, was_shown: bool, is_confirmed: bool
) -> None:
    line = await invited(posting, "ada")
    if was_mailed:
        await mailed(line)
    if was_shown:
        await management.mark_link_revealed(olga(posting), [line.id])

    signed_in = await accept(posting, line)

    assert await confirmed(signed_in.member_id) is is_confirmed


async def test_a_mail_that_went_out_counts_while_another_is_on_the_way(posting: Site) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    await management.resend(
        olga(posting), invitation_ids=[line.id], days=7, throttle=posting.context.throttle
    )

    assert await confirmed((await accept(posting, line)).member_id)


async def test_taking_over_and_the_one_button_confirm_too(posting: Site) -> None:
    for name in ("ada", "bob"):
        await invite(posting, f"{name}@example.org")
        await posting.person(name)
        await mailed(await one(f"{name}@example.org"))
    found = await acceptance.find((await one("bob@example.org")).link_id)
    assert found is not None

    await accept(posting, await one("ada@example.org"))
    await acceptance.accept_as(acting(posting, "bob", Role.PENDING), found)

    assert [await confirmed(posting.ids[name]) for name in ("ada", "bob")] == [True, True]


# Its end


async def test_it_ends_after_its_days_and_a_clock_set_back_revives_nothing(
    site: Site, clock: ModuleType
) -> None:
    line = await invited(site, "ada")
    clock.move(7 * DAY_MS)
    with pytest.raises(InvalidLink) as invalid:
        await accept(site, line)
    assert invalid.value.reason == "expired"
    assert await state("ada@example.org") == "expired"
    await engine.write(links.stamp_expired)

    clock.move(-DAY_MS)

    assert await state("ada@example.org") == "expired"
    with pytest.raises(InvalidLink):
        await accept(site, line)


# What its page says


def of(**values: Any) -> InvitationForToken:
    known = {"role": Role.REVIEWER, "mailed": True, "expires_at": 100}
    others = dict.fromkeys((field.name for field in fields(InvitationForToken)), 0)
    texts = dict.fromkeys(("link_ended", "end_reason", "member_role"), "")
    flags = dict.fromkeys(("member_administered", "outlived"), False)
    return InvitationForToken(**{**others, **texts, **flags, **known, **values})


@pytest.mark.parametrize(
    ("values", "now", "reason"),
    [
        ({}, 99, None),
        ({}, 100, "expired"),
        ({"expires_at": 0}, 10**15, None),
        ({"link_ended": "key rotated"}, 99, "expired"),
        ({"outlived": True}, 99, "void"),
        ({"outlived": True}, 100, "void"),
        ({"end_reason": "revoked", "outlived": True, "link_ended": "revoked"}, 100, "revoked"),
    ],
)
def test_why_it_can_t_be_accepted(values: dict[str, Any], now: int, reason: str | None) -> None:
    assert of(**values).invalid_reason(now) == reason


@pytest.mark.parametrize(
    ("values", "takes_over", "has_account"),
    [
        ({}, False, False),
        ({"member_role": "NO"}, True, False),
        ({"member_role": "NO", "mailed": False}, False, True),
        ({"member_role": "NO", "link_revealed_at": 1}, False, True),
        ({"member_role": "NO", "member_administered": True}, False, True),
        ({"member_role": "DI"}, False, True),
        ({"member_role": "AN"}, False, True),
    ],
)
def test_whether_there_is_an_account_to_sign_in_to(
    values: dict[str, Any], takes_over: bool, has_account: bool
) -> None:
    assert (of(**values).takes_over, of(**values).has_account) == (takes_over, has_account)


@pytest.mark.parametrize(
    ("typed", "has"),
    [(("", ""), ("Ada", "Before")), (("", "Berg"), ("", "Berg")), (("Adele", ""), ("Adele", ""))],
)
async def test_names_from_before_stay_where_none_are_given(
    posting: Site, typed: tuple[str, str], has: tuple[str, str]
) -> None:
    line = await invited(posting, "ada")
    await mailed(line)
    ada = await posting.person("ada")
    await engine.write(
        engine.execute, "UPDATE member SET first_name = 'Ada', last_name = 'Before' WHERE id = ?", ada
    )
    found = await acceptance.find(line.link_id)
    assert found is not None

    person = Person(someone("ada").address, *typed, password_hash())
    await acceptance.accept(found, person, session_limits=posting.context.session_limits, browser=BROWSER)

    names = await engine.rows("SELECT first_name, last_name, joined_via FROM member WHERE id = ?", ada)
    assert names == [(*has, "invitation")]
