"""Characters that nobody sees: dropped around addresses, taken out of names, named where a text is quoted."""

import re
import unicodedata
from typing import Final

# Unicode's Default_Ignorable_Code_Point, the blank of Braille, and the marks of interlinear notes.
INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_AROUND: Final = re.compile(rf"[\s{INVISIBLE}]+")
_HIDDEN: Final = re.compile(rf"(?![ -~])[\s{INVISIBLE}]")
_SEEN: Final = re.compile(rf"[^\s{INVISIBLE}]")
# They turn text around, or only say where a line may break. Joiners and variation selectors stay: Persian,
# Indian scripts and emoji need them inside a name.
_OUT_OF_NAMES: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)
# More than the longest sentence of ours with an address and a link in it.
MAX_TERMINAL_CHARACTERS: Final = 2_000
_NOT_AT_THE_ENDS: Final = " \u034f\u115f\u1160\u200c\u200d\u2800\u3164\uffa0"


def trimmed(text: str) -> str:
    """The text without white space and invisible characters around it."""
    text = text.strip()
    if text.isascii():
        return text
    start, end = 0, len(text)
    while start < end and _AROUND.match(text, start, start + 1):
        start += 1
    while end > start and _AROUND.match(text, end - 1, end):
        end -= 1
    return text[start:end]


def hidden_in(text: str) -> str:
    """The first character in it that nobody sees, by its name and number; "" when there is none."""
    if text.isascii() or not (found := _HIDDEN.search(text)):
        return ""
    return f"{unicodedata.name(found[0], 'character').lower()} (U+{ord(found[0]):04X})"


def is_hidden(sign: str) -> bool:
    """Whether nobody sees this character: white space counts."""
    return _SEEN.match(sign) is None


def name(text: str) -> str:
    """A name, title or note as kept: single spaces, no invisible characters; "" when nothing is seen."""
    words = " ".join(text.split())
    if words.isascii():
        return words
    words = " ".join(_OUT_OF_NAMES.sub("", words).split()).strip(_NOT_AT_THE_ENDS)
    return words if _SEEN.search(words) else ""


def quotable(text: str) -> str:
    """A text of somebody else's, to be quoted: what can't be seen stands there as its number, [U+200B].

    That is each character that isn't printed, turns text around or is ignored, and white space but " ".
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        sign if sign == " " or (sign.isprintable() and not is_hidden(sign)) else f"[U+{ord(sign):04X}]"
        for sign in text
    )


def on_a_terminal(text: str) -> str:
    """One line for a terminal, which obeys nothing that stands in it; at most 2,000 characters are shown."""
    shown = quotable(text[: MAX_TERMINAL_CHARACTERS + 1])
    return shown if len(shown) <= MAX_TERMINAL_CHARACTERS else f"{shown[:MAX_TERMINAL_CHARACTERS]}…"
