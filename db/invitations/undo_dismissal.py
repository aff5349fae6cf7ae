"""Undo of a dismissal: reopens an access request, as long as nobody has decided otherwise."""

from functools import partial

from db import activity, engine, policy
from db.common.undo import is_over
from db.errors import Refused, Unknown
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor
from messages import refusals


async def undo(actor: Actor, *, access_request_id: int, dismissed_at: int) -> str:
    """Reopens the access request that was dismissed at this instant (ms). Returns its name.

    Raises SignInFirst, NotAllowed, Unknown, and Refused when it is too late or somebody has decided otherwise
    since.
    """
    # Invitations and access requests are written one at a time, behind the organization's row.
    back = partial(_undo, actor, access_request_id, dismissed_at)
    return await changes.write(actor, policy.may_invite, back, organization=True)


async def _undo(actor: Actor, access_request_id: int, dismissed_at: int, _: Locked) -> str:
    if is_over(dismissed_at):
        raise Refused(refusals.TOO_LATE_TO_UNDO)
    found = await engine.rows("SELECT email_key, name FROM access_request WHERE id = ?", access_request_id)
    if not found:
        raise Unknown(refusals.NO_SUCH_REQUEST)
    email_key, name = found[0]
    since = (email_key, dismissed_at)
    if await engine.rows(
        "SELECT 1 FROM invitation AS i WHERE i.email_key = ? AND i.made_at >= ?"
        " UNION ALL SELECT 1 FROM member AS m WHERE m.email_key = ?",
        *since,
        email_key,
    ) or not await engine.execute(
        "UPDATE access_request SET ended_at = 0, end_reason = ''"
        " WHERE id = ? AND end_reason = 'dismissed' AND ended_at = ?",
        access_request_id,
        dismissed_at,
    ):
        raise Refused(refusals.REQUEST_NOT_BROUGHT_BACK.format(name=name))
    await activity.record(actor, "request_brought_back", after=str(access_request_id))
    return str(name)
