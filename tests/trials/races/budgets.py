"""Races for what is left of a limit: never more than that many pass, whichever server they come to."""

import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Final

from db import engine
from db.auth import links, sessions
from db.auth.rate_limits import Limit, count
from db.common import clock
from db.policy import Role
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.pages.site import PASSWORD
from tests.support.steps import invitation_steps
from tests.trials.races.arena import Arena
from tests.trials.races.people import managed, registers
from tests.trials.races.race import Contestant, Ended, Race, kinds

WRONG: Final = "not the password of anybody"
# How many come for what is left.
LEFT, COME = 2, 4


async def _use_up(limits: Sequence[Limit]) -> None:
    """All but LEFT of the first limit."""
    limit, now = limits[0], clock.now()
    await engine.write(
        engine.execute,
        "INSERT INTO rate_limit (key, tries, last_at, ends_at) VALUES (?, ?, ?, ?)",
        *(limit.key, limit.allowed - LEFT, now, now + limit.window_ms),
    )


def _passed(refused: int) -> Callable[[Ended], Awaitable[Iterable[str]]]:
    """Exactly what was left passes, and the others are refused with this status."""

    async def rule(ended: Ended) -> Iterable[str]:
        turned_away = ended.statuses().count(refused)
        fits = (len(ended.answers) - turned_away, turned_away) == (LEFT, COME - LEFT)
        return [] if fits else [f"{turned_away} of {COME} were refused"]

    return rule


@kinds.add(150)
async def sign_in_tries(arena: Arena) -> Race:
    """Five wrong passwords, of many at once; the right one has to wait as well."""
    ada = await arena.person()
    contestants = []
    for number in range(8):
        fields = {"email": ada.email, "password": WRONG if number else PASSWORD}
        go = await arena.form("/user/login", fields)
        contestants.append(Contestant("wrong" if number else "right", go, tells=None))

    async def rule(ended: Ended) -> Iterable[str]:
        looked_at = sum(status != 429 for status in ended.statuses("wrong"))
        told = len(ended.told("sign_in_refused"))
        # After the fifth another each time a wait is over, of 1 s, 2 s, …; a success clears the count.
        allowed = 5 + int(math.log2(ended.seconds + 1)) + (5 if ended.done("right") else 0)
        fits = looked_at <= allowed and told == looked_at
        return [] if fits else [f"{looked_at} were looked at and {told} told, {allowed} are allowed"]

    return Race(contestants, rule)


@kinds.add(120)
async def tries_with_the_own_password(arena: Arena) -> Race:
    """Wherever it is asked for, they count together, and as failed sign-ins."""
    ada = await arena.person(Role.ADMINISTRATOR)
    other = await arena.person()
    contestants = []
    for number in range(8):
        session = await arena.session(ada.id)
        match number % 3:
            case 0:
                fields = {"current_password": WRONG, "password": NEW_PASSWORD}
                go = await arena.form("/user/account/password", fields, session=session)
            case 1:
                fields = {"current_password": WRONG}
                path = f"/organization/members/{other.id}/sessions/end-all"
                go = await arena.form(path, fields, session=session)
            case _:
                go = await arena.form("/user/login", {"email": ada.email, "password": WRONG})
        contestants.append(Contestant("try", go, tells=None))

    async def rule(ended: Ended) -> Iterable[str]:
        looked_at = sum(status != 429 for status in ended.statuses())
        told = len(ended.told("sign_in_refused", "password_refused"))
        allowed = 5 + int(math.log2(ended.seconds + 1))
        fits = looked_at <= allowed and told == looked_at
        return [] if fits else [f"{looked_at} were looked at and {told} told, {allowed} are allowed"]

    return Race(contestants, rule)


@kinds.add(80)
async def right_passwords_of_ones_own(arena: Arena) -> Race:
    """Also the right one is looked at only so often by one session."""
    ada = await arena.person(Role.ADMINISTRATOR)
    session = await arena.session(ada.id)
    await _use_up(arena.site.context.throttle.own_password(await _id_of(session), ""))
    return await _new_passwords(arena, session)


@kinds.add(150)
async def sign_ups_of_a_network(arena: Arena) -> Race:
    """Thirty in 15 minutes."""
    await _use_up(arena.site.context.throttle.sign_up(arena.network, with_link=False))
    contestants = [await registers(arena, f"{arena.new_name()}@example.org") for _ in range(COME)]
    return Race(contestants, _passed(429), frozenset({"limit_reached"}))


@kinds.add(150)
async def uses_of_the_invite_link(arena: Arena) -> Race:
    """As many as the Owner allows."""
    link = await engine.read(links.open_one, links.INVITE)
    assert link is not None
    await arena.write("UPDATE links SET max_uses = uses + ? WHERE id = ?", LEFT, link.id)
    contestants = [
        await registers(arena, f"{arena.new_name()}@example.org", arena.token(link)) for _ in range(COME)
    ]
    passed = _passed(410)

    async def rule(ended: Ended) -> Iterable[str]:
        await arena.write("UPDATE links SET max_uses = 0 WHERE id = ?", link.id)
        return await passed(ended)

    return Race(contestants, rule)


@kinds.add(100)
async def resent_invitations(arena: Arena) -> Race:
    """Three in an hour for one address, whoever does and by whatever way."""
    name, throttle = arena.new_name(), arena.site.context.throttle
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(arena.olga))
    await _use_up([throttle.resent(f"{name}@example.org")])
    contestants = []
    for _ in range(COME):
        bob = await arena.person(Role.ADMINISTRATOR)
        path = f"invitations/{line.id}/resend"
        contestants.append(await managed(arena, bob, "resend", path, None, "invitation_resent"))
    return Race(contestants, _passed(409))


@kinds.add(100)
async def own_changes(arena: Arena) -> Race:
    """A hundred in 15 minutes."""
    ada = await arena.person()
    await _use_up(arena.site.context.throttle.own_changes(ada.id, ""))
    contestants = []
    for number in range(COME):
        fields = {"first_name": f"Zed {number}", "last_name": "", "theme": "dark"}
        go = await arena.form("/user/account", fields, session=await arena.session(ada.id))
        contestants.append(Contestant("name", go, ada.id, ("name_changed",)))
    return Race(contestants, _passed(429))


@kinds.add(80)
async def mails_that_confirm(arena: Arena) -> Race:
    """Five in an hour."""
    ada = await arena.person(Role.PENDING)
    await _use_up(arena.site.context.throttle.confirmation(ada.email, arena.network))
    contestants = []
    for _ in range(COME):
        go = await arena.form("/user/account/confirmation", session=await arena.session(ada.id))
        contestants.append(Contestant("mail", go, ada.id, ("confirmation_asked_for",)))
    return Race(contestants, _passed(429))


@kinds.add(80)
async def forgotten_passwords_of_a_network(arena: Arena) -> Race:
    """Thirty in 15 minutes, whoever is asked for."""
    await _use_up(arena.site.context.throttle.forgot("", arena.network))
    contestants = [
        Contestant(
            "forgotten",
            await arena.form("/user/password/forgot", {"email": (await arena.person()).email}),
            tells=("reset_asked_for",),
        )
        for _ in range(COME)
    ]
    return Race(contestants, _passed(429), frozenset({"limit_reached"}))


@kinds.add(80)
async def counts_of_one_limit(arena: Arena) -> Race:
    """The function that all of them call, in the order of whoever comes."""
    limits = arena.site.context.throttle.access_request(arena.new_name(), arena.network)
    await _use_up(limits)
    contestants = [Contestant("count", arena.here(partial(count, limits))) for _ in range(COME)]
    return Race(contestants, _passed(409))


@kinds.add(60)
async def new_passwords(arena: Arena) -> Race:
    """Twenty in 15 minutes by one session: each takes time."""
    session = await arena.session((await arena.person()).id)
    await _use_up(arena.site.context.throttle.new_password("", session_id=await _id_of(session)))
    return await _new_passwords(arena, session)


async def _new_passwords(arena: Arena, session: str) -> Race:
    """The right password each time, and a new one that isn't taken: the session goes on."""
    fields = {"current_password": PASSWORD, "password": "short"}
    contestants = [
        Contestant(
            "password", await arena.form("/user/account/password", fields, session=session), tells=None
        )
        for _ in range(COME)
    ]
    return Race(contestants, _passed(429))


async def _id_of(session: str) -> int:
    ((session_id,),) = await engine.rows(
        "SELECT id FROM session WHERE token_hash = ?", sessions.token_hash(session)
    )
    return int(session_id)
