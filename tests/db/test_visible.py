"""Characters that nobody sees."""

import pytest

from db import visible


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
        ("مهدی\u200cزاده", "مهدی\u200cزاده"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("❤\ufe0f", "❤\ufe0f"),
        ("Zoë", "Zoë"),
        ("गौरी", "गौरी"),
    ],
)
def test_a_name_is_what_is_seen_of_it(typed: str, kept: str) -> None:
    assert visible.name(typed) == kept


def test_what_nobody_sees_around_a_text_is_dropped() -> None:
    assert visible.trimmed(" \ufeff\u200b ada\u200bb \u00ad\u2060") == "ada\u200bb"
    assert visible.trimmed("\u200b" * 1_000) == ""
