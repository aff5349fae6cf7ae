"""Ending one's own sessions: the present one, another, or all others."""

import contextlib

from db import activity, engine, policy
from db.auth import sessions
from db.common import clock
from db.errors import SignInFirst, Unknown
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor
from messages import refusals


async def sign_out(actor: Actor, session_id: int) -> None:
    """Ends the session somebody is using; one that has ended already is as they wanted it."""

    async def change(_: Locked) -> None:
        if await _end(actor, session_id, "signed out"):
            await activity.record(actor, "signed_out", actor.id)

    with contextlib.suppress(SignInFirst):
        await changes.write(actor, policy.may_sign_in, change)


async def end_own(actor: Actor, session_id: int) -> None:
    """Ends one of the actor's own sessions. Raises SignInFirst, and Unknown for anybody else's."""

    async def change(_: Locked) -> None:
        if not await _end(actor, session_id, "ended by its member"):
            raise Unknown(refusals.NO_SUCH_SESSION)
        await activity.record(actor, "session_ended", actor.id)

    await changes.write(actor, policy.may_sign_in, change)


async def end_others(actor: Actor, session_id: int) -> int:
    """Ends all of the actor's sessions but this one; returns how many. Raises SignInFirst."""

    async def change(_: Locked) -> int:
        ended = await sessions.end_all(actor.id, "ended by its member", but=session_id)
        if ended:
            await activity.record(actor, "other_sessions_ended", actor.id, after=str(ended))
        return ended

    return await changes.write(actor, policy.may_sign_in, change)


async def _end(actor: Actor, session_id: int, reason: str) -> int:
    return await engine.execute(
        "UPDATE session SET ended_at = ?, end_reason = ? WHERE id = ? AND member_id = ? AND ended_at = 0",
        clock.now(),
        reason,
        session_id,
        actor.id,
    )
