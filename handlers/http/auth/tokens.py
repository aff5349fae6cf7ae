"""Tokens of links, as a request brings them: the row that each was made for."""

import re
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from db.common import clock
from db.errors import InvalidLink
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from signing import token_in


class Row(Protocol):
    """The row that a token leads to: a link, or an invitation with its link."""

    @property
    def nonce(self) -> str: ...
    def invalid_reason(self, now: int) -> str | None: ...


R = TypeVar("R", bound=Row)
Find = Callable[[int], Awaitable[R | None]]


def in_address(request: AnyRequest, name: str = "token") -> str:
    """The token in the address, "" when there is none.

    A link copied out of HTML names it amp;token, and some programs encode the `=`.
    """
    for key, value in request.query_params.multi_items():
        match = re.fullmatch(rf"(?:amp;)*{name}=(.*)", f"{key}={value}", re.DOTALL)
        if match:
            return token_in(match[1])
    return ""


async def authentic_link(request: AnyRequest, purpose: str, token: str, find: Find[R]) -> R | None:
    """The row behind a token whose MAC is right, valid or not. None for a forged token.

    An unknown id takes as long as a known one.
    """
    signer = context_of(request).signer
    link_id = signer.id_in(token)
    row = await find(link_id) if link_id else None
    return row if signer.matches(purpose, token, row.nonce if row else None) else None


async def valid_link(request: AnyRequest, purpose: str, token: str, find: Find[R]) -> R:
    """The row behind a token that works. Raises InvalidLink, with a reason only if the MAC is right."""
    row = await authentic_link(request, purpose, token, find)
    if row is None:
        raise InvalidLink
    if reason := row.invalid_reason(clock.now()):
        raise InvalidLink(reason)
    return row
