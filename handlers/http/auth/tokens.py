"""Tokens of links, as somebody sends them: the row that each was made for."""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from db.common import clock
from db.errors import DeadLink
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from signing import token_in


class Row(Protocol):
    """What a token leads to: a link, or an invitation with its link."""

    @property
    def nonce(self) -> str: ...
    def dead_because(self, now: int) -> str | None: ...


R = TypeVar("R", bound=Row)
Find = Callable[[int], Awaitable[R | None]]


def in_address(request: AnyRequest, name: str = "token") -> str:
    """The token in the address, "" when there is none.

    Copied out of HTML it is called amp;token, and `=` comes encoded from programs that encode too much.
    """
    for key, value in request.query_params.multi_items():
        found = re.fullmatch(rf"(?:amp;)*{name}=(.*)", f"{key}={value}" if value else key, re.DOTALL)
        if found:
            return token_in(found[1])
    return ""


async def genuine(request: AnyRequest, purpose: str, token: str, find: Find[R]) -> R | None:
    """The row behind a valid mac, alive or not; None for a forged token, and an unknown id takes as long."""
    signer = context_of(request).signer
    link_id = signer.id_in(token)
    row = await find(link_id) if link_id else None
    return row if signer.matches(purpose, token, row.nonce if row else None) else None


async def living(request: AnyRequest, purpose: str, token: str, find: Find[R]) -> R:
    """The row behind a token that works. Raises DeadLink, which says why only behind a valid mac."""
    row = await genuine(request, purpose, token, find)
    if row is None:
        raise DeadLink
    if reason := row.dead_because(clock.now()):
        raise DeadLink(reason)
    return row
