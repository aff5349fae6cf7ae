"""The session behind the cookie of a request."""

from db import engine
from tests.support.pages.site import ON_SQLITE, Site


@ON_SQLITE
async def test_a_session_of_somebody_deactivated_is_nobodys_even_if_one_were_left(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE id = ?", site.ids["ada"])

    assert (await ada.get("/user/account")).status_code == 303


async def test_last_activity_is_written_when_the_application_stops(database: str) -> None:
    async with Site.opened() as site:
        olga = await site.sign_in("olga")
        await olga.get("/user/account")
        await engine.write(engine.execute, "UPDATE session SET used_at = 1")
        await engine.write(engine.execute, "UPDATE member SET last_activity_at = 1")

    await engine.start()

    ((used_at, active_at),) = await engine.rows("SELECT used_at, last_activity_at FROM session, member")
    assert min(used_at, active_at) > 1
