"""What is left of a removed member, and who may come back."""

import pytest

from db import engine
from db.accounts import profile
from db.errors import Unknown
from db.members import new_member, removal, roles
from db.policy import Role
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, olga, register


async def test_a_removed_member_leaves_an_empty_tombstone(site: Site) -> None:
    ada = await site.person("ada", Role.REVIEWER)
    themself = acting(site, "ada", Role.REVIEWER)
    await profile.change(themself, first_name="Ada", last_name="King", time_zone="", theme="dark")

    assert await removal.remove(olga(site), member_id=ada) == "Ada King"

    kept = "email, first_name, last_name, sort_key, search_text, password_hash"
    assert await engine.rows(f"SELECT {kept} FROM member WHERE id = ?", ada) == [("",) * 6]
    assert await engine.rows("SELECT email_key, role FROM member WHERE id = ?", ada) == [(None, "DI")]
    words = await engine.rows("SELECT before, after FROM activity WHERE kind = 'name_changed'")
    assert words == [("", "")]
    with pytest.raises(Unknown):
        await roles.change_role(olga(site), member_id=ada, role=Role.ANNOTATOR)


async def test_a_removed_address_registers_again_as_somebody_new(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    await removal.remove(olga(site), member_id=ada)

    again = await register(site, "ada")

    assert again.member_id > ada
    assert again.role is Role.PENDING
    assert await new_member.id_of("ada@example.org") == again.member_id
