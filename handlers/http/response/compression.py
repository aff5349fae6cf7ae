"""Pages go out compressed, but none that another site asked for; files are compressed already."""

import zlib
from typing import Final

from litestar.types import HTTPResponseStartEvent, HTTPScope, Message, Send

from handlers.http.request.types import Headers

# Of 82 KB this leaves 10 and takes 0.12 ms; one level more takes twice as long for half a kilobyte.
LEVEL: Final = 3
# The format of gzip, in the arguments of zlib.
GZIP: Final = 31
# What fits into one packet in any case gains nothing.
MIN_BYTES: Final = 1_400


def takes_gzip(accept_encoding: str) -> bool:
    """Whether this Accept-Encoding names gzip and doesn't refuse it (RFC 9110, 12.5.3)."""
    for entry in accept_encoding.lower().split(","):
        name, _, weight = entry.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def wanted(scope: HTTPScope, headers: Headers, *, https: bool) -> bool:
    """Whether the page that answers this request may be compressed.

    The size of a compressed page tells whether what a stranger put into the request stands on it a second
    time (BREACH). So the request must come from our own pages or from the address bar; browsers say that on
    https. Without https there is nothing to be told: the page itself can be read on the way.
    """
    site = headers.get("sec-fetch-site", "")
    ours = site in ("same-origin", "none") if site else not (https or scope["scheme"] == "https")
    return ours and takes_gzip(headers.get("accept-encoding", ""))


class Compressing:
    """Sends a page that comes in one piece compressed; anything else as it is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: HTTPResponseStartEvent | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_page(message):
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                body = message["body"]
                if len(body) >= MIN_BYTES:
                    packed = zlib.compress(body, LEVEL, GZIP)
                    message["body"] = packed
                    start["headers"] = _with_length(start, len(packed))
            await self._send(start)
        await self._send(message)


def _is_page(start: HTTPResponseStartEvent) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/html") for name, value in start["headers"])


def _with_length(start: HTTPResponseStartEvent, length: int) -> list[tuple[bytes, bytes]]:
    kept = [pair for pair in start["headers"] if pair[0] != b"content-length"]
    return [*kept, (b"content-length", str(length).encode()), (b"content-encoding", b"gzip")]
