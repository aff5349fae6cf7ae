"""The guards of the routes: who may use an address."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from litestar.handlers import BaseRouteHandler

from db.auth.sessions import Current
from db.errors import NotAllowed
from db.policy import Permission
from handlers.http.auth import identity
from handlers.http.context import context_of
from handlers.http.request.bodies import body_of
from handlers.http.request.types import AnyConnection, AnyRequest
from messages import refusals

P = ParamSpec("P")
R = TypeVar("R")


async def public_unchecked(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: everyone, and a body that is wrong is no reason to refuse them; for signing out."""
    await identity.identify(connection)


async def public(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: everyone, signed in or not."""
    await identity.identify(connection)
    body_of(connection.scope).check()


async def signed_in(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: everyone with a session, Pending people too."""
    await identity.require_session(connection)
    body_of(connection.scope).check()


@dataclass(frozen=True, slots=True)
class Requires:
    """Guard: everyone whose role has this permission, such as Requires(policy.may_invite)."""

    permission: Permission

    async def __call__(self, connection: AnyConnection, _: BaseRouteHandler) -> None:
        _check(await identity.require_session(connection), self.permission)
        body_of(connection.scope).check()


def before_setup(_: AnyConnection, __: BaseRouteHandler) -> None:
    """Guard: everyone, without looking up who it is, so also before set-up; for set-up, health and files."""


async def recheck(request: AnyRequest, permission: Permission) -> Current:
    """Looks up the session again, after an upload that took long: does its role have the permission still?

    Raises SignInFirst and NotAllowed.
    """
    del request.scope["state"]["current"]
    current = await identity.require_session(request)
    _check(current, permission)
    return current


def _check(current: Current, permission: Permission) -> None:
    if not permission(current.role):
        part = refusals.PART_IS_FOR if len(permission.roles) > 1 else refusals.PART_IS_FOR_ALONE
        raise NotAllowed(part.format(who=permission.who))


def one_by_one(handle: Callable[P, Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Decorates a handler: of each member's requests to such handlers one runs at a time, the others wait.

    So a hundred connections of one member take no more of the server than one.
    """

    @wraps(handle)
    async def handle_alone(*args: P.args, **kwargs: P.kwargs) -> R:
        # The framework passes both by name.
        request: Any = kwargs["request"]
        current: Any = kwargs["current"]
        async with context_of(request).one_by_one.setdefault(current.member_id, asyncio.Lock()):
            return await handle(*args, **kwargs)

    return handle_alone
