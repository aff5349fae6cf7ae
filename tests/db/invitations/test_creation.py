"""Inviting a list of addresses: what will happen to each, and all of it or nothing."""

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import Any

import asyncpg
import pytest

from db import engine, policy
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import Invalid, NotAllowed, Refused
from db.invitations import creation
from db.invitations import listing as invitation_listing
from db.invitations.creation import RecipientStatus
from db.invitations.recipients import address_list
from db.invitations.recipients.address_list import AddressList
from db.maintenance import secret_key
from db.members import removal, roles
from db.policy import Actor, Role
from tests.support.concurrency import at_once, soon
from tests.support.engine.small_database import from_outside, on_postgres
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps.invitation_steps import (
    accept,
    confirm,
    invite,
    invited,
    kinds,
    mailed,
    mails,
    one,
    state,
)
from tests.support.steps.member_steps import acting, olga


async def everybody(site: Site) -> str:
    """One address of every kind, as somebody may paste them."""
    await site.person("ada", Role.REVIEWER)
    await confirm(await site.person("ben"))
    await site.person("cleo")
    await site.person("dora", Role.DEACTIVATED)
    await invite(site, "erik@example.org")
    names = ("ada", "ben", "cleo", "dora", "erik", "fred")
    return ", ".join(f"{name}@example.org" for name in names)


async def test_the_preview_tells_the_fate_of_each_and_changes_nothing(posting: Site) -> None:
    typed = await everybody(posting) + "; nobody@; FRED@example.org\nErik Berg <erik@Example.org>"
    before = await engine.rows("SELECT COUNT(*), MAX(id) FROM invitation")

    preview = await creation.preview(address_list.parse(typed), Role.MANAGER)

    assert [
        (outcome.entry.typed.partition("@")[0], outcome.status, outcome.role) for outcome in preview.outcomes
    ] == [
        ("nobody", RecipientStatus.WRONG, Role.MANAGER),
        ("ada", RecipientStatus.MEMBER, Role.REVIEWER),
        ("ben", RecipientStatus.APPROVED, Role.MANAGER),
        ("cleo", RecipientStatus.UNCONFIRMED, Role.MANAGER),
        ("dora", RecipientStatus.DEACTIVATED, Role.MANAGER),
        ("erik", RecipientStatus.AGAIN, Role.MANAGER),
        ("fred", RecipientStatus.NEW, Role.MANAGER),
    ]
    assert "domain" in preview.outcomes[0].entry.why
    assert (preview.mails, preview.repeated) == (3, 2)
    assert await engine.rows("SELECT COUNT(*), MAX(id) FROM invitation") == before


async def test_sending_does_what_the_preview_said(posting: Site) -> None:
    typed = await everybody(posting)

    batch = await invite(posting, typed, Role.MANAGER)

    assert (batch.invited, batch.approved, batch.left_alone) == (3, 1, 2)
    assert await mails("invitation") == [f"{name}@example.org" for name in ("erik", "cleo", "fred")]
    assert await mails("approved") == ["ben@example.org"]
    roles = [await posting.role_of(name) for name in ("ada", "ben", "cleo", "dora")]
    assert roles == [Role.REVIEWER, Role.MANAGER, Role.PENDING, Role.DEACTIVATED]
    assert await kinds(member_id=posting.ids["ben"]) == ["role_changed"]
    assert [(await one(f"{name}@example.org")).role for name in ("cleo", "erik", "fred")] == ["MA"] * 3
    assert await kinds((await one("fred@example.org")).id) == ["invitation_made"]


async def test_one_wrong_address_and_nothing_goes_out(posting: Site) -> None:
    with pytest.raises(Invalid) as refusal:
        await invite(posting, "ada@example.org, ben(at)example.org")
    assert list(refusal.value.errors) == ["emails"]
    assert await mails("invitation") == []
    assert await engine.rows("SELECT 1 FROM invitation") == []

    batch = await invite(posting, "ada@example.org, ben(at)example.org", skip_invalid=True)

    assert batch.invited == 1
    assert await mails("invitation") == ["ada@example.org"]


@pytest.mark.parametrize(("typed", "skip_invalid"), [("", False), ("", True), ("nobody, nothing", True)])
@ON_SQLITE
async def test_a_list_without_an_address_is_an_error_of_its_field(
    site: Site, typed: str, skip_invalid: bool
) -> None:
    with pytest.raises(Invalid) as refusal:
        await invite(site, typed, skip_invalid=skip_invalid)

    assert list(refusal.value.errors) == ["emails"]


@pytest.mark.parametrize("role", [Role.OWNER, Role.PENDING, Role.DEACTIVATED])
@ON_SQLITE
async def test_an_invitation_gives_one_of_four_roles(site: Site, role: Role) -> None:
    with pytest.raises(Refused, match="Annotator, Reviewer, Manager, Administrator"):
        await invite(site, "ada@example.org", role)


async def test_only_the_owner_and_administrators_invite(site: Site) -> None:
    for role in set(Role) - {Role.OWNER, Role.ADMINISTRATOR}:
        # What the actor says of themself doesn't count.
        actor = Actor(await site.person(f"a-{role.value.lower()}", role), Role.OWNER)
        with pytest.raises(NotAllowed):
            await invite(site, "ada@example.org", by=actor)

    assert await engine.rows("SELECT 1 FROM invitation") == []


async def test_invited_again_the_same_invitation_lives_on_with_the_new_role(posting: Site) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    first = await invited(posting, "ada")
    await mailed(first)

    await invite(posting, "ADA@example.org", Role.REVIEWER, by=acting(posting, "alma"))

    again = await one("ada@example.org")
    assert (again.id, again.link_id, again.nonce) == (first.id, first.link_id, first.nonce)
    assert (again.role, again.inviter, again.state(clock.now())) == ("RE", "Alma", "queued")
    assert await mails("invitation") == ["ada@example.org"]
    assert await kinds(first.id) == ["invitation_made"] * 2


async def test_a_mail_that_waits_is_replaced_not_doubled(posting: Site) -> None:
    await invited(posting, "ada")
    await invited(posting, "ada")

    assert await mails("invitation") == ["ada@example.org"]


async def test_after_a_revocation_the_next_invitation_is_another(posting: Site) -> None:
    first = await invited(posting, "ada")
    await engine.write(
        engine.execute, "UPDATE invitation SET ended_at = 1, end_reason = 'revoked' WHERE id = ?", first.id
    )

    second = await invited(posting, "ada")

    assert second.id > first.id
    assert second.nonce != first.nonce


async def test_without_mail_nothing_is_queued_and_the_list_says_so(site: Site) -> None:
    await invited(site, "ada")

    assert await engine.rows("SELECT 1 FROM outbox") == []
    assert await state("ada@example.org") == "unsent"


async def test_an_approved_pending_person_s_role_comes_once(posting: Site) -> None:
    """Somebody gave the role meanwhile: the mail isn't sent twice, nor is their role changed back."""
    await confirm(await posting.person("ben"))

    ended = await at_once(
        invite(posting, "ben@example.org", Role.MANAGER),
        roles.change_role(olga(posting), member_id=posting.ids["ben"], role=Role.REVIEWER),
    )

    assert not [one for one in ended if isinstance(one, BaseException)]
    assert len(await mails("approved")) == 1


async def test_however_many_are_approved_their_roles_come_in_one_statement(
    posting: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = dict(zip((f"p{number}" for number in range(12)), list(policy.WORKING) * 3, strict=True))
    for name in roles:
        await confirm(await posting.person(name))
    listed = AddressList(
        tuple(
            replace(address_list.entry(f"{name}@example.org", ""), role=role) for name, role in roles.items()
        )
    )
    said, execute = list[str](), engine.execute

    async def tells(sql: str, *args: Any) -> int:
        said.append(sql)
        return await execute(sql, *args)

    monkeypatch.setattr(engine, "execute", tells)
    batch = await creation.invite(olga(posting), listed, role=Role.ANNOTATOR, days=7)

    assert (batch.approved, batch.left_alone) == (12, 0)
    assert {name: await posting.role_of(name) for name in roles} == roles
    assert len([sql for sql in said if sql.startswith("UPDATE member")]) == 1
    told = await engine.rows("SELECT before, after FROM activity WHERE kind = 'role_changed' ORDER BY id")
    assert told == [("NO", role.value) for role in roles.values()]
    assert len(await mails("approved")) == 12


@on_postgres
async def test_who_is_deactivated_meanwhile_is_not_counted_as_approved(posting: Site, database: str) -> None:
    ben = await posting.person("ben")
    await confirm(ben)
    other = await asyncpg.connect(database)
    waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    try:
        async with other.transaction():
            await other.execute("UPDATE member SET role = 'DI' WHERE id = $1", ben)
            inviting = asyncio.create_task(invite(posting, "ben@example.org", Role.MANAGER))
            await soon(partial(asyncio.to_thread, from_outside, database, waits))
    finally:
        await other.close()

    batch = await inviting
    assert (batch.approved, batch.left_alone) == (0, 1)
    assert await mails("approved") == []


async def test_five_hundred_are_invited_within_a_second_again_too(posting: Site) -> None:
    typed = "\n".join(f"Guest {n} <guest{n}@example.org>" for n in range(500))

    for role in (Role.ANNOTATOR, Role.REVIEWER):
        # Our own work: how long the database and a busy machine take is another matter.
        start = time.process_time()
        batch = await invite(posting, typed, role)
        assert time.process_time() - start < 2
        assert batch.invited == 500

    assert len(await mails("invitation")) == 500
    assert (await invitation_listing.counts())["open"] == 500


async def test_two_who_invite_the_same_fifty_at_one_instant_make_one_invitation_each(posting: Site) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    emails = [f"guest{n}@example.org" for n in range(50)]

    ended = await at_once(
        *(
            invite(posting, " ".join(order), by=actor)
            for actor in (olga(posting), acting(posting, "alma"))
            for order in (emails, emails[::-1])
        )
    )

    assert [one for one in ended if isinstance(one, BaseException)] == []
    assert await engine.rows("SELECT COUNT(*), COUNT(DISTINCT email_key) FROM invitation") == [(50, 50)]
    assert sorted(await mails("invitation")) == sorted(emails)


async def test_the_database_itself_allows_one_open_invitation_per_address(site: Site) -> None:
    line = await invited(site, "ada")
    copied = ", ".join(("email", "email_key", "first_name", "last_name", "search_text", "role", "invited_by"))

    with pytest.raises(engine.UniqueViolation):
        await engine.write(
            engine.execute,
            f"INSERT INTO invitation ({copied}, batch_id, link_id, mail_id, made_at, link_revealed_at,"
            " new_wanted_at,"
            f" reminded_at, member_id, ended_at, end_reason) SELECT {copied}, batch_id, 999, 0, 1, 0,"
            " 0, 0, 0, 0, '' FROM invitation WHERE id = ?",
            line.id,
        )


@pytest.mark.parametrize("loss", ["demoted", "deactivated", "removed"])
async def test_who_loses_the_right_at_the_same_instant_leaves_no_open_invitation(
    site: Site, loss: str
) -> None:
    for number in range(5):
        alma = await site.person(f"alma{number}", Role.ADMINISTRATOR)
        role = Role.ANNOTATOR if loss == "demoted" else Role.DEACTIVATED

        ended = await at_once(
            invite(site, f"ada{number}@example.org", by=Actor(alma, Role.ADMINISTRATOR)),
            removal.remove(olga(site), member_id=alma)
            if loss == "removed"
            else roles.change_role(olga(site), member_id=alma, role=role),
        )

        assert [type(each) for each in ended if isinstance(each, BaseException)] in ([], [NotAllowed])
        assert await engine.rows("SELECT end_reason FROM invitation WHERE end_reason <> 'void'") == []


async def test_after_the_secret_key_changed_an_invitation_can_be_sent_again(posting: Site) -> None:
    line = await invited(posting, "ada")
    await secret_key.rotate_key("another")
    assert await state("ada@example.org") == "expired"

    await invite(posting, "ada@example.org")

    assert await state("ada@example.org") == "queued"
    await accept(posting, line)


@ON_SQLITE
async def test_an_invitation_ends_after_its_days(site: Site) -> None:
    line = await invited(site, "ada")

    assert abs(line.expires_at - line.made_at - 7 * DAY_MS) < 1000
