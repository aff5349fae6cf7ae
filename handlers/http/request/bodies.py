"""What is sent is read before anybody asks who sends it: whole, within limits of size, time and memory.

The defences read forms. The one file (uploads.py) is read later, for those who may send it.
What went wrong with a body waits until a guard or a form asks for it: any body will do for signing out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope

from db.auth.turns import customer
from db.errors import Busy
from messages import refusals

MAX_BODY_BYTES: Final = 1_000_000
# A form must be complete within this time; a file gets more of it for each piece that has come.
TIMEOUT_SECONDS: Final = 30.0
SLOWEST_BYTES_A_SECOND: Final = 10_000
# All bodies in progress in this process, and of them those of one network. Large ones leave the rest to small
# ones: whoever fills it with megabytes keeps nobody from signing in; with small ones only their network.
ROOM_BYTES: Final = 64_000_000
ROOM_FOR_LARGE_BYTES: Final = 48_000_000
SHARE_BYTES: Final = 24_000_000
SHARE_FOR_LARGE_BYTES: Final = 20_000_000
# Of all networks that one customer of a provider may have (db/auth/turns.py).
BLOCK_BYTES: Final = 40_000_000
BLOCK_FOR_LARGE_BYTES: Final = 32_000_000
SMALL_BYTES: Final = 16_000


class BodyTooLarge(HTTPException):
    status_code = 413
    detail = refusals.TOO_LARGE


class TooSlow(HTTPException):
    status_code = 408
    detail = refusals.PAGES[408][1]


class HungUp(HTTPException):
    """Whoever sent it is gone: nobody's fault, and nothing is done."""

    status_code = 400


class Room:
    """The memory that the bodies in progress take together.

    taken: bytes; by_network: those of each network, and of each customer's networks together.
    """

    def __init__(self) -> None:
        self.taken = 0
        self.by_network = Counter[str]()

    def take(self, size: int, network: str, *, small: bool) -> None:
        """Raises Busy when it is full, or this network or its customer's have had their share."""
        block, share = (BLOCK_BYTES, SHARE_BYTES) if small else (BLOCK_FOR_LARGE_BYTES, SHARE_FOR_LARGE_BYTES)
        shares = {customer(network): block, network: share}
        is_full = self.taken + size > (ROOM_BYTES if small else ROOM_FOR_LARGE_BYTES)
        if is_full or any(self.by_network[key] + size > most for key, most in shares.items()):
            raise Busy
        self.taken += size
        for key in shares:
            self.by_network[key] += size

    def give_back(self, size: int, network: str) -> None:
        self.taken -= size
        for key in {customer(network), network}:
            self.by_network[key] -= size
            if not self.by_network[key]:
                del self.by_network[key]


class Body:
    """The body of one request, and the room it takes until that is answered. network: where it comes from."""

    def __init__(self, room: Room, network: str = "") -> None:
        self._room, self._network = room, network
        self._size = 0
        self._content = bytearray()
        self._fault: HTTPException | Busy | None = None

    @property
    def content(self) -> bytearray:
        """What was sent. Raises what was wrong with it."""
        self.check()
        return self._content

    def check(self) -> None:
        """Raises BodyTooLarge, TooSlow, HungUp or Busy when it wasn't read to its end."""
        if self._fault:
            raise self._fault

    async def read(self, receive: Receive) -> None:
        """Reads a form's to its end; what is wrong with it is kept."""
        try:
            async for piece in self.pieces(receive, most=MAX_BODY_BYTES):
                self._content += piece
        except (HTTPException, Busy) as fault:
            # Its traceback would hold the last piece for as long as the connection stays open.
            self._fault = fault.with_traceback(None)
            self.release()

    async def pieces(self, receive: Receive, *, most: int, slowest: int = 0) -> AsyncIterator[bytes]:
        """The body, a piece at a time. most: bytes. slowest: bytes a second that lengthen its time.

        Raises BodyTooLarge, TooSlow, HungUp and Busy.
        """
        began = asyncio.get_running_loop().time()
        more = True
        while more:
            longest = TIMEOUT_SECONDS + (self._size / slowest if slowest else 0)
            try:
                async with asyncio.timeout_at(began + longest):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            if message["type"] != "http.request":
                raise HungUp
            piece, more = message.get("body", b""), message.get("more_body", False)
            self._take(len(piece), most)
            yield piece

    def release(self) -> None:
        """Gives the room back, with what was kept in it."""
        self._room.give_back(self._size, self._network)
        self._size = 0
        self._content = bytearray()

    def _take(self, size: int, most: int) -> None:
        if self._size + size > most:
            raise BodyTooLarge
        self._room.take(size, self._network, small=self._size + size <= SMALL_BYTES)
        self._size += size


def body_of(scope: Scope) -> Body:
    """The body of a POST, as the defences have read it; whoever sends none has an empty one."""
    state: dict[str, Any] = scope["state"]
    found: Body = state.get("body") or Body(Room())
    return found
