"""Races about who owns the house."""

from collections.abc import Iterable
from functools import partial

from db import engine
from db.members import last_day
from db.policy import Role
from tests.support.pages.changing_requests import OWNERS, SENT
from tests.support.pages.site import PASSWORD
from tests.trials.races.arena import Arena, Member
from tests.trials.races.race import Contestant, Ended, Race, kinds, nothing

HANDED = ("ownership_handed_over", "role_changed")


async def hand_over(arena: Arena, by: Member, to: Member, session: str = "") -> Contestant:
    fields = {"member": str(to.id), "password": PASSWORD}
    session = session or await arena.session(by.id)
    go = await arena.form("/organization/ownership", fields, session=session)
    return Contestant("hand-over", go, by.id, HANDED)


async def role(arena: Arena, by: Member, of: Member, given: Role, name: str = "role") -> Contestant:
    session = await arena.session(by.id)
    go = await arena.form(f"/organization/members/{of.id}/role", {"role": given.value}, session=session)
    return Contestant(name, go, by.id, ("role_changed",))


async def removal(arena: Arena, by: Member, of: Member) -> Contestant:
    go = await arena.form(f"/organization/members/{of.id}/removal", session=await arena.session(by.id))
    return Contestant("removal", go, by.id, ("removed",))


async def loss(arena: Arena, by: Member, of: Member, *kinds_of_loss: str) -> Contestant:
    """They are demoted, deactivated or removed."""
    match arena.rng.choice(kinds_of_loss or ("demoted", "deactivated", "removed")):
        case "removed":
            return await removal(arena, by, of)
        case "deactivated":
            return await role(arena, by, of, Role.DEACTIVATED)
        case _:
            return await role(arena, by, of, Role.ANNOTATOR)


async def owner() -> int:
    ((owner_id,),) = await engine.rows("SELECT owner_id FROM organization")
    return int(owner_id)


@kinds.add(150)
async def hand_over_twice(arena: Arena) -> Race:
    """Of two hand-overs at once one is done."""
    olga, session = arena.olga, await arena.session(arena.olga.id)
    ada, bob = [await arena.person(Role.MANAGER) for _ in range(2)]
    contestants = [
        await hand_over(arena, olga, ada, session),
        await hand_over(arena, olga, bob, arena.rng.choice((session, ""))),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        won = {event.subject_id for event in ended.told("ownership_handed_over")}
        return [] if ended.done() == 1 and won == {await owner()} else ["not one of them was done"]

    return Race(contestants, rule)


@kinds.add(250)
async def hand_over_and_loss_of_the_new_owner(arena: Arena) -> Race:
    """Either they lost their role and nothing is handed over, or they own, and nobody touches them."""
    ada, bob = await arena.person(Role.MANAGER), await arena.person(Role.ADMINISTRATOR)
    how = ("pending", "deactivated", "removed")[arena.rng.randrange(3)]
    if how == "pending":
        lost = await role(arena, bob, ada, Role.PENDING)
    else:
        lost = await loss(arena, bob, ada, how)

    async def rule(ended: Ended) -> Iterable[str]:
        return [] if ended.done() == 1 else ["both or neither were done"]

    return Race([await hand_over(arena, arena.olga, ada), lost], rule)


@kinds.add(200)
async def hand_over_and_loss_of_the_old_owner(arena: Arena) -> Race:
    """Nobody touches an Owner; once they have handed over, an Administrator may."""
    old, new, bob = [await arena.person(Role.ADMINISTRATOR) for _ in range(3)]
    await arena.owner_is(old.id)
    contestants = [
        await hand_over(arena, old, new),
        await loss(arena, bob, old),
        await loss(arena, bob, old, "demoted"),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        handed = ended.one("ownership_handed_over")
        early = [event for event in ended.told(by=bob.id) if not handed or event.id < handed.id]
        return [f"{event.kind} of the Owner" for event in early]

    # The same role twice is one change.
    contestants = [Contestant(each.name, each.go, each.by, None) for each in contestants]
    return Race(contestants, rule)


@kinds.add(150)
async def hand_over_and_what_the_owner_settles(arena: Arena) -> Race:
    """Whoever owned settles nothing afterwards."""
    path = arena.rng.choice(sorted(OWNERS - {"/organization/settings/test-mail"}))
    old, new = [await arena.person(Role.ADMINISTRATOR) for _ in range(2)]
    await arena.owner_is(old.id)
    sent = await SENT[path](arena.site, old.name)
    tells = {"erasure": ("name_erased",), "ownership": HANDED, "settings": ("title_changed",)}
    other = Contestant(
        path,
        await arena.form(path, sent.fields, session=await arena.session(old.id)),
        old.id,
        tells[path.rpartition("/")[2]],
    )

    async def rule(ended: Ended) -> Iterable[str]:
        handed = ended.told("ownership_handed_over")
        late = ended.only_before(old.id, handed[0] if handed else None, "title_changed", "name_erased")
        return late if len(handed) == 1 else [*late, "not one hand-over was done"]

    return Race([await hand_over(arena, old, new), other], rule)


@kinds.add(120)
async def hand_over_and_last_day(arena: Arena) -> Race:
    """An Owner has no last day: it is lifted by the hand-over, or refused."""
    ada, bob = await arena.person(Role.MANAGER), await arena.person(Role.ADMINISTRATOR)
    go = await arena.form(
        f"/organization/members/{ada.id}/end",
        {"last_day": last_day.earliest()},
        session=await arena.session(bob.id),
    )
    handed = await hand_over(arena, arena.olga, ada)
    return Race(
        [handed, Contestant("last day", go, bob.id, ("end_set",))], nothing, frozenset({"end_lifted"})
    )


@kinds.add(120)
async def hand_over_to_whose_membership_ends(arena: Arena) -> Race:
    """At the very instant of its end: they are out, or they own and have no end."""
    ada = await arena.person(Role.MANAGER)
    handed = await hand_over(arena, arena.olga, ada)
    await arena.ends_soon(ada)
    chore = Contestant("chore", arena.here(last_day.end_due))
    contestants = [handed, chore, Contestant("chore", arena.here(last_day.end_due))]
    return Race(contestants, partial(_out_or_owner, ada.id), frozenset({"end_lifted"}))


async def _out_or_owner(member_id: int, ended: Ended) -> list[str]:
    owns = await owner() == member_id
    return [] if owns == bool(ended.done("hand-over")) else ["what was answered isn't so"]
