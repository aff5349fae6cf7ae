"""Text as it may stand in a mail or in a line about one."""

import re
import unicodedata
from typing import Final

_LONE: Final = re.compile("[\ud800-\udfff]")
_TURNS: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])


def encodable(text: str) -> str:
    """The text with U+FFFD for each byte that wasn't UTF-8 where it came from.

    Python decodes such bytes to lone surrogates (PEP 383), which no database, log or terminal takes.
    """
    return _LONE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """One line without control characters and without what turns the direction of the text around it."""
    return " ".join(
        "".join(sign for sign in encodable(text) if sign.isspace() or unicodedata.category(sign) != "Cc")
        .translate(_TURNS)
        .split()
    )


def tidy(text: str) -> str:
    """Text as a person would send it: no blanks at the ends of lines, one blank line between paragraphs."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip() + "\n"
