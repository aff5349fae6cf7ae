"""A link that somebody was shown stands with them, and never gives more than when they saw it."""

from pathlib import Path
from types import ModuleType

import pytest

from db import engine
from db.auth.client import SignedIn
from db.errors import InvalidLink, Refused
from db.invitations import acceptance, management, undo_revocation
from db.maintenance import backup, backup_file, restore
from db.maintenance.restore import RestoreOptions
from db.members import removal, roles
from db.members.new_member import Person
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site, password_hash, someone
from tests.support.steps.invitation_steps import accept, invite, invited, kinds, mailed, mails, one, state
from tests.support.steps.member_steps import BROWSER, acting, hand_over, olga

ROUNDS = 8
LOSSES = {"lowered": Role.MANAGER, "waits": Role.PENDING, "deactivated": Role.DEACTIVATED, "removed": None}


async def lose(site: Site, name: str, role: Role | None) -> None:
    """Takes the right to invite from an Administrator; None removes them."""
    if role is None:
        await removal.remove(olga(site), member_id=site.ids[name])
    else:
        await roles.change_role(olga(site), member_id=site.ids[name], role=role)


async def seen_by() -> list[tuple[int, int]]:
    """Who was shown which invitation's link."""
    found = await engine.rows("SELECT invitation_id, member_id FROM invitation_link_viewer ORDER BY 1, 2")
    return [(invitation_id, member_id) for invitation_id, member_id in found]


async def test_who_was_shown_a_link_is_kept_once_with_the_first_time(
    posting: Site, clock: ModuleType
) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    clock.stop_at(clock.now())

    for actor in (acting(posting, "alma"), olga(posting), acting(posting, "alma")):
        await management.mark_link_revealed(actor, [line.id])
        clock.move(5)

    assert await seen_by() == sorted([(line.id, posting.ids["olga"]), (line.id, alma)])
    first = [(clock.now() - 15,), (clock.now() - 10,)]
    assert await engine.rows("SELECT viewed_at FROM invitation_link_viewer ORDER BY viewed_at") == first


async def test_nothing_is_kept_where_nothing_is_shown(posting: Site) -> None:
    ada, bob = await invited(posting, "ada"), await invited(posting, "bob")
    await accept(posting, bob)

    with pytest.raises(Refused):
        await management.mark_link_revealed(olga(posting), [ada.id, bob.id])

    assert await seen_by() == []


async def test_without_mail_whoever_sends_has_seen_the_links(site: Site) -> None:
    alma = await site.person("alma", Role.ADMINISTRATOR)
    ada = await invited(site, "ada", by=acting(site, "alma"))
    await invite(site, "ada@example.org, ben@example.org")
    ben = await one("ben@example.org")

    assert await seen_by() == sorted([(ada.id, alma), (ada.id, site.ids["olga"]), (ben.id, site.ids["olga"])])


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_link_ends_with_the_right_of_whoever_was_shown_it(posting: Site, loss: str) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    seen, unseen = await invited(posting, "ada", Role.MANAGER), await invited(posting, "ben")
    await mailed(seen)
    await management.mark_link_revealed(acting(posting, "alma"), [seen.id])

    await lose(posting, "alma", LOSSES[loss])

    assert await state("ada@example.org") == "void"
    assert (await kinds(seen.id))[-1] == "invitation_voided"
    with pytest.raises(InvalidLink, match="void"):
        await accept(posting, seen)
    assert await state(unseen.email) == "queued"
    await invited(posting, "ada")
    assert await state("ada@example.org") == "queued"


async def test_it_ends_with_whoever_sent_it_before_somebody_else_did(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    line = await invited(site, "ada", by=acting(site, "alma"))
    await invite(site, "ada@example.org")

    await lose(site, "alma", Role.ANNOTATOR)

    assert (await one("ada@example.org")).id == line.id
    assert await state("ada@example.org") == "void"


async def test_what_an_owner_saw_lives_on_after_they_hand_over_and_ends_when_they_are_lowered(
    site: Site,
) -> None:
    await site.person("bob", Role.MANAGER)
    line = await invited(site, "ada")
    await hand_over(site, "bob")
    assert await state("ada@example.org") == "unsent"
    bob = acting(site, "bob", Role.OWNER)
    await management.resend(bob, invitation_ids=[line.id], days=7, throttle=site.context.throttle)

    await roles.change_role(bob, member_id=site.ids["olga"], role=Role.MANAGER)

    assert await state("ada@example.org") == "void"


async def test_it_is_dead_from_the_end_of_their_last_day_on(posting: Site, clock: ModuleType) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await management.mark_link_revealed(acting(posting, "alma"), [line.id])
    await engine.write(
        engine.execute, "UPDATE member SET ends_at = ? WHERE id = ?", clock.now() + 60_000, alma
    )

    clock.move(60_000)

    found = await acceptance.find(line.link_id)
    assert found is not None
    assert found.invalid_reason(clock.now()) == "void"
    with pytest.raises(InvalidLink, match="void"):
        await accept(posting, line)


async def test_lowered_at_the_instant_of_showing_or_accepting_leaves_nothing_to_use(site: Site) -> None:
    for number in range(ROUNDS):
        alma = await site.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(site, f"ada{number}")

        shown, lowered, accepted = await at_once(
            management.mark_link_revealed(Actor(alma, Role.ADMINISTRATOR), [line.id]),
            roles.change_role(olga(site), member_id=alma, role=Role.ANNOTATOR),
            accept(site, line),
        )

        assert not isinstance(lowered, BaseException)
        assert isinstance(accepted, (SignedIn, InvalidLink))
        known = (line.id, alma) in await seen_by()
        assert known is not isinstance(shown, BaseException)
        if not isinstance(accepted, SignedIn):
            assert known
            assert await state(line.email) == "void"


# What is undone


async def test_undo_of_the_loss_brings_it_back(posting: Site) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await management.mark_link_revealed(acting(posting, "alma"), [line.id])
    await lose(posting, "alma", Role.MANAGER)

    await roles.undo(olga(posting), given=Role.MANAGER, before={alma: Role.ADMINISTRATOR})

    assert await state("ada@example.org") == "queued"
    await accept(posting, line)


async def test_undo_brings_nothing_back_that_somebody_else_has_seen_who_is_gone(posting: Site) -> None:
    ids = [await posting.person(name, Role.ADMINISTRATOR) for name in ("alma", "bert")]
    line = await invited(posting, "ada", by=acting(posting, "alma"))
    await management.mark_link_revealed(acting(posting, "bert"), [line.id])
    await lose(posting, "alma", Role.MANAGER)
    await lose(posting, "bert", None)

    await roles.undo(olga(posting), given=Role.MANAGER, before={ids[0]: Role.ADMINISTRATOR})

    assert await state("ada@example.org") == "void"


async def test_undo_at_the_instant_at_which_somebody_else_who_has_seen_it_goes_leaves_it_dead(
    posting: Site,
) -> None:
    for number in range(ROUNDS * 2):
        alma, bert = [
            await posting.person(f"{name}{number}", Role.ADMINISTRATOR) for name in ("alma", "bert")
        ]
        line = await invited(posting, f"ada{number}", by=acting(posting, f"alma{number}"))
        await management.mark_link_revealed(acting(posting, f"bert{number}"), [line.id])
        await lose(posting, f"alma{number}", Role.MANAGER)

        undone, lowered = await at_once(
            roles.undo(olga(posting), given=Role.MANAGER, before={alma: Role.ADMINISTRATOR}),
            roles.change_role(COMMAND_LINE, member_id=bert, role=Role.MANAGER),
        )

        assert not isinstance(undone, BaseException)
        assert not isinstance(lowered, BaseException)
        assert await state(line.email) == "void"


async def test_undo_of_a_deactivation_leaves_an_invitation_dead_that_its_inviter_lost(posting: Site) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    await invited(posting, "ada", by=acting(posting, "alma"))
    ada = await posting.person("ada")
    await roles.change_role(olga(posting), member_id=ada, role=Role.DEACTIVATED)
    await lose(posting, "alma", Role.MANAGER)

    await roles.undo(olga(posting), given=Role.DEACTIVATED, before={ada: Role.PENDING})

    assert await state("ada@example.org") == "revoked"


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_was_revoked_comes_back_only_if_all_who_saw_it_still_administer(
    posting: Site, loss: str
) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await management.mark_link_revealed(acting(posting, "alma"), [line.id])
    for role in (Role.ADMINISTRATOR, LOSSES[loss]):
        revoked = await management.revoke(olga(posting), invitation_ids=[line.id])
        if role is Role.ADMINISTRATOR:
            await undo_revocation.undo(olga(posting), revoked)
            continue
        await lose(posting, "alma", role)

        with pytest.raises(Refused, match="nothing was brought back"):
            await undo_revocation.undo(olga(posting), revoked)

    assert await state("ada@example.org") == "revoked"


async def test_undo_at_the_instant_of_the_loss_leaves_it_dead(posting: Site) -> None:
    for number in range(ROUNDS):
        alma = await posting.person(f"alma{number}", Role.ADMINISTRATOR)
        line = await invited(posting, f"ada{number}")
        await management.mark_link_revealed(Actor(alma, Role.ADMINISTRATOR), [line.id])
        revoked = await management.revoke(olga(posting), invitation_ids=[line.id])

        await at_once(
            undo_revocation.undo(olga(posting), revoked),
            roles.change_role(olga(posting), member_id=alma, role=Role.ANNOTATOR),
        )

        assert await state(line.email) in ("void", "revoked")


# What rises to Administrator


async def test_a_shown_link_ends_when_its_invitation_rises_to_administrator(posting: Site) -> None:
    await posting.person("alma", Role.ADMINISTRATOR)
    old = await invited(posting, "ada", Role.MANAGER)
    await mailed(old)
    await management.mark_link_revealed(acting(posting, "alma"), [old.id])

    anew = await management.change_role(olga(posting), invitation_id=old.id, role=Role.ADMINISTRATOR)

    new = await one("ada@example.org")
    assert anew
    assert (new.id, new.link_revealed_at, new.expires_at) == (old.id, 0, old.expires_at)
    assert await state("ada@example.org") == "unsent"
    assert await seen_by() == []
    assert await acceptance.find(old.link_id) is None
    links = await engine.rows("SELECT end_reason FROM links WHERE id = ?", old.link_id)
    assert links == [("replaced",)]
    # Nothing holds the new one that was true of the old one: it went to nobody yet.
    found = await acceptance.find(new.link_id)
    assert found is not None
    assert not found.proves_address
    await lose(posting, "alma", Role.MANAGER)
    assert (await accept(posting, new)).role is Role.ADMINISTRATOR


async def test_a_mail_that_is_still_queued_goes_out_with_the_new_link(posting: Site) -> None:
    old = await invited(posting, "ada", Role.MANAGER)
    await management.mark_link_revealed(olga(posting), [old.id])

    anew = await management.change_role(olga(posting), invitation_id=old.id, role=Role.ADMINISTRATOR)

    new = await one("ada@example.org")
    assert not anew
    assert await mails("invitation") == ["ada@example.org"]
    queued = await engine.rows("SELECT link_id FROM outbox WHERE state = 'queued' AND kind = 'invitation'")
    assert queued == [(new.link_id,)]
    assert new.link_id != old.link_id
    assert await state("ada@example.org") == "queued"


@pytest.mark.parametrize(
    ("shown", "before", "after"),
    [
        (False, Role.MANAGER, Role.ADMINISTRATOR),
        (True, Role.ANNOTATOR, Role.MANAGER),
        (True, Role.ADMINISTRATOR, Role.MANAGER),
    ],
)
async def test_any_other_change_of_role_keeps_the_link(
    posting: Site, shown: bool, before: Role, after: Role
) -> None:
    line = await invited(posting, "ada", before)
    if shown:
        await management.mark_link_revealed(olga(posting), [line.id])

    assert not await management.change_role(olga(posting), invitation_id=line.id, role=after)

    assert (await one("ada@example.org")).link_id == line.link_id
    assert (await accept(posting, line)).role is after


async def test_who_invites_again_as_administrator_makes_shown_links_anew(posting: Site) -> None:
    names = ("ada", "ben", "cleo")
    ada, ben, cleo = [await invited(posting, name) for name in names]
    for line in (ada, ben):
        await management.mark_link_revealed(olga(posting), [line.id])

    await invite(posting, ", ".join(f"{name}@example.org" for name in names), Role.ADMINISTRATOR)

    new = [await one(f"{name}@example.org") for name in names]
    assert [line.id for line in new] == [ada.id, ben.id, cleo.id]
    assert [await acceptance.find(line.link_id) for line in (ada, ben)] == [None, None]
    assert new[2].link_id == cleo.link_id
    assert await seen_by() == []
    queued = await engine.rows("SELECT link_id FROM outbox WHERE state = 'queued' ORDER BY invitation_id")
    assert queued == [(line.link_id,) for line in new]
    expires = await engine.rows(
        "SELECT DISTINCT l.expires_at FROM invitation AS i JOIN links AS l ON l.id = i.link_id"
    )
    assert len(expires) == 1


async def test_without_mail_whoever_invites_again_as_administrator_is_shown_the_new_link(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    old = await invited(site, "ada", by=acting(site, "alma"))

    await invite(site, "ada@example.org", Role.ADMINISTRATOR)

    new = await one("ada@example.org")
    assert await acceptance.find(old.link_id) is None
    assert await seen_by() == [(new.id, site.ids["olga"])]
    assert new.link_revealed_at > 0


async def test_raised_at_the_instant_of_accepting_the_old_link_gives_the_old_role(site: Site) -> None:
    for number in range(ROUNDS):
        line = await invited(site, f"ada{number}", Role.REVIEWER)
        # The form was opened before.
        found = await acceptance.find(line.link_id)
        assert found is not None
        person = Person(someone(f"ada{number}").address, "Ada", "", password_hash())

        accepted, raised = await at_once(
            acceptance.accept(found, person, session_limits=site.context.session_limits, browser=BROWSER),
            management.change_role(olga(site), invitation_id=line.id, role=Role.ADMINISTRATOR),
        )

        if isinstance(accepted, SignedIn):
            assert accepted.role is Role.REVIEWER
            assert isinstance(raised, Refused)
        else:
            assert isinstance(accepted, InvalidLink)
            assert raised is True


# What becomes of the rows


async def test_a_backup_keeps_who_was_shown_what(posting: Site, tmp_path: Path) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await management.mark_link_revealed(acting(posting, "alma"), [line.id])
    file = tmp_path / "backup"
    await backup.write(file)
    await engine.write(engine.execute, "DELETE FROM invitation_link_viewer")

    with backup_file.opened(file) as found:
        await restore.restore(found, fingerprint="of a key", options=RestoreOptions(replace=True))

    assert await seen_by() == [(line.id, alma)]
    await lose(posting, "alma", None)
    assert await state("ada@example.org") == "void"


async def test_a_removed_member_s_rows_say_no_more_than_a_number(posting: Site) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    line = await invited(posting, "ada")
    await management.mark_link_revealed(acting(posting, "alma"), [line.id])

    await lose(posting, "alma", None)

    # Undo has to know them for a minute, and a number names nobody.
    assert await seen_by() == [(line.id, alma)]


async def test_what_is_deleted_takes_its_rows_along(posting: Site) -> None:
    alma = await posting.person("alma", Role.ADMINISTRATOR)
    ada, ben = await invited(posting, "ada"), await invited(posting, "ben")
    for line in (ada, ben):
        await management.mark_link_revealed(acting(posting, "alma"), [line.id])

    await engine.write(engine.execute, "DELETE FROM invitation WHERE id = ?", ada.id)
    assert await seen_by() == [(ben.id, alma)]
    await engine.write(engine.execute, "DELETE FROM member WHERE id = ?", alma)
    assert await seen_by() == []
