"""Where a body in chunks ends (RFC 9112, 7.1), known before the parser is given any of it.

The parser takes trailer fields for headers, of this request or of the next one on the connection, where
`X-Forwarded-For` would choose who is asking. A proxy that passes trailers on makes them a stranger's words.
"""

import re
from typing import Final

# The line before a chunk may say more than its size; nobody needs that, and it should end.
MAX_LINE_BYTES: Final = 256
_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[^\r\n]*)?\r\n")
_LINE_END: Final = b"\r\n"


class NotChunks(Exception):
    """Something else than a chunk, or trailers behind the last one."""


class Chunks:
    """The frames of one body, as far as they have been measured."""

    def __init__(self) -> None:
        # Of the chunk under way, with the end of line behind it.
        self._left = 0

    def measure(self, came: bytearray, most: int) -> int:
        """How many bytes at the start of `came` belong to this body for sure: about `most`, and none twice.

        Raises NotChunks.
        """
        size = 0
        while size < min(most, len(came)):
            if self._left:
                step = min(self._left, min(most, len(came)) - size)
                self._left -= step
                size += step
            elif line := _LINE.match(came, size, size + MAX_LINE_BYTES):
                length = int(line[1], 16)
                if length == 0:
                    return size + self._last(came, size, line.end())
                self._left = length + len(_LINE_END)
                size = line.end()
            else:
                if came.find(b"\n", size) >= 0 or len(came) - size >= MAX_LINE_BYTES:
                    raise NotChunks
                break
        return size

    @staticmethod
    def _last(came: bytearray, start: int, end: int) -> int:
        """The bytes of the last chunk, with the empty line from `end` on; 0 until that is there."""
        behind = bytes(came[end : end + len(_LINE_END)])
        if not _LINE_END.startswith(behind):
            raise NotChunks
        return end + len(_LINE_END) - start if behind == _LINE_END else 0
