"""Characters that nobody sees: dropped around addresses, taken out of names."""

import re
import unicodedata
from typing import Final

# Unicode's Default_Ignorable_Code_Point, the blank of Braille, and the marks of interlinear notes.
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff"
)
_AROUND: Final = re.compile(rf"[\s{_INVISIBLE}]+")
_HIDDEN: Final = re.compile(rf"(?![ -~])[\s{_INVISIBLE}]")
_SEEN: Final = re.compile(rf"[^\s{_INVISIBLE}]")
# They turn text around, or only say where a line may break. Joiners and variation selectors stay: Persian,
# Indian scripts and emoji need them inside a name.
_OUT_OF_NAMES: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
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
