"""Folded text: what names are sorted by and what search compares, the same on both databases.

`lower()` and `ilike` fold ASCII only on SQLite, so text is folded here once, when a row is written. A change
of these rules needs a migration that writes the keys anew (m0004_search_keys).
"""

import itertools
import re
import unicodedata
from typing import Final

from db.common import addresses

# The longest sort key, in characters: one letter of a name can fold to eighteen (ﷺ), and PostgreSQL refuses
# to index values over 2,704 bytes.
MAX_SORT_KEY: Final = 200
# With so many special letters a word has sixteen spellings; with more only the plain and the spelled-out one.
MAX_MIXED: Final = 4
# Letters that people type without their stroke, though Unicode doesn't take them apart.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ŧ": "t"}
)
# What else people write for a letter that their keyboard lacks.
_SPELLED: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "đ": "dj"}
# Apostrophes, and what stands in for them. Left out, they are all alike: O’Neill, O'Neill, ONeill.
_APOSTROPHES: Final = str.maketrans("", "", "'`´ʹʻʼʽʾʿˈˊˋ‘’‚‛′‵＇｀ꞌՙ՚׳΄᾽᾿")
_DASH_WITHIN: Final = re.compile(r"(?<=\w)-(?=\w)")


def fold_text(text: str) -> str:
    """The text as search and sorting see it: no case, accents, apostrophes or invisible characters.

    Compatibility forms are one (ﬁ is fi, full-width A is a), so are all dashes and all spaces; ß is ss, İ is
    i, "Vodičková" is "vodickova". Marks go from Latin, Greek, Cyrillic, Hebrew and Arabic letters, where
    people leave them out when they type; elsewhere (the vowels of Thai, the voiced kana) they make other
    words and stay.
    """
    text = text.translate(_APOSTROPHES)
    if text.isascii():
        return " ".join(text.lower().split())
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(map(_kept, apart.translate(_APOSTROPHES)))
    return " ".join(unicodedata.normalize("NFKC", kept.translate(_PLAIN)).split())


def _kept(letter: str) -> str:
    """What is left of one letter or mark."""
    if letter.isascii():
        return letter
    mark, kind = unicodedata.combining(letter), unicodedata.category(letter)
    # 10 to 35 are the points of Hebrew and Arabic, from 200 on what stands above or below a letter. Cf is
    # formatting: direction marks, joiners, soft hyphens. U+0640 stretches an Arabic word.
    if mark >= 200 or 10 <= mark <= 35 or letter == "\u0640" or kind == "Cf":
        return ""
    return "-" if kind == "Pd" or letter in "\u2212\u02d7" else letter


def spellings(word: str) -> list[str]:
    """The ways to write a word without its special letters, folded: Müller is muller and mueller.

    The plainest comes first. Nobody mixes the ways in a word with very many such letters.
    """
    if word.isascii():
        return [fold_text(word)]
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", word).casefold())
    choices = [(letter, _SPELLED[letter]) if letter in _SPELLED else (letter,) for letter in letters]
    if sum(map(len, choices)) - len(choices) > MAX_MIXED:
        choices = [(letters, "".join(choice[-1] for choice in choices))]
    return list(dict.fromkeys(fold_text("".join(some)) for some in itertools.product(*choices)))


def name_key(first_name: str, last_name: str, email_key: str) -> str:
    """What the list sorts names by: the name as it is shown, or the address of who gave none."""
    return (fold_text(f"{first_name} {last_name}") or email_key)[:MAX_SORT_KEY]


def search_key(first_name: str, last_name: str, email: str, email_key: str) -> str:
    """What search looks through: each word of the name, the address, and its international domain as read.

    Behind these come the other spellings of words with special letters, and words without their dash. Two
    spaces stand before each, so that the trigram of two spaces and a letter finds beginnings of words: that
    is how one and two letters are searched by the same index as longer texts.
    """
    written = [spellings(word) for word in f"{first_name} {last_name}".split()]
    domain = addresses.unicode_domain(email)
    words = [word for plainest, *_ in written for word in plainest.split()]
    words.append(fold_text(email_key))
    if domain:
        local = fold_text(email_key.rpartition("@")[0])
        words += (f"{local}@{spelling}" for spelling in spellings(domain))
    words += (spelling for _, *others in written for spelling in others)
    words += [_DASH_WITHIN.sub("", spelling) for found in written for spelling in found if "-" in spelling]
    return "".join(f"  {word}" for word in dict.fromkeys(words) if word)


def search_words(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of a search, each as the spellings of which one must occur in a search key.

    A dash within a word may be missing there, or be the gap between two words.
    """
    found = dict[tuple[str, ...], None]()
    for typed in text.split():
        plainest, *others = spellings(typed)
        for word in plainest.split():
            ways = [word, *(others if word == plainest else ())]
            ways += [_DASH_WITHIN.sub(gap, way) for way in ways for gap in ("", "  ")]
            found[tuple(dict.fromkeys(ways))] = None
    return tuple(found)


def search_terms(text: str) -> tuple[tuple[str, ...], ...]:
    """The pieces of a search key to look for: of each tuple one must occur for somebody to be found.

    A word of three letters or more may stand anywhere, a shorter one is the beginning of a word of the name
    or of the address. No word, no term.
    """
    return tuple(
        tuple(word if len(word) >= 3 <= len(words[0]) else f" {word}".rjust(3) for word in words)
        for words in search_words(text)
    )
