"""Shutting members out, and letting them back: their sessions, links, invitations and mail."""

from collections.abc import Sequence
from typing import Final

from db.auth import links, sessions
from db.common import clock
from db.mail import outbox
from db.members import invitation_ends
from db.policy import Actor

LINKS_OF_MEMBERS: Final = (links.RESET, links.ADDRESS)


async def shut_out(actor: Actor, member_ids: Sequence[int], reason: str, *, at: int = 0) -> None:
    """Inside a write: ends every session and every link of these members, and what they invited to.

    at: the instant, by which `let_back` finds it all, in ms; 0 for now.
    """
    now = at or clock.now()
    for member_id in member_ids:
        await sessions.end_all(member_id, reason)
        for purpose in LINKS_OF_MEMBERS:
            await links.end(purpose, reason, subject=member_id, at=now)
        await invitation_ends.void_with(actor, member_id, at=now)
        await invitation_ends.revoke_of_invited(actor, member_id, at=now)
        await outbox.void_of_member(member_id, at=now)


async def let_back(actor: Actor, member_ids: Sequence[int], *, ended_at: int) -> None:
    """Inside the write that undoes a change of role: reopens what ended with that change.

    Sessions stay ended. ended_at: the instant of the change, in ms.
    """
    await links.reopen(LINKS_OF_MEMBERS, member_ids, ended_at=ended_at)
    await invitation_ends.undo_ends(actor, member_ids, ended_at=ended_at)
    await outbox.requeue_of_members(member_ids, voided_at=ended_at)
