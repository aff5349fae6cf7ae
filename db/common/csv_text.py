"""CSV files: the text of one, whatever program wrote it, its records with their lines, and ours. Pure."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import Final

from db.common import visible
from db.errors import Invalid
from messages import by_field

WINDOWS: Final = "Windows-1252"
DELIMITERS: Final = (",", ";", "\t", "|")
# Each heading is compared with all that are known; no list of people has so many columns.
MAX_CELLS: Final = 1_000
_LOOKED_AT_LINES: Final = 20
_LOOKED_AT_BYTES: Final = 4096
_MARK: Final = "\ufeff"
# The same in UTF-8, read as Windows-1252 and written anew.
_MARK_TWICE: Final = "ï»¿"
_SAYS_DELIMITER: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_BREAK: Final = re.compile(r"\r\n|\r|\n")
# What spreadsheets begin a formula with, some also in full width, and what they pass over before it.
_FORMULA: Final = rf'\'*(?:[^\S\t\r\n]|["{visible.INVISIBLE}])*[=+\-@＝＋－＠'
# Where a program sees a cell begin: at its beginning, and behind what other programs put between cells, since
# quotation marks count for nothing there if it cuts at semicolons what was written with commas. An address
# that begins with an apostrophe is marked, too: one that somebody else's file puts before it is dropped.
_BEGINS: Final = rf"(?={_FORMULA}\t\r\n]|'[^\s@]*@)"
_BEGINS_INSIDE: Final = rf"(?={_FORMULA}])"
_UNMARKED: Final = re.compile(rf"\A{_BEGINS}|(?<=[;\t\r\n]){_BEGINS_INSIDE}")
_MARKED: Final = re.compile(rf"\A'{_BEGINS}|(?<=[;\t\r\n])'{_BEGINS_INSIDE}")
# Behind the last line, to tell whether a quotation mark is still open.
_END: Final = "."


@dataclass(frozen=True, slots=True)
class Record:
    """line: where it begins. lines: how many it takes."""

    line: int
    lines: int
    cells: list[str]

    def broken(self) -> Iterator[tuple[int, int, list[str]]]:
        """The cells with line breaks: place, line on which the quotation mark opens, their lines."""
        line = self.line
        for place, cell in enumerate(self.cells if self.lines > 1 else ()):
            lines = _BREAK.split(cell)
            if len(lines) > 1:
                yield place, line, lines
            line += len(lines) - 1


def written(rows: Iterable[Iterable[str]]) -> bytes:
    """Lines of cells in quotation marks, none of which a spreadsheet takes for a formula (ASVS 1.2.10)."""
    out = StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(map(marked, row) for row in rows)
    return out.getvalue().encode()


def marked(text: str) -> str:
    """The text with an apostrophe before whatever in it could begin a formula."""
    return _UNMARKED.sub("'", text)


def unmarked(cell: str) -> str:
    """The text that was marked; one that nobody marked is as it was."""
    return _MARKED.sub("", cell)


def decode(content: bytes) -> tuple[str, str]:
    """The text, and its encoding if it isn't Unicode. Raises Invalid for what is no text."""
    if content.startswith(b"PK\x03\x04"):
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    try:
        text, encoding = content.decode(_sixteen_bits(content) or "utf-8"), ""
    except UnicodeDecodeError as error:
        text, encoding = _windows(content, error.start), WINDOWS
    text = text.lstrip(_MARK).removeprefix(_MARK_TWICE)
    if "\0" in text:
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    return text, encoding


def _sixteen_bits(content: bytes) -> str:
    """The UTF-16 this is in: by its mark, or by the zeros of the plain letters; "" for none."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = content[:_LOOKED_AT_BYTES]
    first, second = head[::2].count(0), head[1::2].count(0)
    if 8 * max(first, second) < len(head) or 20 * min(first, second) > max(first, second):
        return ""
    return "utf-16-le" if second > first else "utf-16-be"


def _windows(content: bytes, place: int) -> str:
    """The text of Windows-1252; one that is UTF-8 in other places is damaged, and is refused."""
    apart = content.decode("utf-8", errors="replace")
    damaged = apart.count("\ufffd")
    beyond_ascii = sum(map(len, re.findall(r"[^\x00-\x7f]+", apart))) - damaged
    try:
        if damaged > beyond_ascii and b"\0" not in content:
            return content.decode("cp1252")
    except UnicodeDecodeError as error:
        place = error.start
    if b"\0" in content:
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    line = content.count(b"\n", 0, place) + 1
    raise Invalid({"file": [by_field.FILE_NOT_UTF8.format(line=line)]})


def said_delimiter(text: str) -> str:
    """What a first line `sep=;` says, as Excel writes and reads it; "" without one."""
    found = _SAYS_DELIMITER.fullmatch(text.partition("\n")[0])
    return found[1] if found else ""


def first_records(text: str, delimiter: str) -> list[list[str]]:
    """The cells of the first lines, to look at."""
    lines = islice(_lines(text), _LOOKED_AT_LINES)
    try:
        return [cells[:MAX_CELLS] for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    except csv.Error:
        return []


def records(text: str, delimiter: str) -> Iterator[Record]:
    """All records that hold anything. Raises Invalid, with the line, where a quotation mark isn't closed, or
    for one of too many cells."""
    over: list[bool] = []
    reader = csv.reader(chain(_lines(text), _end(over)), delimiter=delimiter, skipinitialspace=True)
    line = 1
    try:
        for cells in reader:
            if over and cells == [_END]:
                return
            if over:
                before = sum(len(_BREAK.findall(cell)) for cell in cells[:-1])
                raise stray_quote(line + before)
            if len(cells) > MAX_CELLS:
                raise Invalid({"file": [by_field.FILE_TOO_WIDE.format(line=line, most=MAX_CELLS)]})
            if any(cell.strip() for cell in cells):
                yield Record(line, reader.line_num - line + 1, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        # A cell of more than 100,000 characters: nobody closed its quotation mark.
        raise stray_quote(line) from error


def _lines(text: str) -> Iterator[str]:
    """The lines, each with its end."""
    return StringIO(text, newline="")


def _end(over: list[bool]) -> Iterator[str]:
    """One more line; `over` says that it is reached."""
    over.append(True)
    yield _END


def stray_quote(line: int) -> Invalid:
    return Invalid({"file": [by_field.FILE_STRAY_QUOTE.format(line=line)]})
