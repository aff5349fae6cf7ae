"""What a connection may take, and what the server itself answers to those that take more."""

import logging
import sys
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from handlers.http.server.defences import headers_of_every_answer
from messages import refusals

# Floods must not fill the log: of each kind of refusal it gets one line in so many seconds.
LINE_SECONDS: Final = 60
SENTENCES: Final = {
    400: refusals.UNREADABLE,
    408: refusals.TOO_SLOW,
    414: refusals.ADDRESS_TOO_LONG,
    431: refusals.HEADERS_TOO_LARGE,
    503: refusals.FULL,
}

log = logging.getLogger("gatehouse")


@dataclass(frozen=True, slots=True)
class Limits:
    """header_bytes: with the line before it. header_lines: each takes far more memory than its bytes.
    header_seconds: from its first byte to its last.

    idle_seconds: before and between requests. A body may take body_seconds, and a second more for each
    body_rate bytes of it. Of what the server says, at least answer_bytes are taken in each answer_seconds,
    or all that is left. rest_seconds, rest_bytes: what is read and thrown away after an answer that came
    before the end of the body, since whoever is still sending is reset by a closed connection and never
    sees the answer. connections: of one process, at once.
    share: of these for one customer of a provider, so that nobody alone keeps all others out.
    descriptors: a connection that would take a file descriptor from this one on is refused.
    """

    header_bytes: int = 32_768
    header_lines: int = 200
    header_seconds: float = 10
    idle_seconds: float = 10
    body_seconds: float = 30
    body_rate: int = 10_000
    answer_seconds: float = 30
    answer_bytes: int = 10_000
    rest_seconds: float = 30
    rest_bytes: int = 64_000_000
    connections: int = 10_000
    descriptors: int = sys.maxsize

    @property
    def share(self) -> int:
        return self.connections - self.connections // 8


LIMITS: Final = Limits()


class Lines:
    """The lines of the log about refused connections, of this process."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[float, int]] = {}

    def add(self, status: int, client: str, now: float) -> None:
        last, untold = self._since.get(status, (now - LINE_SECONDS, 0))
        if now - last < LINE_SECONDS:
            self._since[status] = (last, untold + 1)
            return
        self._since[status] = (now, 0)
        log.warning("connections: status=%d from=%s unsaid=%d %s", status, client, untold, SENTENCES[status])


LINES: Final = Lines()


def answer(status: int, more: list[tuple[bytes, bytes]], *, https: bool) -> bytes:
    """A whole answer that ends the connection. more: headers of the server, such as the date."""
    text = f"{SENTENCES[status]}\n".encode()
    headers = {
        **headers_of_every_answer(https=https),
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Length": str(len(text)),
        "Connection": "close",
    }
    ours = ((name.lower().encode(), value.encode()) for name, value in headers.items())
    lines = (b"%s: %s\r\n" % pair for pair in (*more, *ours))
    return b"".join([STATUS_LINE[status], *lines, b"\r\n", text])
