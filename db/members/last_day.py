"""The last day of a membership, which ends with it: at midnight UTC. Everything here is inside a write.

Stored is the end, in ms since 1970: the first instant of the day after. What happens then is in
db/members/offboarding.py.
"""

from functools import partial
from typing import Final

from db import activity, engine, policy
from db.common import clock, dates
from db.common.dates import DAY_MS
from db.common.role_codes import codes
from db.errors import Invalid, Refused
from db.mail import notices, outbox
from db.members import changes, demotion, directory, locking
from db.members.changes import Locked
from db.members.directory import MemberRow
from db.policy import Actor, Role, has_ended
from messages import by_field

# How long before the end it is told by mail, and from when on the person's own pages show it.
TOLD_BEFORE_MS: Final = 3 * DAY_MS
SHOWN_BEFORE_MS: Final = 14 * DAY_MS
MAX_YEARS: Final = 10
# Memberships in one transaction: a whole course may end on the same day.
BATCH_SIZE: Final = 200


def iso(ends_at: int) -> str:
    """2026-12-06 for the end of that day, "" for no end."""
    return dates.iso(ends_at - 1) if ends_at else ""


def earliest() -> str:
    """Today, by UTC: who gets it as the last day is out tonight."""
    return iso(clock.now() + 1)


def latest() -> str:
    """The same day in ten years; a leap day's is the day before."""
    today = dates.iso(clock.now())
    year, rest = int(today[:4]) + MAX_YEARS, today[4:]
    return f"{year}-02-28" if rest == "-02-29" else f"{year}{rest}"


def ends_at_of(text: str) -> int:
    """The end of the day that was typed as YYYY-MM-DD, 0 for "". Raises Invalid, for the field last_day."""
    text = text.strip()
    if not text:
        return 0
    start = dates.start_of(text)
    if start is None:
        raise Invalid({"last_day": [by_field.ENTER_A_DAY]})
    # Days of this shape come in the order of their letters.
    if text < earliest():
        raise Invalid({"last_day": [by_field.LAST_DAY_OVER.format(today=earliest())]})
    if text > latest():
        raise Invalid({"last_day": [by_field.LAST_DAY_TOO_FAR.format(years=MAX_YEARS)]})
    return start + DAY_MS


def near(ends_at: int) -> bool:
    """Whether the person's own pages show the end by now."""
    return 0 < ends_at <= clock.now() + SHOWN_BEFORE_MS


async def change(actor: Actor, member_id: int, ends_at: int) -> bool:
    """Sets the end of a member whose row is locked, 0 for none; tells it at once when it is near.

    Returns whether it was another one.
    """
    ((before,),) = await engine.rows("SELECT ends_at FROM member WHERE id = ?", member_id)
    if before == ends_at:
        return False
    await engine.execute(
        "UPDATE member SET ends_at = ?, end_notified_at = 0 WHERE id = ?", ends_at, member_id
    )
    await outbox.void_about("ending", member_id)
    if ends_at:
        await activity.record(actor, "end_set", member_id, before=iso(before), after=iso(ends_at))
    else:
        await activity.record(actor, "end_lifted", member_id, before=iso(before))
    if 0 < ends_at <= clock.now() + TOLD_BEFORE_MS:
        await _tell(member_id)
    return True


async def lift_passed(actor: Actor, member_id: int) -> None:
    """Where somebody comes back after their last day: it would shut them out again at once."""
    ((ends_at,),) = await engine.rows("SELECT ends_at FROM member WHERE id = ?", member_id)
    if has_ended(ends_at, clock.now()):
        await change(actor, member_id, 0)


async def tell_due() -> int:
    """Chore: tells each end three days before, once. Returns how many were looked at."""
    now = clock.now()
    due = await engine.rows(
        "SELECT id FROM member WHERE ends_at > ? AND ends_at <= ? AND end_notified_at = 0"
        f" AND role <> {codes(Role.DEACTIVATED)} ORDER BY id LIMIT ?{engine.for_update()}",
        now,
        now + TOLD_BEFORE_MS,
        BATCH_SIZE,
    )
    for (member_id,) in due:
        await _tell(member_id)
    return len(due)


async def _tell(member_id: int) -> None:
    """Queues the mails about one end: to the member, and to everybody who gets notices of it."""
    if not outbox.set_up():
        # It is told as soon as mail is set up, if that is in time.
        return
    now = clock.now()
    # The conditional UPDATE lets one of several processes tell.
    recipients = await engine.rows(
        "UPDATE member SET end_notified_at = ? WHERE id = ? AND end_notified_at = 0 RETURNING email",
        now,
        member_id,
    )
    for (email,) in recipients:
        others = [other for other in await notices.recipients("ending") if other[0] != member_id]
        for told_id, recipient in ((member_id, email), *others):
            await outbox.queue("ending", recipient=recipient, member_id=told_id, subject_id=member_id)


async def set_last_day(actor: Actor, *, member_id: int, day: str) -> MemberRow:
    """Gives a membership its last day, or takes it away; afterwards it is deactivated by itself.

    day: YYYY-MM-DD by UTC, "" for no end. Raises SignInFirst, NotAllowed, Invalid, Unknown and Refused.
    """
    set_it = partial(_set_last_day, actor, member_id, day)
    row = await changes.write(actor, policy.may_manage_members, set_it, members=(member_id,))
    outbox.wake()
    return row


async def _set_last_day(actor: Actor, member_id: int, day: str, locked: Locked) -> MemberRow:
    reason = policy.why_no_last_day(actor.id, locked.acting, member_id, locked.roles[member_id])
    if reason is not None:
        raise Refused(reason)
    ends_at = ends_at_of(day)
    if await change(actor, member_id, ends_at) and ends_at:
        lowered = await demotion.lately({member_id: locked.roles[member_id]})
        # Nothing undoes it but another change.
        await demotion.tell(actor, lowered, now=clock.now(), wait_ms=0)
    row = await directory.one(member_id)
    assert row is not None, "its row is locked"
    return row


async def end_due() -> None:
    """Chore, also at start: deactivates everybody whose last day is over; once each, whoever else does it."""
    while await engine.write(_end_some) == BATCH_SIZE:
        pass


async def _end_some() -> int:
    due = await engine.rows(
        f"SELECT id FROM member WHERE ends_at > 0 AND ends_at <= ? AND role <> {codes(Role.DEACTIVATED)}"
        " ORDER BY id LIMIT ?",
        clock.now(),
        BATCH_SIZE,
    )
    if due:
        await locking.lock_roles([member_id for (member_id,) in due])
    return len(due)
