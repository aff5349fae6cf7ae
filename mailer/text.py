"""Cleans text for mails and for log lines about them."""

import re
import unicodedata
from typing import Final

_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Bidi controls: they change the direction of the text that follows.
_BIDI_CONTROLS: Final = dict.fromkeys(
    [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C]
)


def encodable(text: str) -> str:
    """The text with U+FFFD for each byte that wasn't valid UTF-8.

    Python decodes such bytes to lone surrogates (PEP 383), which databases, logs and terminals refuse.
    """
    return _LONE_SURROGATE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """The text on one line, without control characters and bidi controls."""
    return " ".join(
        "".join(char for char in encodable(text) if char.isspace() or unicodedata.category(char) != "Cc")
        .translate(_BIDI_CONTROLS)
        .split()
    )


def tidy(text: str) -> str:
    """The text without spaces at line ends, with one empty line between paragraphs and a final newline."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"
