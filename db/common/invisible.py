"""Invisible characters: stripped from addresses, removed from names, shown as numbers in quoted text."""

import re
import unicodedata
from typing import Final

# Unicode's Default_Ignorable_Code_Point, the Braille blank, and the marks of interlinear annotations.
CHARS: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_AROUND: Final = re.compile(rf"[\s{CHARS}]+")
_HIDDEN: Final = re.compile(rf"(?![ -~])[\s{CHARS}]")
_SEEN: Final = re.compile(rf"[^\s{CHARS}]")
# These change the direction of text or say where a line may break. Joiners and variation selectors stay:
# Persian, Indian scripts and emoji need them inside a name.
_REMOVED_FROM_NAMES: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# Our longest sentence, with an address and a link in it, is shorter.
MAX_TERMINAL_CHARACTERS: Final = 2_000
_NOT_AT_THE_ENDS: Final = " \u034f\u115f\u1160\u200c\u200d\u2800\u3164\uffa0"


def stripped(text: str) -> str:
    """The text without white space and invisible characters at its ends."""
    text = text.strip()
    if text.isascii():
        return text
    start, end = 0, len(text)
    while start < end and _AROUND.match(text, start, start + 1):
        start += 1
    while end > start and _AROUND.match(text, end - 1, end):
        end -= 1
    return text[start:end]


def first_in(text: str) -> str:
    """The first character that can't be seen, by name and number; "" for none. White space but " " counts."""
    if text.isascii() or not (match := _HIDDEN.search(text)):
        return ""
    return f"{unicodedata.name(match[0], 'character').lower()} (U+{ord(match[0]):04X})"


def is_invisible(char: str) -> bool:
    """Whether a character is white space or invisible."""
    return _SEEN.match(char) is None


def clean_name(text: str) -> str:
    """A name, title or note as stored: single spaces, no invisible characters; "" if nothing can be seen."""
    words = " ".join(text.split())
    if words.isascii():
        return words
    words = " ".join(_REMOVED_FROM_NAMES.sub("", words).split()).strip(_NOT_AT_THE_ENDS)
    return words if _SEEN.search(words) else ""


def escape(text: str) -> str:
    """Text from outside, ready to be quoted: each character that can't be seen becomes its number, [U+200B].

    Those are control characters, invisible ones, and white space other than " ".
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char == " " or (char.isprintable() and not is_invisible(char)) else f"[U+{ord(char):04X}]"
        for char in text
    )


def for_terminal(text: str) -> str:
    """One line that is safe to print on a terminal: no control characters, at most 2,000 characters."""
    shown = escape(text[: MAX_TERMINAL_CHARACTERS + 1])
    return shown if len(shown) <= MAX_TERMINAL_CHARACTERS else f"{shown[:MAX_TERMINAL_CHARACTERS]}…"
