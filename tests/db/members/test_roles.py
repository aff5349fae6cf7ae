"""Roles, one change at a time."""

import pytest

from db import activity, engine
from db.errors import Invalid, NotAllowed, Refused
from db.members import removal, roles
from db.organization import invite_link
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, olga, owners

# Roles


async def test_a_role_is_changed_and_the_change_is_told(site: Site) -> None:
    ada = await site.person("ada")

    change = await roles.change_role(olga(site), member_id=ada, role=Role.REVIEWER)

    assert (change.before, change.row.role) == (Role.PENDING, "RE")
    assert [event.kind for event in await activity.of_member(ada)] == ["role_changed"]


async def test_the_same_role_again_changes_nothing(site: Site) -> None:
    ada = await site.person("ada", Role.REVIEWER)

    change = await roles.change_role(olga(site), member_id=ada, role=Role.REVIEWER)

    assert change.before is Role.REVIEWER
    assert await activity.of_member(ada) == []


@pytest.mark.parametrize("kind", ["administrator", "command line"])
async def test_the_owner_cannot_be_demoted_or_removed(site: Site, kind: str) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    actor = COMMAND_LINE if kind == "command line" else acting(site, "ada")

    for role in Role:
        with pytest.raises(Refused):
            await roles.change_role(actor, member_id=site.ids["olga"], role=role)
    with pytest.raises(Refused):
        await removal.remove(actor, member_id=site.ids["olga"])
    assert await owners() == [site.ids["olga"]] * 2


async def test_nobody_becomes_owner_by_a_role(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)

    with pytest.raises(Refused, match="never assigned"):
        await roles.change_role(olga(site), member_id=ada, role=Role.OWNER)

    assert await site.role_of("ada") is Role.ADMINISTRATOR


async def test_the_database_itself_allows_neither_two_owners_nor_none(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)

    for sql in (
        f"UPDATE member SET role = 'OW' WHERE id = {ada}",
        "UPDATE member SET role = 'AD' WHERE role = 'OW'",
        "DELETE FROM member WHERE role = 'OW'",
        "UPDATE organization SET owner_role = 'AD'",
    ):
        with pytest.raises(engine.ConstraintViolation):
            await engine.write(engine.execute, sql)
    assert await owners() == [site.ids["olga"]] * 2


async def test_roles_for_several_are_all_or_nothing(site: Site) -> None:
    ada, bob = await site.person("ada"), await site.person("bob")

    with pytest.raises(Refused, match=r"because of Olga: .*exactly one Owner"):
        await roles.change_roles(COMMAND_LINE, member_ids=[ada, site.ids["olga"], bob], role=Role.ANNOTATOR)

    assert {await site.role_of("ada"), await site.role_of("bob")} == {Role.PENDING}


async def test_nobody_selected_is_an_error_of_the_field(site: Site) -> None:
    with pytest.raises(Invalid) as refusal:
        await roles.change_roles(olga(site), member_ids=[], role=Role.ANNOTATOR)

    assert list(refusal.value.errors) == ["member"]


async def test_only_the_owner_and_administrators_change_anything(site: Site) -> None:
    bob = await site.person("bob", Role.REVIEWER)

    for role in set(Role) - {Role.OWNER, Role.ADMINISTRATOR}:
        # What the actor says of themself doesn't count.
        actor = Actor(await site.person(f"a-{role.value.lower()}", role), Role.OWNER)
        for change in (
            roles.change_role(actor, member_id=bob, role=Role.ANNOTATOR),
            removal.remove(actor, member_id=bob),
            invite_link.reset(actor),
        ):
            with pytest.raises(NotAllowed):
                await change
    assert await site.role_of("bob") is Role.REVIEWER


# Deactivation and removal


async def test_a_deactivated_member_comes_back_with_a_role(site: Site) -> None:
    ada = await site.person("ada", Role.DEACTIVATED)

    await roles.change_role(olga(site), member_id=ada, role=Role.MANAGER)

    assert await site.role_of("ada") is Role.MANAGER


# Ownership
