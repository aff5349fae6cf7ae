"""Giving members roles, and undoing that. Every decision is made on rows that are locked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from db import activity, engine, policy
from db.common import clock
from db.common.undo import NOT_BEFORE_MS, is_over
from db.errors import Invalid, Refused
from db.mail import outbox
from db.members import changes, demotion, directory, invitation_ends, last_day, offboarding
from db.members.changes import Locked
from db.members.directory import MemberRow
from db.policy import Actor, Role
from messages import by_field, refusals


@dataclass(frozen=True, slots=True)
class RoleChange:
    """row: the member as they are now. before: the role they had."""

    row: MemberRow
    before: Role


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


async def undo(actor: Actor, *, given: Role, before: Mapping[int, Role]) -> list[RoleChange]:
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
    # An undo may reopen invitations: all inviting goes behind the organization's row.
    written = await changes.write(
        actor,
        policy.may_manage_members,
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
    policy.require_password(actor, policy.sensitive_change(changed), now)
    await _reopen(actor, {member_id: at for member_id, (at, _) in newest.items()})
    lowered = [
        member_id
        for before in changed.values()
        for member_id in before
        if policy.is_administrator(had[member_id])
    ]
    if given is None:
        lowered += await demotion.lately(changed.get(Role.DEACTIVATED, {}))
    else:
        lowered = await demotion.taken_by_undo(actor, lowered)
        for member_id, (at, _) in newest.items():
            await demotion.undo_notices(member_id, at=at)
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
    return refusals.TOO_LATE_TO_UNDO if is_over(changed_at) else None


async def _follow_up(actor: Actor, role: Role, before: Mapping[int, Role], now: int) -> None:
    """What a new role brings with it, and the log. before: the roles that these members had. now: in ms."""
    if role is Role.DEACTIVATED:
        await offboarding.shut_out(actor, tuple(before), "deactivated", at=now)
    for member_id, had in before.items():
        if had is Role.DEACTIVATED:
            await last_day.lift_passed(actor, member_id)
    events = [(member_id, had.value, role.value) for member_id, had in before.items()]
    await activity.record_many(actor, "role_changed", events, at=now)
    for member_id, had in before.items():
        # Who is deactivated is shut out above, invitations included.
        if policy.may_invite(had) and not policy.may_invite(role) and policy.may_sign_in(role):
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
        await outbox.queue_approved(waited, not_before=now + NOT_BEFORE_MS)


async def _reopen(actor: Actor, undone: Mapping[int, int]) -> None:
    """Reopens what ended with changes that are undone. undone: when each member was changed, in ms."""
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
