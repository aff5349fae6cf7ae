"""Normalized text: what names are sorted by and what search compares, the same on both databases.

SQLite's `lower()` and `LIKE` know only ASCII. So text is normalized here, once, when a row is written. To
change these rules, add a migration that writes the stored texts anew, as m0004_search_keys does.
"""

import itertools
import re
import unicodedata
from typing import Final

from db.common import addresses

# In characters. One letter can become eighteen (ﷺ), and PostgreSQL indexes no value over 2,704 bytes.
MAX_SORT_KEY: Final = 200
# A word with four special letters has sixteen spellings. One with more gets only two: plain and spelled out.
MAX_MIXED: Final = 4
# Unicode doesn't decompose these letters, but people type them like this.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ı": "i", "ħ": "h", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ŧ": "t"}
)
# How people spell a letter that their keyboard lacks.
_SPELLED: Final = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "đ": "dj"}
# Apostrophes and their look-alikes are dropped, so that O’Neill, O'Neill and ONeill are the same.
_APOSTROPHES: Final = str.maketrans("", "", "'`´ʹʻʼʽʾʿˈˊˋ‘’‚‛′‵＇｀ꞌՙ՚׳΄᾽᾿")
_DASH_WITHIN: Final = re.compile(r"(?<=\w)-(?=\w)")


def normalize(text: str) -> str:
    """The text without case, accents, apostrophes and invisible characters, as search and sorting compare it.

    "Vodičková" becomes "vodickova". Compatibility forms become plain ones (ﬁ is fi, a full-width A is a), as
    do all dashes and spaces; ß becomes ss, and İ becomes i. Latin, Greek, Cyrillic, Hebrew and Arabic letters
    lose their marks, since people leave those out when they type. Other scripts keep them, because there they
    make another word (the vowels of Thai, the voiced kana).
    """
    text = text.translate(_APOSTROPHES)
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(map(_normalized_char, decomposed.translate(_APOSTROPHES)))
    return " ".join(unicodedata.normalize("NFKC", plain.translate(_PLAIN)).split())


def _normalized_char(char: str) -> str:
    """A decomposed letter or mark; "" if it is dropped."""
    if char.isascii():
        return char
    combining_class, category = unicodedata.combining(char), unicodedata.category(char)
    # Classes 10 to 35 are the points of Hebrew and Arabic; from 200 on, marks above or below a letter. Cf is
    # formatting: direction marks, joiners, soft hyphens. U+0640 stretches an Arabic word.
    if combining_class >= 200 or 10 <= combining_class <= 35 or char == "\u0640" or category == "Cf":
        return ""
    return "-" if category == "Pd" or char in "\u2212\u02d7" else char


def spellings(word: str) -> list[str]:
    """How people type a word without its special letters, normalized: Müller is muller or mueller.

    The plainest comes first. In a word with very many special letters, nobody mixes the two ways.
    """
    if word.isascii():
        return [normalize(word)]
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", word).casefold())
    choices = [(letter, _SPELLED[letter]) if letter in _SPELLED else (letter,) for letter in letters]
    if sum(map(len, choices)) - len(choices) > MAX_MIXED:
        choices = [(letters, "".join(choice[-1] for choice in choices))]
    return list(dict.fromkeys(normalize("".join(choice)) for choice in itertools.product(*choices)))


def sort_key(first_name: str, last_name: str, email_key: str) -> str:
    """What the list sorts names by: the name as shown, or the address of a member without a name."""
    return (normalize(f"{first_name} {last_name}") or email_key)[:MAX_SORT_KEY]


def search_text(first_name: str, last_name: str, email: str, email_key: str) -> str:
    """What search looks through: the words of the name, the address, and an international domain as read.

    Then follow the other spellings of words with special letters, and words without their dash. Two spaces
    precede each word. So the trigram of two spaces and a letter finds the beginnings of words, and a search
    for one or two letters uses the same index as a longer one.
    """
    written = [spellings(word) for word in f"{first_name} {last_name}".split()]
    domain = addresses.unicode_domain(email)
    words = [word for plainest, *_ in written for word in plainest.split()]
    words.append(normalize(email_key))
    if domain:
        local = normalize(email_key.rpartition("@")[0])
        words += (f"{local}@{spelling}" for spelling in spellings(domain))
    words += (spelling for _, *others in written for spelling in others)
    words += [_DASH_WITHIN.sub("", spelling) for ways in written for spelling in ways if "-" in spelling]
    return "".join(f"  {word}" for word in dict.fromkeys(words) if word)


def search_words(text: str) -> tuple[tuple[str, ...], ...]:
    """The words of a search. Each is a tuple of spellings, one of which must occur in a search text.

    Where the search has a dash, the search text may have none, or a gap between two words.
    """
    words = dict[tuple[str, ...], None]()
    for typed in text.split():
        plainest, *others = spellings(typed)
        for word in plainest.split():
            ways = [word, *(others if word == plainest else ())]
            ways += [_DASH_WITHIN.sub(gap, way) for way in ways for gap in ("", "  ")]
            words[tuple(dict.fromkeys(ways))] = None
    return tuple(words)


def search_terms(text: str) -> tuple[tuple[str, ...], ...]:
    """What to look for in search texts. A match has at least one string of each tuple.

    A word of three letters or more may stand anywhere. A shorter one has to begin a word of the name or the
    address. Without words there are no terms.
    """
    return tuple(
        tuple(word if len(word) >= 3 <= len(words[0]) else f" {word}".rjust(3) for word in words)
        for words in search_words(text)
    )
