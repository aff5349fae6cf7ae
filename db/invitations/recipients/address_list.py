"""Lists of addresses: what they hold, what repeats, and the names beside the addresses. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from db.common import addresses, invisible
from db.common.addresses import Address, NotAnAddress
from db.invitations.recipients import pasted
from db.policy import Role

MAX_NAME_CHARACTERS: Final = 100
# Of what was typed, as much is shown: an address has 254 at most.
MAX_SHOWN_CHARACTERS: Final = 320


@dataclass(frozen=True, slots=True)
class Entry:
    """One address of a list.

    typed: as it stood there, to be shown. address: None when it isn't one, then why says why. role: of a
    CSV's row, else None. line: of a CSV's row, else 0.
    """

    typed: str
    address: Address | None
    why: str = ""
    first_name: str = ""
    last_name: str = ""
    role: Role | None = None
    line: int = 0

    @property
    def name(self) -> str:
        """The full name, "" when none stood there."""
        return f"{self.first_name} {self.last_name}".strip()


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row that is left out, since its address stands on an earlier line. role: what it says, or none."""

    email: str
    line: int
    first_line: int
    role: Role | None = None


@dataclass(frozen=True, slots=True)
class AddressList:
    """entries: each address once, in order. repeated: how many stood there before, and were left out.

    Of a file: repeats, those by line; ignored, the headings of columns that aren't read; headed, whether it
    named its columns; encoding, "" for Unicode.
    """

    entries: tuple[Entry, ...] = field(default=())
    repeated: int = 0
    repeats: tuple[Repeat, ...] = ()
    ignored: tuple[str, ...] = ()
    headed: bool = True
    encoding: str = ""

    @property
    def good(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.address)

    @property
    def wrong(self) -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if not entry.address)


def parse(text: str, *, most: int | None = None) -> AddressList:
    """Everything in `text`, as people paste it, that is, or was meant to be, an address.

    most: reading stops at the first entry beyond so many, so that a long text costs little.
    """
    return once(_entries(text), most=most)


def _entries(text: str) -> Iterator[Entry]:
    """Entries in order; what stood there before, in whatever case, isn't checked a second time."""
    known: dict[str, Entry] = {}
    for found in pasted.find(text):
        folded = found.text.lower() if found.text.isascii() else found.text
        if folded not in known:
            known[folded] = entry(found.text, found.name, shown=found.typed)
        yield known[folded]


def once(entries: Iterable[Entry], *, most: int | None = None) -> AddressList:
    """The same entries without those whose address stood there before; at most one more than `most`."""
    kept: dict[str, Entry] = {}
    repeats: list[Repeat] = []
    repeated = 0
    for entry in entries:
        key = entry.address.key if entry.address else f"\0{entry.line}{entry.typed}"
        if key not in kept:
            kept[key] = entry
        else:
            repeated += 1
            if entry.line and entry.address:
                repeats.append(Repeat(entry.address.email, entry.line, kept[key].line, entry.role))
        if most is not None and len(kept) > most:
            break
    return AddressList(tuple(kept.values()), repeated, tuple(repeats))


def entry(typed: str, name: str = "", *, shown: str = "") -> Entry:
    """One address, with the name that stood beside it. shown: as it stood there, if not as typed."""
    first_name, last_name = split_name(name)
    text = invisible.escape(re.sub(r"[ \t\r\n]+", " ", shown or typed))
    if len(text) > MAX_SHOWN_CHARACTERS:
        text = f"{text[:MAX_SHOWN_CHARACTERS]}…"
    try:
        return Entry(text, addresses.parse(typed), "", first_name, last_name)
    except NotAnAddress as error:
        return Entry(text, None, str(error), first_name, last_name)


def refused(entry: Entry, why: str) -> Entry:
    """The entry with one more reason why it can't be invited."""
    return replace(entry, address=None, why=f"{entry.why} {why}".strip())


def split_name(name: str) -> tuple[str, str]:
    """First and last name of "Lena Hartmann", "Hartmann, Lena" and "Okafor, Ben, Jr."."""
    parts = [invisible.clean_name(part) for part in name.split(",")]
    behind = [part for part in parts[1:] if pasted.is_title(part)]
    surname, *given = [part for part in parts if part and part not in behind] or [""]
    if given:
        first_name, last_name = " ".join(given), " ".join([surname, *behind])
    else:
        first_name, _, last_name = " ".join([surname, *behind]).partition(" ")
    return first_name[:MAX_NAME_CHARACTERS], last_name[:MAX_NAME_CHARACTERS]
