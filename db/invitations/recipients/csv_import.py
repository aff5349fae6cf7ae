"""A CSV file of people to invite: an address in each row, and optionally names and a role. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Final

from db.common import csv_text, invisible
from db.common.addresses import MAX_TYPED_CHARACTERS
from db.common.csv_text import Record
from db.errors import Invalid
from db.invitations.recipients import address_list, headings, pasted
from db.invitations.recipients.address_list import AddressList, Entry
from db.invitations.recipients.headings import EMAIL, FIRST_NAME, LAST_NAME, NAME, ROLE
from db.policy import WORKING, Role
from messages import by_field

MAX_ROWS: Final = 10_000
# A title, blank lines and notes may stand above the headings.
MAX_RECORDS_ABOVE: Final = 10
# A name and an address, which may stand there several times, as its own name or a link.
MAX_TOKENS: Final = 40
MAX_HEADINGS_NAMED: Final = 20
MAX_HEADING_CHARACTERS: Final = 60
_ROLES: Final = {word.lower(): role for role in Role for word in (role.value, role.label)}
_LIKE_ADDRESS: Final = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")


@dataclass(frozen=True, slots=True)
class Columns:
    """places: kind of heading -> index. width: how many there are. separators: as many stand in a row."""

    delimiter: str
    places: Mapping[str, int]
    width: int
    headed: bool = True

    @property
    def separators(self) -> int:
        return self.width - 1


def parse(content: bytes) -> AddressList:
    """The rows of the file, each with its line; wrong ones say why. Raises Invalid for what is none."""
    text, encoding = csv_text.decode(content)
    said = csv_text.declared_delimiter(text)
    delimiter = said or _delimiter(text)
    records = csv_text.records(text, delimiter)
    if said:
        next(records, None)
    above = _above(records, delimiter)
    if not above:
        return AddressList()
    last, first = above[-1], above[0]
    if places := _places(last):
        columns = Columns(delimiter, places, len(last.cells))
        listed = address_list.once(_entries(records, columns))
        return replace(listed, ignored=_ignored(last, places), encoding=encoding)
    if not any("@" in cell for cell in first.cells):
        raise Invalid({"file": [_no_headings(above)]})
    columns = Columns(delimiter, {}, len(first.cells), headed=False)
    listed = address_list.once(_entries(chain(above, records), columns))
    return replace(listed, headed=False, encoding=encoding)


def _delimiter(text: str) -> str:
    """The one by which the headings come out best, else the one that stands most often in the first line."""
    best, most = "", 0
    for delimiter in csv_text.DELIMITERS:
        places = map(headings.places, csv_text.first_records(text, delimiter))
        found = len(next(filter(None, places), {}))
        if found > most:
            best, most = delimiter, found
    first_line = text.lstrip().partition("\n")[0]
    return best or max(csv_text.DELIMITERS, key=first_line.count)


def _above(records: Iterator[Record], delimiter: str) -> list[Record]:
    """The records down to the headings, or to the first that holds an address, or the first ten."""
    above: list[Record] = []
    for record in records:
        for _, line, lines in record.cells_with_breaks():
            if any("@" in text or delimiter in text for text in lines):
                raise csv_text.stray_quote(line)
        above.append(record)
        if _places(record) or _holds_address(record) or len(above) == MAX_RECORDS_ABOVE:
            break
    return above


def _places(record: Record) -> dict[str, int]:
    return {} if _holds_address(record) else headings.places(record.cells)


def _holds_address(record: Record) -> bool:
    return any("@" in cell and address_list.entry(cell).address for cell in record.cells)


def _no_headings(above: list[Record]) -> str:
    """What the headings are, as far as can be told, and what was looked for."""
    shown = [_shown(record.cells) for record in above if not _holds_address(record)]
    widest = max(shown, key=len, default=[])
    return by_field.FILE_NO_EMAIL.format(headings=", ".join(map(_quoted, widest)))


def _quoted(text: str) -> str:
    return by_field.QUOTED.format(text=text)


def _shown(cells: Iterable[str]) -> list[str]:
    """Headings for people: those that are seen, and not too much of them."""
    texts = filter(None, map(invisible.clean_name, cells))
    return [invisible.escape(text[:MAX_HEADING_CHARACTERS]) for text in islice(texts, MAX_HEADINGS_NAMED)]


def _ignored(record: Record, places: Mapping[str, int]) -> tuple[str, ...]:
    read = set(places.values())
    return tuple(_shown(cell for place, cell in enumerate(record.cells) if place not in read))


def _entries(records: Iterable[Record], columns: Columns) -> Iterator[Entry]:
    count = 0
    for record in records:
        line = _line_break(record, columns) if record.lines > 1 else 0
        for read in (_row(record, columns),) if columns.headed else _addresses(record):
            count += 1
            if count > MAX_ROWS:
                raise Invalid({"file": [by_field.FILE_TOO_LONG.format(most=MAX_ROWS)]})
            yield replace(address_list.refused(read, by_field.FILE_LINE_BREAK), line=line) if line else read


def _line_break(record: Record, columns: Columns) -> int:
    """The line on which a cell that is read begins and has a line break in it; 0 for none.

    Raises Invalid where the cell has swallowed rows, since a quotation mark opens it that nobody meant.
    """
    read, found = set(columns.places.values()), 0
    for place, line, lines in record.cells_with_breaks():
        ours = place in read or not columns.headed
        rows = any(text.count(columns.delimiter) >= columns.separators for text in lines)
        rows = rows or any(_is_row(text, columns) for text in lines[1:])
        if (rows and columns.separators) or (ours and any("@" in text for text in lines)):
            raise csv_text.stray_quote(line)
        found = found or (line if ours else 0)
    return found


def _is_row(text: str, columns: Columns) -> bool:
    """Whether a line in a cell has an address where that of a row would be, or begins with one."""
    place = columns.places.get(EMAIL, 0)
    cells = text.split(columns.delimiter, place + 1)
    first = text.split(maxsplit=1)[:1] if place == 0 else []
    here = [cells[place].rpartition("<")[2].strip()] if len(cells) > max(place, 1) else []
    return any(_LIKE_ADDRESS.fullmatch(cell.rstrip(",;")) for cell in (*here, *first))


def _row(record: Record, columns: Columns) -> Entry:
    """The entry of a row below headings."""
    texts = {kind: _cell(record.cells, place) for kind, place in columns.places.items()}
    entry = _addressed(_trimmed(record.cells, columns.places[EMAIL]), record)
    if names := _names(*(texts.get(kind, "") for kind in (FIRST_NAME, LAST_NAME, NAME))):
        entry = replace(entry, first_name=names[0], last_name=names[1])
    if any(_has_control_characters(text) for text in texts.values()):
        entry = address_list.refused(entry, by_field.CONTROL_CHARACTERS)
    if any(map(invisible.stripped, record.cells[columns.width :])):
        more = by_field.FILE_MORE_CELLS.format(columns.width, cells=len(record.cells))
        entry = address_list.refused(entry, more)
    word = texts.get(ROLE, "")
    role = _ROLES.get(word.lower())
    if role in WORKING:
        return replace(entry, role=role)
    if not word:
        return entry
    why = by_field.FILE_NO_SUCH_ROLE.get(role or "", by_field.FILE_NO_ROLE)
    return address_list.refused(entry, why.format(word=invisible.escape(word[:40])))


def _has_control_characters(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(char) == "Cc" for char in text)


def _cell(cells: list[str], place: int) -> str:
    return " ".join(csv_text.unescaped(_trimmed(cells, place)).split())


def _trimmed(cells: list[str], place: int) -> str:
    return invisible.stripped(cells[place]) if place < len(cells) else ""


def _addressed(marked: str, record: Record) -> Entry:
    """The address in a cell; without one, the entry shows what else the row holds."""
    cell = " ".join(csv_text.unescaped(marked).split())
    if "<" in cell and len(cell) <= MAX_TYPED_CHARACTERS and pasted.is_short(cell, MAX_TOKENS):
        # `Lena Hartmann <lena@example.org>`
        found = address_list.parse(cell, most=1).entries
        entry = found[0] if len(found) == 1 else address_list.entry(cell)
    else:
        # Spreadsheets put an apostrophe before what they shall take for text, where there is no mark of ours.
        is_quoted = cell.endswith("'") or csv_text.unescaped(marked) != marked
        bare = cell if is_quoted else cell.removeprefix("'")
        entry = address_list.entry(
            bare, shown=cell or " ".join(filter(None, map(invisible.clean_name, record.cells)))
        )
    typed = entry.address.email if entry.address else entry.typed
    return replace(entry, typed=typed, line=record.line)


def _addresses(record: Record) -> Iterator[Entry]:
    """Each address of a row without headings; a row without any is wrong."""
    cells = [cell for place in range(len(record.cells)) if "@" in (cell := _trimmed(record.cells, place))]
    for cell in cells or [""]:
        yield _addressed(cell, record)


def _names(first_name: str, last_name: str, name: str) -> tuple[str, str] | None:
    """First and last name; what has no column of its own is taken from the full name. None for nothing."""
    first_name, last_name = _name(first_name), _name(last_name)
    if _name(name) and not (first_name and last_name):
        if not first_name and not last_name:
            return address_list.split_name(name)
        words = " ".join(address_list.split_name(name)).strip()
        known = first_name or last_name
        rest = " ".join(f" {words} ".replace(f" {known} ", " ", 1).split())
        first_name, last_name = first_name or rest, last_name or rest
    if not first_name and not last_name:
        return None
    most = address_list.MAX_NAME_CHARACTERS
    return first_name[:most], last_name[:most]


def _name(text: str) -> str:
    """The text as a name; "" for an address, a number or a dash."""
    return invisible.clean_name(text) if "@" not in text and any(map(str.isalpha, text)) else ""
