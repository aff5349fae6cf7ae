"""Sessions: what is stored of them, when they end, and that nothing brings them back."""

import asyncio
import hashlib
from pathlib import Path
from types import ModuleType

import pytest

from db import engine
from db.accounts import sign_out
from db.auth import sessions
from db.auth.presence import Presence
from db.auth.sessions import SessionLimits
from db.errors import Unknown
from db.members import removal, roles
from db.organization import settings as organization_settings
from db.organization.settings import SettingsChange
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
SESSION_LIMITS = SessionLimits(persistent=14 * DAY, idle=5 * DAY)


async def begin(site: Site, *, persistent: bool = False, name: str = "olga") -> str:
    return await engine.write(
        sessions.begin,
        site.ids[name],
        persistent=persistent,
        session_limits=SESSION_LIMITS,
        address="192.0.2.1",
        device="Firefox on Linux",
    )


async def works(token: str, presence: Presence | None = None) -> bool:
    return await sessions.current(token, SESSION_LIMITS, presence or Presence()) is not None


async def reason(token: str) -> str:
    ((found,),) = await engine.rows(
        "SELECT end_reason FROM session WHERE token_hash = ?", sessions.token_hash(token)
    )
    return str(found)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [
        ("Ada", "Lovelace", "Ada Lovelace"),
        ("Ada", "", "Ada"),
        ("", "Lovelace", "Lovelace"),
        ("", "", "olga@example.org"),
        ("\u200b", "\u2060", "olga@example.org"),
    ],
)
async def test_who_is_asking_has_the_whole_name_or_the_address(
    site: Site, first: str, last: str, name: str
) -> None:
    await engine.write(engine.execute, "UPDATE member SET first_name = ?, last_name = ?", first, last)

    current = await sessions.current(await begin(site), SESSION_LIMITS, Presence())

    assert current is not None
    assert current.name == name


async def test_only_the_hash_of_a_token_is_stored(site: Site) -> None:
    token = await begin(site)

    stored = str(await engine.rows("SELECT * FROM session"))

    assert hashlib.sha256(token.encode()).hexdigest() in stored
    assert token not in stored
    assert len(token) >= 43, "256 random bits"


async def test_an_unkept_session_ends_after_twelve_hours(site: Site, clock: ModuleType) -> None:
    token, presence = await begin(site), Presence()
    session = await sessions.current(token, SESSION_LIMITS, presence)
    assert session is not None
    clock.move(12 * HOUR - 1)
    presence.seen(session.session_id, session.member_id)
    assert await works(token, presence)

    clock.move(1)

    assert not await works(token, presence)


async def test_a_kept_session_ends_after_its_days_however_busy_it_is(site: Site, clock: ModuleType) -> None:
    token, presence = await begin(site, persistent=True), Presence()
    session = await sessions.current(token, SESSION_LIMITS, presence)
    assert session is not None
    for _ in range(13):
        clock.move(DAY)
        presence.seen(session.session_id, session.member_id)
        assert await works(token, presence)

    clock.move(DAY)

    assert not await works(token, presence)


async def test_an_idle_session_ends(site: Site, clock: ModuleType) -> None:
    token = await begin(site, persistent=True)
    clock.move(5 * DAY - 1)
    assert await works(token)

    clock.move(1)

    assert not await works(token)


async def test_a_session_seen_ended_is_marked_and_no_clock_revives_it(site: Site, clock: ModuleType) -> None:
    token = await begin(site)
    clock.move(12 * HOUR)
    assert not await works(token)

    clock.move(-12 * HOUR)

    assert not await works(token)
    assert await reason(token) == "expired"


async def test_a_shorter_setting_ends_sessions_made_under_a_longer_one(site: Site, clock: ModuleType) -> None:
    token = await begin(site, persistent=True)
    clock.move(DAY)

    shorter = await sessions.current(token, SessionLimits(persistent=DAY, idle=5 * DAY), Presence())

    assert shorter is None


async def settle(site: Site, **days: int) -> None:
    lengths = {name: number * DAY for name, number in days.items()}
    wanted = SettingsChange(**lengths)  # type: ignore[arg-type]
    await organization_settings.change(Actor(site.ids["olga"], Role.OWNER), wanted)


async def test_what_the_owner_settles_holds_at_once_for_sessions_there_are(
    site: Site, clock: ModuleType
) -> None:
    persistent = await begin(site, persistent=True)
    clock.move(DAY)
    assert await works(persistent)

    await settle(site, session_age=1)

    assert not await works(persistent)
    assert await reason(persistent) == "expired"


async def test_an_idle_session_ends_by_what_the_owner_settled(site: Site, clock: ModuleType) -> None:
    await settle(site, session_idle=2)
    token = await begin(site, persistent=True)
    clock.move(2 * DAY - 1)
    assert await works(token)

    clock.move(1)

    assert not await works(token)


async def test_the_owner_makes_no_session_longer_than_the_environment_allows(
    site: Site, clock: ModuleType
) -> None:
    await settle(site, session_age=400, session_idle=400)
    token = await begin(site, persistent=True)

    clock.move(5 * DAY)

    assert not await works(token)
    ((made_at, expires_at),) = await engine.rows("SELECT made_at, expires_at FROM session")
    assert expires_at == made_at + 14 * DAY


async def test_a_session_begun_under_a_shorter_age_ends_with_it(site: Site, clock: ModuleType) -> None:
    await settle(site, session_age=3)

    token = await begin(site, persistent=True)

    ((made_at, expires_at),) = await engine.rows("SELECT made_at, expires_at FROM session")
    assert expires_at == made_at + 3 * DAY
    assert await works(token)


async def test_the_sweeper_knows_what_the_owner_settled(site: Site, clock: ModuleType) -> None:
    old, idle = await begin(site, persistent=True), await begin(site, persistent=True)
    clock.move(2 * DAY)
    alive = await begin(site, persistent=True)
    await settle(site, session_age=2)

    await engine.write(sessions.sweep, SESSION_LIMITS)

    assert await engine.rows("SELECT 1 FROM session WHERE ended_at > 0") == [(1,), (1,)]
    assert [await works(token) for token in (old, idle, alive)] == [False, False, True]


async def test_the_sweeper_deletes_what_ended_some_hours_ago_and_nothing_else(
    site: Site, clock: ModuleType
) -> None:
    ended, idle = await begin(site), await begin(site, persistent=True)
    clock.move(5 * DAY)
    alive = await begin(site, persistent=True)
    await works(ended)

    assert await engine.write(sessions.sweep, SESSION_LIMITS) == 0
    clock.move(12 * HOUR)
    assert await engine.write(sessions.sweep, SESSION_LIMITS) == 2

    assert await works(alive)
    assert not await works(idle)


async def test_a_remembered_session_never_comes_to_life(site: Site, clock: ModuleType) -> None:
    idle = await begin(site, persistent=True)
    clock.move(5 * DAY)
    await engine.write(sessions.sweep, SESSION_LIMITS)

    clock.move(-5 * DAY)

    assert not await works(idle)
    assert await engine.read(sessions.member_of_ended, idle) == site.ids["olga"]


@pytest.mark.parametrize("gone", [False, True])
async def test_the_ended_session_of_somebody_shut_out_is_nobodys(
    site: Site, clock: ModuleType, gone: bool
) -> None:
    ada = await site.person("ada")
    idle = await begin(site, persistent=True, name="ada")
    clock.move(5 * DAY)
    assert not await works(idle)
    assert await engine.read(sessions.member_of_ended, idle) == ada

    if gone:
        await removal.remove(COMMAND_LINE, member_id=ada)
    else:
        await roles.change_role(COMMAND_LINE, member_id=ada, role=Role.DEACTIVATED)

    assert await engine.read(sessions.member_of_ended, idle) == 0


async def test_a_look_writes_nothing_and_presence_is_written_later(site: Site, clock: ModuleType) -> None:
    token, presence = await begin(site), Presence()
    session = await sessions.current(token, SESSION_LIMITS, presence)
    assert session is not None
    begun = clock.now()
    clock.move(HOUR)

    presence.seen(session.session_id, session.member_id)
    assert await engine.rows("SELECT used_at FROM session") == [(begun,)]
    await presence.flush()

    assert await engine.rows("SELECT used_at FROM session") == [(begun + HOUR,)]
    assert await engine.rows("SELECT last_activity_at FROM member") == [(begun + HOUR,)]
    assert presence.of_session(session.session_id) == 0


async def test_presence_never_moves_back(site: Site, clock: ModuleType) -> None:
    await begin(site)
    ((session_id, used_at),) = await engine.rows("SELECT id, used_at FROM session")
    presence = Presence()
    clock.move(-HOUR)

    presence.seen(session_id, site.ids["olga"])
    await presence.flush()

    assert await engine.rows("SELECT used_at FROM session") == [(used_at,)]


async def test_who_comes_while_presence_is_written_is_written_the_next_time(
    site: Site, clock: ModuleType
) -> None:
    session = await sessions.current(await begin(site), SESSION_LIMITS, presence := Presence())
    assert session is not None
    clock.move(HOUR)
    presence.seen(session.session_id, session.member_id)

    writing = asyncio.create_task(presence.flush())
    # It has looked what there is to be written, and waits for the database.
    await asyncio.sleep(0)
    clock.move(HOUR)
    presence.seen(session.session_id, session.member_id)
    await writing

    written = await engine.rows("SELECT used_at FROM session")
    assert written == [(session.used_at + HOUR,)]
    assert presence.of_session(session.session_id) == session.used_at + 2 * HOUR
    await presence.flush()
    assert await engine.rows("SELECT used_at FROM session") == [(session.used_at + 2 * HOUR,)]


async def test_a_session_ends_with_its_membership_for_good(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada")
    token, other = await begin(site, name="ada"), await begin(site, name="ada")
    await engine.write(engine.execute, "UPDATE member SET ends_at = ? WHERE id = ?", clock.now() + HOUR, ada)
    clock.move(HOUR - 1)
    assert await works(token)

    clock.move(1)

    assert not await works(token)
    clock.move(-1)
    assert [await works(one) for one in (token, other)] == [False, False]
    assert await reason(other) == "membership ended"


async def test_signing_out_twice_is_signing_out(site: Site) -> None:
    token = await begin(site)
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    for _ in range(2):
        await sign_out.sign_out(Actor(site.ids["olga"], Role.OWNER), session_id)

    assert await reason(token) == "signed out"
    assert await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'signed_out'") == [(1,)]


async def test_a_new_token_replaces_the_old_one(site: Site) -> None:
    token = await begin(site)
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    newer = await engine.write(sessions.rotate, session_id)

    assert not await works(token)
    assert await works(newer)


async def test_nobody_ends_the_session_of_somebody_else(site: Site) -> None:
    await site.person("ada")
    token = await begin(site)
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    with pytest.raises(Unknown):
        await sign_out.end_own(Actor(site.ids["ada"], Role.PENDING), session_id)

    assert await works(token)


async def test_all_but_the_present_session_end(site: Site) -> None:
    await site.person("ada")
    here, there, hers = await begin(site), await begin(site), await begin(site, name="ada")
    present = await sessions.current(here, SESSION_LIMITS, Presence())
    assert present is not None

    ended = await sign_out.end_others(Actor(site.ids["olga"], Role.OWNER), present.session_id)

    assert ended == 1
    assert [await works(token) for token in (here, there, hers)] == [True, False, True]


async def test_ending_ones_own_sessions_is_logged_once_with_how_many(site: Site) -> None:
    tokens = [await begin(site) for _ in range(4)]
    found = [await sessions.current(token, SESSION_LIMITS, Presence()) for token in tokens]
    ids = [session.session_id for session in found if session]
    olga = Actor(site.ids["olga"], Role.OWNER)

    await sign_out.end_own(olga, ids[1])
    with pytest.raises(Unknown):
        await sign_out.end_own(olga, ids[1])
    assert await sign_out.end_others(olga, ids[0]) == 2
    assert await sign_out.end_others(olga, ids[0]) == 0
    await sign_out.sign_out(olga, ids[0])
    await sign_out.sign_out(olga, ids[0])

    assert await engine.rows(
        "SELECT kind, subject_id, after FROM activity WHERE kind LIKE '%session%' OR kind = 'signed_out'"
        " ORDER BY id"
    ) == [
        ("session_ended", olga.id, ""),
        ("other_sessions_ended", olga.id, "2"),
        ("signed_out", olga.id, ""),
    ]
    assert [await reason(token) for token in tokens] == ["signed out"] + 3 * ["ended by its member"]


async def test_why_a_session_ended_first_stands(site: Site, clock: ModuleType) -> None:
    token = await begin(site)
    session = await sessions.current(token, SESSION_LIMITS, Presence())
    assert session is not None
    await sign_out.sign_out(Actor(session.member_id, session.role), session.session_id)
    clock.move(20 * DAY)

    assert await sessions.end_if_over(session.key)

    assert await reason(token) == "signed out"


async def test_a_device_of_many_words_is_cut(site: Site) -> None:
    olga = site.ids["olga"]
    token = await engine.write(
        sessions.begin, olga, persistent=True, session_limits=SESSION_LIMITS, address="", device="x" * 200
    )
    ((session,),) = await engine.rows(
        "SELECT device FROM session WHERE token_hash = ?", sessions.token_hash(token)
    )

    assert session == "x" * 80


@pytest.mark.parametrize("database_kind", ["sqlite"])
async def test_the_file_of_the_database_holds_no_token(site: Site, database: str) -> None:
    token = await begin(site)
    await engine.stop()

    content = await asyncio.to_thread(Path(database.removeprefix("sqlite:///")).read_bytes)

    assert sessions.token_hash(token).encode() in content
    assert token.encode() not in content


async def open_ones(site: Site, name: str = "olga") -> list[int]:
    found = await engine.rows(
        "SELECT id FROM session WHERE member_id = ? AND ended_at = 0 ORDER BY id", site.ids[name]
    )
    return [session_id for (session_id,) in found]


async def test_the_oldest_session_makes_room_for_the_hundred_and_first(site: Site) -> None:
    await site.person("ada")
    others = await begin(site, name="ada")
    first, second = await begin(site), await begin(site)
    for _ in range(98):
        await begin(site)
    assert await works(first)

    newest = await begin(site)

    assert await reason(first) == "too many sessions"
    assert [await works(token) for token in (first, second, newest, others)] == [False, True, True, True]
    assert len(await open_ones(site)) == 100


async def test_of_many_that_begin_at_the_same_instant_a_hundred_stay(site: Site) -> None:
    for _ in range(80):
        await begin(site)

    await at_once(*(begin(site) for _ in range(40)))

    ids = [session_id for (session_id,) in await engine.rows("SELECT id FROM session ORDER BY id")]
    assert await open_ones(site) == ids[-100:]


async def test_sessions_of_before_there_was_a_limit_make_room_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_OPEN", 1_000)
    for _ in range(130):
        await begin(site)
    monkeypatch.undo()

    await begin(site)

    assert len(await open_ones(site)) == 100


async def test_what_had_ended_keeps_its_reason_when_the_oldest_makes_room(site: Site) -> None:
    gone = await begin(site)
    await engine.write(
        engine.execute,
        "UPDATE session SET ended_at = 7, end_reason = 'expired' WHERE token_hash = ?",
        sessions.token_hash(gone),
    )

    for _ in range(101):
        await begin(site)

    assert await reason(gone) == "expired"
    assert await engine.rows("SELECT ended_at FROM session WHERE ended_at BETWEEN 1 AND 7") == [(7,)]
