"""Notices by mail: who gets which, by the Owner's settings and their own, and how they are queued."""

from collections.abc import Collection
from typing import Final, Literal

from db import engine
from db.common.role_codes import codes
from db.mail import outbox
from db.policy import ADMINISTRATORS

# waiting: a member waits for a role. asked: somebody requests access. ending: a membership is about to end.
Notice = Literal["waiting", "asked", "ending"]

# For each notice: the SQL condition on `member AS m` for its recipients.
IS_RECIPIENT: Final[dict[Notice, str]] = {
    notice: f"m.removed_at = 0 AND m.wants_notices = 1 AND m.role IN ({codes(*ADMINISTRATORS)})"
    f" AND EXISTS (SELECT 1 FROM organization AS o WHERE o.notice_{notice} = 'administrators'"
    f" OR (o.notice_{notice} = 'owner' AND o.owner_id = m.id))"
    for notice in ("waiting", "asked", "ending")
}


async def recipients(notice: Notice) -> list[tuple[int, str]]:
    """Inside a read or write: id and address of all who get this notice now, ordered by id."""
    members = await engine.rows(
        f"SELECT m.id, m.email FROM member AS m WHERE {IS_RECIPIENT[notice]} ORDER BY m.id"
    )
    return [(member_id, email) for member_id, email in members]


async def is_recipient(member_id: int, notice: Notice) -> bool:
    """Inside a read or write: whether this member gets this notice. Checked again just before it is sent."""
    return bool(
        await engine.rows(f"SELECT 1 FROM member AS m WHERE m.id = ? AND {IS_RECIPIENT[notice]}", member_id)
    )


async def member_registered() -> None:
    """Inside the write of a registration: queues the notice for its recipients.

    Each has one such mail in the queue at a time, and gets one in 15 minutes at most. How many members wait
    is counted just before it is sent. Call this last in the write: on PostgreSQL it locks the queued mails
    until COMMIT, so that a mail being sent now either counts this registration or is followed by another.
    """
    if not outbox.set_up():
        return
    queued = await engine.rows(
        "SELECT member_id FROM outbox WHERE kind = 'waiting' AND state = 'queued'"
        f" ORDER BY member_id{engine.for_share()}"
    )
    await queue_waiting(but={member_id for (member_id,) in queued})


async def queue_waiting(*, only: int = 0, but: Collection[int] = ()) -> None:
    """Inside a write: queues a "waiting" notice for its recipients.

    only: for this recipient alone, 0 for all. but: not for these.
    """
    rows = await engine.rows(
        "SELECT m.id, m.email, (SELECT MAX(o.due_at) FROM outbox AS o"
        " WHERE o.kind = 'waiting' AND o.member_id = m.id AND o.state <> 'void')"
        f" FROM member AS m WHERE {IS_RECIPIENT['waiting']} ORDER BY m.id"
    )
    for member_id, recipient, last in rows:
        if member_id not in but and only in (0, member_id):
            await outbox.queue_waiting(member_id, recipient, due_at=outbox.next_notice_at(last or 0))


async def access_requested() -> None:
    """Inside the write that confirms an access request: queues the notice for its recipients.

    Call this last in the write, whose lock keeps others from doing it at the same time. How many requests are
    open is counted just before the mail is sent. So a mail that nobody has claimed counts this request too,
    and is locked until COMMIT; one that is claimed may not count it, and another is queued.
    """
    unclaimed = await engine.rows(
        "SELECT member_id FROM outbox WHERE kind = 'requested' AND state = 'queued' AND lease = ''"
        f" ORDER BY id{engine.for_update()}"
    )
    notified = {member_id for (member_id,) in unclaimed}
    for member_id, recipient in await recipients("asked"):
        if member_id in notified:
            continue
        ((last,),) = await engine.rows(
            "SELECT MAX(due_at) FROM outbox WHERE kind = 'requested' AND member_id = ? AND state <> 'void'",
            member_id,
        )
        due_at = outbox.next_notice_at(last or 0)
        await outbox.queue("requested", recipient=recipient, member_id=member_id, due_at=due_at)
