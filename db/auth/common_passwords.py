"""Whether a password is one of those that are tried first: a common one, or a word with the usual around it.

Compared as people vary them: folded (case, accents, symbols for letters) and without years, seasons, months,
and digits and symbols at the ends. app.js takes the same steps with USUAL alone, while somebody types.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

from db.auth.known_words import SYMBOLS, TRIMMINGS, bare, fold


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if not line.startswith("#")]


# Ranked, with source and licence at its top.
LIST: Final = Path(__file__).with_suffix(".txt")
# Fewer letters come up by chance.
SHORTEST: Final = 5
# What passwords begin from; small enough to stand in the page, where app.js warns of them.
USUAL: Final = frozenset(_lines(Path(__file__).with_name("usual_words.txt")))
_FIRST: Final = re.compile(r"^[\W\d_]+")
_LAST: Final = re.compile(r"[\W\d_]+$")
# 1 and ! stand for i as well as for l.
_AS_I: Final = {ord(char): letter for char, letter in SYMBOLS.items()}
_AS_L: Final = _AS_I | dict.fromkeys(map(ord, "1!"), "l")


def holds(password: str) -> bool:
    """Whether it is a common password, or one word with what people put around a word."""
    from zxcvbn.matching import RANKED_DICTIONARIES

    normal = unicodedata.normalize("NFKC", password)
    cores = {*_cores(normal), *_once(normal)}
    if any(f"\n{fold(core).letters}\n" in _listed() for core in (normal, *cores)):
        return True
    words = {word for core in cores for word in _readings(core) if len(word) >= SHORTEST}
    # zxcvbn leaves the words of whom it judged last among its lists.
    lists = [known for name, known in RANKED_DICTIONARIES.items() if name != "user_inputs"]
    return any(TRIMMINGS.fullmatch(word) or any(word in known for known in lists) for word in words)


def ranked() -> list[tuple[int, str]]:
    """The public list: rank among passwords of all lengths, and password."""
    split = (line.split("\t", 1) for line in _lines(LIST))
    return [(int(rank), password) for rank, password in split]


def folded(passwords: Iterable[str]) -> set[str]:
    """The letters by which these passwords are compared, without what stands around them."""
    return {letters for password in passwords if len(letters := fold(bare(password)).letters) >= SHORTEST}


@cache
def _listed() -> str:
    """What is compared with, a line each: a tenth of the memory of a set, and searched in microseconds.

    Made when somebody first chooses a password; a start needn't wait for it.
    """
    common = [password for _, password in ranked()]
    whole = {fold(password).letters for password in (*common, *USUAL)}
    return "\n".join(["", *sorted((whole | folded(common)) - {""}), ""])


def _cores(password: str) -> Iterator[str]:
    """What a password may be made from. A symbol at its beginning may stand for a letter, as in $unshine."""
    text = TRIMMINGS.sub("", password)
    for begun in (text, _FIRST.sub("", text)):
        yield from (begun, _LAST.sub("", begun))


def _once(password: str) -> Iterator[str]:
    """What is said more than once in it, and is no less common for that."""
    letters = "".join(filter(str.isalpha, password.casefold()))
    if (period := (letters + letters).find(letters, 1)) < len(letters):
        yield letters[:period]


def _readings(core: str) -> Iterator[str]:
    """A text as the words it may stand for: as typed, and with symbols read as letters."""
    plain = unicodedata.normalize("NFKD", core).casefold()
    for text in (plain, plain.translate(_AS_I), plain.translate(_AS_L)):
        yield "".join(char for char in text if char.isalnum())
