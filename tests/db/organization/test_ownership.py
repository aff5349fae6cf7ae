"""The hand-over of the organization."""

import pytest

from db.accounts.sign_in import WrongPassword
from db.errors import Refused
from db.policy import Role
from tests.support.pages.site import Site
from tests.support.steps.member_steps import hand_over, owners


async def test_ownership_is_handed_over_with_the_password(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)

    row, _ = await hand_over(site, "ada")

    assert (row.id, row.role) == (ada, "OW")
    assert await owners() == [ada] * 2
    assert await site.role_of("olga") is Role.ADMINISTRATOR


async def test_a_wrong_password_hands_nothing_over(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)

    with pytest.raises(WrongPassword):
        await hand_over(site, "ada", "not this one")

    assert await owners() == [site.ids["olga"]] * 2


@pytest.mark.parametrize("role", [Role.PENDING, Role.DEACTIVATED])
async def test_ownership_goes_only_to_an_active_member(site: Site, role: Role) -> None:
    await site.person("ada", role)

    for name, refusal in (("ada", "active member"), ("olga", "already")):
        with pytest.raises(Refused, match=refusal):
            await hand_over(site, name)

    assert await owners() == [site.ids["olga"]] * 2
