"""Races between whatever somebody does and the end of their right, or of their session, to do it."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Final

from db import engine
from db.accounts import password
from db.auth.sessions import token_hash
from db.members import last_day
from db.policy import COMMAND_LINE, Role
from tests.support.pages.changing_requests import NEW_PASSWORD, NOTHING_CHANGED, OWNERS, SENT
from tests.support.pages.site import PASSWORD
from tests.trials.races.arena import Arena, Member
from tests.trials.races.ownership import loss
from tests.trials.races.race import FOLLOWS, Contestant, Ended, Race, events_since, kinds, newest_event

# What each address has told the log when nobody was in its way, noted at its first use in each arena.
_noted: dict[tuple[str, str], Counter[str]] = {}


@cache
def paths(beginning: str = "/") -> list[str]:
    """What an Administrator may send that changes something."""
    return [path for path in SENT if path not in OWNERS | NOTHING_CHANGED and path.startswith(beginning)]


async def sends(arena: Arena, ada: Member, path: str, session: str = "") -> Contestant:
    """They send what stands for this address in tests/support/pages/changing_requests.py."""
    tells = await _told_alone(arena, path)
    sent = await SENT[path](arena.site, ada.name)
    session = session or await arena.session(ada.id)
    place = path.format(**sent.place)
    go = await arena.form(place, sent.fields, session=session, files=sent.files)
    return Contestant(path, go, ada.id, tells)


async def _told_alone(arena: Arena, path: str) -> tuple[str, ...]:
    key = (arena.url, path)
    if key not in _noted:
        bob = await arena.person(Role.ADMINISTRATOR)
        sent = await SENT[path](arena.site, bob.name)
        go = await arena.form(
            path.format(**sent.place), sent.fields, session=await arena.session(bob.id), files=sent.files
        )
        mark = await newest_event()
        answer = await go()
        assert answer.done, (path, answer)
        told = await events_since(mark)
        _noted[key] = Counter(event.kind for event in told if event.actor_id == bob.id)
    return tuple(_noted[key].elements())


async def _never_after(ended: Ended, ada: Member, *ends: str, by: int | None = None) -> list[str]:
    """Broken if there is an event of theirs after the one that ended their right."""
    found = ended.told(*ends, by=by, about=ada.id)
    return ended.only_before(ada.id, found[-1] if found else None)


@kinds.add(900)
async def loss_against_everything(arena: Arena) -> Race:
    """An Administrator is demoted, deactivated or removed while they do two things."""
    ada = await arena.person(Role.ADMINISTRATOR)
    chosen = [arena.rng.choice(paths("/organization")) for _ in range(2)]
    doing = [await sends(arena, ada, path) for path in chosen]
    lost = await loss(arena, arena.olga, ada)

    async def rule(ended: Ended) -> Iterable[str]:
        late = await _never_after(ended, ada, "role_changed", "removed", by=arena.olga.id)
        return late if ended.answers[-1][1].done else [*late, "the Owner was refused"]

    return Race([*doing, lost], rule)


@kinds.add(700)
async def deactivation_against_everything(arena: Arena) -> Race:
    """Somebody is shut out while they do something of their own, or sign in, or hold a link."""
    ada = await arena.person(Role.ADMINISTRATOR)
    # Two of one kind can't always be prepared: nobody has two invitations.
    doing = [await sends(arena, ada, path) for path in arena.rng.sample(paths("/user"), 2)]
    doing += [await signs_in(arena, ada)] if arena.rng.random() < 0.3 else []
    lost = await loss(arena, arena.olga, ada, "deactivated", "removed")

    async def rule(ended: Ended) -> Iterable[str]:
        late = await _never_after(ended, ada, "role_changed", "removed", by=arena.olga.id)
        return late if ended.answers[-1][1].done else [*late, "the Owner was refused"]

    return Race([*doing, lost], rule, FOLLOWS | {"sign_in_refused"})


async def signs_in(arena: Arena, ada: Member, password: str = PASSWORD, network: str = "") -> Contestant:
    go = await arena.form("/user/login", {"email": ada.email, "password": password}, network=network)
    return Contestant("sign-in", go, ada.id, ("signed_in",))


@kinds.add(150)
async def sign_in_against_deactivation(arena: Arena) -> Race:
    """Whoever is let in after it is nobody."""
    ada = await arena.person()
    doing = [await signs_in(arena, ada) for _ in range(2)]
    lost = await loss(arena, arena.olga, ada, "deactivated", "removed")

    async def rule(ended: Ended) -> Iterable[str]:
        return await _never_after(ended, ada, "role_changed", "removed", by=arena.olga.id)

    return Race([*doing, lost], rule, frozenset({"sign_in_refused"}))


@kinds.add(150)
async def links_against_deactivation(arena: Arena) -> Race:
    """A password link of somebody who is shut out sets none afterwards."""
    ada = await arena.person()
    link = await password.make_reset_link(COMMAND_LINE, member_id=ada.id)
    go = await arena.form("/user/password/reset", {"token": arena.token(link), "password": NEW_PASSWORD})
    lost = await loss(arena, arena.olga, ada, "deactivated", "removed")

    async def rule(ended: Ended) -> Iterable[str]:
        return await _never_after(ended, ada, "role_changed", "removed", by=arena.olga.id)

    return Race([Contestant("reset", go, ada.id, ("password_reset",)), lost], rule)


@kinds.add(100)
async def two_administrators_end_each_other(arena: Arena) -> Race:
    """Never both."""
    ada, bob = [await arena.person(Role.ADMINISTRATOR) for _ in range(2)]
    contestants = [await loss(arena, ada, bob), await loss(arena, bob, ada)]

    async def rule(ended: Ended) -> Iterable[str]:
        return [] if ended.done() == 1 else [f"{ended.done()} were done"]

    return Race(contestants, rule)


@kinds.add(250)
async def membership_ends_against_everything(arena: Arena) -> Race:
    """The last day of a membership is over while somebody does things; the chore comes by as well."""
    ada = await arena.person(Role.ADMINISTRATOR)
    doing = [await sends(arena, ada, arena.rng.choice(paths())) for _ in range(2)]
    await arena.ends_soon(ada)

    async def rule(ended: Ended) -> Iterable[str]:
        await arena.after_the_end()
        told = await engine.rows(
            "SELECT id, at FROM activity WHERE subject_id = ? AND about = 'member' AND kind = 'role_changed'"
            " AND actor_kind = 'system'",
            ada.id,
        )
        if len(told) != 1:
            return [f"its end is told {len(told)} times"]
        late = [event.kind for event in ended.told(by=ada.id) if event.id > told[0][0]]
        return [f"{late} came after the end"] if late else []

    return Race([*doing, Contestant("chore", arena.here(last_day.end_due))], rule)


@kinds.add(80)
async def role_at_the_end_of_a_membership(arena: Arena) -> Race:
    """A role that is given at that instant counts before or after it, and never half."""
    ada = await arena.person()
    session = await arena.session(arena.olga.id)
    go = await arena.form(f"/organization/members/{ada.id}/role", {"role": "RE"}, session=session)
    await arena.ends_soon(ada)
    chore = Contestant("chore", arena.here(last_day.end_due))

    async def rule(ended: Ended) -> Iterable[str]:
        await arena.after_the_end()
        ((role, ends_at),) = await engine.rows("SELECT role, ends_at FROM member WHERE id = ?", ada.id)
        fits = (role, ends_at > 0) in (("RE", False), ("DI", True))
        return [] if fits else [f"has the role {role}, and ends at {ends_at}"]

    return Race([Contestant("role", go, arena.olga.id, ("role_changed",)), chore], rule, _LIFTED)


_LIFTED: Final = frozenset({"end_lifted"})


# The end of a session


async def _signs_out(arena: Arena, ada: Member, session: str) -> Contestant:
    # Signing out is never refused: somebody whose session has ended is where they wanted.
    return Contestant("sign-out", await arena.form("/user/logout", session=session), ada.id, None)


async def _ended_elsewhere(arena: Arena, ada: Member, session: str) -> Contestant:
    other = await arena.session(ada.id)
    go = await arena.form("/user/account/sessions/end-others", session=other)
    return Contestant("end-others", go, ada.id, ("other_sessions_ended",))


async def _ended_by_the_owner(arena: Arena, ada: Member, session: str) -> Contestant:
    path = f"/organization/members/{ada.id}/sessions/end-all"
    go = await arena.form(path, session=await arena.session(arena.olga.id))
    return Contestant("end-all", go, arena.olga.id, ("member_sessions_ended",))


async def _new_password_elsewhere(arena: Arena, ada: Member, session: str) -> Contestant:
    fields = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    go = await arena.form("/user/account/password", fields, session=await arena.session(ada.id))
    return Contestant("new password", go, ada.id, ("password_changed",))


async def _reset_by_link(arena: Arena, ada: Member, session: str) -> Contestant:
    link = await password.make_reset_link(COMMAND_LINE, member_id=ada.id)
    go = await arena.form("/user/password/reset", {"token": arena.token(link), "password": NEW_PASSWORD})
    return Contestant("reset", go, ada.id, ("password_reset",))


ENDS: Final = {
    "signed_out": _signs_out,
    "other_sessions_ended": _ended_elsewhere,
    "member_sessions_ended": _ended_by_the_owner,
    "password_changed": _new_password_elsewhere,
    "password_reset": _reset_by_link,
}
# They end sessions themselves, so that either may find the other's ended.
_ENDING: Final = {
    "/user/account/password",
    "/user/account/sessions/{session_id}/end",
    "/user/account/sessions/end-others",
}


@kinds.add(700)
async def end_of_a_session_against_its_changes(arena: Arena) -> Race:
    """What is sent in a session that ends is done before the end, or not at all."""
    ada = await arena.person(Role.ADMINISTRATOR)
    chosen = [path for path in paths() if path not in _ENDING]
    session = await arena.session(ada.id)
    doing = [await sends(arena, ada, arena.rng.choice(chosen), session) for _ in range(2)]
    told_by = arena.rng.choice(sorted(ENDS))
    end = await ENDS[told_by](arena, ada, session)

    async def rule(ended: Ended) -> Iterable[str]:
        found = ended.told(told_by)
        late = ended.only_before(ada.id, found[0] if found else None)
        (left,) = await engine.rows(
            "SELECT COUNT(*) FROM session WHERE token_hash = ? AND ended_at = 0", token_hash(session)
        )
        return [*late, *(["the session is open"] if left[0] else [])]

    return Race([*doing, end], rule)


@kinds.add(120)
async def old_password_against_a_new_one(arena: Arena) -> Race:
    """Nobody signs in by the old password once the new one is set."""
    ada = await arena.person()
    fields = {"current_password": PASSWORD, "password": NEW_PASSWORD}
    go = await arena.form("/user/account/password", fields, session=await arena.session(ada.id))
    changed = Contestant("new password", go, ada.id, ("password_changed",))
    doing = [await signs_in(arena, ada) for _ in range(2)]

    async def rule(ended: Ended) -> Iterable[str]:
        found = ended.told("password_changed")
        (left,) = await engine.rows(
            "SELECT COUNT(*) FROM session WHERE member_id = ? AND ended_at = 0", ada.id
        )
        late = ended.only_before(ada.id, found[0] if found else None, "signed_in")
        return [*late, *([f"{left[0]} sessions are open"] if found and left[0] != 1 else [])]

    return Race([changed, *doing], rule, frozenset({"sign_in_refused"}))


@kinds.add(60)
async def sessions_beyond_the_hundredth(arena: Arena) -> Race:
    """Of many sign-ins at once at most a hundred sessions are open; the oldest has ended."""
    ada = await arena.person()
    await arena.many_sessions(ada, 99)
    doing = [await signs_in(arena, ada) for _ in range(3)]

    async def rule(ended: Ended) -> Iterable[str]:
        ((left,),) = await engine.rows(
            "SELECT COUNT(*) FROM session WHERE member_id = ? AND ended_at = 0", ada.id
        )
        return [] if left == 100 else [f"{left} sessions are open"]

    return Race(doing, rule)
