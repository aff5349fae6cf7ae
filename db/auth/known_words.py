"""What is left of a password when everything known about its owner is taken out.

Known are the words of the address, the names, the organization, the app and the server. app.js takes the same
steps while somebody types; a browser test holds the two against each other over one list of passwords.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

MIN_LEFT: Final = 8
SHORTEST_WORD: Final = 3
# A longer word is recognised by any five letters of it, so Linden counts for Lindenhof.
RUN: Final = 5
# Signs and digits that stand for letters, and letters that have no accent to take off.
SYMBOLS: Final = dict(zip("0123456789@$!|+(€£", "oizeasgtbgasiltcel", strict=True))
LETTERS: Final = dict(zip("ßøłđðıæœ", "solddiao", strict=True))
# What people put around a word; English and German.
TRIMMINGS: Final = re.compile(
    r"(?:19|20)\d\d|spring|summer|autumn|winter|fr(?:ü|ue)hling|fr(?:ü|ue)hjahr|sommer|herbst"
    r"|january?|januar|february?|februar|march|m(?:ä|ae)rz|april|june|juni|july|juli|august|september"
    r"|o[ck]tober|november|de[cz]ember",
    re.IGNORECASE,
)
_ENDS: Final = re.compile(r"^[\W\d_]+|[\W\d_]+$")


@dataclass(frozen=True, slots=True)
class Folded:
    """Letters as they are compared. spans: for each, where in the text it begins and where it ends."""

    letters: str
    spans: list[tuple[int, int]]


def left(password: str, about: Iterable[str]) -> str | None:
    """The part of the password that isn't made of known words; None when no known word is in it.

    Years, seasons, months and symbols at the ends of what is left are taken off too.
    """
    # Three digits that could be read as a short name come up by chance.
    shortest = SHORTEST_WORD if any(map(_is_letter, password)) else RUN
    runs = {run for run in _runs(about) if len(run) >= shortest}
    covered = [False] * len(password)
    for backwards in (False, True):
        text = password[::-1] if backwards else password
        for symbols in (True, False):
            for begin, end in _found(fold(text, symbols=symbols), runs):
                places = slice(len(text) - end, len(text) - begin) if backwards else slice(begin, end)
                covered[places] = [True] * (end - begin)
    if not any(covered):
        return None
    rest = "".join("\n" if hidden else char for char, hidden in zip(password, covered, strict=True))
    return "".join(map(bare, rest.split("\n")))


def bare(text: str) -> str:
    """The text without years, seasons and months, and without digits and symbols at its ends."""
    return _ENDS.sub("", TRIMMINGS.sub("", text))


def _runs(about: Iterable[str]) -> set[str]:
    """The runs of letters by which the words of these texts are recognised."""
    runs: set[str] = set()
    for text in about:
        words = "".join(char if _is_letter(char) else " " for char in text).split()
        # Too short to count one by one: O'Neill, J. D. Ng.
        whole = ["".join(words)] if any(len(word) < SHORTEST_WORD for word in words) else []
        # Of titles and names; those of an address or a host nobody would think of.
        initials = [] if set("@.") & set(text) else ["".join(word[0] for word in words)]
        for word in (*words, *whole, *initials):
            letters = fold(word, symbols=False).letters
            if len(letters) >= SHORTEST_WORD:
                runs.update(letters[begin : begin + RUN] for begin in range(max(len(letters) - RUN, 0) + 1))
    return runs


def _found(folded: Folded, runs: set[str]) -> Iterable[tuple[int, int]]:
    """Where in the text one of the runs stands."""
    for size in range(SHORTEST_WORD, RUN + 1):
        for begin in range(len(folded.letters) - size + 1):
            if folded.letters[begin : begin + size] in runs:
                yield folded.spans[begin][0], folded.spans[begin + size - 1][1]


def fold(text: str, *, symbols: bool = True) -> Folded:
    """Without case, accents, and all that isn't a letter; ue is u, doubled letters are one, l is i.

    symbols: whether 3 is read as e, and its like; otherwise they are left out, too.
    """
    letters: list[str] = []
    spans: list[tuple[int, int]] = []
    last = ""
    for place, typed in enumerate(text):
        lower = typed.lower()
        for char in unicodedata.normalize("NFKD", LETTERS.get(lower, lower)):
            letter = SYMBOLS.get(char, char) if symbols else char
            if not letter.isalpha():
                continue
            if letter == last or (letter == "e" and last in ("a", "o", "u")):
                spans[-1] = (spans[-1][0], place + 1)
                continue
            last = letter
            letters.append("i" if letter == "l" else letter)
            spans.append((place, place + 1))
    return Folded("".join(letters), spans)


def _is_letter(char: str) -> bool:
    return char.isalpha() or unicodedata.category(char).startswith("M")
