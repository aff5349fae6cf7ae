"""What people paste when they are asked for addresses: commas, semicolons, new lines, `Name <mail>`. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from db import addresses
from db.addresses import Address, NotAnAddress
from db.policy import Role

# A piece ends at a comma, semicolon or new line that stands neither in quotes nor in angle brackets.
_PIECE: Final = re.compile(r'(?:"[^"\n]*"|<[^<>\n]*>|[^,;\n])+')
_NAMED: Final = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>\s*")


@dataclass(frozen=True, slots=True)
class Entry:
    """One address of a list.

    typed: as it stood there. address: None when it isn't one, then why says why. role: of a CSV's row, else
    None. line: of a CSV's row, else 0.
    """

    typed: str
    address: Address | None
    why: str = ""
    first_name: str = ""
    last_name: str = ""
    role: Role | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class AddressList:
    """entries: each address once, in order. repeated: how many stood there before, and were left out."""

    entries: tuple[Entry, ...] = field(default=())
    repeated: int = 0

    @property
    def good(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.address)

    @property
    def wrong(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if not entry.address)


def parse(text: str, *, most: int | None = None) -> AddressList:
    """Everything in `text` that is, or was meant to be, an address.

    most: reading stops at the first entry beyond so many, so that a long text costs little.
    """
    return once(_entries(text), most=most)


def once(entries: Iterable[Entry], *, most: int | None = None) -> AddressList:
    """The same entries without those whose address stood there before; at most one more than `most`."""
    kept: dict[str, Entry] = {}
    repeated = 0
    for entry in entries:
        key = entry.address.key if entry.address else f"\0{entry.line}{entry.typed}"
        if key in kept:
            repeated += 1
        else:
            kept[key] = entry
        if most is not None and len(kept) > most:
            break
    return AddressList(tuple(kept.values()), repeated)


def entry(typed: str, name: str = "", **more: object) -> Entry:
    """One address, with the name that stood beside it."""
    surname, comma, rest = name.strip(" \t\"'").partition(",")
    words = f"{rest} {surname}" if comma else surname
    first_name, _, last_name = " ".join(words.split()).partition(" ")
    try:
        return Entry(typed, addresses.parse(typed), "", first_name[:100], last_name[:100], **more)  # type: ignore[arg-type]
    except NotAnAddress as error:
        return Entry(typed, None, str(error), first_name[:100], last_name[:100], **more)  # type: ignore[arg-type]


def _entries(text: str) -> Iterator[Entry]:
    """Entries in order; what stood there before, in whatever case, isn't checked a second time."""
    known: dict[str, Entry] = {}
    for typed, name in _pairs(text):
        folded = typed.lower() if typed.isascii() else typed
        if folded not in known:
            known[folded] = entry(typed, name)
        yield known[folded]


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """What was meant to be an address, each with the name that stood beside it."""
    surname = ""
    for match in _PIECE.finditer(text):
        piece = match[0].strip()
        named = _NAMED.fullmatch(piece)
        if named:
            # Mail programs write `Hartmann, Lena <lena@…>`: then the piece before was the surname.
            # Addresses with nothing but a space between them and the next name.
            others, name = _parted(named["name"])
            yield from others
            yield named["address"].strip(), f"{name} {surname}"
            surname = ""
            continue
        if surname:
            yield from _words(surname)
        following = text[match.end() : match.end() + 1]
        is_surname = piece and "@" not in piece and "<" not in piece and following == ","
        surname = piece if is_surname else ""
        if not is_surname:
            yield from _words(piece)
    yield from _words(surname)


def _parted(text: str) -> tuple[list[tuple[str, str]], str]:
    """The addresses before a name, and the name."""
    words = text.split()
    count = max((number for number, word in enumerate(words, 1) if "@" in word), default=0)
    return [(word, "") for word in words[:count]], " ".join(words[count:])


def _words(piece: str) -> Iterator[tuple[str, str]]:
    for word in piece.split():
        yield word, ""
