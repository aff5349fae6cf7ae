"""Invitations by email: one open one for each address, used once, never more than its inviter could give."""

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
# So many wrong ones are named at the field, and so much of each.
MAX_NAMED: Final = 5
MAX_NAMED_CHARACTERS: Final = 60


class Fate(StrEnum):
    """What happens to an address of a list when it is sent."""

    NEW = "new"
    AGAIN = "again"
    APPROVED = "approved"
    UNCONFIRMED = "unconfirmed"
    MEMBER = "member"
    DEACTIVATED = "deactivated"
    # Sent again too often within the hour, and left alone.
    RESTING = "resting"
    WRONG = "wrong"


MAILED: Final = (Fate.NEW, Fate.AGAIN, Fate.UNCONFIRMED)


@dataclass(frozen=True, slots=True)
class Outcome:
    """An entry and its fate. role: what a member has by now, else what they are invited to."""

    entry: Entry
    fate: Fate
    role: Role
    member_id: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What sending a list would do, the wrong ones first. role: for entries without their own."""

    outcomes: tuple[Outcome, ...]
    listed: AddressList
    role: Role

    @property
    def repeated(self) -> int:
        return self.listed.repeated

    @property
    def other_roles(self) -> dict[Role, list[int]]:
        """The lines of the rows that name another role than the one chosen, by that role."""
        found: dict[Role, list[int]] = {}
        for outcome in self.outcomes:
            if outcome.entry.address and outcome.entry.role not in (None, self.role):
                found.setdefault(outcome.entry.role, []).append(outcome.entry.line)
        return {role: sorted(found[role]) for role in policy.WORKING if role in found}

    def count(self, *fates: Fate) -> int:
        return sum(outcome.fate in fates for outcome in self.outcomes)

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


async def preview(listed: AddressList, role: Role, throttle: Throttle | None = None) -> Plan:
    """What sending would do now. Changes nothing. throttle: as for invite."""
    return await engine.read(_plan, listed, role, throttle)


async def invite(
    actor: Actor,
    listed: AddressList,
    *,
    role: Role,
    days: int,
    left_out: bool = False,
    upload_id: int = 0,
    throttle: Throttle | None = None,
) -> Batch:
    """Invites everybody on the list, in one transaction: links, mails, and roles of confirmed Pending people.

    role: for entries without their own. days: life of an invitation. left_out: send the others although some
    entries are wrong; otherwise they raise Invalid and nothing goes out. upload_id: where the list was kept;
    it is taken in the same transaction. throttle: counts whoever is invited already, or was within the
    hour, and so is sent an invitation again; whoever was too often is left alone. Raises SignInFirst,
    NotAllowed, PasswordWanted for the role Administrator, Refused when nobody is left for that, and Unknown
    when the upload was sent already.
    """
    if not listed.entries:
        raise Invalid({"emails": [by_field.ENTER_ADDRESSES]})
    if listed.wrong and not left_out:
        raise Invalid({"emails": [_wrong_ones(listed.wrong)]})
    if not listed.good:
        raise Invalid({"emails": [by_field.ALL_NO_ADDRESSES]})

    async def write(_: Locked) -> Batch:
        return await invite_within(actor, listed, role, days, upload_id, throttle)

    # Who is a member already has one fate: another change of theirs is made before this, or after it.
    around = partial(_ids_of_members, _keys(listed))
    batch = await changes.write(actor, policy.may_invite, write, around=around, organization=True)
    outbox.wake()
    return batch


def _wrong_ones(wrong: Sequence[Entry]) -> str:
    """A sentence that names them, as far as they can be seen at a glance."""
    named = ", ".join(
        by_field.QUOTED.format(text=entry.typed[:MAX_NAMED_CHARACTERS]) for entry in wrong[:MAX_NAMED]
    )
    more = len(wrong) - MAX_NAMED
    if more > 0:
        return by_field.MANY_NO_ADDRESSES.format(named=named, more=more)
    return by_field.SOME_NO_ADDRESSES.format(len(wrong), named=named)


async def _plan(listed: AddressList, role: Role, throttle: Throttle | None = None) -> Plan:
    good = _keys(listed)
    members, invited = await _members(good), await _open(good)
    rests = await resting(throttle, good) if throttle else set()
    outcomes = []
    for entry in listed.entries:
        given = entry.role or role
        if entry.address is None:
            outcomes.append(Outcome(entry, Fate.WRONG, given))
            continue
        member_id, has, confirmed = members.get(entry.address.key, (0, given, False))
        if member_id and has is Role.DEACTIVATED:
            fate = Fate.DEACTIVATED
        elif member_id and has is not Role.PENDING:
            fate = Fate.MEMBER
        elif member_id and confirmed:
            fate = Fate.APPROVED
        elif member_id:
            fate = Fate.UNCONFIRMED
        else:
            fate = Fate.AGAIN if entry.address.key in invited else Fate.NEW
        if fate in MAILED and entry.address.key in rests:
            fate = Fate.RESTING
        outcomes.append(Outcome(entry, fate, has if fate is Fate.MEMBER else given, member_id))
    outcomes.sort(key=lambda outcome: outcome.fate is not Fate.WRONG)
    return Plan(tuple(outcomes), listed, role)


async def invite_within(
    actor: Actor,
    listed: AddressList,
    role: Role,
    days: int,
    upload_id: int = 0,
    throttle: Throttle | None = None,
) -> Batch:
    """The same inside a change of somebody who may invite, behind the organization's row.

    listed: without wrong entries, or those are left out.
    """
    if upload_id:
        await uploads.take(actor, upload_id)
    # Locked: whoever accepts at this instant is a member before it goes on.
    await _open(_keys(listed), engine.for_update())
    plan = await _plan(listed, role, throttle)
    if any(outcome.role not in policy.WORKING for outcome in plan.outcomes if outcome.fate in MAILED):
        raise Refused(refusals.NO_ROLE_TO_INVITE_TO)
    given = {outcome.role for outcome in plan.outcomes if outcome.fate in (*MAILED, Fate.APPROVED)}
    policy.require_password(actor, policy.sensitive_change(given), clock.now())
    batch_id = await _new_batch(actor)
    invited = await _open(_keys(listed))
    mailed = [outcome for outcome in plan.outcomes if outcome.fate in MAILED]
    new = [outcome for outcome in mailed if _key(outcome) not in invited]
    again = [(invited[_key(outcome)], outcome) for outcome in mailed if _key(outcome) in invited]
    approved = [outcome for outcome in plan.outcomes if outcome.fate is Fate.APPROVED]
    if throttle:
        written = [_key(outcome) for outcome in mailed]
        before = {*invited, *await sent_lately(throttle, written)}
        await count_resent(throttle, [key for key in written if key in before])
        await begin_resent(throttle, [key for key in written if key not in before])
        if not mailed and not approved:
            # Says which, and how long to wait.
            await count_resent(throttle, [_key(each) for each in plan.outcomes if each.fate is Fate.RESTING])
    expires_at = clock.now() + days * DAY_MS
    await _insert(actor, new, batch_id, expires_at)
    await _renew(again, batch_id, expires_at, actor)
    await _mail(actor, batch_id)
    await answer(batch_id)
    await _approve(actor, approved)
    left_alone = plan.count(Fate.MEMBER, Fate.DEACTIVATED, Fate.RESTING)
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


def _key(outcome: Outcome) -> str:
    assert outcome.entry.address is not None, "wrong ones are sorted out"
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


async def _insert(actor: Actor, outcomes: Sequence[Outcome], batch_id: int, expires_at: int) -> None:
    for some in engine.chunks(outcomes):
        link_ids = await links.make_many(links.INVITATION, len(some), actor.id, expires_at)
        now = clock.now()
        values: list[object] = []
        for outcome, link_id in zip(some, link_ids, strict=True):
            entry, address = outcome.entry, outcome.entry.address
            assert address is not None, "wrong ones are sorted out"
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
    again: Sequence[tuple[tuple[int, int], Outcome]], batch_id: int, expires_at: int, actor: Actor
) -> None:
    """Invites once more: role and end are today's, and who invites now vouches now. Earlier mails work on,
    unless their link was shown to somebody and rises to Administrator."""
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
    # A mail of an earlier sending that hasn't gone out is replaced by this one's.
    await outbox.void_where_invited(batch_id)
    found = await engine.rows(
        "SELECT id, email, link_id FROM invitation WHERE batch_id = ? ORDER BY id", batch_id
    )
    if not outbox.set_up():
        # The page that follows shows the links to copy: accepting them proves nothing about an address.
        await link_viewers.note(actor, [invitation_id for invitation_id, *_ in found])
        return
    await outbox.queue_many("invitation", found, batch_id=batch_id)
    await engine.execute(
        "UPDATE invitation SET mail_id = newest.id"
        " FROM (SELECT o.invitation_id, MAX(o.id) AS id FROM outbox AS o WHERE o.batch_id = ?"
        " GROUP BY o.invitation_id) AS newest WHERE invitation.id = newest.invitation_id",
        batch_id,
    )


async def _approve(actor: Actor, outcomes: Sequence[Outcome]) -> None:
    """Gives confirmed people their role at once. They are locked, so all of them still wait."""
    for some in engine.chunks(outcomes):
        given = ", ".join(["(CAST(? AS BIGINT), ?)"] * len(some))
        await engine.execute(
            f"UPDATE member SET role = given.column2 FROM (VALUES {given}) AS given"
            " WHERE member.id = given.column1",
            *(value for outcome in some for value in (outcome.member_id, outcome.role.value)),
        )
    told = [(outcome.member_id, Role.PENDING.value, outcome.role.value) for outcome in outcomes]
    await activity.record_many(actor, "role_changed", told)
    await outbox.queue_approved([outcome.member_id for outcome in outcomes])


async def answer(batch_id: int) -> None:
    """Whoever is invited by this sending has the answer to their request, whichever way they were invited."""
    of_batch = "FROM invitation AS i WHERE i.batch_id = ? AND i.email_key = access_request.email_key"
    await engine.execute(
        "UPDATE access_request SET ended_at = ?, end_reason = 'invited',"
        f" invitation_id = (SELECT i.id {of_batch})"
        f" WHERE ended_at = 0 AND EXISTS (SELECT 1 {of_batch})",
        clock.now(),
        batch_id,
        batch_id,
    )
