"""Races about links that work once, and about the invite link that is made anew."""

from collections.abc import Iterable

from db import engine
from db.accounts import confirmation, password
from db.auth import links
from db.policy import COMMAND_LINE, Role
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.steps import access_request_steps, invitation_steps
from tests.trials.races.arena import Arena
from tests.trials.races.people import accepts, administrators, column, managed, registers
from tests.trials.races.race import Contestant, Ended, Race, kinds


async def _one_wins(ended: Ended) -> list[str]:
    lost = [status for status in ended.statuses() if status not in (200, 303, 410)]
    return [] if ended.done() == 1 and not lost else [f"{ended.done()} won"]


@kinds.add(150)
async def invitation_accepted_by_many(arena: Arena) -> Race:
    """One account, for whoever was first; perhaps for somebody who waits under the address already."""
    name = arena.new_name()
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(arena.olga))
    if arena.rng.random() < 0.3:
        await arena.site.person(name)
    token = invitation_steps.token(arena.site, line)

    async def rule(ended: Ended) -> Iterable[str]:
        found = await engine.rows("SELECT role FROM member WHERE email_key = ?", f"{name}@example.org")
        return await _one_wins(ended) + ([] if found == [("AN",)] else [f"{found}"])

    return Race([await accepts(arena, token) for _ in range(3)], rule, frozenset({"role_changed"}))


@kinds.add(150)
async def invitation_accepted_by_its_member(arena: Arena) -> Race:
    """In two browsers, in which somebody is signed in who waits."""
    ada = await arena.person(Role.PENDING)
    line = await invitation_steps.invited(arena.site, ada.name, by=arena.actor(arena.olga))
    token = invitation_steps.token(arena.site, line)
    contestants = []
    for _ in range(2):
        go = await arena.form("/user/invitation", {"token": token}, session=await arena.session(ada.id))
        contestants.append(Contestant("acceptance", go, ada.id, ("accepted_invitation", "role_changed")))
    contestants.append(await accepts(arena, token))

    async def rule(ended: Ended) -> Iterable[str]:
        # The link was handed over, which proves no address: by it alone nobody takes their account.
        wrong = [] if ended.done() == 1 else [f"{ended.done()} won"]
        return wrong + ([] if await column("member", "role", ada.id) == "AN" else ["not a member"])

    contestants[2] = Contestant(
        "by the link", contestants[2].go, ada.id, ("accepted_invitation", "role_changed")
    )
    return Race(contestants, rule)


@kinds.add(150)
async def password_link_used_by_many(arena: Arena) -> Race:
    """One new password."""
    ada = await arena.person()
    link = await password.make_reset_link(COMMAND_LINE, member_id=ada.id)
    contestants = []
    for number in range(3):
        fields = {"token": arena.token(link), "password": f"{NEW_PASSWORD} {number}"}
        go = await arena.form("/user/password/reset", fields)
        contestants.append(Contestant("reset", go, ada.id, ("password_reset",)))
    return Race(contestants, _one_wins)


@kinds.add(100)
async def password_link_used_and_made_anew(arena: Arena) -> Race:
    """The old link sets a password before the new one is made, or never; one link is open at most."""
    ada = await arena.person()
    link = await password.make_reset_link(COMMAND_LINE, member_id=ada.id)
    fields = {"token": arena.token(link), "password": NEW_PASSWORD}
    contestants = [
        Contestant("reset", await arena.form("/user/password/reset", fields), ada.id, ("password_reset",)),
        await managed(
            arena, arena.olga, "new link", f"members/{ada.id}/password-link", None, "reset_link_made"
        ),
        Contestant(
            "forgotten",
            await arena.form("/user/password/forgot", {"email": ada.email}),
            tells=("reset_asked_for",),
        ),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        made = ended.told("reset_link_made", "reset_asked_for")
        return ended.only_before(ada.id, made[0], "password_reset")

    return Race(contestants, rule)


@kinds.add(100)
async def address_confirmed_by_many(arena: Arena) -> Race:
    """Confirmed once; asking for another link at once kills the first before or after."""
    ada = await arena.person(Role.PENDING)
    token = await arena.link(links.ADDRESS, subject=ada.id, max_uses=1)
    contestants = []
    for _ in range(3):
        go = await arena.form("/user/confirmation", {"token": token}, session=await arena.session(ada.id))
        contestants.append(Contestant("confirmation", go, ada.id, ("address_confirmed",)))
    return Race(contestants, _one_wins)


@kinds.add(100)
async def address_confirmed_and_asked_again(arena: Arena) -> Race:
    """Once it is confirmed there is nothing to ask for, and a replaced link confirms nothing."""
    ada = await arena.person(Role.PENDING)
    await confirmation.ask_again(arena.actor(ada, Role.PENDING))
    link = await engine.read(links.open_one, links.ADDRESS, ada.id)
    assert link is not None
    fields, again = {"token": arena.token(link)}, "/user/account/confirmation"
    contestants = [
        Contestant(
            "confirmation",
            await arena.form("/user/confirmation", fields, session=await arena.session(ada.id)),
            ada.id,
            ("address_confirmed",),
        ),
        Contestant(
            "again",
            await arena.form(again, session=await arena.session(ada.id)),
            ada.id,
            ("confirmation_asked_for",),
        ),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        return [] if ended.done() == 1 else [f"{ended.done()} were done"]

    return Race(contestants, rule)


@kinds.add(80)
async def request_confirmed_by_many(arena: Arena) -> Race:
    """Seen once."""
    name = arena.new_name()
    await access_request_steps.switch_on()
    await access_request_steps.submit(name)
    token = arena.token(await access_request_steps.link_of(name))
    contestants = []
    for _ in range(3):
        go = await arena.form("/user/access-request/confirmation", {"token": token})
        contestants.append(Contestant("confirmation", go, tells=("request_confirmed",)))
    return Race(contestants, _one_wins)


@kinds.add(300)
async def reset_link_and_registering_by_the_old(arena: Arena) -> Race:
    """The link is dead at once: nobody comes in by it after the reset."""
    link = await engine.read(links.open_one, links.INVITE)
    assert link is not None
    contestants = [
        await registers(arena, f"{arena.new_name()}@example.org", arena.token(link)) for _ in range(2)
    ]
    contestants.append(
        await managed(arena, arena.olga, "reset", "invite-link/reset", None, "invite_link_reset")
    )

    async def rule(ended: Ended) -> Iterable[str]:
        reset = ended.one("invite_link_reset")
        late = [event for event in ended.told("registered") if reset and event.id > reset.id]
        ((uses,),) = await engine.rows("SELECT uses FROM links WHERE id = ?", link.id)
        wrong = [] if uses - link.uses == ended.done("sign-up") else [f"{uses - link.uses} uses are counted"]
        wrong += [] if reset else ["it wasn't reset"]
        wrong += [f"{status}" for status in ended.statuses("sign-up") if status not in (200, 303, 410)]
        return wrong + (["somebody came by the dead link"] if late else [])

    return Race(contestants, rule)


@kinds.add(80)
async def reset_link_twice(arena: Arena) -> Race:
    """Two links, one after the other, the last alone open."""
    people = await administrators(arena)
    contestants = [
        await managed(arena, one, "reset", "invite-link/reset", None, "invite_link_reset") for one in people
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        found = await engine.rows("SELECT 1 FROM links WHERE purpose = 'invite' AND ended_at = 0")
        return [] if len(found) == 1 and ended.done() == 2 else [f"{len(found)} are open"]

    return Race(contestants, rule)
