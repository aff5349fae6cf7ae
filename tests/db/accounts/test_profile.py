"""A member's own profile."""

from db import engine
from db.accounts import profile
from db.policy import Actor, Role
from tests.support.pages.site import Site


async def test_a_change_that_changes_nothing_leaves_no_row(site: Site) -> None:
    olga = Actor(site.ids["olga"], Role.OWNER)
    before = await engine.rows("SELECT COUNT(*) FROM activity")

    await profile.change(olga, first_name="Olga", last_name="", time_zone="", theme="system")
    assert await engine.rows("SELECT COUNT(*) FROM activity") == before
    await profile.change(olga, first_name="Olga", last_name="Fenwick", time_zone="", theme="system")

    assert await engine.rows("SELECT kind, before, after FROM activity ORDER BY id DESC LIMIT 1") == [
        # Without the names: removing somebody takes them out of the log as well.
        ("name_changed", "", "")
    ]
