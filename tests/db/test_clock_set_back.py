"""The clock was ahead and is set back: what was made meanwhile lives as long as it may, and no longer."""

from types import ModuleType

from db import engine, links, outbox, sessions
from db.days import DAY_MS
from tests.site import PASSWORD, Site


async def sweep(site: Site) -> None:
    """What the server does each minute."""
    await engine.write(sessions.sweep, site.house.ages)
    await engine.write(links.stamp_expired)
    await engine.write(outbox.sweep)


async def test_a_session_ends_with_its_age_by_the_right_clock(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    clock.move(2 * DAY_MS)
    ada = await site.sign_in("ada")
    clock.move(-2 * DAY_MS)
    assert (await ada.get("/user/account")).status_code == 200

    await sweep(site)
    clock.move(sessions.UNKEPT_AGE_MS - 1000)
    assert (await ada.get("/user/account")).status_code == 200
    clock.move(2000)

    assert (await ada.get("/user/account")).status_code == 303


async def test_a_password_link_dies_with_its_day_by_the_right_clock(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    clock.move(2 * DAY_MS)
    token = await site.reset_token("ada")
    clock.move(-2 * DAY_MS)

    await sweep(site)
    clock.move(DAY_MS - 1000)
    guest = site.visitor()
    assert (await guest.get("/user/password/reset", params={"token": token})).status_code == 200
    clock.move(2000)

    answer = await guest.submit("/user/password/reset", token=token, password=PASSWORD)
    assert answer.status_code == 410


async def test_a_mail_does_not_wait_until_it_is_that_late_again(posting: Site, clock: ModuleType) -> None:
    await posting.person("ada")
    clock.move(2 * DAY_MS)
    await engine.write(outbox.queue_password_changed, posting.ids["ada"])
    clock.move(-2 * DAY_MS)

    await sweep(posting)

    ((due_at,),) = await engine.rows("SELECT due_at FROM outbox WHERE recipient = 'ada@example.org'")
    assert due_at <= clock.now()
