"""The limits of a connection, and the answer of the server itself to a request beyond them."""

import logging
import sys
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from handlers.http.server.defences import headers_of_every_answer
from messages import refusals

# Floods must not fill the log.
LOG_INTERVAL_SECONDS: Final = 60
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
    """header_bytes: of the request line and the header together.
    header_lines: each takes far more memory than its bytes. header_seconds: from its first byte to its last.
    idle_seconds: before the first request, and between requests.
    body_seconds: for any body; it gets a second more for each body_rate bytes of it that have come.
    answer_bytes: the other side must take so many in each answer_seconds, or all that is left.
    rest_seconds, rest_bytes: what is read and thrown away after an answer that came before the body's end.
    To a client that is still sending, a closed connection is a reset, and it never sees the answer.
    connections: of one process, at once. share: of these, for one customer of a provider.
    descriptors: a connection that would take this file descriptor, or one above it, is refused.
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
        """Less than all, so that one customer alone can't keep everybody else out."""
        return self.connections - self.connections // 8


LIMITS: Final = Limits()


class RefusalLog:
    """Logs this process's refusals of connections: of each status one line in LOG_INTERVAL_SECONDS."""

    def __init__(self) -> None:
        # By status: when its last line was written, and how many have come since.
        self._logged: dict[int, tuple[float, int]] = {}

    def add(self, status: int, client: str, now: float) -> None:
        """now: in seconds, of any clock that doesn't run back."""
        last, skipped = self._logged.get(status, (now - LOG_INTERVAL_SECONDS, 0))
        if now - last < LOG_INTERVAL_SECONDS:
            self._logged[status] = (last, skipped + 1)
            return
        self._logged[status] = (now, 0)
        log.warning("connections: status=%d from=%s unsaid=%d %s", status, client, skipped, SENTENCES[status])


REFUSALS: Final = RefusalLog()


def answer(status: int, more: list[tuple[bytes, bytes]], *, https: bool) -> bytes:
    """A whole HTTP answer that ends the connection. more: headers of the server, such as the date."""
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
