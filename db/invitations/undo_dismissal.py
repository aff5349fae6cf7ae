"""Undo for dismissing: brings a request back as it was, as long as nobody has decided otherwise."""

from functools import partial

from db import activity, engine, policy
from db.common import undo
from db.errors import Refused, Unknown
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor
from messages import refusals


async def bring_back(actor: Actor, *, request_id: int, dismissed_at: int) -> str:
    """Brings back what one press has dismissed, at this instant (ms). Returns the name.

    Raises SignInFirst, NotAllowed, Unknown, and Refused when it is too late or somebody has decided otherwise
    since.
    """
    # All inviting and asking go one after the other behind the organization's row.
    back = partial(_bring_back, actor, request_id, dismissed_at)
    return await changes.write(actor, policy.may_invite, back, organization=True)


async def _bring_back(actor: Actor, request_id: int, dismissed_at: int, _: Locked) -> str:
    if undo.is_over(dismissed_at):
        raise Refused(refusals.TOO_LATE_TO_UNDO)
    found = await engine.rows("SELECT email_key, name FROM access_request WHERE id = ?", request_id)
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
        request_id,
        dismissed_at,
    ):
        raise Refused(refusals.REQUEST_NOT_BROUGHT_BACK.format(name=name))
    await activity.record(actor, "request_brought_back", after=str(request_id))
    return str(name)
