"""The numbers of the limits, counted on a clock that stands still."""

import asyncio
from collections.abc import Callable, Sequence
from types import ModuleType

import pytest

from db import engine
from db.auth import rate_limits
from db.auth.rate_limits import Limit, Throttle
from db.errors import Refused, TooManyTries

SECOND, MINUTE = 1_000, 60_000
limits = Throttle(b"a key for tests")


async def waits(tried: Sequence[Limit]) -> int:
    """Tries once; the seconds it has to wait, 0 when it was counted."""
    try:
        await rate_limits.count(tried)
    except TooManyTries as error:
        return error.retry_after
    return 0


async def tries(key: str) -> int:
    found = await engine.rows("SELECT tries FROM rate_limit WHERE key = ?", key)
    return int(found[0][0]) if found else 0


def pair(account: str = "ada", network: str = "192.0.2.1") -> list[Limit]:
    return limits.sign_in(account, network, "")


def row(*key: str, allowed: int, minutes: int = 15, doubling: bool = False, logged_as: str = "") -> Limit:
    """network: the second part of the key, where the log is told."""
    return Limit(
        limits.key(*key), allowed, minutes * MINUTE, doubling, logged_as, key[1] if logged_as else ""
    )


def test_the_numbers_are_those_of_the_documentation() -> None:
    """With their keys: under another name a limit would begin anew with the update that renames it."""
    numbers: list[tuple[list[Limit], list[Limit]]] = [
        (
            limits.sign_in("ada", "net", ""),
            [
                row("pair", "ada", "net", allowed=5, doubling=True),
                row("network", "net", allowed=50, doubling=True),
                row("network-customer", "net", allowed=500, doubling=True),
                row("account", "ada", allowed=50, doubling=True),
            ],
        ),
        (limits.sign_in("ada", "net", "dev"), [row("device", "ada", "dev", allowed=5, doubling=True)]),
        (limits.signed_in("ada", ""), [row("signed-in", "ada", allowed=1_000, minutes=60)]),
        (
            limits.signed_in("ada", "net"),
            [
                row("signed-in", "ada", allowed=1_000, minutes=60),
                row("signed-in-network", "net", allowed=300),
                row("signed-in-network-customer", "net", allowed=3_000),
            ],
        ),
        (
            limits.sign_up("net", with_link=True),
            [
                row("signup-link", "net", allowed=300, logged_as="sign-ups"),
                row("signup-link-customer", "net", allowed=3_000),
            ],
        ),
        (
            limits.sign_up("net", with_link=False),
            [
                row("signup", "net", allowed=30, logged_as="sign-ups"),
                row("signup-customer", "net", allowed=300),
            ],
        ),
        (
            limits.set_up("net"),
            [
                row("setup", "net", allowed=30, logged_as="set-up codes"),
                row("setup-customer", "net", allowed=300),
            ],
        ),
        (
            limits.access_request("ada", "net"),
            [
                row("request", "net", allowed=30),
                row("request-customer", "net", allowed=300),
                row("request-account", "ada", allowed=5, minutes=60),
            ],
        ),
        (
            limits.own_password(7, "net"),
            [
                row("own-password-session", "7", allowed=30),
                row("own-password-network", "net", allowed=300),
                row("own-password-network-customer", "net", allowed=3_000),
            ],
        ),
        (limits.own_password(7, ""), [row("own-password-session", "7", allowed=30)]),
        (
            limits.new_password("net", session_id=7),
            [
                row("new-password-network", "net", allowed=300),
                row("new-password-network-customer", "net", allowed=3_000),
                row("new-password-session", "7", allowed=20),
            ],
        ),
        (
            limits.new_password("net"),
            [
                row("new-password-network", "net", allowed=300),
                row("new-password-network-customer", "net", allowed=3_000),
            ],
        ),
        (limits.new_password("", session_id=7), [row("new-password-session", "7", allowed=20)]),
        (
            limits.new_password("net", link_id=7),
            [
                row("new-password-network", "net", allowed=300),
                row("new-password-network-customer", "net", allowed=3_000),
                row("new-password-link", "7", allowed=20),
            ],
        ),
        (limits.own_changes(7, ""), [row("own", "7", allowed=100)]),
        (
            limits.own_changes(7, "net"),
            [
                row("own", "7", allowed=100),
                row("own-network", "net", allowed=300),
                row("own-network-customer", "net", allowed=3_000),
            ],
        ),
        (
            limits.confirmation("ada", "net"),
            [
                row("confirmation-account", "ada", allowed=5, minutes=60),
                row("confirmation-network", "net", allowed=30),
                row("confirmation-network-customer", "net", allowed=300),
            ],
        ),
        (limits.files(7), [row("file", "7", allowed=100)]),
        ([limits.resent("ada")], [row("resent", "ada", allowed=3, minutes=60)]),
        ([limits.test_mail(7)], [row("test-mail", "7", allowed=5)]),
        ([limits.draft(7, 20)], [row("draft", "7", allowed=20)]),
        (
            limits.forgot("ada", "net"),
            [
                row("forgot", "net", allowed=30, logged_as="forgotten passwords"),
                row("forgot-customer", "net", allowed=300),
                row("forgot-account", "ada", allowed=5, minutes=60),
            ],
        ),
    ]
    for made, promised in numbers:
        assert made == promised


@pytest.mark.parametrize(
    "asked",
    [
        lambda number, network: limits.sign_in(str(number), network, ""),
        lambda _, network: limits.sign_up(network, with_link=False),
        lambda _, network: limits.sign_up(network, with_link=True),
        lambda number, network: limits.access_request(str(number), network),
        lambda number, network: limits.forgot(str(number), network),
        lambda number, network: limits.confirmation(str(number), network),
        limits.own_changes,
        lambda number, network: limits.signed_in(str(number), network)[1:],
        limits.own_password,
        lambda number, network: limits.new_password(network, session_id=number),
        lambda _, network: limits.set_up(network),
    ],
    ids=[
        "sign-in",
        "sign-up",
        "sign-up by link",
        "request",
        "forgot",
        "confirmation",
        "own changes",
        "signed in",
        "own password",
        "new password",
        "set-up",
    ],
)
@pytest.mark.parametrize(
    ("networks", "elsewhere"), [("2001:db8:0:{:x}::/64", "2001:db8:1:1::/64"), ("192.0.2.{}", "192.0.3.1")]
)
async def test_who_has_many_networks_has_ten_times_the_tries_of_one(
    database: str, clock: ModuleType, asked: Callable[[int, str], list[Limit]], networks: str, elsewhere: str
) -> None:
    for number in range(10):
        assert await waits(asked(number, networks.format(number))) == 0
    # Each has done what one network may, but the last of them.
    allowed = max(limit.allowed for limit in asked(0, networks.format(0)))
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = ? WHERE tries = 10", allowed - 1)
    assert await waits(asked(10, networks.format(10))) == 0

    assert await waits(asked(11, networks.format(11))) > 0
    assert await waits(asked(12, elsewhere)) == 0


async def test_five_failures_for_one_account_from_one_address_are_free(
    database: str, clock: ModuleType
) -> None:
    asked = [await waits(pair()) for _ in range(6)]

    assert asked == [0, 0, 0, 0, 0, 1]
    assert await waits(pair(account="eve")) == 0
    assert await waits(pair(network="192.0.2.2")) == 0


async def test_each_further_try_waits_twice_as_long_until_the_window_ends(
    database: str, clock: ModuleType
) -> None:
    for _ in range(5):
        await rate_limits.count(pair())

    waited: list[int] = []
    while (seconds := await waits(pair())) and len(waited) < 20:
        waited.append(seconds)
        clock.move(seconds * SECOND)
        if await waits(pair()):
            raise AssertionError("the time it was told to wait is over")

    # 1 + 2 + … + 256 are 511 of the 900 seconds; the next wait would be longer than the window.
    assert waited == [1, 2, 4, 8, 16, 32, 64, 128, 256, 900 - 511]


async def test_a_try_too_early_changes_nothing(database: str, clock: ModuleType) -> None:
    for _ in range(5):
        await rate_limits.count(pair())
    before = await engine.rows("SELECT key, tries, last_at, ends_at FROM rate_limit ORDER BY key")
    clock.move(SECOND - 1)

    assert await waits(pair()) == 1
    assert await engine.rows("SELECT key, tries, last_at, ends_at FROM rate_limit ORDER BY key") == before


async def test_after_fifteen_minutes_the_count_begins_anew(database: str, clock: ModuleType) -> None:
    for _ in range(5):
        await rate_limits.count(pair())
    clock.move(15 * MINUTE)

    asked = [await waits(pair()) for _ in range(6)]

    assert asked == [0, 0, 0, 0, 0, 1]


async def test_one_address_has_fifty_failures_in_all(database: str, clock: ModuleType) -> None:
    asked = [await waits(pair(account=f"account {number}")) for number in range(51)]

    assert asked == [0] * 50 + [1]
    assert await waits(pair(account="account 60", network="192.0.2.2")) == 0


async def test_one_account_has_fifty_failures_in_all(database: str, clock: ModuleType) -> None:
    asked = [await waits(pair(network=f"192.0.2.{number}")) for number in range(51)]

    assert asked == [0] * 50 + [1]


async def test_a_known_browser_has_its_own_count_and_no_other_limit(database: str, clock: ModuleType) -> None:
    for number in range(50):
        await rate_limits.count(pair(network=f"192.0.2.{number + 100}"))
        await rate_limits.count(pair(account=f"account {number}"))
    known = limits.sign_in("ada", "192.0.2.1", "a device")

    asked = [await waits(known) for _ in range(6)]

    assert asked == [0, 0, 0, 0, 0, 1]
    assert await waits(limits.sign_in("ada", "192.0.2.1", "another device")) == 0


async def test_a_success_clears_its_own_count_and_nobody_elses(database: str, clock: ModuleType) -> None:
    own, of_network, of_customer, of_account = pair()
    await rate_limits.count(pair(account="eve"))
    for _ in range(4):
        await rate_limits.count(pair())

    await engine.write(rate_limits.reset, pair())

    assert await tries(own.key) == 0
    left = [await tries(limit.key) for limit in (of_network, of_customer, of_account)]
    assert left == [4, 4, 3]


async def test_of_a_hundred_at_the_same_instant_five_pass(database: str, clock: ModuleType) -> None:
    asked = await asyncio.gather(*(waits(pair()) for _ in range(100)))

    assert sorted(asked) == [0] * 5 + [1] * 95


@pytest.mark.parametrize(
    ("asked", "allowed", "window"),
    [
        (limits.sign_up("192.0.2.1", with_link=False), 30, 15 * MINUTE),
        (limits.sign_up("192.0.2.1", with_link=True), 300, 15 * MINUTE),
        (limits.set_up("192.0.2.1"), 30, 15 * MINUTE),
        (limits.forgot("ada", "192.0.2.1")[:1], 30, 15 * MINUTE),
        (limits.forgot("ada", "192.0.2.1")[1:], 5, 60 * MINUTE),
    ],
    ids=["sign-up", "sign-up by link", "set-up code", "forgot", "forgot, one account"],
)
async def test_other_limits_close_until_their_window_ends(
    database: str, clock: ModuleType, asked: list[Limit], allowed: int, window: int
) -> None:
    assert await waits(asked) == 0
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = ?", allowed - 1)
    assert await waits(asked) == 0
    clock.move(MINUTE)
    assert await waits(asked) == (window - MINUTE) / SECOND

    clock.move(window - MINUTE)

    assert await waits(asked) == 0


async def test_tries_that_are_counted_in_another_order_than_they_came_share_one_window(
    database: str, clock: ModuleType
) -> None:
    passed = 0
    for _ in range(20):
        # Each began a moment before the one that was counted last, or at another server.
        clock.move(-5)
        passed += await waits(pair()) == 0

    assert passed == 5


async def test_a_clock_set_back_keeps_nobody_waiting_longer_than_the_window(
    database: str, clock: ModuleType
) -> None:
    clock.move(24 * 60 * MINUTE)
    for _ in range(5):
        await rate_limits.count(pair())
    clock.move(-24 * 60 * MINUTE)

    assert await waits(pair()) == 0
    assert await tries(pair()[0].key) == 1


async def test_an_invitation_sent_three_times_in_an_hour_rests_until_it_is_over(
    database: str, clock: ModuleType
) -> None:
    often, once = "ada@example.org", "ben@example.org"
    for _ in range(3):
        assert await engine.read(rate_limits.resting, limits, [often, once]) == set()
        await engine.write(rate_limits.count_resent, limits, [often])
    await engine.write(rate_limits.count_resent, limits, [once])

    with pytest.raises(Refused, match=often):
        await engine.write(rate_limits.count_resent, limits, [once, often])

    assert await engine.read(rate_limits.resting, limits, [often, once]) == {often}
    clock.move(60 * MINUTE)
    assert await engine.read(rate_limits.resting, limits, [often, once]) == set()


async def test_the_hour_of_an_address_begins_with_its_first_invitation(
    database: str, clock: ModuleType
) -> None:
    ada, ben = "ada@example.org", "ben@example.org"
    for _ in range(2):
        await engine.write(rate_limits.begin_resent, limits, [ben, ada])
        clock.move(60 * MINUTE - 1)
        assert await engine.read(rate_limits.sent_lately, limits, [ada, "cyd@example.org"]) == {ada}
        for _ in range(3):
            assert await engine.read(rate_limits.resting, limits, [ada, ben]) == set()
            await engine.write(rate_limits.count_resent, limits, [ada])
        assert await engine.read(rate_limits.resting, limits, [ada, ben]) == {ada}
        clock.move(1)
        assert await engine.read(rate_limits.sent_lately, limits, [ada, ben]) == set()


async def test_rows_die_with_their_window(database: str, clock: ModuleType) -> None:
    await rate_limits.count(pair())
    clock.move(15 * MINUTE)

    assert await rate_limits.sweep() == len(pair())
    assert await engine.rows("SELECT 1 FROM rate_limit") == []


async def test_what_a_flood_has_left_is_swept_without_holding_others_up(database: str) -> None:
    rows = [(f"{number:064}", 1) for number in range(50_000)]
    for some in engine.chunks(rows):
        marks = ", ".join(["(?, 1, 0, ?)"] * len(some))
        await engine.write(
            engine.execute,
            f"INSERT INTO rate_limit (key, tries, last_at, ends_at) VALUES {marks}",
            *(value for row in some for value in row),
        )

    sweeping, meanwhile = asyncio.create_task(rate_limits.sweep()), 0
    while not sweeping.done():
        meanwhile += await waits(pair(network=f"10.0.{meanwhile // 200}.{meanwhile % 200}")) == 0

    assert await sweeping == len(rows)
    assert meanwhile >= 5


async def test_the_table_names_nobody(database: str) -> None:
    await rate_limits.count(pair())

    keys = str(await engine.rows("SELECT key FROM rate_limit"))

    assert "ada" not in keys
    assert "192.0.2" not in keys


async def test_a_refused_try_only_reads(
    database: str, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a flood of them doesn't stand in the way of those who write."""
    for _ in range(5):
        assert await waits(pair()) == 0
    monkeypatch.delattr(engine, "write")

    assert await waits(pair()) == 1
