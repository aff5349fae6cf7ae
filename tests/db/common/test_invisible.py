"""Characters that nobody sees."""

import sys
import unicodedata

import pytest

from db.common import invisible


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("\u202eAda\u202c", "Ada"),
        ("A\u2066d\u2069a\u200f", "Ada"),
        ("\ufeffAda\u200bLove\u00adlace", "AdaLovelace"),
        ("\u3164", ""),
        ("\u2800\u2800", ""),
        ("\u115f \u1160", ""),
        ("\u200d\u034f", ""),
        ("\ufe0f", ""),
        ("\U000e0041\U000e0042", ""),
        ("\u3164Ada\u2800", "Ada"),
        ("A\u3164d\uffa0a\U0001d173\U000e0fff\U000e0080", "Ada"),
        ("مهدی\u200cزاده", "مهدی\u200cزاده"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("Zoë", "Zoë"),
        ("गौरी", "गौरी"),
    ],
)
def test_a_name_is_what_is_seen_of_it(typed: str, kept: str) -> None:
    assert invisible.clean_name(typed) == kept


def test_nothing_in_a_quoted_text_is_unseen() -> None:
    """All of Unicode: what can't be seen stands there as its number, everything else as it is.

    Beside the classes that print nothing these are letters and marks that Unicode lets programs leave out
    (DerivedCoreProperties.txt, Default_Ignorable_Code_Point), and the blank of Braille.
    """
    left_out = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, *range(0x180B, 0x1810), 0x2800, 0x3164, 0xFFA0}
    left_out |= {*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
    for number in range(sys.maxunicode + 1):
        char = chr(number)
        is_seen = unicodedata.category(char)[0] in "LMNPS" and number not in left_out
        assert invisible.escape(char) == (char if is_seen or char == " " else f"[U+{number:04X}]")


def test_what_is_seen_is_quoted_as_it_is() -> None:
    for text in ("Zoë O'Neill <zoe@example.org>", "गौरी", "نور", "山田 太郎", "ZÜRICH", "👩"):
        assert invisible.escape(text) == text


def test_a_line_for_a_terminal_is_short_and_obeyed_by_nobody() -> None:
    assert invisible.for_terminal("a\x1b[2J\r\nb\x9b\u2066\ud800") == (
        "a[U+001B][2J[U+000D][U+000A]b[U+009B][U+2066][U+D800]"
    )
    assert invisible.for_terminal("a" * 2_000) == "a" * 2_000
    assert invisible.for_terminal("\x1b" * 1_000_000) == f"{'[U+001B]' * 250}…"


def test_what_nobody_sees_around_a_text_is_dropped() -> None:
    assert invisible.stripped(" \ufeff\u200b ada\u200bb \u00ad\u2060") == "ada\u200bb"
    assert invisible.stripped("\u200b" * 1_000) == ""
