"""Rate limits: tries in windows of 15 minutes, counted in the database for all workers and across restarts.

docs/security.md lists the numbers. A try is counted before a password is checked, and refunded on success, so
100 tries at once can't pass. A refused try writes nothing. Keys are HMACs, so the table names nobody.
"""

import hmac
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from db import activity, engine
from db.auth.fair_queue import customer
from db.common import addresses, clock
from db.errors import Refused, TooManyTries
from db.policy import visitor
from messages import refusals

WINDOW_MS = 15 * 60 * 1000
HOUR_MS = 60 * 60 * 1000
# An IPv6 customer has 65,536 networks and could send from a new one whenever the last is used up.
NETWORKS_OF_A_CUSTOMER = 10
SWEEP_BATCH = 1_000
# A window may end a little later than one that begins now: another server's clock is ahead, or this try
# waited for its lock. A window that ends later than that is from before the clock was set back.
APART_MS = 60 * 1000


@dataclass(frozen=True, slots=True)
class Limit:
    """allowed: tries in the window before waits begin, of 1 s, doubling, or until the window ends.

    logged_as: what the log calls it once it is used up, "" for no event. network: whose tries these are.
    """

    key: str
    allowed: int
    window_ms: int = WINDOW_MS
    doubling: bool = False
    logged_as: str = ""
    network: str = ""


class Throttle:
    """Makes the limits. secret: the key of the HMAC over accounts and addresses."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, *parts: str) -> str:
        return hmac.new(self._secret, "\0".join(parts).encode(), "sha256").hexdigest()

    def _from(
        self, name: str, network: str, allowed: int, *, doubling: bool = False, logged_as: str = ""
    ) -> list[Limit]:
        """For what anybody can do without a role: limits for one network, and for all of one customer."""
        together = self.key(f"{name}-customer", customer(network))
        return [
            Limit(
                self.key(name, network),
                allowed,
                doubling=doubling,
                logged_as=logged_as,
                network=logged_as and network,
            ),
            Limit(together, allowed * NETWORKS_OF_A_CUSTOMER, doubling=doubling),
        ]

    def sign_in(self, account: str, network: str, device: str) -> list[Limit]:
        """account: email_key. network: address or /64. device: id of a valid device cookie, else ""."""
        if device:
            return [Limit(self.key("device", account, device), 5, doubling=True)]
        return [
            Limit(self.key("pair", account, network), 5, doubling=True),
            *self._from("network", network, 50, doubling=True),
            Limit(self.key("account", account), 50, doubling=True),
        ]

    def sign_up(self, network: str, with_link: bool) -> list[Limit]:
        name, allowed = ("signup-link", 300) if with_link else ("signup", 30)
        return self._from(name, network, allowed, logged_as="sign-ups")

    def set_up(self, network: str) -> list[Limit]:
        return self._from("setup", network, 30, logged_as="set-up codes")

    def access_request(self, account: str, network: str) -> list[Limit]:
        """Access requests: each may mail somebody who never heard of us."""
        return [
            *self._from("request", network, 30),
            Limit(self.key("request-account", account), 5, window_ms=HOUR_MS),
        ]

    def signed_in(self, account: str, network: str) -> list[Limit]:
        """Sign-ins with the right password: each adds a session and an event to the database.

        network: "" where it doesn't count.
        """
        limits = [Limit(self.key("signed-in", account), 1_000, window_ms=HOUR_MS)]
        return limits + (self._from("signed-in-network", network, 300) if network else [])

    # Limits that a session thief could use up count by session or link, never by member: otherwise the thief
    # would lock the member out.

    def own_password(self, session_id: int, network: str) -> list[Limit]:
        """Checks of a signed-in member's own password, right or wrong.

        The limits of signing in count these too, and stop guesses. network: "" where it doesn't count.
        """
        limits = [Limit(self.key("own-password-session", str(session_id)), 30)]
        return limits + (self._from("own-password-network", network, 300) if network else [])

    def new_password(self, network: str, *, session_id: int = 0, link_id: int = 0) -> list[Limit]:
        """Estimating and hashing a new password.

        session_id, link_id: by which of them it is set, 0 for neither, before there is an account. network:
        "" where it doesn't count.
        """
        counted = (("new-password-session", session_id), ("new-password-link", link_id))
        limits = [Limit(self.key(name, str(by)), 20) for name, by in counted if by]
        return (self._from("new-password-network", network, 300) if network else []) + limits

    def own_changes(self, member_id: int, network: str) -> list[Limit]:
        """Changes of a member's own names, theme and notices. network: "" where it doesn't count."""
        limits = [Limit(self.key("own", str(member_id)), 100)]
        return limits + (self._from("own-network", network, 300) if network else [])

    def confirmation(self, account: str, network: str) -> list[Limit]:
        return [
            Limit(self.key("confirmation-account", account), 5, window_ms=HOUR_MS),
            *self._from("confirmation-network", network, 30),
        ]

    def files(self, member_id: int) -> list[Limit]:
        """Reading a CSV file takes a second."""
        return [Limit(self.key("file", str(member_id)), 100)]

    def resent(self, account: str) -> Limit:
        """Sending the invitation of one address again, by any member."""
        return Limit(self.key("resent", account), 3, window_ms=HOUR_MS)

    def test_mail(self, member_id: int) -> Limit:
        return Limit(self.key("test-mail", str(member_id)), 5)

    def draft(self, member_id: int, allowed: int) -> Limit:
        """Drafts saved from ended sessions, which take no more than an old cookie."""
        return Limit(self.key("draft", str(member_id)), allowed)

    def forgot(self, account: str, network: str) -> list[Limit]:
        return [
            *self._from("forgot", network, 30, logged_as="forgotten passwords"),
            Limit(self.key("forgot-account", account), 5, window_ms=HOUR_MS),
        ]


async def count(limits: Sequence[Limit]) -> bool:
    """Counts one try under each limit. If one is exceeded, raises TooManyTries and writes nothing.

    Returns whether this try has used up a limit, so that the next one has to wait.
    """
    # Refused tries only read, so that a flood of them doesn't block writers.
    by_key = {limit.key: limit for limit in limits}
    marks = ", ".join("?" * len(by_key))
    now = clock.now()
    for key, *counted in await engine.read(
        engine.rows,
        f"SELECT key, tries, last_at, ends_at FROM rate_limit WHERE key IN ({marks}) AND ends_at > ?",
        *by_key,
        now,
    ):
        _refuse_early(by_key[key], *counted, now=now)
    return await engine.write(count_within, limits)


async def count_within(limits: Sequence[Limit]) -> bool:
    """The same inside a write. TooManyTries rolls that back, with what was counted."""
    now, used_up = clock.now(), False
    by_key = {limit.key: limit for limit in limits}
    # Always in one order, also for refunds: otherwise two writes could wait for each other.
    rows = [(key, now + by_key[key].window_ms) for key in sorted(by_key)]
    # This statement makes or renews the rows and locks them, so the checks below see the final counts.
    goes_on = "rate_limit.ends_at BETWEEN ? AND excluded.ends_at + ?"
    marks = ", ".join(["(?, 1, 0, ?)"] * len(rows))
    counted = await engine.rows(
        f"INSERT INTO rate_limit (key, tries, last_at, ends_at) VALUES {marks} ON CONFLICT (key) DO UPDATE"
        " SET"
        f" tries = CASE WHEN {goes_on} THEN rate_limit.tries + 1 ELSE 1 END,"
        f" ends_at = CASE WHEN {goes_on} THEN rate_limit.ends_at ELSE excluded.ends_at END"
        " RETURNING key, tries, last_at, ends_at",
        *(value for row in rows for value in row),
        *(now + 1, APART_MS) * 2,
    )
    for key, tries, last_at, ends_at in counted:
        limit = by_key[key]
        # Raising rolls the counting back: of many tries at once, those beyond the limit leave no trace.
        _refuse_early(limit, tries - 1, last_at, ends_at, now=now)
        used_up = used_up or tries >= limit.allowed
        if limit.logged_as and tries == limit.allowed:
            await activity.record(visitor(limit.network), "limit_reached", after=limit.logged_as)
    marks = ", ".join("?" * len(by_key))
    await engine.execute(f"UPDATE rate_limit SET last_at = ? WHERE key IN ({marks})", now, *by_key)
    return used_up


def _refuse_early(limit: Limit, tries: int, last_at: int, ends_at: int, *, now: int) -> None:
    """Raises TooManyTries before the instant from which the next try is allowed."""
    if wait := _wait(limit, tries, last_at, ends_at, now=now):
        raise TooManyTries(math.ceil(wait / 1000), limit.key)


def _wait(limit: Limit, tries: int, last_at: int, ends_at: int, *, now: int) -> int:
    """How long until the next try is allowed, in ms."""
    if tries < limit.allowed or ends_at > now + limit.window_ms + APART_MS:
        return 0
    pause = min(WINDOW_MS, 1000 * 2 ** min(20, tries - limit.allowed))
    free_at = min(ends_at, last_at + pause) if limit.doubling else ends_at
    return max(0, free_at - now)


async def reset(limits: Sequence[Limit]) -> None:
    """Inside a write, after a success: clears the count of the first limit and refunds the others the try."""
    for key in sorted(limit.key for limit in limits):
        if key == limits[0].key:
            await engine.execute("DELETE FROM rate_limit WHERE key = ?", key)
        else:
            await _refund(key)


async def count_resent(throttle: Throttle, emails: Collection[str]) -> None:
    """Inside a write: counts another sending of these addresses' invitations. Raises Refused."""
    limits = {email: throttle.resent(addresses.parse(email).key) for email in emails}
    try:
        for some in engine.chunks(sorted(limits.values(), key=lambda limit: limit.key)):
            await count_within(some)
    except TooManyTries as error:
        email = next(email for email, limit in limits.items() if limit.key == error.key)
        minutes = math.ceil(error.retry_after / 60)
        raise Refused(refusals.RESENT_TOO_OFTEN.format(minutes, email=email)) from None


async def begin_resent(throttle: Throttle, email_keys: Collection[str]) -> None:
    """Inside a write: starts the hour of addresses that are invited now. Later mails count as sent again.

    They do even if the invitation has ended meanwhile or its member was removed: the address counts.
    """
    ends_at = clock.now() + HOUR_MS
    for some in engine.chunks(sorted(throttle.resent(key).key for key in email_keys)):
        await engine.execute(
            "INSERT INTO rate_limit (key, tries, last_at, ends_at)"
            f" VALUES {', '.join(['(?, 0, 0, ?)'] * len(some))}"
            " ON CONFLICT (key) DO UPDATE SET tries = 0, ends_at = excluded.ends_at",
            *(value for key in some for value in (key, ends_at)),
        )


async def sent_lately(throttle: Throttle, email_keys: Collection[str]) -> set[str]:
    """Inside a read or write: which of these addresses were invited within the last hour."""
    return {key for key, *_ in await _hours(throttle, email_keys)}


async def resting(throttle: Throttle, email_keys: Collection[str]) -> set[str]:
    """Inside a read or write: which of these addresses can't be sent their invitation again yet."""
    found, now = await _hours(throttle, email_keys), clock.now()
    return {key for key, limit, *counted in found if _wait(limit, *counted, now=now)}


async def _hours(throttle: Throttle, email_keys: Collection[str]) -> list[tuple[str, Limit, int, int, int]]:
    """The unfinished hours of these addresses: address, limit, tries, last_at, ends_at."""
    limits = {limit.key: (key, limit) for key in email_keys for limit in [throttle.resent(key)]}
    found, now = [], clock.now()
    for some in engine.chunks(list(limits)):
        marks = ", ".join("?" * len(some))
        found += [
            (*limits[row], *counted)
            for row, *counted in await engine.rows(
                f"SELECT key, tries, last_at, ends_at FROM rate_limit WHERE key IN ({marks}) AND ends_at > ?",
                *some,
                now,
            )
        ]
    return found


async def refund(limits: Sequence[Limit]) -> None:
    """Inside a write: refunds a try that was counted but not checked."""
    for key in sorted(limit.key for limit in limits):
        await _refund(key)


async def _refund(key: str) -> None:
    await engine.execute("UPDATE rate_limit SET tries = tries - 1 WHERE key = ? AND tries > 0", key)


async def sweep() -> int:
    """Deletes rows whose window has ended. Returns how many.

    In short writes: after a flood a single one would block others for seconds.
    """
    swept = 0
    while some := await engine.write(_sweep_batch, clock.now()):
        swept += some
    return swept


async def _sweep_batch(now: int) -> int:
    return await engine.execute(
        "DELETE FROM rate_limit WHERE key IN (SELECT key FROM rate_limit WHERE ends_at <= ? LIMIT ?)",
        now,
        SWEEP_BATCH,
    )
