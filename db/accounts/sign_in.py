"""Signing in: the throttle, the password, the session; the same work for known and unknown addresses."""

from dataclasses import dataclass, replace

from db import activity, engine, policy
from db.auth import passwords, sessions
from db.auth.client import Browser, SignedIn
from db.auth.fair_queue import Requester
from db.auth.rate_limits import Limit, Throttle, count, count_within, refund, reset
from db.auth.sessions import SessionLimits
from db.common import addresses, clock
from db.errors import Busy, DomainError, TooManyTries
from db.members import changes, locking
from db.members.changes import Locked
from db.policy import Actor, Role, SessionKey, is_active, may_sign_in, visitor


class WrongPassword(DomainError):
    """Address and password don't go together: one message whatever the reason (ASVS 6.3.8)."""


class IsDeactivated(DomainError):
    """The password was right, but the account is Deactivated (403)."""


async def sign_in(
    email: str,
    password: str,
    *,
    persistent: bool,
    throttle: Throttle,
    session_limits: SessionLimits,
    browser: Browser,
) -> SignedIn:
    """A new session for the right password.

    Raises TooManyTries, WrongPassword, IsDeactivated and Busy.
    """
    key = addresses.account_key(email)
    found = await engine.read(
        engine.rows,
        "SELECT id, password_hash, password_generation, role FROM member WHERE email_key = ?",
        key,
    )
    member_id, stored, generation, role = found[0] if found else (0, "", 0, Role.PENDING)
    known_id = browser.id_for(member_id, generation)
    # A known browser has a count of its own.
    limits = throttle.sign_in(key, browser.network, known_id)
    requester = Requester(browser.network, key, known=bool(known_id) and is_active(role))
    if not (looked := await _look(stored, password, limits, requester)).right:
        await engine.write(
            activity.record, visitor(browser.address), "sign_in_refused", member_id, after=looked.next_one
        )
        raise WrongPassword
    begun = throttle.signed_in(key, network_counted(role, browser))
    try:
        signed_in = await engine.write(
            _begin, member_id, stored, persistent, limits, begun, session_limits, browser
        )
    except TooManyTries:
        # The right password is no failure, also when too many sessions have begun.
        await engine.write(refund, limits)
        raise
    if signed_in is None:
        raise IsDeactivated
    return signed_in


@dataclass(frozen=True, slots=True)
class _Looked:
    """next_one: "throttled" when this try has used up a limit, so that the next one has to wait."""

    right: bool
    next_one: str


async def _look(stored: str, password: str, limits: list[Limit], requester: Requester) -> _Looked:
    """Counts the try, then looks at the password. One that nobody had time to look at isn't counted."""
    # The tries that are made to wait write nothing; the one that brings that about says so in its own row.
    next_one = "throttled" if await count(limits) else ""
    try:
        return _Looked(await passwords.matches(stored, password, requester=requester), next_one)
    except Busy:
        await engine.write(refund, limits)
        raise


async def _begin(
    member_id: int,
    stored: str,
    persistent: bool,
    limits: list[Limit],
    begun: list[Limit],
    session_limits: SessionLimits,
    browser: Browser,
) -> SignedIn | None:
    # The row is read again under its lock: a deactivation or a new password in between wins.
    role = (await locking.lock_roles((member_id,))).get(member_id)
    found = await engine.rows("SELECT password_hash, password_generation FROM member WHERE id = ?", member_id)
    if role is None or found[0][0] != stored:
        raise WrongPassword
    await count_within(begun)
    await reset(limits)
    if not may_sign_in(role):
        await activity.record(visitor(browser.address), "sign_in_refused", member_id, after="deactivated")
        return None
    token = await sessions.begin(
        member_id,
        persistent=persistent,
        session_limits=session_limits,
        address=browser.address,
        device=browser.device,
    )
    actor = Actor(member_id, role, address=browser.address)
    await activity.record(actor, "signed_in", member_id)
    age = (await sessions.in_force(session_limits)).persistent if persistent else 0
    return SignedIn(token=token, member_id=member_id, generation=found[0][1], role=role, age=age)


def network_counted(role: Role, browser: Browser) -> str:
    """Under which network counts what members do with what is their own: "" for those with a role.

    Accounts that anybody can make, as many as they like, thus don't use up the tries of others there, nor
    does each of them have limits as if it were alone.
    """
    return "" if is_active(role) else browser.network


def requester_of(actor: Actor, browser: Browser) -> Requester:
    """The requester for checking a member's own password, or a new one."""
    return Requester(browser.network, str(actor.id), known=is_active(actor.role))


async def check_password(actor: Actor, password: str, *, throttle: Throttle, browser: Browser) -> str:
    """The stored hash when `password` is the actor's own; a wrong one counts as a failed sign-in.

    Raises TooManyTries, WrongPassword, Busy, and SignInFirst.
    """
    found = await engine.read(
        engine.rows,
        "SELECT email_key, password_hash, password_generation FROM member WHERE id = ? AND removed_at = 0",
        actor.id,
    )
    if not found:
        raise WrongPassword
    key, stored, generation = found[0]
    limits = throttle.sign_in(key, browser.network, browser.id_for(actor.id, generation))
    session_id = actor.session.id if actor.session else 0
    # Also the right password costs time: what is looked at counts, whatever it is.
    counted = [*limits, *throttle.own_password(session_id, network_counted(actor.role, browser))]
    looked = await _look(stored, password, counted, requester_of(actor, browser))
    if not looked.right:

        async def refused(_: Locked) -> None:
            await activity.record(actor, "password_refused", actor.id, after=looked.next_one)

        await changes.write(actor, policy.may_sign_in, refused)
        raise WrongPassword
    await engine.write(reset, limits)
    return str(stored)


async def give_again(
    actor: Actor, password: str, *, session: SessionKey, throttle: Throttle, browser: Browser
) -> tuple[Actor, str]:
    """The actor gives their password once more, in this session.

    Returns the actor, who has given it now, and the session's new token. Raises SignInFirst, and as
    check_password.
    """
    await check_password(actor, password, throttle=throttle, browser=browser)

    async def renew(_: Locked) -> str:
        return await sessions.rotate(session.id)

    token = await changes.write(actor, policy.may_sign_in, renew)
    renewed = replace(session, token_hash=sessions.token_hash(token))
    return replace(actor, password_at=clock.now(), session=renewed), token
