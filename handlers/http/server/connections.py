"""One connection: how much it may send, and how long it may take, before any of it is a request.

uvicorn's protocol feeds its parser whatever arrives, for as long as it arrives. Here the parser gets only
whole headers, one request at a time, and every wait for the client ends.
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

from db.auth.fair_queue import customer
from handlers.http.context import AppContext
from handlers.http.request import proxies
from handlers.http.request.client import network_of_address
from handlers.http.server.chunks import Chunks, NotChunks
from handlers.http.server.defences import MAX_QUERY_BYTES
from handlers.http.server.limits import REFUSALS, Limits, answer

_END_OF_HEADER: Final = re.compile(rb"\r?\n\r?\n")
# Bytes of a body for the parser at a time. After each piece we check that its chunks aren't mostly framing.
_PIECE: Final = 16_384
# Bytes of requests that wait for the answer to an earlier one. A client that sends more doesn't read its
# answers, and may have thousands of connections.
_MAX_BUFFER_BYTES: Final = 131_072
# SO_LINGER with no second to linger: the kernel drops what a closed connection still holds.
_RESET: Final = pack("ii", 1, 0)


class _Awaited(Enum):
    HEADER = auto()
    BODY = auto()
    ANSWER = auto()


class _GuardedTransport:
    """The transport as uvicorn sees it: Connection counts what is written, and decides how to close."""

    def __init__(
        self, transport: asyncio.Transport, write: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        self._transport = transport
        self.write = write
        self.close = close
        # Nothing more is sent.
        self.shut = False

    def is_closing(self) -> bool:
        return self.shut or self._transport.is_closing()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """The protocol for uvicorn's `http`, made by `partial(Connection, limits=…, by_customer=…)`.

    by_customer: how many connections each customer of a provider has to this process.
    """

    def __init__(self, *arguments: Any, limits: Limits, by_customer: Counter[str], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._limits = limits
        self._by_customer = by_customer
        self._awaited = _Awaited.HEADER
        # Bytes that have arrived and wait for the parser.
        self._buffer = bytearray()
        self._searched = 0
        self._header_began = False
        self._keep_alive = True
        # What is still to come of a body with a Content-Length.
        self._body_left = 0
        self._chunks: Chunks | None = None
        self._body_since = 0.0
        # Bytes of the body with the framing of its chunks, and without.
        self._body_raw_bytes = self._body_bytes = 0
        # Whether arriving bytes are thrown away, and how many were since the last answer.
        self._is_discarding = False
        self._discarded = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._written = 0

    # What the event loop calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._raw = transport
        self._guarded = _GuardedTransport(transport, self._write, self._close)
        super().connection_made(cast(asyncio.Transport, self._guarded))
        self._start_timer(self._limits.idle_seconds, self._hang_up)
        peer = self.client[0] if self.client else ""
        self._customer = customer(network_of_address(peer))
        self._by_customer[self._customer] += 1
        # The kernel gives the lowest free descriptor, so a high one means that hardly any are left.
        descriptor = transport.get_extra_info("socket").fileno()
        is_full = len(self.connections) > self._limits.connections or descriptor >= self._limits.descriptors
        if is_full or (self._by_customer[self._customer] > self._limits.share and not self._is_proxy(peer)):
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._guarded.shut = True
        self._by_customer[self._customer] -= 1
        if not self._by_customer[self._customer]:
            del self._by_customer[self._customer]
        _stop(self._timer)
        _stop(self._write_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._is_discarding:
            self._buffer += data
            self._feed_parser()
        elif self._guarded.shut:
            self._discarded += len(data)
            if self._discarded > self._limits.rest_bytes:
                self._hang_up()

    def shutdown(self) -> None:
        self._keep_alive = False
        if self._has_open_request():
            self.cycle.keep_alive = False
        else:
            self._hang_up()

    # From the buffer to the parser

    def _feed_parser(self) -> None:
        """Feeds the parser a header, or what there is of a body. The next request waits for the answer."""
        while self._buffer and not self._raw.is_closing():
            if self._awaited is _Awaited.ANSWER:
                self.flow.pause_reading()
                if len(self._buffer) > _MAX_BUFFER_BYTES:
                    self._raw.abort()
                return
            piece = self._next_header() if self._awaited is _Awaited.HEADER else self._next_body()
            if not piece:
                return
            self._feed(piece)

    def _take(self, size: int) -> bytes:
        piece = bytes(self._buffer[:size])
        del self._buffer[: len(piece)]
        return piece

    def _next_header(self) -> bytes:
        """The whole header of a request, or b"" until it has arrived."""
        if not self._header_began:
            self._header_began = True
            self._start_timer(self._limits.header_seconds, lambda: self._refuse(408))
        if self._buffer[0] in b"\r\n":
            # Empty lines before a request are allowed (RFC 9112, 2.2).
            self._buffer = self._buffer.lstrip(b"\r\n")
            self._searched = 0
        found = _END_OF_HEADER.search(self._buffer, max(0, self._searched - 3))
        self._searched = len(self._buffer)
        size = found.end() if found else self._searched
        if size > self._limits.header_bytes:
            line = self._buffer[:size].partition(b"\n")[0]
            is_line = len(line) > self._limits.header_bytes or len(line.partition(b"?")[2]) > MAX_QUERY_BYTES
            self._refuse(414 if is_line else 431)
        elif self._buffer and not self._buffer[:1].isalpha():
            self._refuse(400)
        elif found:
            header = self._take(size)
            if header.count(b"\n") > self._limits.header_lines:
                self._refuse(431)
                return b""
            return header
        return b""

    def _next_body(self) -> bytes:
        if self._chunks is None:
            piece = self._take(min(_PIECE, self._body_left))
            self._body_left -= len(piece)
        else:
            try:
                piece = self._take(self._chunks.measure(self._buffer, _PIECE))
            except NotChunks:
                self._refuse(400)
                return b""
        self._body_raw_bytes += len(piece)
        return piece

    def _feed(self, piece: bytes) -> None:
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            # This server speaks no other protocol, and what follows isn't HTTP.
            self.cycle.keep_alive = False
            self._is_discarding = True
            self._buffer.clear()
        except httptools.HttpParserError:
            self._refuse(400)
        else:
            is_frames = self._body_raw_bytes >= _PIECE and self._body_bytes < self._body_raw_bytes // 2
            # Either it isn't HTTP/1 and the parser waits for more, or the chunks have a byte or two each,
            # which costs the parser a lot.
            if self._header_began or (self._awaited is _Awaited.BODY and is_frames):
                self._refuse(400)

    # What the parser calls

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._header_began = False
        self._searched = 0
        self._awaited = _Awaited.BODY
        # Until the body is complete, an answer says that it ends the connection, and does.
        self._keep_alive = self.cycle.keep_alive
        self.cycle.keep_alive = False
        lengths = [int(value) for name, value in self.headers if name == b"content-length"]
        self._body_left = lengths[0] if lengths else 0
        # Without a Content-Length the parser only accepts chunks (RFC 9112, 6.3), or no body.
        self._chunks = None if lengths else Chunks()
        self._body_since, self._body_raw_bytes, self._body_bytes = self.loop.time(), 0, 0
        self._start_timer(self._limits.body_seconds, self._check_body)

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        _stop(self._timer)
        self._awaited = _Awaited.ANSWER
        if not self.cycle.response_started:
            self.cycle.keep_alive = self._keep_alive

    def _check_body(self) -> None:
        """Ends a body whose time is up, unless it keeps the minimum rate."""
        now = self.loop.time()
        if self.flow.read_paused:
            # The server itself paused reading.
            self._body_since = now
        allowed = self._limits.body_seconds + self._body_bytes / self._limits.body_rate
        if self._body_since + allowed > now:
            self._start_timer(self._body_since + allowed - now, self._check_body)
        else:
            self._refuse(408)

    # Answers, and whether the client reads them

    def _write(self, data: bytes) -> None:
        if not self._pending_bytes():
            _stop(self._write_timer)
            self._check_answer_after(self._written)
        self._written += len(data)
        self._raw.write(data)

    def _pending_bytes(self) -> int:
        """Bytes that wait here or in the kernel; the client has acknowledged the rest."""
        held = array("i", [0])
        # Only Linux answers this; elsewhere what the kernel holds counts as read.
        with suppress(OSError):
            fcntl.ioctl(self._raw.get_extra_info("socket").fileno(), termios.TIOCOUTQ, held)
        return self._raw.get_write_buffer_size() + held[0]

    def _check_answer_after(self, taken: int) -> None:
        self._write_timer = self.loop.call_later(self._limits.answer_seconds, self._check_answer, taken)

    def _check_answer(self, before: int) -> None:
        """Resets a client that hardly reads its answer. before: bytes it had read at the last check."""
        pending = self._pending_bytes()
        taken = self._written - pending
        if pending and taken - before < self._limits.answer_bytes:
            # A reset, so that the kernel doesn't go on sending what it holds.
            self._raw.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, _RESET)
            self._raw.abort()
        elif pending:
            self._check_answer_after(taken)

    # Ends

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self._guarded.is_closing():
            return
        self._awaited = _Awaited.HEADER
        self.flow.resume_reading()
        self._start_timer(self._limits.idle_seconds, self._hang_up)
        if self._buffer:
            self.loop.call_soon(self._feed_parser)

    def _close(self) -> None:
        """How uvicorn closes: after an answer, or when the application failed in the middle of one."""
        if self._guarded.shut:
            return
        if self._awaited is _Awaited.BODY or self._is_discarding:
            self._discard_the_rest()
        else:
            self._hang_up()

    def _discard_the_rest(self) -> None:
        """Ends our side, and discards what arrives until the client ends its own (RFC 9112, 9.6)."""
        self._guarded.shut = self._is_discarding = True
        self._buffer.clear()
        if self.cycle is not None:
            # The part of the body that the application never read.
            self.cycle.body = bytearray()
        self._start_timer(self._limits.rest_seconds, self._hang_up)
        self._raw.write_eof()
        self.flow.resume_reading()

    def _hang_up(self) -> None:
        """Closes. The checks of an answer go on until the client has read it."""
        _stop(self._timer)
        self._guarded.shut = True
        self._raw.close()

    def _refuse(self, status: int) -> None:
        """Sends an answer of the server's own, and ends the connection. A request under way gets no other."""
        REFUSALS.add(status, self.client[0] if self.client else "-", self.loop.time())
        is_open = self._has_open_request()
        if is_open:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not (is_open and self.cycle.response_started):
            app_context: AppContext = cast(Any, self.app).state.context
            self._write(answer(status, self.server_state.default_headers, https=app_context.settings.https))
        if status in (408, 503):
            self._hang_up()
        else:
            self._discard_the_rest()

    def _is_proxy(self, peer: str) -> bool:
        """Whether the peer is a trusted proxy, through which everybody comes."""
        app_context: AppContext = cast(Any, self.app).state.context
        address = proxies.parse(peer)
        return address is not None and proxies.is_among(address, app_context.settings.trusted_proxies)

    def _has_open_request(self) -> bool:
        is_asked = self._awaited is not _Awaited.HEADER and not self._guarded.shut
        return is_asked and not self.cycle.response_complete

    def _start_timer(self, seconds: float, end: Callable[[], object]) -> None:
        """Calls `end` after these seconds, unless another timer starts before: there is one at a time."""
        _stop(self._timer)
        self._timer = self.loop.call_later(seconds, end)


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
