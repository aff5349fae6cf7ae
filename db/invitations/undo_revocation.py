"""Undo of a revocation: reopens invitations as they were, as long as nobody has decided otherwise."""

from collections.abc import Sequence
from functools import partial

from db import activity, engine, policy
from db.common import clock
from db.common.undo import is_over
from db.errors import Refused, Unknown
from db.invitations.management import Revoked
from db.mail import outbox
from db.members import changes, invitation_ends, link_viewers
from db.members.changes import Locked
from db.policy import Actor, Role
from messages import refusals


async def undo(actor: Actor, revoked: Revoked) -> int:
    """Reopens what one press revoked; all or nothing, returns how many.

    The links work again until the end they had, and the mails that became void are queued again. Raises
    SignInFirst, NotAllowed, Unknown, Refused when it is too late or somebody has decided otherwise since, and
    PasswordWanted where one of them is to the role Administrator.
    """
    wanted = sorted(set(revoked.invitation_ids))
    done = await changes.write(
        actor,
        policy.may_invite,
        partial(_undo, actor, wanted, revoked.at),
        around=partial(_people, wanted),
        organization=True,
    )
    outbox.wake()
    return done


async def _people(wanted: Sequence[int]) -> set[int]:
    """Who invited, was shown a link or is invited, to be locked before invitations, as everything does."""
    found = set[int]()
    for some in engine.chunks(wanted):
        marks = ", ".join("?" * len(some))
        invited = await engine.rows(
            "SELECT m.id FROM invitation AS i JOIN member AS m ON m.email_key = i.email_key"
            f" WHERE i.id IN ({marks})",
            *some,
        )
        found.update(member_id for (member_id,) in invited)
        found.update(member_id for *_, member_id in await link_viewers.knowing(some))
    return found


async def _undo(actor: Actor, wanted: Sequence[int], at: int, locked: Locked) -> int:
    if not wanted:
        raise Refused(refusals.SELECT_AN_INVITATION)
    if is_over(at):
        raise Refused(refusals.TOO_LATE_TO_UNDO)
    for some in engine.chunks(wanted):
        marks = ", ".join("?" * len(some))
        # What isn't revoked any more is refused first, so that nobody who accepts at this instant waits for
        # rows that are locked here.
        await _refuse_others(some, at)
        await _refuse_others(some, at, engine.for_update())
        await _refuse_outlived(some, locked)
        found = await engine.rows(f"SELECT link_id, role FROM invitation WHERE id IN ({marks})", *some)
        policy.require_password(actor, policy.sensitive_change(Role(role) for _, role in found), clock.now())
        await invitation_ends.reopen(some, [link_id for link_id, _ in found], ended_at=at)
    await activity.record_many(
        actor, "invitation_brought_back", [(invitation_id, "", "") for invitation_id in wanted]
    )
    return len(wanted)


async def _refuse_outlived(wanted: Sequence[int], locked: Locked) -> None:
    """What somebody made or has seen ends with their right to invite; these were revoked before."""
    for _, email, member_id in await link_viewers.knowing(wanted):
        if not policy.may_invite(locked.roles.get(member_id, Role.DEACTIVATED)):
            raise Refused(refusals.INVITATION_NOT_BROUGHT_BACK.format(email=email))


async def _refuse_others(wanted: Sequence[int], at: int, lock: str = "") -> None:
    """Refuses unless all of these were revoked at that instant, and nothing was decided since."""
    marks = ", ".join("?" * len(wanted))
    found = await engine.rows(
        f"SELECT id, email, end_reason, ended_at FROM invitation WHERE id IN ({marks}) ORDER BY id{lock}",
        *wanted,
    )
    if len(found) < len(wanted):
        raise Unknown(refusals.NO_SUCH_INVITATION)
    others = [
        email for _, email, reason, ended_at in found if (reason, ended_at) != ("revoked", at) or not email
    ]
    others += [
        email
        for (email,) in await engine.rows(
            f"SELECT i.email FROM invitation AS i WHERE i.id IN ({marks}) AND (EXISTS (SELECT 1"
            " FROM invitation AS later WHERE later.email_key = i.email_key AND later.id > i.id) OR EXISTS"
            " (SELECT 1 FROM member AS m JOIN activity AS a ON a.subject_id = m.id AND a.about = 'member'"
            " WHERE m.email_key = i.email_key AND a.kind IN ('role_changed', 'accepted_invitation')"
            " AND a.at >= ?))",
            *wanted,
            at,
        )
    ]
    if others:
        raise Refused(refusals.INVITATION_NOT_BROUGHT_BACK.format(email=others[0]))
