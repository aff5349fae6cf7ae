"""Links for a new password: who makes them for whom, and that a newer one ends the older."""

import pytest

from db import engine
from db.accounts import password
from db.auth import links
from db.auth.links import Link
from db.common import clock
from db.errors import InvalidLink, NotAllowed, Unknown
from db.members import removal, roles
from db.policy import COMMAND_LINE, Role
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, hand_over, olga

NEW = "seven silver herons on the ice"


async def test_the_command_line_helps_everybody_back_in_but_the_deactivated(site: Site) -> None:
    await site.person("ada")
    await site.person("dora", Role.DEACTIVATED)

    for name in ("olga", "ada"):
        link = await password.make_reset_link(COMMAND_LINE, member_id=site.ids[name])
        assert (link.subject, link.max_uses) == (site.ids[name], 1)
        assert 0 <= clock.now() + 24 * 3_600_000 - link.expires_at < 60_000

    with pytest.raises(NotAllowed):
        await password.make_reset_link(COMMAND_LINE, member_id=site.ids["dora"])


async def test_an_administrator_helps_those_below_administrators(site: Site) -> None:
    await site.person("alan", Role.ADMINISTRATOR)
    await site.person("bella", Role.ADMINISTRATOR)
    await site.person("mia", Role.MANAGER)
    alan = acting(site, "alan")

    link = await password.make_reset_link(alan, member_id=site.ids["mia"])

    assert link.made_by == site.ids["alan"]
    for name in ("olga", "bella", "alan"):
        with pytest.raises(NotAllowed):
            await password.make_reset_link(alan, member_id=site.ids[name])


async def test_what_the_actor_was_a_moment_ago_does_not_count(site: Site) -> None:
    await site.person("alan", Role.MANAGER)
    await site.person("ada")

    with pytest.raises(NotAllowed):
        await password.make_reset_link(acting(site, "alan"), member_id=site.ids["ada"])


async def test_an_administrator_s_link_is_dead_once_its_member_is_above_their_reach(site: Site) -> None:
    await site.person("alan", Role.ADMINISTRATOR)
    alan = acting(site, "alan")
    made = []
    for name in ("mia", "max"):
        await site.person(name, Role.MANAGER)
        made.append(await password.make_reset_link(alan, member_id=site.ids[name]))

    await roles.change_role(olga(site), member_id=site.ids["mia"], role=Role.ADMINISTRATOR)
    await hand_over(site, "max")

    for link in made:
        await is_invalid(link)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.DEACTIVATED])
async def test_a_password_link_is_dead_once_its_maker_administers_nobody(site: Site, role: Role) -> None:
    await site.person("alan", Role.ADMINISTRATOR)
    await site.person("ada")
    alan = acting(site, "alan")
    link = await password.make_reset_link(alan, member_id=site.ids["ada"])

    await roles.change_role(olga(site), member_id=site.ids["alan"], role=role)

    await is_invalid(link)


async def test_a_link_by_whoever_may_make_it_sets_the_password(site: Site) -> None:
    await site.person("alan", Role.ADMINISTRATOR)
    await site.person("ada")
    alan = acting(site, "alan")
    link = await password.make_reset_link(alan, member_id=site.ids["ada"])

    assert await password.whose(link) == ("ada@example.org", "Ada")
    await password.reset_password(link, password=NEW, address="192.0.2.1")

    assert await engine.read(links.open_one, links.RESET, site.ids["ada"]) is None


async def is_invalid(link: Link) -> None:
    """Neither shown nor used; its row hasn't ended by itself."""
    with pytest.raises(InvalidLink):
        await password.whose(link)
    with pytest.raises(InvalidLink):
        await password.reset_password(link, password=NEW, address="192.0.2.1")


async def test_a_link_is_dead_once_its_member_is_gone(site: Site) -> None:
    await site.person("ada")
    link = await password.make_reset_link(COMMAND_LINE, member_id=site.ids["ada"])
    await removal.remove(COMMAND_LINE, member_id=site.ids["ada"])

    await is_invalid(link)


async def test_for_nobody_there_is_no_link(site: Site) -> None:
    with pytest.raises(Unknown):
        await password.make_reset_link(COMMAND_LINE, member_id=999)


async def test_a_newer_link_ends_the_older(site: Site) -> None:
    older = await password.make_reset_link(COMMAND_LINE, member_id=site.ids["olga"])
    newer = await password.make_reset_link(COMMAND_LINE, member_id=site.ids["olga"])

    found = [await password.find_reset_link(link.id) for link in (older, newer)]

    assert [link and link.invalid_reason(clock.now()) for link in found] == ["replaced", None]


async def test_no_open_link_is_left_after_a_new_password(site: Site) -> None:
    link = await password.make_reset_link(COMMAND_LINE, member_id=site.ids["olga"])

    await password.reset_password(link, password=NEW, address="192.0.2.1")

    assert await engine.read(links.open_one, links.RESET, site.ids["olga"]) is None
