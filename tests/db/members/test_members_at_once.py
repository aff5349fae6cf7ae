"""The rules of membership when two or fifty act at the same instant."""

import asyncio
from typing import Any

import pytest

from db import engine
from db.errors import DomainError, NotAllowed, Refused
from db.members import removal, roles
from db.members.roles import RoleChange
from db.organization import invite_link
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, add, hand_over, olga, owners, register


async def test_the_owner_stays_whatever_happens_at_the_same_instant(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await site.person("bob", Role.ADMINISTRATOR)
    owner = site.ids["olga"]

    ended = await at_once(
        roles.change_role(acting(site, "ada"), member_id=owner, role=Role.DEACTIVATED),
        roles.change_role(acting(site, "bob"), member_id=owner, role=Role.ANNOTATOR),
        *(removal.remove(actor, member_id=owner) for actor in (acting(site, "ada"), acting(site, "bob"))),
        roles.change_roles(COMMAND_LINE, member_ids=[owner, site.ids["ada"]], role=Role.REVIEWER),
    )

    assert {type(one) for one in ended} == {Refused}
    assert await owners() == [owner] * 2


async def test_two_administrators_who_deactivate_each_other_never_both_go(site: Site) -> None:
    for number in range(10):
        ada, bob = [await site.person(f"{name}{number}", Role.ADMINISTRATOR) for name in ("ada", "bob")]
        pair = [(Actor(ada, Role.ADMINISTRATOR), bob), (Actor(bob, Role.ADMINISTRATOR), ada)]

        ended = await at_once(
            *(roles.change_role(actor, member_id=other, role=Role.DEACTIVATED) for actor, other in pair)
        )

        kinds = sorted(type(one).__name__ for one in ended)
        left = await engine.rows("SELECT role FROM member WHERE id IN (?, ?)", ada, bob)
        assert kinds == ["NotAllowed", "RoleChange"]
        assert sorted(left) == [("AD",), ("DI",)]


@pytest.mark.parametrize("loss", ["demoted", "deactivated", "removed"])
@pytest.mark.parametrize("first", ["loss", "change"])
async def test_who_loses_the_right_at_the_same_instant_changes_nothing_afterwards(
    site: Site, loss: str, first: str
) -> None:
    for number in range(5):
        ada = await site.person(f"ada{number}", Role.ADMINISTRATOR)
        bob = await site.person(f"bob{number}", Role.PENDING)

        async def lose(ada: int = ada) -> Any:
            if loss == "removed":
                return await removal.remove(olga(site), member_id=ada)
            role = Role.ANNOTATOR if loss == "demoted" else Role.DEACTIVATED
            return await roles.change_role(olga(site), member_id=ada, role=role)

        changes = [
            lose(),
            roles.change_role(Actor(ada, Role.ADMINISTRATOR), member_id=bob, role=Role.MANAGER),
        ]
        ended = await at_once(*(changes if first == "loss" else changes[::-1]))

        # Either the change was first, or it wasn't made.
        lost = await _event_about(ada)
        changed = await _event_about(bob)
        assert changed == 0 or changed < lost
        assert [type(one) for one in ended if isinstance(one, BaseException)] == [NotAllowed] * (changed == 0)


async def _event_about(member_id: int) -> int:
    """The id of the last event about a member, 0 if there is none."""
    ((last,),) = await engine.rows(
        "SELECT COALESCE(MAX(id), 0) FROM activity WHERE subject_id = ?", member_id
    )
    return int(last)


async def test_resets_by_who_is_being_deactivated_come_first_or_not_at_all(site: Site) -> None:
    for number in range(5):
        ada = await site.person(f"ada{number}", Role.ADMINISTRATOR)

        ended = await at_once(
            roles.change_role(olga(site), member_id=ada, role=Role.DEACTIVATED),
            *(invite_link.reset(Actor(ada, Role.ADMINISTRATOR)) for _ in range(6)),
        )

        resets = await engine.rows("SELECT id FROM activity WHERE actor_id = ?", ada)
        deactivated = await _event_about(ada)
        assert all(reset < deactivated for (reset,) in resets)
        assert sum(isinstance(one, NotAllowed) for one in ended) == 6 - len(resets)


async def test_fifty_roles_at_once_are_all_given(site: Site) -> None:
    ids = await add([f"ada{number}" for number in range(50)])

    for role in (Role.ANNOTATOR, Role.REVIEWER) * 5:
        ended = await at_once(*(roles.change_role(olga(site), member_id=id, role=role) for id in ids))
        assert {type(one) for one in ended} == {RoleChange}

    assert await engine.rows("SELECT role, COUNT(*) FROM member GROUP BY role ORDER BY 2") == [
        ("OW", 1),
        ("RE", 50),
    ]
    ((told,),) = await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'role_changed'")
    assert told == 500


async def test_the_same_people_in_bulk_at_once_get_one_role_or_the_other(site: Site) -> None:
    ids = await add([f"ada{number}" for number in range(20)])

    ended = await at_once(
        roles.change_roles(olga(site), member_ids=ids, role=Role.ANNOTATOR),
        roles.change_roles(olga(site), member_ids=ids[::-1], role=Role.DEACTIVATED),
        *(roles.change_role(olga(site), member_id=id, role=Role.MANAGER) for id in ids[:3]),
    )

    assert not [one for one in ended if isinstance(one, BaseException)]
    rest = await engine.rows(f"SELECT DISTINCT role FROM member WHERE id > {ids[2]}")
    assert len(rest) == 1


async def test_of_registrations_at_once_with_one_address_one_succeeds(site: Site) -> None:
    ended = await at_once(*(register(site, name) for name in ("ada", "Ada", "ADA", "aDa")))

    assert sorted(type(one).__name__ for one in ended) == ["Invalid"] * 3 + ["SignedIn"]
    assert len(await engine.rows("SELECT 1 FROM member WHERE email_key = 'ada@example.org'")) == 1


async def test_of_two_hand_overs_at_once_one_wins(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.person(name, Role.MANAGER)

    ended = await at_once(hand_over(site, "ada"), hand_over(site, "bob"))

    won = [one for one in ended if not isinstance(one, BaseException)]
    assert [type(one) for one in ended if isinstance(one, BaseException)] == [NotAllowed]
    assert await owners() == [won[0][0].id] * 2
    assert await site.role_of("olga") is Role.ADMINISTRATOR


@pytest.mark.parametrize("loss", ["deactivated", "removed", "demoted"])
async def test_there_is_one_owner_whatever_happens_to_the_new_one_at_the_same_instant(
    site: Site, loss: str
) -> None:
    await site.person("bob", Role.ADMINISTRATOR)
    ada = await site.person("ada", Role.MANAGER)
    role = Role.PENDING if loss == "demoted" else Role.DEACTIVATED

    ended: list[Any] = await at_once(
        hand_over(site, "ada"),
        removal.remove(acting(site, "bob"), member_id=ada)
        if loss == "removed"
        else roles.change_role(acting(site, "bob"), member_id=ada, role=role),
    )

    found = await owners()
    assert len(found) == 2
    assert len(set(found)) == 1
    assert sum(isinstance(one, DomainError) for one in ended) == 1


async def test_who_hands_over_while_acting_as_owner_leaves_one_owner(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.person(name, Role.ADMINISTRATOR)

    await asyncio.gather(
        at_once(
            hand_over(site, "ada"),
            roles.change_role(olga(site), member_id=site.ids["ada"], role=Role.PENDING),
        ),
        at_once(invite_link.reset(olga(site)), invite_link.reset(acting(site, "bob"))),
    )

    found = await owners()
    assert len(set(found)) == 1
    assert len(found) == 2


async def test_a_change_is_taken_back_or_changed_once_more_and_never_both(site: Site) -> None:
    for number in range(10):
        ada = await site.person(f"ada{number}")
        await roles.change_role(olga(site), member_id=ada, role=Role.ANNOTATOR)

        back, changed = await at_once(
            roles.undo(olga(site), given=Role.ANNOTATOR, before={ada: Role.PENDING}),
            roles.change_role(olga(site), member_id=ada, role=Role.MANAGER),
        )

        assert isinstance(changed, RoleChange)
        assert await site.role_of(f"ada{number}") is Role.MANAGER
        # Taken back first, or refused since it was changed once more.
        assert changed.before is (Role.ANNOTATOR if isinstance(back, Refused) else Role.PENDING)
