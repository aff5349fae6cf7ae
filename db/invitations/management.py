"""Managing invitations until they are accepted: changing the role, resending, revoking, reminding."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from db import activity, engine, policy
from db.auth import links
from db.auth.rate_limits import Throttle, count_resent
from db.common import clock
from db.common.dates import DAY_MS
from db.common.role_codes import codes
from db.errors import Refused, Unknown
from db.invitations import acceptance
from db.invitations import listing as invitation_listing
from db.invitations.acceptance import InvitationForToken
from db.invitations.listing import InvitationRow
from db.mail import outbox
from db.members import changes, invitation_ends, link_viewers
from db.members.changes import Locked
from db.policy import Actor, Role, SensitiveChange
from messages import refusals

REMIND_BEFORE_MS: Final = 2 * DAY_MS
# The inviter gets a mail that a new invitation is wanted at most this often.
NEW_INVITATION_WANTED_MS: Final = 3600 * 1000


async def change_role(actor: Actor, *, invitation_id: int, role: Role) -> bool:
    """Changes the role of an open invitation, which is read at acceptance.

    If the link was revealed to somebody, the role Administrator needs a new link. Returns whether that still
    has to be sent or passed on. Raises SignInFirst, NotAllowed, Unknown, Refused, and
    PasswordWanted for the role Administrator.
    """
    if role not in policy.WORKING:
        raise Refused(refusals.NO_ROLE_TO_INVITE_TO)

    async def write(_locked: Locked) -> bool:
        ((email, before, link_id),) = await _lock_open((invitation_id,))
        if before == role.value:
            return False
        policy.require_password(actor, policy.sensitive_change((role,)), clock.now())
        unsent = False
        if role is Role.ADMINISTRATOR:
            unsent = await _end_revealed_link(actor, invitation_id, email, link_id)
        await engine.execute("UPDATE invitation SET role = ? WHERE id = ?", role.value, invitation_id)
        await activity.record(
            actor, "invitation_role_changed", invitation_id, before=before, after=role.value
        )
        return unsent

    unsent = await changes.write(actor, policy.may_invite, write)
    outbox.wake()
    return unsent


async def _end_revealed_link(actor: Actor, invitation_id: int, email: str, link_id: int) -> bool:
    """Replaces a link that was revealed to somebody; a queued mail takes the new one.

    Returns whether there is a new link that no mail carries.
    """
    ((expires_at,),) = await engine.rows("SELECT expires_at FROM links WHERE id = ?", link_id)
    if not await link_viewers.make_anew(actor, (invitation_id,), expires_at):
        return False
    if not await outbox.void_of_invitation((invitation_id,)):
        return True
    ((new_id,),) = await engine.rows("SELECT link_id FROM invitation WHERE id = ?", invitation_id)
    await _mail_again(invitation_id, email, new_id)
    return False


async def resend(actor: Actor, *, invitation_ids: Sequence[int], days: int, throttle: Throttle) -> int:
    """Resends open and expired invitations. Each works for `days` from now, and so do links in earlier mails.

    All or nothing; returns how many. Raises SignInFirst, NotAllowed, Unknown, Refused, also when an address
    was written to too often, and PasswordWanted where one of them is to the role Administrator.
    """

    async def write(_locked: Locked) -> int:
        found = await _lock_open(invitation_ids)
        policy.require_password(actor, _sensitive_change(found), clock.now())
        await count_resent(throttle, [email for email, _, _ in found])
        expires_at = clock.now() + days * DAY_MS
        for invitation_id, (email, _, link_id) in zip(sorted(set(invitation_ids)), found, strict=True):
            await links.extend([link_id], expires_at)
            await outbox.void_of_invitation([invitation_id])
            await _mail_again(invitation_id, email, link_id)
            await engine.execute(
                "UPDATE invitation SET invited_by = ?, reminded_at = 0, new_wanted_at = 0 WHERE id = ?",
                actor.id,
                invitation_id,
            )
            await activity.record(actor, "invitation_resent", invitation_id)
        return len(found)

    resent = await changes.write(actor, policy.may_invite, write)
    outbox.wake()
    return resent


async def _mail_again(invitation_id: int, email: str, link_id: int) -> None:
    """Queues the mail, if mail is set up."""
    mail_id = await outbox.queue("invitation", recipient=email, invitation_id=invitation_id, link_id=link_id)
    if mail_id:
        await engine.execute("UPDATE invitation SET mail_id = ? WHERE id = ?", mail_id, invitation_id)


class Revoked(NamedTuple):
    """What one press revoked, and when (ms), which its undo needs."""

    invitation_ids: list[int]
    at: int


async def revoke(actor: Actor, *, invitation_ids: Sequence[int]) -> Revoked:
    """Revokes invitations at once; all or nothing. Raises as resend."""

    async def write(_locked: Locked) -> Revoked:
        found = await _lock_open(invitation_ids)
        wanted = sorted(set(invitation_ids))
        at = await invitation_ends.end(actor, wanted, [link_id for _, _, link_id in found], "revoked")
        return Revoked(wanted, at)

    return await changes.write(actor, policy.may_invite, write)


async def mark_link_revealed(actor: Actor, invitation_ids: Sequence[int]) -> list[InvitationRow]:
    """Records that links are revealed to be copied: accepting one then proves nothing about the address.

    All or nothing. Call it before the links are shown; returns their invitations, in order. Raises
    SignInFirst, NotAllowed, Unknown, Refused, and PasswordWanted if one of them is to the role Administrator,
    since anybody who sees that link can become one.
    """

    async def write(_locked: Locked) -> list[InvitationRow]:
        found, wanted = await _lock_open(invitation_ids), sorted(set(invitation_ids))
        policy.require_password(actor, _sensitive_change(found), clock.now())
        await link_viewers.note(actor, wanted)
        # Anybody who saw a link can use it, so each time is logged.
        await activity.record_many(
            actor,
            "invitation_shown",
            [(invitation_id, "", "") for invitation_id in wanted],
        )
        return await invitation_listing.several(wanted)

    return await changes.write(actor, policy.may_invite, write)


async def note_new_invitation_wanted(invited: InvitationForToken, *, address: str = "") -> None:
    """Notes that somebody wants a new invitation, because theirs no longer works, and mails the inviter.

    It is stored with the newest invitation of the address, which is where it is answered. After an expired
    invitation it counts once an hour; otherwise, since it may be a stranger, once until it is answered.
    address: the network address.
    """

    async def write() -> None:
        now = clock.now()
        ended = await acceptance.present(invited.link_id)
        reason = ended.invalid_reason(now) if ended else None
        if ended is None or reason is None:
            return
        newest_id, inviter_id, wanted_at, seen_at = await _lock_newest(ended)
        next_allowed_at = wanted_at + NEW_INVITATION_WANTED_MS
        if wanted_at and (now < next_allowed_at or not (reason == "expired" or seen_at > wanted_at)):
            return
        await engine.execute("UPDATE invitation SET new_wanted_at = ? WHERE id = ?", now, newest_id)
        await activity.record(policy.visitor(address), "invitation_asked_for", newest_id)
        # If the inviter has left, the Owner gets the mail.
        for member_id, recipient in await engine.rows(
            "SELECT id, email FROM member WHERE removed_at = 0"
            f" AND role IN ({codes(*policy.may_invite.roles)}) AND (id = ? OR role = {codes(Role.OWNER)})"
            " ORDER BY CASE WHEN id = ? THEN 0 ELSE 1 END LIMIT 1",
            inviter_id,
            inviter_id,
        ):
            await outbox.queue("asked", recipient=recipient, member_id=member_id, invitation_id=newest_id)

    await engine.write(write)
    outbox.wake()


async def _lock_newest(invited: InvitationForToken) -> tuple[int, int, int, int]:
    """The address's newest invitation, locked: id, inviter, when it was last asked for, and when whoever is
    in under the address was last here, which is an answer. What a removal forgot stands for itself."""
    (found,) = await engine.rows(
        "SELECT i.id, i.invited_by, i.new_wanted_at, COALESCE((SELECT m.last_activity_at FROM member AS m"
        f" WHERE m.email_key = i.email_key AND m.role NOT IN ({codes(Role.PENDING, Role.DEACTIVATED)})), 0)"
        " FROM invitation AS i"
        " WHERE i.id = ? OR (i.email_key = ? AND i.email_key <> '')"
        f" ORDER BY i.id DESC LIMIT 1{engine.for_update()}",
        invited.id,
        invited.email_key,
    )
    newest_id, inviter_id, wanted_at, seen_at = found
    return newest_id, inviter_id, wanted_at, seen_at


async def remind() -> int:
    """Chore: queues one reminder for each mailed invitation that ends within two days. Returns how many."""
    now = clock.now()
    due = await engine.rows(
        "SELECT i.id, i.email, i.link_id FROM invitation AS i JOIN links AS l ON l.id = i.link_id"
        " JOIN outbox AS o ON o.id = i.mail_id"
        " WHERE i.ended_at = 0 AND i.reminded_at = 0 AND o.state = 'sent' AND l.ended_at = 0"
        " AND l.expires_at > ? AND l.expires_at <= ? AND i.made_at < l.expires_at - ?"
        # Somebody who joined another way needs no reminder.
        " AND NOT EXISTS (SELECT 1 FROM member AS m"
        f" WHERE m.email_key = i.email_key AND m.role <> {codes(Role.PENDING)})"
        " ORDER BY i.id LIMIT 500",
        now,
        now + REMIND_BEFORE_MS,
        REMIND_BEFORE_MS,
    )
    for invitation_id, email, link_id in due:
        # The conditional UPDATE lets only one of several processes send it.
        if await engine.execute(
            "UPDATE invitation SET reminded_at = ? WHERE id = ? AND reminded_at = 0", now, invitation_id
        ):
            await outbox.queue("reminder", recipient=email, invitation_id=invitation_id, link_id=link_id)
            await activity.record(policy.SYSTEM, "invitation_reminded", invitation_id)
    return len(due)


def _sensitive_change(found: Sequence[tuple[str, str, int]]) -> SensitiveChange | None:
    return policy.sensitive_change(Role(role) for _, role, _ in found)


async def _lock_open(invitation_ids: Sequence[int]) -> list[tuple[str, str, int]]:
    """Locks open invitations in id order: address, role code and link of each.

    Whoever loses the right at this instant can't finish, and vouches for nobody afterwards: they are locked.
    """
    wanted = sorted(set(invitation_ids))
    if not wanted:
        raise Refused(refusals.SELECT_AN_INVITATION)
    marks = ", ".join("?" * len(wanted))
    found = await engine.rows(
        "SELECT i.email, i.role, i.link_id, i.end_reason, COALESCE((SELECT m.role FROM member AS m"
        " WHERE m.email_key = i.email_key), '') FROM invitation AS i"
        f" WHERE i.id IN ({marks}) ORDER BY i.id{engine.for_update()}",
        *wanted,
    )
    if len(found) < len(wanted):
        raise Unknown(refusals.NO_SUCH_INVITATION)
    for email, _, _, end_reason, holder_role in found:
        if reason := end_reason or ("joined" if holder_role not in invitation_listing.NOT_JOINED else ""):
            raise Refused(refusals.INVITATION_ENDED_BY[reason].format(email=email))
    return [(email, role, link_id) for email, role, link_id, *_ in found]
