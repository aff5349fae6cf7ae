"""The clock was ahead and is set back: what was made meanwhile lives as long as it may, and no longer."""

from types import ModuleType

from db import engine
from db.auth import links, sessions
from db.common.dates import DAY_MS
from db.mail import outbox
from db.policy import Role
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps.invitation_steps import DAYS, invited, mails, state, token


async def sweep(site: Site) -> None:
    """What the server does each minute."""
    await engine.write(sessions.sweep, site.context.session_limits)
    await engine.write(links.stamp_expired)
    await engine.write(outbox.sweep)


async def test_a_session_ends_with_its_age_by_the_right_clock(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    clock.move(2 * DAY_MS)
    ada = await site.sign_in("ada")
    clock.move(-2 * DAY_MS)
    assert (await ada.get("/user/account")).status_code == 200

    await sweep(site)
    clock.move(sessions.TEMPORARY_AGE_MS - 1000)
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


async def test_an_invitation_that_expired_by_a_clock_ahead_stays_dead(
    posting: Site, clock: ModuleType
) -> None:
    line = await invited(posting, "eve")
    link = f"/user/invitation?token={token(posting, line)}"
    clock.move(8 * DAY_MS)
    ahead = await posting.visitor().get(link)
    await sweep(posting)
    clock.move(-8 * DAY_MS)

    back = await posting.visitor().get(link)

    assert (ahead.status_code, back.status_code) == (410, 410)
    assert await state("eve@example.org") == "expired"


async def test_an_invitation_made_by_a_clock_ahead_dies_in_its_days_by_the_right_one(
    posting: Site, clock: ModuleType
) -> None:
    clock.move(2 * DAY_MS)
    line = await invited(posting, "eve")
    link = f"/user/invitation?token={token(posting, line)}"
    clock.move(-2 * DAY_MS)

    await sweep(posting)
    clock.move(DAYS * DAY_MS - 1000)
    assert (await posting.visitor().get(link)).status_code == 200
    clock.move(2000)

    assert (await posting.visitor().get(link)).status_code == 410


async def test_work_goes_on_when_the_clock_is_two_days_behind(posting: Site, clock: ModuleType) -> None:
    for name in ("ada", "tom"):
        await posting.person(name, Role.ANNOTATOR)
    olga, line = await posting.sign_in("olga"), await invited(posting, "eve")
    for _ in range(7):
        await posting.visitor().submit("/user/login", email="tom@example.org", password="not it at all")
    clock.move(-2 * DAY_MS)
    await sweep(posting)

    role = await olga.submit(f"/organization/members/{posting.ids['ada']}/role", role="RE")
    asked = await olga.submit("/organization/invitations", emails="fay@example.org", role="AN")
    accepted = await posting.visitor().submit(
        "/user/invitation", token=token(posting, line), password="five green kites over a hill"
    )
    tom = await posting.sign_in("tom")

    assert (role.status_code, asked.status_code, accepted.status_code) == (303, 303, 303)
    assert (await tom.get("/user/account")).status_code == 200
    assert (await olga.get("/organization/activity")).status_code == 200
    assert await mails("invitation") == ["fay@example.org"]
    ((due_at,),) = await engine.rows("SELECT MAX(due_at) FROM outbox WHERE state = 'queued'")
    assert due_at <= clock.now()
