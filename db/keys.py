"""Folded text: what names are sorted by and what search compares, the same on both databases.

`lower()` and `ilike` fold ASCII only on SQLite, so text is folded here once, when a row is written.
"""

import unicodedata
from typing import Final

from db import addresses

# The longest sort key, in characters: one letter of a name can fold to eighteen (ﷺ), and PostgreSQL refuses
# to index values over 2,704 bytes.
MAX_SORT_KEY: Final = 200
# Letters that people type without their stroke, though Unicode doesn't take them apart.
_PLAIN: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h", "æ": "ae", "œ": "oe"})


def fold_text(text: str) -> str:
    """The text as search and sorting see it: no case, no accents, no invisible characters, single spaces.

    Compatibility forms are one (ﬁ is fi, full-width A is a), ß is ss, İ is i, "Vodičková" is "vodickova".
    Marks go from Latin, Greek, Cyrillic, Hebrew and Arabic letters, where people leave them out when they
    type; elsewhere (the vowels of Thai, the voiced kana) they make other words and stay.
    """
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(letter for letter in apart if not _is_left_out(letter))
    return " ".join(unicodedata.normalize("NFKC", kept.translate(_PLAIN)).split())


def _is_left_out(letter: str) -> bool:
    if letter.isascii():
        return False
    mark = unicodedata.combining(letter)
    # 10 to 35 are the points of Hebrew and Arabic, from 200 on what stands above or below a letter. Cf is
    # formatting: direction marks, joiners, soft hyphens. U+0640 stretches an Arabic word.
    return mark >= 200 or 10 <= mark <= 35 or letter == "\u0640" or unicodedata.category(letter) == "Cf"


def name_key(first_name: str, last_name: str, email_key: str) -> str:
    """What the list sorts names by: the name as it is shown, or the address of who gave none."""
    return (fold_text(f"{first_name} {last_name}") or email_key)[:MAX_SORT_KEY]


def search_key(first_name: str, last_name: str, email: str, email_key: str) -> str:
    """What search looks through: each word of the name, the address, and its international domain as read.

    Two spaces stand before each, so that the trigram of two spaces and a letter finds beginnings of words:
    that is how one and two letters are searched by the same index as longer texts.
    """
    words = [*fold_text(f"{first_name} {last_name}").split(), email_key]
    domain = addresses.unicode_domain(email)
    if domain:
        words.append(f"{email_key.rpartition('@')[0]}@{fold_text(domain)}")
    return "".join(f"  {word}" for word in words)


def search_terms(text: str) -> tuple[str, ...]:
    """The pieces of `search_key` that all must occur in it for somebody to be found by this text.

    A word of three letters or more may stand anywhere, a shorter one is the beginning of a word of the name
    or of the address. No word, no term.
    """
    words = dict.fromkeys(fold_text(text).split())
    return tuple(word if len(word) >= 3 else f"  {word}"[-3:] for word in words)
