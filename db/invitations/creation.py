"""Creates invitations by email: at most one open invitation for each address, and each works once."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from db import activity, engine, policy
from db.auth import links
from db.auth.rate_limits import Throttle, begin_resent, count_resent, resting, sent_lately
from db.common import clock, normalization
from db.common.dates import DAY_MS
from db.errors import Invalid, Refused
from db.invitations.recipients import uploads
from db.invitations.recipients.address_list import AddressList, Entry
from db.mail import outbox
from db.members import changes, link_viewers
from db.members.changes import Locked
from db.members.locking import ROLE_NOW
from db.policy import Actor, Role
from messages import by_field, refusals

MAX_TYPED: Final = 500
# How many invalid entries the error names, and how much of each.
MAX_NAMED: Final = 5
MAX_NAMED_CHARACTERS: Final = 60


class RecipientStatus(StrEnum):
    """What sending the list does with one of its addresses."""

    NEW = "new"
    AGAIN = "again"
    APPROVED = "approved"
    UNCONFIRMED = "unconfirmed"
    MEMBER = "member"
    DEACTIVATED = "deactivated"
    # Mailed too often within the hour, so it gets no mail now.
    RESTING = "resting"
    WRONG = "wrong"


MAILED: Final = (RecipientStatus.NEW, RecipientStatus.AGAIN, RecipientStatus.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class RecipientOutcome:
    """An entry and its status. role: the role that a member has, else the one they are invited to."""

    entry: Entry
    status: RecipientStatus
    role: Role
    member_id: int = 0


@dataclass(frozen=True, slots=True)
class InvitePreview:
    """What sending a list would do, invalid entries first. role: for entries without one of their own."""

    outcomes: tuple[RecipientOutcome, ...]
    listed: AddressList
    role: Role

    @property
    def repeated(self) -> int:
        return self.listed.repeated

    @property
    def other_roles(self) -> dict[Role, list[int]]:
        """By role: the line numbers of rows that name another role than the chosen one."""
        found: dict[Role, list[int]] = {}
        for outcome in self.outcomes:
            if outcome.entry.address and outcome.entry.role not in (None, self.role):
                found.setdefault(outcome.entry.role, []).append(outcome.entry.line)
        return {role: sorted(found[role]) for role in policy.WORKING if role in found}

    def count(self, *statuses: RecipientStatus) -> int:
        return sum(outcome.status in statuses for outcome in self.outcomes)

    @property
    def mails(self) -> int:
        return self.count(*MAILED)


@dataclass(frozen=True, slots=True)
class Batch:
    """What a press of "Send invitations" did."""

    id: int
    invited: int
    approved: int
    left_alone: int


async def preview(listed: AddressList, role: Role, throttle: Throttle | None = None) -> InvitePreview:
    """What sending would do now; changes nothing. throttle: as for invite."""
    return await engine.read(_preview, listed, role, throttle)


async def invite(
    actor: Actor,
    listed: AddressList,
    *,
    role: Role,
    days: int,
    skip_invalid: bool = False,
    upload_id: int = 0,
    throttle: Throttle | None = None,
) -> Batch:
    """Invites everybody on the list, in one transaction: makes links, queues mails, and gives confirmed
    Pending members their role at once.

    role: for entries without one of their own. days: how long an invitation works. skip_invalid: send the
    valid entries although others are invalid, which otherwise raise Invalid. upload_id: the stored list,
    which is taken in the same transaction. throttle: counts addresses that have an invitation, or had one
    within the hour; those that were mailed too often are skipped. Raises SignInFirst, NotAllowed,
    PasswordWanted for the role Administrator, Refused when every address is skipped for that, and Unknown
    when the upload was sent already.
    """
    if not listed.entries:
        raise Invalid({"emails": [by_field.ENTER_ADDRESSES]})
    if listed.wrong and not skip_invalid:
        raise Invalid({"emails": [_wrong_ones(listed.wrong)]})
    if not listed.good:
        raise Invalid({"emails": [by_field.ALL_NO_ADDRESSES]})

    async def write(_: Locked) -> Batch:
        return await invite_within(actor, listed, role, days, upload_id, throttle)

    # Members on the list are locked, so that other changes of theirs come before or after this one.
    around = partial(_ids_of_members, _keys(listed))
    batch = await changes.write(actor, policy.may_invite, write, around=around, organization=True)
    outbox.wake()
    return batch


def _wrong_ones(wrong: Sequence[Entry]) -> str:
    """A sentence that names the first few invalid entries."""
    named = ", ".join(
        by_field.QUOTED.format(text=entry.typed[:MAX_NAMED_CHARACTERS]) for entry in wrong[:MAX_NAMED]
    )
    more = len(wrong) - MAX_NAMED
    if more > 0:
        return by_field.MANY_NO_ADDRESSES.format(named=named, more=more)
    return by_field.SOME_NO_ADDRESSES.format(len(wrong), named=named)


async def _preview(listed: AddressList, role: Role, throttle: Throttle | None = None) -> InvitePreview:
    good = _keys(listed)
    members, invited = await _members(good), await _open(good)
    rests = await resting(throttle, good) if throttle else set()
    outcomes = []
    for entry in listed.entries:
        given = entry.role or role
        if entry.address is None:
            outcomes.append(RecipientOutcome(entry, RecipientStatus.WRONG, given))
            continue
        member_id, has, confirmed = members.get(entry.address.key, (0, given, False))
        if member_id and has is Role.DEACTIVATED:
            status = RecipientStatus.DEACTIVATED
        elif member_id and has is not Role.PENDING:
            status = RecipientStatus.MEMBER
        elif member_id and confirmed:
            status = RecipientStatus.APPROVED
        elif member_id:
            status = RecipientStatus.UNCONFIRMED
        else:
            status = RecipientStatus.AGAIN if entry.address.key in invited else RecipientStatus.NEW
        if status in MAILED and entry.address.key in rests:
            status = RecipientStatus.RESTING
        outcomes.append(
            RecipientOutcome(entry, status, has if status is RecipientStatus.MEMBER else given, member_id)
        )
    outcomes.sort(key=lambda outcome: outcome.status is not RecipientStatus.WRONG)
    return InvitePreview(tuple(outcomes), listed, role)


async def invite_within(
    actor: Actor,
    listed: AddressList,
    role: Role,
    days: int,
    upload_id: int = 0,
    throttle: Throttle | None = None,
) -> Batch:
    """The same inside a write by somebody who may invite, behind the organization's row.

    listed: invalid entries are skipped.
    """
    if upload_id:
        await uploads.take(actor, upload_id)
    # Locked: an invitation that is accepted at this instant makes a member before this goes on.
    await _open(_keys(listed), engine.for_update())
    checked = await _preview(listed, role, throttle)
    if any(outcome.role not in policy.WORKING for outcome in checked.outcomes if outcome.status in MAILED):
        raise Refused(refusals.NO_ROLE_TO_INVITE_TO)
    given = {
        outcome.role for outcome in checked.outcomes if outcome.status in (*MAILED, RecipientStatus.APPROVED)
    }
    policy.require_password(actor, policy.sensitive_change(given), clock.now())
    batch_id = await _new_batch(actor)
    invited = await _open(_keys(listed))
    mailed = [outcome for outcome in checked.outcomes if outcome.status in MAILED]
    new = [outcome for outcome in mailed if _key(outcome) not in invited]
    again = [(invited[_key(outcome)], outcome) for outcome in mailed if _key(outcome) in invited]
    approved = [outcome for outcome in checked.outcomes if outcome.status is RecipientStatus.APPROVED]
    if throttle:
        written = [_key(outcome) for outcome in mailed]
        before = {*invited, *await sent_lately(throttle, written)}
        await count_resent(throttle, [key for key in written if key in before])
        await begin_resent(throttle, [key for key in written if key not in before])
        if not mailed and not approved:
            # Raises Refused, naming an address and how long to wait.
            await count_resent(
                throttle, [_key(each) for each in checked.outcomes if each.status is RecipientStatus.RESTING]
            )
    expires_at = clock.now() + days * DAY_MS
    await _insert(actor, new, batch_id, expires_at)
    await _renew(again, batch_id, expires_at, actor)
    await _mail(actor, batch_id)
    await answer(batch_id)
    await _approve(actor, approved)
    left_alone = checked.count(RecipientStatus.MEMBER, RecipientStatus.DEACTIVATED, RecipientStatus.RESTING)
    counts = (len(mailed), len(approved), left_alone)
    await engine.execute(
        "UPDATE batch SET invited = ?, approved = ?, skipped = ? WHERE id = ?", *counts, batch_id
    )
    made = await engine.rows("SELECT id, role FROM invitation WHERE batch_id = ? ORDER BY id", batch_id)
    await activity.record_many(
        actor, "invitation_made", [(invitation_id, "", given) for invitation_id, given in made]
    )
    return Batch(batch_id, *counts)


def _keys(listed: AddressList) -> list[str]:
    return [entry.address.key for entry in listed.entries if entry.address]


def _key(outcome: RecipientOutcome) -> str:
    assert outcome.entry.address is not None, "invalid entries are skipped"
    return outcome.entry.address.key


async def _members(wanted: Sequence[str]) -> dict[str, tuple[int, Role, bool]]:
    """Members by canonical address: id, role, whether the address is confirmed."""
    found: dict[str, tuple[int, Role, bool]] = {}
    for some in engine.chunks(wanted):
        marks = ", ".join("?" * len(some))
        for key, member_id, role, confirmed_at in await engine.rows(
            f"SELECT m.email_key, m.id, {ROLE_NOW.format(t='m')}, m.confirmed_at FROM member AS m"
            f" WHERE m.email_key IN ({marks})",
            clock.now(),
            *some,
        ):
            found[key] = (member_id, Role(role), confirmed_at > 0)
    return found


async def _ids_of_members(wanted: Sequence[str]) -> list[int]:
    return [member_id for member_id, _, _ in (await _members(wanted)).values()]


async def _open(wanted: Sequence[str], lock: str = "") -> dict[str, tuple[int, int]]:
    """Open invitations by canonical address, expired ones too: invitation's and link's id.

    lock: what the SELECT ends with.
    """
    found: dict[str, tuple[int, int]] = {}
    for some in engine.chunks(wanted):
        marks = ", ".join("?" * len(some))
        for key, invitation_id, link_id in await engine.rows(
            f"SELECT email_key, id, link_id FROM invitation WHERE ended_at = 0 AND email_key IN ({marks})"
            f" ORDER BY id{lock}",
            *some,
        ):
            found[key] = (invitation_id, link_id)
    return found


async def _new_batch(actor: Actor) -> int:
    ((batch_id,),) = await engine.rows(
        "INSERT INTO batch (made_at, made_by, invited, approved, skipped)"
        " VALUES (?, ?, 0, 0, 0) RETURNING id",
        clock.now(),
        actor.id,
    )
    return int(batch_id)


async def _insert(actor: Actor, outcomes: Sequence[RecipientOutcome], batch_id: int, expires_at: int) -> None:
    for some in engine.chunks(outcomes):
        link_ids = await links.make_many(links.INVITATION, len(some), actor.id, expires_at)
        now = clock.now()
        values: list[object] = []
        for outcome, link_id in zip(some, link_ids, strict=True):
            entry, address = outcome.entry, outcome.entry.address
            assert address is not None, "invalid entries are skipped"
            search_text = normalization.search_text(
                entry.first_name, entry.last_name, address.email, address.key
            )
            names = (entry.first_name, entry.last_name, search_text)
            values += [
                address.email,
                address.key,
                *names,
                outcome.role.value,
                actor.id,
                batch_id,
                link_id,
                now,
            ]
        row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, 0, 0, 0, 0, 0, '')"
        await engine.execute(
            "INSERT INTO invitation (email, email_key, first_name, last_name, search_text, role, invited_by,"
            " batch_id, link_id, mail_id, made_at, link_revealed_at, new_wanted_at, reminded_at, member_id,"
            " ended_at,"
            f" end_reason) VALUES {', '.join([row] * len(some))}",
            *values,
        )


async def _renew(
    again: Sequence[tuple[tuple[int, int], RecipientOutcome]], batch_id: int, expires_at: int, actor: Actor
) -> None:
    """Renews open invitations: role, end and inviter are the new ones.

    Links in earlier mails keep working, except a link that somebody was shown and that rises to
    Administrator.
    """
    rising = [ids[0] for ids, outcome in again if outcome.role is Role.ADMINISTRATOR]
    anew = set(await link_viewers.make_anew(actor, rising, expires_at))
    for role in policy.WORKING:
        wanted = sorted(ids for ids, outcome in again if outcome.role is role)
        for some in engine.chunks(wanted):
            marks = ", ".join("?" * len(some))
            await engine.execute(
                "UPDATE invitation SET role = ?, batch_id = ?, invited_by = ?, reminded_at = 0,"
                " new_wanted_at = 0"
                f" WHERE ended_at = 0 AND id IN ({marks})",
                role.value,
                batch_id,
                actor.id,
                *(invitation_id for invitation_id, _ in some),
            )
            if kept := [link_id for invitation_id, link_id in some if invitation_id not in anew]:
                await links.extend(kept, expires_at)


async def _mail(actor: Actor, batch_id: int) -> None:
    """Queues a mail for each invitation of the batch, if mail is set up."""
    # Replaces mails of an earlier batch that haven't gone out.
    await outbox.void_of_batch(batch_id)
    found = await engine.rows(
        "SELECT id, email, link_id FROM invitation WHERE batch_id = ? ORDER BY id", batch_id
    )
    if not outbox.set_up():
        # The next page shows the links to copy, so accepting one proves nothing about the address.
        await link_viewers.note(actor, [invitation_id for invitation_id, *_ in found])
        return
    await outbox.queue_many("invitation", found, batch_id=batch_id)
    await engine.execute(
        "UPDATE invitation SET mail_id = newest.id"
        " FROM (SELECT o.invitation_id, MAX(o.id) AS id FROM outbox AS o WHERE o.batch_id = ?"
        " GROUP BY o.invitation_id) AS newest WHERE invitation.id = newest.invitation_id",
        batch_id,
    )


async def _approve(actor: Actor, outcomes: Sequence[RecipientOutcome]) -> None:
    """Gives confirmed Pending members their role. They are locked, so all of them are still Pending."""
    for some in engine.chunks(outcomes):
        given = ", ".join(["(CAST(? AS BIGINT), ?)"] * len(some))
        await engine.execute(
            f"UPDATE member SET role = given.column2 FROM (VALUES {given}) AS given"
            " WHERE member.id = given.column1",
            *(value for outcome in some for value in (outcome.member_id, outcome.role.value)),
        )
    changed = [(outcome.member_id, Role.PENDING.value, outcome.role.value) for outcome in outcomes]
    await activity.record_many(actor, "role_changed", changed)
    await outbox.queue_approved([outcome.member_id for outcome in outcomes])


async def answer(batch_id: int) -> None:
    """Ends the access requests of the addresses in this batch: the invitation is their answer."""
    of_batch = "FROM invitation AS i WHERE i.batch_id = ? AND i.email_key = access_request.email_key"
    await engine.execute(
        "UPDATE access_request SET ended_at = ?, end_reason = 'invited',"
        f" invitation_id = (SELECT i.id {of_batch})"
        f" WHERE ended_at = 0 AND EXISTS (SELECT 1 {of_batch})",
        clock.now(),
        batch_id,
        batch_id,
    )
