"""What ends with a membership: sessions and links."""

import pytest

from db import engine
from db.accounts import password
from db.auth import sessions
from db.members import removal, roles
from db.policy import Role
from tests.support.pages.site import Site
from tests.support.steps.member_steps import olga


@pytest.mark.parametrize("end", ["deactivated", "removed"])
async def test_sessions_and_links_end_with_the_account(site: Site, end: str) -> None:
    ada = await site.person("ada", Role.REVIEWER)
    await site.sign_in("ada")
    link = await password.make_reset_link(olga(site), member_id=ada)

    if end == "removed":
        await removal.remove(olga(site), member_id=ada)
    else:
        await roles.change_role(olga(site), member_id=ada, role=Role.DEACTIVATED)

    ended = await password.find_reset_link(link.id)
    assert ended is not None
    assert ended.end_reason == end
    assert await sessions.of_member(ada) == []
    assert await engine.rows("SELECT end_reason FROM session") == [(end,)]
