"""Undo for revoking: brings invitations back as they were, as long as nobody has decided otherwise."""

from collections.abc import Sequence

from db import activity, deactivation, engine, invitation_ends, outbox, policy, undo
from db.invitation_care import Revoked
from db.policy import Actor, NotAllowed, Refused, Role, Unknown
from messages import refusals


async def bring_back(actor: Actor, revoked: Revoked) -> int:
    """Brings back what one press has revoked; all or nothing, returns how many.

    The links work again until the end they had, and the mails that became void are queued again. Raises
    NotAllowed, Unknown, and Refused when it is too late or somebody has decided otherwise since.
    """
    done = await engine.write(_bring_back, actor, sorted(set(revoked.invitation_ids)), revoked.at)
    outbox.wake()
    return done


async def _bring_back(actor: Actor, wanted: Sequence[int], at: int) -> int:
    if not wanted:
        raise Refused(refusals.SELECT_AN_INVITATION)
    if undo.is_over(at):
        raise Refused(refusals.TOO_LATE_TO_UNDO)
    await _lock_people(actor, wanted, at)
    for some in engine.chunks(wanted):
        marks = ", ".join("?" * len(some))
        await _refuse_others(some, at, engine.for_update())
        found = await engine.rows(f"SELECT link_id FROM invitation WHERE id IN ({marks})", *some)
        await invitation_ends.reopen(some, [link_id for (link_id,) in found], ended_at=at)
    await activity.record_many(
        actor, "invitation_brought_back", [(invitation_id, "", "") for invitation_id in wanted]
    )
    return len(wanted)


async def _lock_people(actor: Actor, wanted: Sequence[int], at: int) -> None:
    """Locks who acts, who invited and who is invited, in this order as everything does: before invitations.

    All inviting goes one after the other behind the organization's row. What isn't revoked any more is
    refused first, so that nobody who accepts at this instant waits for rows that are locked here.
    """
    await engine.rows(f"SELECT id FROM organization{engine.for_update()}")
    ids = {actor.id}
    inviters = dict[int, str]()
    for some in engine.chunks(wanted):
        await _refuse_others(some, at)
        marks = ", ".join("?" * len(some))
        for invited_by, email, person in await engine.rows(
            "SELECT i.invited_by, i.email, COALESCE(m.id, 0) FROM invitation AS i"
            f" LEFT JOIN member AS m ON m.email_key = i.email_key WHERE i.id IN ({marks})",
            *some,
        ):
            inviters[invited_by] = email
            ids |= {invited_by, person}
    roles = await deactivation.lock_roles(sorted(ids))
    acting = roles.get(actor.id, Role.DEACTIVATED) if actor.kind == "member" else actor.role
    if not policy.administers(acting):
        raise NotAllowed(refusals.INVITE_PEOPLE)
    for invited_by, email in inviters.items():
        # Their invitations ended with the right to invite; these were revoked before.
        if invited_by and not policy.administers(roles.get(invited_by, Role.DEACTIVATED)):
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
