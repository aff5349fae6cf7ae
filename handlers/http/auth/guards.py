"""The guards of the routes: who may use an address."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from litestar.handlers import BaseRouteHandler

from db import policy
from db.auth.sessions import Current
from db.errors import NotAllowed
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


async def administrators(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: Owner and Administrators."""
    _check_administers(await identity.require_session(connection))
    body_of(connection.scope).check()


async def owners(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Guard: the Owner."""
    if not policy.owns((await identity.require_session(connection)).role):
        raise NotAllowed(refusals.OWNER_ALONE)
    body_of(connection.scope).check()


def before_setup(_: AnyConnection, __: BaseRouteHandler) -> None:
    """Guard: everyone, without looking up who it is, so also before set-up; for set-up, health and files."""


async def recheck_administrator(request: AnyRequest) -> Current:
    """Looks up the session again, after an upload that took long: still an Owner's or Administrator's?

    Raises SignInFirst and NotAllowed.
    """
    del request.scope["state"]["current"]
    current = await identity.require_session(request)
    _check_administers(current)
    return current


def _check_administers(current: Current) -> None:
    if not policy.administers(current.role):
        raise NotAllowed(refusals.OWNER_AND_ADMINISTRATORS)


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
