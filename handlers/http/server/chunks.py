"""Finds the end of a chunked body (RFC 9112, 7.1) before the parser gets any of it.

The parser takes trailer fields for headers, of this request or of the next one on the connection. If a proxy
passes trailers on, any client could thus set `X-Forwarded-For`, and choose who it seems to be.
"""

import re
from typing import Final

# The line before a chunk may hold extensions beside the size. We ignore them, and limit their length.
MAX_LINE_BYTES: Final = 256
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[^\r\n]*)?\r\n")
_LINE_END: Final = b"\r\n"


class NotChunks(Exception):
    """The bytes are no chunk, or trailers follow the last one."""


class Chunks:
    """The framing of one body, as far as it has been measured."""

    def __init__(self) -> None:
        # Bytes of the present chunk that are still to come, with the end of line behind it.
        self._left = 0

    def measure(self, buffer: bytearray, limit: int) -> int:
        """How many bytes at the start of `buffer` certainly belong to this body: about `limit` at most.

        The caller takes these bytes out of the buffer before the next call.

        Raises NotChunks.
        """
        size = 0
        while size < min(limit, len(buffer)):
            if self._left:
                step = min(self._left, min(limit, len(buffer)) - size)
                self._left -= step
                size += step
            elif line := _LINE.match(buffer, size, size + MAX_LINE_BYTES):
                length = int(line[1], 16)
                if length == 0:
                    return size + self._last(buffer, size, line.end())
                self._left = length + len(_LINE_END)
                size = line.end()
            else:
                if buffer.find(b"\n", size) >= 0 or len(buffer) - size >= MAX_LINE_BYTES:
                    raise NotChunks
                break
        return size

    @staticmethod
    def _last(buffer: bytearray, start: int, end: int) -> int:
        """The length of the last chunk with the empty line that begins at `end`; 0 until that has arrived."""
        behind = bytes(buffer[end : end + len(_LINE_END)])
        if not _LINE_END.startswith(behind):
            raise NotChunks
        return end + len(_LINE_END) - start if behind == _LINE_END else 0
