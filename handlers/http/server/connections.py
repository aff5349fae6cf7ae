"""One connection: how much it may send, and how long it may take, before any of it is a request.

uvicorn's protocol gives the parser whatever comes, for as long as it comes. Here only a whole header is given
to it, one request at a time; everything that waits for the other side has an end.
"""

import asyncio
import fcntl
import re
import termios
from array import array
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from db.auth.turns import customer
from handlers.http.context import AppContext
from handlers.http.request import proxies
from handlers.http.request.client import network_of_address
from handlers.http.server.chunks import Chunks, NotChunks
from handlers.http.server.defences import MAX_QUERY_BYTES
from handlers.http.server.limits import REFUSALS, Limits, answer

_END_OF_HEADER: Final = re.compile(rb"\r?\n\r?\n")
# A piece of a body for the parser: after each it is asked whether chunks are worth their frames.
_PIECE: Final = 16_384
# Of requests that wait for an answer to the one before; above it somebody sends without listening, and may do
# so over thousands of connections.
_MAX_HELD_BYTES: Final = 131_072
# To linger for no second: of a closed connection nothing is kept.
_RESET: Final = pack("ii", 1, 0)


class _Awaited(Enum):
    HEADER = auto()
    BODY = auto()
    ANSWER = auto()


class _Door:
    """The transport as uvicorn sees it: the connection weighs what is written, and decides how to close."""

    def __init__(
        self, transport: asyncio.Transport, write: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        self._transport = transport
        self.write = write
        self.close = close
        self.shut = False

    def is_closing(self) -> bool:
        return self.shut or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """For uvicorn's `http`, with its limits: `partial(Connection, limits=…)`. The application is ours.

    by_customer: how many connections each customer of a provider has to this process.
    """

    def __init__(self, *arguments: Any, limits: Limits, by_customer: Counter[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._by_customer = by_customer
        self._awaited = _Awaited.HEADER
        # Came, and isn't the parser's turn yet.
        self._held = bytearray()
        self._searched = 0
        self._header_began = False
        self._keep_alive = True
        # What is left of a body that told its length.
        self._body_left = 0
        self._chunks: Chunks | None = None
        self._body_since = 0.0
        # Bytes of it as they came, and without the frames of chunks.
        self._body_fed = self._body_came = 0
        # Whether what comes is thrown away, and how many bytes were after the last answer.
        self._is_deaf = False
        self._rest = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._written = 0

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._plain = transport
        self._door = _Door(transport, self._write, self._close)
        super().connection_made(cast(asyncio.Transport, self._door))
        self._within(self._limits.idle_seconds, self._hang_up)
        peer = self.client[0] if self.client else ""
        self._customer = customer(network_of_address(peer))
        self._by_customer[self._customer] += 1
        # The lowest free descriptor is taken, so the last ones are only taken when there are no others.
        descriptor = transport.get_extra_info("socket").fileno()
        is_full = len(self.connections) > self._limits.connections or descriptor >= self._limits.descriptors
        if is_full or (self._by_customer[self._customer] > self._limits.share and not self._is_proxy(peer)):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.shut = True
        self._by_customer[self._customer] -= 1
        if not self._by_customer[self._customer]:
            del self._by_customer[self._customer]
        _stop(self._timer)
        _stop(self._write_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_deaf:
            self._held += data
            self._go_on()
        elif self._door.shut:
            self._rest += len(data)
            if self._rest > self._limits.rest_bytes:
                self._hang_up()

    def shutdown(self) -> None:
        self._keep_alive = False
        if self._is_under_way():
            self.cycle.keep_alive = False
        else:
            self._hang_up()

    # What came goes to the parser

    def _go_on(self) -> None:
        """Gives the parser a header, or what there is of a body; the next request waits for the answer."""
        while self._held and not self._is_deaf and not self._plain.is_closing():
            if self._awaited is _Awaited.ANSWER:
                self.flow.pause_reading()
                if len(self._held) > _MAX_HELD_BYTES:
                    self._plain.abort()
                return
            piece = self._header() if self._awaited is _Awaited.HEADER else self._body()
            if not piece:
                return
            self._feed(piece)

    def _take(self, size: int) -> bytes:
        piece = bytes(self._held[:size])
        del self._held[: len(piece)]
        return piece

    def _header(self) -> bytes:
        """The whole header of a request, b"" until it has come."""
        if not self._header_began:
            self._header_began = True
            self._within(self._limits.header_seconds, lambda: self._refuse(408))
        if self._held[0] in b"\r\n":
            # Empty lines before a request are allowed (RFC 9112, 2.2).
            self._held = self._held.lstrip(b"\r\n")
            self._searched = 0
        found = _END_OF_HEADER.search(self._held, max(0, self._searched - 3))
        self._searched = len(self._held)
        size = found.end() if found else self._searched
        if size > self._limits.header_bytes:
            line = self._held[:size].partition(b"\n")[0]
            is_line = len(line) > self._limits.header_bytes or len(line.partition(b"?")[2]) > MAX_QUERY_BYTES
            self._refuse(414 if is_line else 431)
        elif self._held and not self._held[:1].isalpha():
            self._refuse(400)
        elif found:
            header = self._take(size)
            if header.count(b"\n") > self._limits.header_lines:
                self._refuse(431)
                return b""
            return header
        return b""

    def _body(self) -> bytes:
        if self._chunks is None:
            piece = self._take(min(_PIECE, self._body_left))
            self._body_left -= len(piece)
        else:
            try:
                piece = self._take(self._chunks.measure(self._held, _PIECE))
            except NotChunks:
                self._refuse(400)
                return b""
        self._body_fed += len(piece)
        return piece

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # We speak nothing else, and what follows isn't HTTP.
            self.cycle.keep_alive = False
            self._is_deaf = True
            self._held.clear()
        except httptools.HttpParserError:
            self._refuse(400)
        else:
            is_frames = self._body_fed >= _PIECE and self._body_came < self._body_fed // 2
            # Not HTTP/1, and the parser waits for more; or chunks of a byte or two, which cost it a lot.
            if self._header_began or (self._awaited is _Awaited.BODY and is_frames):
                self._refuse(400)

    # What the parser calls

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._header_began = False
        self._searched = 0
        self._awaited = _Awaited.BODY
        # As long as the body isn't complete, an answer ends the connection, and says so.
        self._keep_alive = self.cycle.keep_alive
        self.cycle.keep_alive = False
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body_left = lengths[0] if lengths else 0
        # What the parser lets pass without a length comes in chunks (RFC 9112, 6.3), or has no body.
        self._chunks = None if lengths else Chunks()
        self._body_since, self._body_fed, self._body_came = self.loop.time(), 0, 0
        self._within(self._limits.body_seconds, self._weigh_body)

    def on_body(self, body: bytes) -> None:
        self._body_came += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        _stop(self._timer)
        self._awaited = _Awaited.ANSWER
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive

    def _weigh_body(self) -> None:
        """Time is up, but for what has come: a body that keeps the least rate goes on."""
        now = self.loop.time()
        if self.flow.read_paused:
            # We let it wait.
            self._body_since = now
        allowed = self._limits.body_seconds + self._body_came / self._limits.body_rate
        if self._body_since + allowed > now:
            self._within(self._body_since + allowed - now, self._weigh_body)
        else:
            self._refuse(408)

    # What is said, and how it is taken

    def _write(self, data: bytes) -> None:
        if not self._untaken():
            _stop(self._write_timer)
            self._weigh_after(self._written)
        self._written += len(data)
        self._plain.write(data)

    def _untaken(self) -> int:
        """How many bytes wait here, or in the kernel, which has the other side's word for the rest."""
        held = array("i", [0])
        # Only Linux tells; elsewhere what the kernel holds counts as taken.
        with suppress(OSError):
            fcntl.ioctl(self._plain.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)
        return self._plain.get_write_buffer_size() + held[0]

    def _weigh_after(self, taken: int) -> None:
        self._write_timer = self.loop.call_later(self._limits.answer_seconds, self._weigh_answer, taken)

    def _weigh_answer(self, before: int) -> None:
        """Time is up for those who took next to nothing of what there was. before: what was taken by then."""
        untaken = self._untaken()
        taken = self._written - untaken
        if untaken and taken - before < self._limits.answer_bytes:
            # Reset, so that the kernel doesn't go on offering what it holds.
            self._plain.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
            self._plain.abort()
        elif untaken:
            self._weigh_after(taken)

    # Ends

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._door.is_closing():
            return
        self._awaited = _Awaited.HEADER
        self.flow.resume_reading()
        self._within(self._limits.idle_seconds, self._hang_up)
        if self._held:
            self.loop.call_soon(self._go_on)

    def _close(self) -> None:
        """In place of uvicorn's end: after an answer, or when the application broke in the middle of one."""
        if self._door.shut:
            return
        if self._awaited is _Awaited.BODY or self._is_deaf:
            self._read_the_rest()
        else:
            self._hang_up()

    def _read_the_rest(self) -> None:
        """Says that nothing more comes from here, and waits for the same from there (RFC 9112, 9.6)."""
        self._door.shut = self._is_deaf = True
        self._held.clear()
        if self.cycle is not None:
            # What came of the body and nobody took any more.
            self.cycle.body = bytearray()
        self._within(self._limits.rest_seconds, self._hang_up)
        self._plain.write_eof()
        self.flow.resume_reading()

    def _hang_up(self) -> None:
        """Closes; what was said and not yet taken is weighed until it is."""
        _stop(self._timer)
        self._door.shut = True
        self._plain.close()

    def _refuse(self, status: int) -> None:
        """An answer of the server's own, and the end. A request under way gets no other any more."""
        REFUSALS.add(status, self.client[0] if self.client else "-", self.loop.time())
        is_under_way = self._is_under_way()
        if is_under_way:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (is_under_way and self.cycle.response_started):
            app_context: AppContext = cast(Any, self.app).state.context
            self._write(answer(status, self.server_state.default_headers, https=app_context.https))
        if status in (408, 503):
            self._hang_up()
        else:
            self._read_the_rest()

    def _is_proxy(self, peer: str) -> bool:
        """Whether it is one that is trusted, through which everybody comes."""
        app_context: AppContext = cast(Any, self.app).state.context
        address = proxies.parse(peer)
        return address is not None and proxies.is_among(address, app_context.trusted_proxies)

    def _is_under_way(self) -> bool:
        is_asked = self._awaited is not _Awaited.HEADER and not self._door.shut
        return is_asked and not self.cycle.response_complete

    def _within(self, seconds: float, end: Callable[[], object]) -> None:
        """Does `end` then, unless the wait is over before; one thing at a time is waited for."""
        _stop(self._timer)
        self._timer = self.loop.call_later(seconds, end)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
