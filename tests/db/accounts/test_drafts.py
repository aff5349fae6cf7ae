"""Drafts: who may keep one, who gets it back, and for how long."""

from types import ModuleType

import pytest

from db import engine
from db.accounts import drafts
from db.accounts.drafts import KEPT_MS, MAX_BYTES, MAX_PER_MEMBER, MAX_TRIES, Fields
from db.auth import sessions
from db.auth.rate_limits import WINDOW_MS, Throttle
from db.auth.sessions import SessionLimits
from db.members import last_day, removal, roles
from db.policy import COMMAND_LINE, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, olga

SESSION_LIMITS = SessionLimits(persistent=10**9, idle=10**9)
PAGE = "/organization/invite"
SECRETS = ("password", "current_password", "new_password", "token", "code")
NAMES = ("emails", "role", "first_name", *SECRETS)
THROTTLE = Throttle(b"drafts")


async def ended(site: Site, name: str = "olga") -> str:
    token = await opened(site, name)
    await site.expire(name)
    return token


async def opened(site: Site, name: str = "olga") -> str:
    return await engine.write(
        sessions.begin,
        site.ids[name],
        persistent=True,
        session_limits=SESSION_LIMITS,
        address="192.0.2.1",
        device="Firefox",
    )


async def keep(session: str, /, **fields: str) -> str | None:
    def read_fields() -> Fields:
        return {name: [value] for name, value in (fields or {"emails": "ada@example.org"}).items()}

    return await drafts.keep(session, PAGE, read_fields, names=NAMES, throttle=THROTTLE)


async def count() -> int:
    ((number,),) = await engine.rows("SELECT COUNT(*) FROM draft")
    return int(number)


async def test_its_member_gets_it_back_on_the_same_page_until_it_was_sent(site: Site) -> None:
    key = await keep(await ended(site), emails="zoë@example.org\nada@example.org", role="RE")
    assert key

    for _ in range(2):
        assert await drafts.find(site.ids["olga"], PAGE, key) == {
            "emails": ["zoë@example.org\nada@example.org"],
            "role": ["RE"],
        }
    assert await drafts.find(site.ids["olga"], "/organization/settings", key) is None
    await drafts.discard(olga(site), key)
    assert await drafts.find(site.ids["olga"], PAGE, key) is None


async def test_nobody_else_reads_or_deletes_it(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    key = await keep(await ended(site))
    assert key

    await drafts.discard(acting(site, "alma"), key)

    assert await drafts.find(site.ids["alma"], PAGE, key) is None
    assert await drafts.find(site.ids["olga"], PAGE, key[:-1]) is None
    assert await drafts.find(site.ids["olga"], PAGE, key) is not None


async def test_only_a_session_that_ended_some_hours_ago_keeps_anything(site: Site, clock: ModuleType) -> None:
    late, unread = await ended(site), [False]

    def read_fields() -> Fields:
        unread[0] = True
        return {"emails": ["x"]}

    for token in ("", "made up", await opened(site)):
        assert await drafts.keep(token, PAGE, read_fields, names=NAMES, throttle=THROTTLE) is None
    clock.move(sessions.REMEMBERED_MS)
    assert await drafts.keep(late, PAGE, read_fields, names=NAMES, throttle=THROTTLE) is None
    assert (await count(), unread) == (0, [False])


async def test_somebody_shut_out_keeps_nothing(site: Site) -> None:
    for name in ("ada", "ben"):
        await site.person(name, Role.ANNOTATOR)
    tokens = [await opened(site, name) for name in ("ada", "ben")]
    await roles.change_role(COMMAND_LINE, member_id=site.ids["ada"], role=Role.DEACTIVATED)
    await removal.remove(COMMAND_LINE, member_id=site.ids["ben"])

    assert [await keep(token) for token in tokens] == [None, None]
    assert await count() == 0


ENDED = (
    "signed out",
    "ended by its member",
    "too many sessions",
    "became owner",
    "password changed",
    "password reset",
    "ended by an administrator",
    "taken over by an invitation",
    "deactivated",
    "removed",
    "membership ended",
)


@pytest.mark.parametrize("reason", ENDED)
async def test_a_session_that_somebody_ended_keeps_nothing(site: Site, reason: str) -> None:
    token = await opened(site)
    await engine.write(sessions.end_all, site.ids["olga"], reason)

    assert await keep(token) is None


async def test_ending_all_sessions_deletes_the_drafts_and_expired_sessions_keep_no_more(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    expired, hers = await ended(site), await ended(site, "alma")
    key, other = await keep(expired), await keep(hers)
    browser = await opened(site)

    await engine.write(sessions.end_all, site.ids["olga"], "ended by its member")

    assert await drafts.find(site.ids["olga"], PAGE, key or "") is None
    assert [await keep(token) for token in (expired, browser)] == [None, None]
    assert await drafts.find(site.ids["alma"], PAGE, other or "")
    assert await keep(hers)


async def test_a_session_that_is_too_old_by_the_time_it_is_written_keeps_nothing(
    site: Site, clock: ModuleType
) -> None:
    token = await ended(site)

    def read_fields() -> Fields:
        clock.move(sessions.REMEMBERED_MS)
        return {"emails": ["x"]}

    assert await drafts.keep(token, PAGE, read_fields, names=NAMES, throttle=THROTTLE) is None
    assert await count() == 0


async def test_only_the_fields_of_the_form_are_kept(site: Site) -> None:
    key = await keep(await ended(site), emails="ada@example.org", role="RE", x="y" * MAX_BYTES)

    assert await drafts.find(site.ids["olga"], PAGE, key or "") == {
        "emails": ["ada@example.org"],
        "role": ["RE"],
    }
    assert await keep(await ended(site), x="y") is None


async def test_a_member_keeps_so_many_in_15_minutes_and_then_none(site: Site, clock: ModuleType) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    token = await ended(site)

    kept = [await keep(token) is not None for _ in range(MAX_TRIES + 1)]

    assert kept == [True] * MAX_TRIES + [False]
    assert await keep(await ended(site)) is None
    assert await keep(await ended(site, "alma"))
    clock.move(WINDOW_MS)
    assert await keep(token)


async def test_passwords_tokens_and_codes_are_never_kept(site: Site) -> None:
    session = await ended(site)
    secret = dict.fromkeys(SECRETS, "hidden")

    key = await keep(session, **secret, first_name="Ada")

    assert await drafts.find(site.ids["olga"], PAGE, key or "") == {"first_name": ["Ada"]}
    assert await keep(session, **secret) is None
    assert "hidden" not in str(await engine.rows("SELECT content FROM draft"))


async def test_its_key_is_stored_hashed(site: Site) -> None:
    key = await keep(await ended(site))

    assert key
    assert key not in str(await engine.rows("SELECT * FROM draft"))


async def test_too_much_is_not_kept(site: Site) -> None:
    token = await ended(site)

    around = len('{"emails": [""]}')

    assert await keep(token, emails="x" * (MAX_BYTES - around + 1)) is None
    assert await keep(token, emails="x" * (MAX_BYTES - around)) is not None


async def test_it_is_kept_for_an_hour(site: Site, clock: ModuleType) -> None:
    key = await keep(await ended(site)) or ""
    clock.move(KEPT_MS - 1)
    await engine.write(drafts.sweep)
    assert await drafts.find(site.ids["olga"], PAGE, key)

    clock.move(1)

    assert await drafts.find(site.ids["olga"], PAGE, key) is None
    assert await engine.write(drafts.sweep) == 1


async def test_a_member_has_a_handful_however_many_come_at_once(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    mine, hers = await ended(site), await ended(site, "alma")
    others = await keep(hers)

    kept = await at_once(*(keep(mine, emails=f"{number}") for number in range(20)))

    assert all(isinstance(key, str) for key in kept)
    assert await count() == MAX_PER_MEMBER + 1
    assert await drafts.find(site.ids["alma"], PAGE, others or "")


async def test_an_ended_membership_keeps_nothing(site: Site, clock: ModuleType) -> None:
    await site.person("ada", Role.ANNOTATOR)
    token = await opened(site, "ada")
    await engine.write(
        engine.execute, "UPDATE member SET ends_at = ? WHERE id = ?", clock.now() + 1, site.ids["ada"]
    )
    clock.move(1_000)
    await last_day.end_due()

    assert await keep(token) is None
