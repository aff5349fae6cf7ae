"""Reads bodies whole, within limits of size, time and memory, before anyone looks up who sent them.

server/defences.py reads forms. The one file (uploads.py) is read later, if its sender may upload.
An error in a body is raised when a guard or a form asks for it, since signing out works with any body.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope

from db.auth.fair_queue import customer
from db.errors import Busy

MAX_BODY_BYTES: Final = 1_000_000
# A form must be complete within this time; a file gets more time for each piece that has arrived.
TIMEOUT_SECONDS: Final = 30.0
MIN_BYTES_A_SECOND: Final = 10_000
# The memory for bodies in progress in this process, and the share of one network. Large bodies may not use
# all of it, so a client that sends megabytes keeps nobody from signing in. One that sends many small bodies
# keeps only its own network from it.
ROOM_BYTES: Final = 64_000_000
ROOM_FOR_LARGE_BYTES: Final = 48_000_000
SHARE_BYTES: Final = 24_000_000
SHARE_FOR_LARGE_BYTES: Final = 20_000_000
# The share of all networks that one customer of a provider may have (db/auth/fair_queue.py).
BLOCK_BYTES: Final = 40_000_000
BLOCK_FOR_LARGE_BYTES: Final = 32_000_000
SMALL_BYTES: Final = 16_000


class BodyTooLarge(HTTPException):
    status_code = 413


class TooSlow(HTTPException):
    status_code = 408


class HungUp(HTTPException):
    """The client is gone, so nothing is done. No error of the server."""

    status_code = 400


class Room:
    """The memory that the bodies in progress take together.

    taken: bytes. by_network: the bytes of each network, and of each customer's networks together.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.by_network = Counter[str]()

    def take(self, size: int, network: str, *, small: bool) -> None:
        """Raises Busy when it is full, or when this network or its customer has used up its share."""
        block, share = (BLOCK_BYTES, SHARE_BYTES) if small else (BLOCK_FOR_LARGE_BYTES, SHARE_FOR_LARGE_BYTES)
        shares = {customer(network): block, network: share}
        is_full = self.taken + size > (ROOM_BYTES if small else ROOM_FOR_LARGE_BYTES)
        if is_full or any(self.by_network[key] + size > limit for key, limit in shares.items()):
            raise Busy
        self.taken += size
        for key in shares:
            self.by_network[key] += size

    def release(self, size: int, network: str) -> None:
        self.taken -= size
        for key in {customer(network), network}:
            self.by_network[key] -= size
            if not self.by_network[key]:
                del self.by_network[key]


class Body:
    """The body of one request, and the room it takes until the answer is sent. network: of its sender."""

    def __init__(self, room: Room, network: str = "") -> None:
        self._room, self._network = room, network
        self._size = 0
        self._content = bytearray()
        self._error: HTTPException | Busy | None = None

    @property
    def content(self) -> bytearray:
        """The whole body. Raises as check."""
        self.check()
        return self._content

    def check(self) -> None:
        """Raises BodyTooLarge, TooSlow, HungUp or Busy if it wasn't read to its end."""
        if self._error:
            raise self._error

    async def read(self, receive: Receive) -> None:
        """Reads the body of a form to its end. An error is kept for check."""
        try:
            async for piece in self.pieces(receive, limit=MAX_BODY_BYTES):
                self._content += piece
        except (HTTPException, Busy) as error:
            # Its traceback would hold the last piece for as long as the connection stays open.
            self._error = error.with_traceback(None)
            self.release()

    async def pieces(self, receive: Receive, *, limit: int, min_rate: int = 0) -> AsyncIterator[bytes]:
        """The body, a piece at a time. limit: in bytes. min_rate: so many bytes give it another second.

        Raises BodyTooLarge, TooSlow, HungUp and Busy.
        """
        began = asyncio.get_running_loop().time()
        more = True
        while more:
            timeout = TIMEOUT_SECONDS + (self._size / min_rate if min_rate else 0)
            try:
                async with asyncio.timeout_at(began + timeout):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            if message["type"] != "http.request":
                raise HungUp
            piece, more = message.get("body", b""), message.get("more_body", False)
            self._take(len(piece), limit)
            yield piece

    def release(self) -> None:
        """Gives the room back, and drops the content."""
        self._room.release(self._size, self._network)
        self._size = 0
        self._content = bytearray()

    def _take(self, size: int, limit: int) -> None:
        if self._size + size > limit:
            raise BodyTooLarge
        self._room.take(size, self._network, small=self._size + size <= SMALL_BYTES)
        self._size += size


def body_of(scope: Scope) -> Body:
    """The body of a POST, as the defences have read it. A request without one has an empty body."""
    state: dict[str, Any] = scope["state"]
    body: Body = state.get("body") or Body(Room())
    return body
