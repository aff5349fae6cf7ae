"""Members: registration, roles, last days, removal. Every decision is made on rows that are locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from db import activity, engine, policy
from db.accounts import confirmation
from db.activity import kept_names as activity_names
from db.auth import links, sessions
from db.auth.client import Browser, SignedIn
from db.auth.sessions import Ages
from db.common import addresses, clock, ids, normalization, undo
from db.common.addresses import Address
from db.mail import outbox
from db.members import changes, demotion, directory, invitation_ends, last_day, offboarding
from db.members.changes import Locked
from db.members.directory import Row
from db.organization import invite_link_limits
from db.policy import MANAGING, Actor, Invalid, Refused, Role, Unknown
from db.schema.tables import Member
from messages import by_field, refusals

EMAIL_KEY = "member.email_key"


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody says of themself when they register.

    generation: of the password, see db/common/ids.py.
    """

    address: Address
    first_name: str
    last_name: str
    password_hash: str
    generation: int = field(default_factory=ids.generation)


@dataclass(frozen=True, slots=True)
class RoleChange:
    """row: the member as they are now. before: the role they had."""

    row: Row
    before: Role


async def why_taken(address: Address) -> list[str]:
    """The polite message before the constraint speaks; empty when the address is free."""
    taken = await engine.read(engine.rows, "SELECT 1 FROM member WHERE email_key = ?", address.key)
    return [by_field.ADDRESS_TAKEN] if taken else []


async def why_not_let_in(address: Address) -> list[str]:
    """The same for the domains that may register; empty when this address may."""
    return (await engine.read(invite_link_limits.settled)).why_not(address)


async def register(person: Person, *, link_id: int | None, ages: Ages, browser: Browser) -> SignedIn:
    """Makes a Pending account and signs it in.

    link_id: the invite link they came by, None for the open sign-up page. Raises Invalid when the address is
    taken or of a domain that isn't let in, DeadLink when the link ended meanwhile; then nothing is made.
    """
    try:
        signed_in = await engine.write(_register, person, link_id, ages, browser)
    except engine.UniqueViolation as error:
        if error.where != EMAIL_KEY:
            raise
        raise Invalid({"email": [by_field.ADDRESS_TAKEN]}) from error
    outbox.wake()
    return signed_in


async def _register(person: Person, link_id: int | None, ages: Ages, browser: Browser) -> SignedIn:
    # Held until the end: who changes the limits waits for this, or this is decided by the new ones.
    limits = await invite_link_limits.held()
    if link_id is not None:
        await links.use(link_id)
    if why := limits.why_not(person.address):
        raise Invalid({"email": why})
    came_by = "signup" if link_id is None else "link"
    member_id = await insert(person, Role.PENDING, came_by=came_by, link_id=link_id or 0)
    actor = Actor(member_id, Role.PENDING, address=browser.address)
    await activity.record(actor, "registered", member_id, after=came_by)
    token = await sessions.begin(
        member_id, kept=False, ages=ages, address=browser.address, device=browser.device
    )
    await confirmation.ask(member_id, person.address.email)
    await outbox.somebody_waits()
    return SignedIn(token=token, member_id=member_id, generation=person.generation, role=Role.PENDING)


async def insert(person: Person, role: Role, *, came_by: str, link_id: int = 0, invited_by: int = 0) -> int:
    """Inside a write: a new member's row; returns its id. Raises engine.UniqueViolation for a taken one."""
    now = clock.now()
    inserted = await Member.insert(
        Member(
            email=person.address.email,
            email_key=person.address.key,
            first_name=person.first_name,
            last_name=person.last_name,
            name_key=normalization.name_key(person.first_name, person.last_name, person.address.key),
            search_key=normalization.search_key(
                person.first_name, person.last_name, person.address.email, person.address.key
            ),
            password_hash=person.password_hash,
            password_generation=person.generation,
            role=role.value,
            came_by=came_by,
            link_id=link_id,
            invited_by=invited_by,
            confirmed_at=0,
            joined_at=now,
            last_activity_at=now,
            time_zone="",
            theme="system",
            removed_at=0,
        )
    )
    member_id: int = inserted[0]["id"]
    return member_id


async def change_role(actor: Actor, *, member_id: int, role: Role) -> RoleChange:
    """Gives a member a role; Deactivated ends their sessions and links in the same transaction.

    Raises SignInFirst (the session has ended), NotAllowed (the actor lost the right meanwhile), Unknown,
    Refused (a rule forbids it), and PasswordWanted for the role Administrator.
    """
    (change,) = await change_roles(actor, member_ids=(member_id,), role=role)
    return change


async def change_roles(
    actor: Actor, *, member_ids: Sequence[int], role: Role, before: Mapping[int, Role] | None = None
) -> list[RoleChange]:
    """The same for several members: all or nothing.

    before: the roles that they must still have; Refused when one of them has another by now.
    """
    return await _written(actor, dict.fromkeys(member_ids, role), before=before or {})


async def take_back(actor: Actor, *, given: Role, before: Mapping[int, Role]) -> list[RoleChange]:
    """Takes a change back in which these members got the role `given`: each has the role before again.

    All or nothing, within UNDO_MS of the change. Raises as change_roles, and Refused when it is too late, or
    somebody's role isn't the one given any more: what was decided later stands.
    """
    return await _written(actor, before, given)


async def _written(
    actor: Actor,
    wanted: Mapping[int, Role],
    given: Role | None = None,
    before: Mapping[int, Role] = MappingProxyType({}),
) -> list[RoleChange]:
    if not wanted:
        raise Invalid({"member": [by_field.SELECT_SOMEBODY]})
    # Invitations may come back with an Undo: all inviting goes behind the organization's row.
    written = await changes.write(
        actor,
        MANAGING,
        partial(_change_roles, actor, dict(sorted(wanted.items())), given, before),
        members=tuple(wanted),
        around=partial(invitation_ends.behind, tuple(wanted)) if given is not None else None,
        organization=given is not None,
    )
    outbox.wake()
    return written


async def _change_roles(
    actor: Actor,
    wanted: Mapping[int, Role],
    given: Role | None,
    expected: Mapping[int, Role],
    locked: Locked,
) -> list[RoleChange]:
    had = locked.roles
    changed: dict[Role, dict[int, Role]] = {}
    newest = await activity.newest_role_changes(tuple(wanted)) if given else {}
    for member_id, role in wanted.items():
        reason = policy.why_not_assigned(actor.id, locked.acting, member_id, had[member_id], role)
        if reason is None and expected.get(member_id, had[member_id]) is not had[member_id]:
            reason = refusals.CHANGED_AFTER_ASKING
        if reason is None and given is not None:
            reason = _why_not_undone(given, had[member_id], role, *newest.get(member_id, (0, "")))
        if reason is not None:
            raise Refused(await _about(member_id, reason, alone=len(wanted) == 1 and not expected))
        if had[member_id] is not role:
            changed.setdefault(role, {})[member_id] = had[member_id]
    now = clock.now()
    policy.require_password(actor, policy.gravity(changed), now)
    await _let_back(actor, {member_id: at for member_id, (at, _) in newest.items()})
    lowered = [
        member_id for before in changed.values() for member_id in before if policy.administers(had[member_id])
    ]
    if given is None:
        lowered += await demotion.lately(changed.get(Role.DEACTIVATED, {}))
    else:
        lowered = await demotion.taken_by_undo(actor, lowered)
        for member_id, (at, _) in newest.items():
            await demotion.take_back(member_id, at=at)
    for role, before in changed.items():
        await _give(role, tuple(before))
        await _follow_up(actor, role, before, now)
        if given is None:
            await _follow_up_decision(actor, role, before, now)
    await demotion.tell(actor, lowered, now=now)
    rows = {row.id: row for row in await directory.several(tuple(wanted))}
    return [RoleChange(row=rows[member_id], before=had[member_id]) for member_id in wanted]


def _why_not_undone(given: Role, has: Role, wanted: Role, changed_at: int, before: str) -> str | None:
    """Why a change to `given` can't be undone; None if it can.

    has: their role now. wanted: the role to give back. changed_at, before: of the newest change of theirs.
    """
    if has is not given or (before and before != wanted.value):
        return refusals.NOT_TAKEN_BACK
    return refusals.TOO_LATE_TO_UNDO if undo.is_over(changed_at) else None


async def _follow_up(actor: Actor, role: Role, before: Mapping[int, Role], now: int) -> None:
    """What a new role brings with it, and the log. before: the roles that these members had. now: in ms."""
    if role is Role.DEACTIVATED:
        await offboarding.shut_out(actor, tuple(before), "deactivated", at=now)
    for member_id, had in before.items():
        if had is Role.DEACTIVATED:
            await last_day.lift_passed(actor, member_id)
    told = [(member_id, had.value, role.value) for member_id, had in before.items()]
    await activity.record_many(actor, "role_changed", told, at=now)
    for member_id, had in before.items():
        # Who is deactivated is shut out above, invitations included.
        if policy.administers(had) and not policy.administers(role) and policy.may_sign_in(role):
            await invitation_ends.void_with(actor, member_id, at=now)
    if role is Role.PENDING:
        await outbox.void_approved(tuple(before), at=now)


async def _follow_up_decision(actor: Actor, role: Role, before: Mapping[int, Role], now: int) -> None:
    """What a new role brings with it when it is decided, and not when a change is undone.

    An invitation that still lies around must not give back the role of somebody who is put back to waiting.
    People who waited hear that they are in as soon as it is too late to undo that.
    """
    if role is Role.PENDING:
        for member_id in before:
            await invitation_ends.revoke_of_invited(actor, member_id, at=now)
    if policy.is_active(role):
        waited = [member_id for member_id, had in before.items() if had is Role.PENDING]
        await outbox.queue_approved(waited, not_before=now + undo.NOT_BEFORE_MS)


async def _let_back(actor: Actor, undone: Mapping[int, int]) -> None:
    """Brings back what ended with changes that are undone. undone: when each member was changed, in ms."""
    for instant in sorted(set(undone.values())):
        of_it = [member_id for member_id, at in undone.items() if at == instant]
        await offboarding.let_back(actor, of_it, ended_at=instant)


async def _give(role: Role, member_ids: Sequence[int]) -> None:
    marks = ", ".join("?" * len(member_ids))
    await engine.execute(f"UPDATE member SET role = ? WHERE id IN ({marks})", role.value, *member_ids)


async def _about(member_id: int, reason: str, *, alone: bool) -> str:
    """The reason, with the name of whom it concerns when several were asked for."""
    row = None if alone else await directory.one(member_id)
    return refusals.BECAUSE_OF.format(name=row.label, reason=reason) if row else reason


async def remove(actor: Actor, *, member_id: int) -> str:
    """Removes a member: account, sessions and tokens go, the address may be invited again.

    Returns the name they had. The row stays as a tombstone without name, address and password; who it was
    stands beside the log for as long as that is kept.
    Raises SignInFirst, NotAllowed, Unknown and Refused.
    """
    return await changes.write(actor, MANAGING, partial(_remove, actor, member_id), members=(member_id,))


async def _remove(actor: Actor, member_id: int, locked: Locked) -> str:
    reason = policy.why_untouchable(actor.id, locked.acting, member_id, locked.roles[member_id])
    if reason is not None:
        raise Refused(reason)
    row = await directory.one(member_id)
    ((email_key,),) = await engine.rows("SELECT email_key FROM member WHERE id = ?", member_id)
    lowered = policy.administers(locked.roles[member_id]) or await demotion.lately(
        {member_id: locked.roles[member_id]}
    )
    await offboarding.shut_out(actor, (member_id,), "removed")
    await activity_names.keep(member_id)
    await engine.execute(
        "UPDATE member SET email = '', email_key = NULL, first_name = '', last_name = '', name_key = '',"
        " search_key = '', password_hash = '', role = 'DI', ends_at = 0, end_told_at = 0, handed_at = 0,"
        " removed_at = ? WHERE id = ?",
        clock.now(),
        member_id,
    )
    await invitation_ends.forget(member_id, email_key)
    await activity.record(actor, "removed", member_id, before=locked.roles[member_id].value)
    if lowered:
        await demotion.tell(actor, (member_id,), now=clock.now())
    return row.label if row else ""


async def set_last_day(actor: Actor, *, member_id: int, day: str) -> Row:
    """Gives a membership its last day, or takes it away; afterwards it is deactivated by itself.

    day: YYYY-MM-DD by UTC, "" for no end. Raises SignInFirst, NotAllowed, Invalid, Unknown and Refused.
    """
    set_it = partial(_set_last_day, actor, member_id, day)
    row = await changes.write(actor, MANAGING, set_it, members=(member_id,))
    outbox.wake()
    return row


async def _set_last_day(actor: Actor, member_id: int, day: str, locked: Locked) -> Row:
    reason = policy.why_no_last_day(actor.id, locked.acting, member_id, locked.roles[member_id])
    if reason is not None:
        raise Refused(reason)
    ends_at = last_day.ends_at_of(day)
    if await last_day.change(actor, member_id, ends_at) and ends_at:
        lowered = await demotion.lately({member_id: locked.roles[member_id]})
        # Nothing undoes it but another change.
        await demotion.tell(actor, lowered, now=clock.now(), wait_ms=0)
    row = await directory.one(member_id)
    assert row is not None, "its row is locked"
    return row


async def id_of(email: str) -> int:
    """The id of the member with this address. Raises Unknown."""
    found = await engine.read(
        engine.rows, "SELECT id FROM member WHERE email_key = ?", addresses.account_key(email)
    )
    if not found:
        raise Unknown(refusals.NO_MEMBER_WITH_ADDRESS.format(email=email))
    member_id: int = found[0][0]
    return member_id


async def password_hints(email: str, *names: str) -> list[str]:
    """What a password of this person should not be made of: address, names, the organization's title."""
    titles = await engine.read(engine.rows, "SELECT title FROM organization")
    return [email, *names, *(title for (title,) in titles)]
