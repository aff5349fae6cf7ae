"""What people paste when they are asked for addresses: finds the addresses, and the names beside them. Pure.

A comma, a semicolon or the end of a line ends a piece. A piece without an @ is wrong, unless it is a surname
before a name and an address in angle brackets (`Hartmann, Lena <lena@example.org>`), or a title.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from db.common import addresses, invisible

# A surname and a given name; more pieces that are no titles are a list of people.
MAX_NAME_PIECES: Final = 2
# What may stand behind a name, after a comma.
_TITLES: Final = frozenset(
    ("jr", "sr", "ii", "iii", "iv", "md", "phd", "dr", "prof", "esq", "mba", "msc", "bsc", "cpa", "dds", "rn")
)
# An address whose @ sign is missing or written out; the dots of initials mean none.
_MEANT_AS_ADDRESS: Final = re.compile(
    r"[^\W_]{2}\.[^\W_]|[^\W_]\.[^\W_]{2}|[(\[{<]\s*[aä]t\s*[)\]}>]|\sat\s|[＠﹫]", re.IGNORECASE
)
_LINE_ENDS: Final = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_SEMICOLONS: Final = ";\u037e\u061b\ufe14\ufe54\uff1b"
_COMMAS: Final = ",\u060c\u3001\ufe10\ufe11\ufe50\ufe51\uff0c\uff64"
_OPENERS: Final = r"<(\[\uff08\uff1c\uff3b\u3008\u300a\u300c\u300e\u3010"
# No address holds them: other brackets, quotation marks, dashes, bullets, arrows and emoji.
_ASIDE: Final = (
    r">)\]\"\u00a1-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6\u00b8\u00bb\u00bf\u2012-\u2018\u201a-\u2027"
    r"\u2030-\u205e\u2190-\u27ff\u2900-\u2bff\u3009\u300b\u300d\u300f\u3011-\u301f\uff02\uff09\uff1e\uff3d"
    r"\uff5b\uff5d-\uff60\uff62\uff63\u2212\U0001f000-\U0001faff"
)
_NOT_QUOTED: Final = rf"@{_LINE_ENDS}"
_TOKEN: Final = re.compile(
    rf"(?P<stop>[{_LINE_ENDS}{_SEMICOLONS}])|(?P<comma>[{_COMMAS}])"
    # Quotation marks around a name; a comma in it is the name's own.
    rf'|(?P<quoted>"[^"{_NOT_QUOTED}]*"|[“„][^“”„{_NOT_QUOTED}]*[“”]|«[^«»{_NOT_QUOTED}]*»)'
    rf"|(?P<open>[{_OPENERS}])|(?P<run>[^\s{_LINE_ENDS}{_SEMICOLONS}{_COMMAS}{_OPENERS}{_ASIDE}]+)"
)
_ANGLES: Final = "<\uff1c"
# Dropped before an address; the second kind, with which some begin, only where it stands behind it, too.
_BEFORE: Final = "-.*'’`|/~#=!?&^:\\"
_AROUND: Final = "_{"
_NUMBER: Final = re.compile(r"\A\d+[.:]+")
_BETWEEN: Final = frozenset(("and", "or", "und", "oder", "et", "ou", "y", "e", "en", "og", "och"))
_LABEL: Final = frozenset(
    (
        "to",
        "cc",
        "bcc",
        "from",
        "an",
        "von",
        "kopie",
        "mail",
        "email",
        "emailaddress",
        "smtp",
        "mailto",
        "replyto",
    )
)


class _Piece:
    """What stands between two separators.

    runs: addresses, or what was meant to be one, each with whether it follows an opening bracket. names: the
    words before each of them, and those after the last.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.runs: list[tuple[str, str]] = []
        self.names: list[list[str]] = [[]]
        self._opened = ""

    def open(self, bracket: str) -> None:
        self._opened = bracket

    def add(self, run: str) -> None:
        for part in _parts(run) if "@" in run else (run,):
            if "@" in part:
                self._add_address(part)
            elif word := _word(part):
                self.names[-1].append(word)
                self._opened = ""

    def quote(self, text: str) -> None:
        self.names[-1].append(text)
        self._opened = ""

    def _add_address(self, part: str) -> None:
        again = self.runs and self._opened and not self.names[-1]
        if again and _same(self.runs[-1][0], part):
            # `lena@example.org <lena@example.org>`: the name of it is the address itself.
            self.runs[-1] = (part, self._opened)
        else:
            self.runs.append((part, self._opened))
            self.names.append([])
        self._opened = ""

    @property
    def takes_a_name(self) -> bool:
        """Whether what stood before may belong to its name."""
        return bool(self.runs) and self.runs[0][1] != "" and self.runs[0][1] in _ANGLES

    def named(self) -> Iterator[tuple[str, str]]:
        """Each address with its name: the words before it, or else those behind it."""
        names = [" ".join(words) for words in self.names]
        names[1:-1] = ["" if name.lower() in _BETWEEN else name for name in names[1:-1]]
        behind = not names[0] and bool(names[-1])
        for place, (run, _) in enumerate(self.runs):
            last = place == len(self.runs) - 1
            yield run, names[place + 1] if behind else names[place] or (names[-1] if last else "")


def _same(one: str, other: str) -> bool:
    """Whether both are the same address, apart from what stands around it."""
    if max(len(one), len(other)) > addresses.MAX_TYPED_CHARACTERS:
        return False
    return addresses.bare(one).lower() == addresses.bare(other).lower()


@dataclass(frozen=True, slots=True)
class Found:
    """What was meant to be an address. typed: as it stood there. text: without ballast. name: beside it."""

    typed: str
    text: str
    name: str


def find(text: str) -> Iterator[Found]:
    """Everything in `text` that is, or was meant to be, an address, in order."""
    for typed, name in _pairs(text):
        yield Found(typed, _cut(typed), name)


def is_short(text: str, most: int) -> bool:
    """Whether it has at most so many words and characters to be read."""
    return next(islice(_TOKEN.finditer(text), most, None), None) is None


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """What was meant to be an address, each with the name that stood beside it."""
    piece, before = _Piece(0), list[str]()
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        if kind == "run":
            piece.add(match[0])
        elif kind == "quoted":
            piece.quote(match[0][1:-1])
        elif kind == "open":
            piece.open(match[0])
        else:
            yield from _ended(piece, before, text[piece.start : match.start()])
            if kind == "stop":
                yield from _wrong(before)
            piece = _Piece(match.end())
    yield from _ended(piece, before, text[piece.start :])
    yield from _wrong(before)


def _ended(piece: _Piece, before: list[str], text: str) -> Iterator[tuple[str, str]]:
    """The addresses of a piece; one without any is kept in `before` until it is known what it belongs to."""
    if not piece.runs:
        if any(char.isalnum() and not invisible.is_invisible(char) for char in text):
            before.append(invisible.stripped(text))
        return
    words = " ".join(piece.names[0])
    if piece.takes_a_name and _are_one_name(before, words):
        piece.names[0] = [
            ", ".join([*(part.strip(" \t\"'") for part in before), *([words] if words else [])])
        ]
        before.clear()
    yield from _wrong(before)
    yield from piece.named()


def _are_one_name(before: list[str], words: str) -> bool:
    """Whether the pieces before the words are a surname, or titles, and none was meant as an address."""
    untitled = [text for text in before if not is_title(text.replace(".", ""))]
    given = bool(words) and not is_title(words.replace(".", ""))
    return len(untitled) + given <= MAX_NAME_PIECES and not any(map(_MEANT_AS_ADDRESS.search, untitled))


def is_title(text: str) -> bool:
    """Whether this is what may stand behind a name, like `Jr.` and `Ph.D.`; `J.R.` are initials."""
    parts = text.strip().lower().split(".")
    return max(map(len, parts)) > 1 and "".join(parts) in _TITLES


def _wrong(before: list[str]) -> Iterator[tuple[str, str]]:
    for text in before:
        yield text, ""
    before.clear()


def _parts(run: str) -> list[str]:
    """The addresses of `a@x.org/b@x.org`, of `mailto:a@x.org?cc=b@x.org` and of `Lena:lena@x.org`."""
    if run.lower().startswith("mailto:"):
        first, *more = re.split("[?&]", run[len("mailto:") :])
        return [first, *(part.partition("=")[2] or part for part in more if "@" in part)]
    if "://" in run:
        return [run]
    label, colon, rest = run.partition("@")[0].rpartition(":")
    if colon and rest:
        return [f"{label}:", *_parts(run[len(label) + 1 :])]
    if run.count("@") < 2:
        return [run]
    parts = re.split(r"[/|&+]+", run)
    return parts if all(part.count("@") == 1 for part in parts) else [run]


def _word(run: str) -> str:
    """A word of a name; "" for numbers, bullets and labels like `To:`."""
    word = _NUMBER.sub("", run).strip("*`|/~#=_:•·")
    if run.endswith(":") and "".join(filter(str.isalpha, word)).lower() in _LABEL:
        return ""
    return word if any(char.isalpha() for char in word) else ""


def _cut(run: str) -> str:
    """The run without what no address begins or ends with."""
    end = len(run)
    while end and not (_may_end(run[end - 1]) or run[end - 1] == "@"):
        end -= 1
    start, at = 0, run.find("@")
    while start < at - 1 and (
        run[start] in _BEFORE
        or invisible.is_invisible(run[start])
        or (run[start] in _AROUND and ("}" if run[start] == "{" else "_") in run[end:])
    ):
        start += 1
    return run[start:end] if "@" in run[start:end] else run


def _may_end(char: str) -> bool:
    """Domains end with a letter, a digit or a vowel sign."""
    if char.isascii():
        return char.isalnum()
    return not invisible.is_invisible(char) and (char.isalnum() or unicodedata.category(char)[0] == "M")
