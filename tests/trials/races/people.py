"""Races about who is a member and in which role: approving, removing, undoing, inviting and registering."""

from collections.abc import Iterable
from typing import Any

from db import engine
from db.invitations import access_requests, management
from db.members import roles
from db.policy import COMMAND_LINE, Role
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.steps import access_request_steps, invitation_steps
from tests.trials.races.arena import Arena, Member
from tests.trials.races.ownership import loss, removal, role
from tests.trials.races.race import FOLLOWS, Contestant, Ended, Race, kinds


async def managed(
    arena: Arena, by: Member, name: str, path: str, fields: dict[str, Any] | None = None, *tells: str
) -> Contestant:
    """Something below /organization, by an Administrator."""
    go = await arena.form(f"/organization/{path}", fields, session=await arena.session(by.id))
    return Contestant(name, go, by.id, tells)


async def registers(arena: Arena, email: str, token: str = "", network: str = "") -> Contestant:
    fields = {"email": email, "password": NEW_PASSWORD, "token": token}
    go = await arena.form("/user/signup", fields, network=network)
    return Contestant("sign-up", go, tells=("registered",))


async def accepts(arena: Arena, token: str) -> Contestant:
    go = await arena.form("/user/invitation", {"token": token, "password": NEW_PASSWORD})
    return Contestant("acceptance", go, tells=("accepted_invitation",))


async def invites(arena: Arena, by: Member, emails: str, given: str = "AN") -> Contestant:
    fields = {"emails": emails, "role": given}
    return await managed(arena, by, "invitation", "invitations", fields, "invitation_made")


async def administrators(arena: Arena, number: int = 2) -> list[Member]:
    return [await arena.person(Role.ADMINISTRATOR) for _ in range(number)]


async def column(table: str, name: str, row_id: int) -> Any:
    found = await engine.rows(f"SELECT {name} FROM {table} WHERE id = ?", row_id)
    return found[0][0] if found else None


@kinds.add(150)
async def approve_and_remove(arena: Arena) -> Race:
    """Whoever is removed is gone; they were approved before, or whoever approves hears that they are gone."""
    ada, (bob, cyd) = await arena.person(Role.PENDING), await administrators(arena)
    contestants = [await role(arena, bob, ada, Role.REVIEWER, "approval"), await removal(arena, cyd, ada)]

    async def rule(ended: Ended) -> Iterable[str]:
        gone = ended.told("removed", about=ada.id)
        late = ended.only_before(bob.id, gone[0] if gone else None)
        return late if len(gone) == 1 else [*late, "they weren't removed once"]

    return Race(contestants, rule)


@kinds.add(150)
async def roles_of_several_and_of_one(arena: Arena) -> Race:
    """Each got the roles in one order, and the log tells it step by step."""
    (bob, cyd), people = await administrators(arena), [await arena.person() for _ in range(4)]
    fields = {"member": [str(one.id) for one in people], "role": "RE"}
    several = {**fields, "member": fields["member"][::-1], "role": arena.rng.choice(("MA", "DI"))}
    contestants = [
        await managed(arena, bob, "several", "members/roles", fields, *["role_changed"] * 4),
        await managed(arena, cyd, "several", "members/roles", several, *["role_changed"] * 4),
        await role(arena, arena.olga, people[0], Role.PENDING),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        wrong = []
        for one in people:
            now = "AN"
            for event in ended.told("role_changed", about=one.id):
                wrong += [f"from {event.before}, which was {now}"] if event.before != now else []
                now = event.after
            wrong += ["the log ends otherwise"] if await column("member", "role", one.id) != now else []
        return wrong

    return Race(contestants, rule)


@kinds.add(150)
async def undo_and_another_change(arena: Arena) -> Race:
    """A change is taken back first, or what somebody else decided stands."""
    ada, (bob, cyd) = await arena.person(), await administrators(arena)
    given = arena.rng.choice((Role.REVIEWER, Role.DEACTIVATED))
    await roles.change_role(arena.actor(arena.olga), member_id=ada.id, role=given)
    undo = {"before": f"{ada.id}:AN", "role": given.value}
    contestants = [
        await managed(arena, bob, "undo", "members/reversal", undo, "role_changed"),
        await role(arena, cyd, ada, Role.MANAGER),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        told = ended.told("role_changed", about=ada.id)
        fits = [event.after for event in told] in (["MA"], ["AN", "MA"])
        return [] if fits and await column("member", "role", ada.id) == "MA" else [f"{told}"]

    return Race(contestants, rule, FOLLOWS | {"invitation_brought_back"})


@kinds.add(100)
async def undo_twice_and_a_removal(arena: Arena) -> Race:
    """It is taken back once; whoever is removed stays removed."""
    ada, (bob, cyd) = await arena.person(), await administrators(arena)
    await roles.change_role(arena.actor(arena.olga), member_id=ada.id, role=Role.DEACTIVATED)
    undo = {"before": f"{ada.id}:AN", "role": "DI"}
    contestants = [
        await managed(arena, one, "undo", "members/reversal", undo, "role_changed") for one in (bob, cyd)
    ]
    contestants.append(await removal(arena, arena.olga, ada))

    async def rule(ended: Ended) -> Iterable[str]:
        gone = await column("member", "removed_at", ada.id)
        return [] if gone and ended.done("undo") < 2 else ["undone twice, or not removed"]

    return Race(contestants, rule, FOLLOWS | {"invitation_brought_back"})


@kinds.add(150)
async def same_address_registers(arena: Arena) -> Race:
    """One account, however the address is written."""
    name = arena.new_name()
    spelled = (f"{name}@example.org", f"{name.upper()}@example.org", f"{name}@EXAMPLE.org")
    contestants = [await registers(arena, email) for email in spelled]

    async def rule(ended: Ended) -> Iterable[str]:
        fits = sorted(answer.status for _, answer in ended.answers)[1:] == [422, 422]
        return [] if fits and ended.done() == 1 else [f"{ended.done()} registered"]

    return Race(contestants, rule)


async def _invitations_of(name: str) -> list[tuple[Any, ...]]:
    return await engine.rows(
        "SELECT id, role FROM invitation WHERE email_key = ? AND ended_at = 0", f"{name}@example.org"
    )


@kinds.add(150)
async def same_address_invited(arena: Arena) -> Race:
    """One open invitation, by whoever came last."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    contestants = [
        await invites(arena, bob, f"{name}@example.org", "RE"),
        await invites(arena, cyd, f"{name.upper()}@example.org", "MA"),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        open_ones, told = await _invitations_of(name), ended.told("invitation_made")
        fits = len(open_ones) == 1 and open_ones[0] == (told[-1].subject_id, told[-1].after)
        return [] if fits and ended.done() == 2 else [f"{open_ones} are open, {told} told"]

    return Race(contestants, rule)


@kinds.add(100)
async def import_and_invitation(arena: Arena) -> Race:
    """A file, sent twice, and a form with the same addresses: it is taken once, and each is invited once."""
    names, bob = [arena.new_name() for _ in range(5)], (await administrators(arena, 1))[0]
    session = await arena.session(bob.id)
    content = "email\n" + "".join(f"{name}@example.org\n" for name in names)
    files = {"file": ("people.csv", content.encode(), "text/csv")}
    upload = await arena.form(
        "/organization/invitations/import", {"role": "AN"}, session=session, files=files
    )
    answer = await upload()
    assert answer.done, answer
    place = f"/organization/invitations/import/{answer.leads_to.rpartition('/')[2]}"
    made = ("invitation_made",) * len(names)
    contestants = [
        Contestant("import", await arena.form(place, session=session), bob.id, made) for _ in range(2)
    ]
    typed = await invites(arena, arena.olga, ", ".join(f"{name}@example.org" for name in names[::-1]))
    contestants.append(Contestant(typed.name, typed.go, typed.by, made))

    async def rule(ended: Ended) -> Iterable[str]:
        wrong = [name for name in names if len(await _invitations_of(name)) != 1]
        return [] if not wrong and ended.done("import") == 1 else [f"{wrong} aren't invited once"]

    return Race(contestants, rule)


@kinds.add(200)
async def invited_registers_and_accepts(arena: Arena) -> Race:
    """Somebody who is invited registers, accepts, and is invited once more: one account, with a role if they
    accepted."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(bob))
    contestants = [
        await accepts(arena, invitation_steps.token(arena.site, line)),
        await registers(arena, f"{name}@example.org"),
        await invites(arena, cyd, f"{name}@example.org", "RE"),
    ]
    # Who is a member by then is left alone, as is an account that waits: no mail proves whose address it is.
    contestants[2] = Contestant("invitation", contestants[2].go, cyd.id, None)

    async def rule(ended: Ended) -> Iterable[str]:
        found = await engine.rows("SELECT id, role FROM member WHERE email_key = ?", f"{name}@example.org")
        made = ended.told("invitation_made")
        accepted = ended.told("accepted_invitation")
        wrong = [] if len(found) == 1 else [f"{len(found)} accounts"]
        if ended.done("acceptance") != len(accepted):
            wrong.append("acceptance isn't told once")
        if accepted and found[0][1] not in ("AN", "RE"):
            wrong.append(f"accepted, and has {found[0][1]}")
        counted = await engine.rows("SELECT invited FROM batch ORDER BY id DESC LIMIT 1")
        if ended.done("invitation") and counted[0][0] != len(made):
            wrong.append(f"{counted[0][0]} were invited, by what was answered, and {len(made)} in truth")
        return wrong

    return Race(contestants, rule)


@kinds.add(200)
async def invited_and_shut_out(arena: Arena) -> Race:
    """Whoever waits is invited and shut out at once: no invitation to them is open afterwards."""
    ada, (bob, cyd) = await arena.person(Role.PENDING), await administrators(arena)
    invited = await invites(arena, bob, ada.email)
    contestants = [
        # Who is shut out by then is left alone.
        Contestant(invited.name, invited.go, bob.id, None),
        await role(arena, cyd, ada, Role.DEACTIVATED),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        made = ended.told("invitation_made", by=bob.id)
        ended_ones = ended.told("invitation_revoked", by=cyd.id)
        ((counted,),) = await engine.rows(
            "SELECT COALESCE(MAX(invited), 0) FROM batch WHERE made_by = ?", bob.id
        )
        fits = len(made) == len(ended_ones) == counted and ended.done() == 2
        return [] if fits else [f"{made} and {ended_ones} are told, {counted} counted"]

    return Race(contestants, rule)


@kinds.add(150)
async def approved_by_invitation_and_otherwise(arena: Arena) -> Race:
    """Whoever waits with a confirmed address is approved by an invitation, and gets another fate at once."""
    ada, (bob, cyd) = await arena.person(Role.PENDING, confirmed=True), await administrators(arena)
    invited = await invites(arena, bob, ada.email, "RE")
    other = await loss(arena, cyd, ada, "deactivated", "removed")
    contestants = [Contestant(invited.name, invited.go, bob.id, None), other]

    async def rule(ended: Ended) -> Iterable[str]:
        ((approved, mailed),) = await engine.rows(
            "SELECT COALESCE(MAX(approved), 0), COALESCE(MAX(invited), 0) FROM batch WHERE made_by = ?",
            bob.id,
        )
        given = ended.told("role_changed", by=bob.id)
        end = ended.told("removed", "role_changed", by=cyd.id)
        late = ended.only_before(bob.id, end[0] if end else None, "role_changed")
        told = (len(given), len(ended.told("invitation_made")))
        return late if (approved, mailed) == told else [*late, f"{approved, mailed} counted, {told} told"]

    return Race(contestants, rule)


# Access requests


@kinds.add(150)
async def request_answered_twice(arena: Arena) -> Race:
    """Of two answers to a request, the same or not, one counts."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    await access_request_steps.switch_on()
    access_request_id = await access_request_steps.submitted(name)
    answers = {
        "invitation": ({"role": "AN"}, "invitation_made"),
        "dismissal": ({}, "request_dismissed"),
    }
    contestants = []
    for one in (bob, cyd):
        what = arena.rng.choice(sorted(answers))
        fields, tells = answers[what]
        path = f"requests/{access_request_id}/{what}"
        contestants.append(await managed(arena, one, what, path, fields, tells))

    async def rule(ended: Ended) -> Iterable[str]:
        reason = await column("access_request", "end_reason", access_request_id)
        invited = await _invitations_of(name)
        fits = (reason, len(invited)) == (("invited", 1) if ended.done("invitation") else ("dismissed", 0))
        return [] if fits and ended.done() == 1 else [f"ended as {reason!r}, with {invited}"]

    return Race(contestants, rule)


@kinds.add(100)
async def dismissal_undone_and_asked_again(arena: Arena) -> Race:
    """A dismissed request is brought back once, and at most one of an address is open."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    await access_request_steps.switch_on()
    access_request_id = await access_request_steps.submitted(name)
    dismissed = await access_requests.dismiss(COMMAND_LINE, access_request_id=access_request_id)
    undo = {"dismissed_at": str(dismissed.at)}
    path = f"requests/{access_request_id}/reversal"
    contestants = [
        await managed(arena, one, "undo", path, undo, "request_brought_back") for one in (bob, cyd)
    ]
    contestants.append(await invites(arena, arena.olga, f"{name}@example.org"))

    async def rule(ended: Ended) -> Iterable[str]:
        ((left,),) = await engine.rows(
            "SELECT COUNT(*) FROM access_request WHERE email_key = ? AND ended_at = 0", f"{name}@example.org"
        )
        return [] if ended.done("undo") <= 1 and left <= 1 else ["brought back twice"]

    return Race(contestants, rule)


# Invitations that somebody else decides about


@kinds.add(250)
async def acceptance_and_the_end_of_the_invitation(arena: Arena) -> Race:
    """It is accepted, or it ends: by who revokes it, or with the right of whoever invited."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(bob))
    accepted = await accepts(arena, invitation_steps.token(arena.site, line))
    if arena.rng.random() < 0.5:
        other = await managed(
            arena, cyd, "revocation", f"invitations/{line.id}/revocation", None, "invitation_revoked"
        )
    else:
        other = await role(arena, cyd, bob, arena.rng.choice((Role.ANNOTATOR, Role.DEACTIVATED)))
    contestants = [accepted, other]

    async def rule(ended: Ended) -> Iterable[str]:
        reason = await column("invitation", "end_reason", line.id)
        ends = len(ended.told("invitation_revoked", "invitation_voided"))
        fits = (reason == "accepted", ends) == ((True, 0) if ended.done("acceptance") else (False, 1))
        return [] if fits else [f"it ended as {reason}, and {ends} other ends are told"]

    aside = frozenset({"invitation_voided"}) if other.name == "revocation" else FOLLOWS
    return Race(contestants, rule, aside)


@kinds.add(120)
async def acceptance_and_another_role(arena: Arena) -> Race:
    """Whoever accepts gets the role that the invitation has at that moment."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(bob))
    path = f"invitations/{line.id}/role"
    contestants = [
        await accepts(arena, invitation_steps.token(arena.site, line)),
        await managed(arena, cyd, "role", path, {"role": "MA"}, "invitation_role_changed"),
    ]

    async def rule(ended: Ended) -> Iterable[str]:
        accepted = ended.one("accepted_invitation")
        changed = ended.told("invitation_role_changed")
        if accepted is None:
            return ["it wasn't accepted"]
        given = await column("member", "role", accepted.subject_id)
        return [] if given == accepted.after == ("MA" if changed else "AN") else [f"has {given}"]

    return Race(contestants, rule)


@kinds.add(120)
async def revocation_undone_and_invited_anew(arena: Arena) -> Race:
    """One invitation is open in the end."""
    name, (bob, cyd) = arena.new_name(), await administrators(arena)
    line = await invitation_steps.invited(arena.site, name, by=arena.actor(bob))
    revoked = await management.revoke(COMMAND_LINE, invitation_ids=[line.id])
    undo = {"invitation": str(line.id), "revoked_at": str(revoked.at)}
    contestants = [
        await managed(arena, one, "undo", "invitations/reversal", undo, "invitation_brought_back")
        for one in (bob, cyd)
    ]
    contestants.append(await invites(arena, arena.olga, f"{name}@example.org", "RE"))

    async def rule(ended: Ended) -> Iterable[str]:
        open_ones = await _invitations_of(name)
        fits = len(open_ones) == 1 and ended.done("undo") <= 1 and ended.done("invitation") == 1
        return [] if fits else [f"{open_ones} are open"]

    return Race(contestants, rule)
