"""Every change that somebody makes: who acts, the session they act by and whom it concerns are locked in its
transaction. There the session must be open, and the actor's role must have the permission. Nothing goes round
it.

Locks are taken in one order: the organization's row, members by id, the session, then the rest. Accepting an
invitation alone begins with its link; where PostgreSQL finds that two wait for each other, one begins anew.
Whatever ends a session or takes a right away locks the same rows: either it waits for the change, or the
change finds it done.
"""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from db import engine
from db.auth import sessions
from db.common import clock
from db.errors import NotAllowed, SignInFirst, Unknown
from db.members import locking
from db.policy import Actor, Permission, Role
from messages import refusals

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Locked:
    """The actor's role under the lock, and the roles of all locked members, by id."""

    acting: Role
    roles: Mapping[int, Role]


async def write(
    actor: Actor,
    permission: Permission,
    change: Callable[[Locked], Coroutine[Any, Any, T]],
    *,
    members: Sequence[int] = (),
    around: Callable[[], Awaitable[Collection[int]]] | None = None,
    organization: bool = False,
) -> T:
    """Makes a change in a transaction, if whoever acts still may; returns what it returns.

    members: whom it concerns; all must be there. around: looks up inside whom else to lock; who isn't there
    is left out. organization: all such changes go one after the other, behind the organization's row.

    permission: what the actor's role must allow. Raises SignInFirst once the session of the actor has ended,
    NotAllowed without the permission, Unknown when a member isn't there, and what engine.write and the change
    raise.
    """

    async def checked() -> T:
        if organization:
            await engine.rows(f"SELECT id FROM organization{engine.for_update()}")
        others = await around() if around else ()
        locked = await _lock(actor, (*members, *others))
        if not permission(locked.acting):
            raise NotAllowed(permission.why_not)
        if any(member_id not in locked.roles for member_id in members):
            raise Unknown(refusals.MEMBER_REMOVED_MEANWHILE)
        return await change(locked)

    if actor.session is None:
        return await engine.write(checked)
    try:
        return await engine.write(checked)
    except SignInFirst:
        await sessions.end_if_over(actor.session)
        raise


async def check(actor: Actor, permission: Permission) -> None:
    """Asks the same for what changes nothing here, such as a mail that leaves past the queue."""

    async def nothing(_: Locked) -> None:
        pass

    await write(actor, permission, nothing)


async def _lock(actor: Actor, member_ids: Sequence[int]) -> Locked:
    # Ids begin with 1, so the id 0 of an actor who isn't a member matches nobody.
    roles = await locking.lock_roles((*member_ids, actor.id), actor.session)
    acting = roles.get(actor.id, Role.DEACTIVATED) if actor.kind == "member" else actor.role
    # Checked after the locks, which may have taken a while.
    if actor.session and (acting is Role.DEACTIVATED or actor.session.ends_at <= clock.now()):
        raise SignInFirst
    return Locked(acting, roles)
