"""Reads CSV files of any program, with the line of each record, and writes our own."""

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import chain, islice
from typing import Final

from db.common import invisible
from db.errors import Invalid
from messages import by_field

WINDOWS: Final = "Windows-1252"
DELIMITERS: Final = (",", ";", "\t", "|")
# Each heading is compared with all known ones, so their number is limited.
MAX_CELLS: Final = 1_000
_SAMPLE_LINES: Final = 20
_SAMPLE_BYTES: Final = 4096
_BYTE_ORDER_MARK: Final = "\ufeff"
# The same in UTF-8, read as Windows-1252 and saved again.
_MANGLED_BYTE_ORDER_MARK: Final = "ï»¿"
_DELIMITER_LINE: Final = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_BREAK: Final = re.compile(r"\r\n|\r|\n")
# Spreadsheets take a cell for a formula if it begins like this. They skip white space before it, and some
# also accept these characters in full width.
_FORMULA: Final = rf'\'*(?:[^\S\t\r\n]|["{invisible.CHARS}])*[=+\-@＝＋－＠'
# A program that splits our file at semicolons ignores the quotation marks and sees a cell begin behind each
# semicolon, tab and line break. An address that begins with an apostrophe is escaped, too, because on reading
# an apostrophe before an address is dropped.
_BEGINS: Final = rf"(?={_FORMULA}\t\r\n]|'[^\s@]*@)"
_BEGINS_INSIDE: Final = rf"(?={_FORMULA}])"
_UNESCAPED: Final = re.compile(rf"\A{_BEGINS}|(?<=[;\t\r\n]){_BEGINS_INSIDE}")
_ESCAPED: Final = re.compile(rf"\A'{_BEGINS}|(?<=[;\t\r\n])'{_BEGINS_INSIDE}")
# Added behind the last line. If it isn't a cell of its own, a quotation mark is still open.
_END: Final = "."


@dataclass(frozen=True, slots=True)
class Record:
    """line: the number of its first line. lines: how many it takes."""

    line: int
    lines: int
    cells: list[str]

    def cells_with_breaks(self) -> Iterator[tuple[int, int, list[str]]]:
        """The cells with line breaks: index, number of the line where the cell begins, its lines."""
        line = self.line
        for index, cell in enumerate(self.cells if self.lines > 1 else ()):
            lines = _BREAK.split(cell)
            if len(lines) > 1:
                yield index, line, lines
            line += len(lines) - 1


def encode(rows: Iterable[Iterable[str]]) -> bytes:
    """A CSV file with quoted cells, none of which a spreadsheet takes for a formula (ASVS 1.2.10)."""
    out = StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows(map(escaped, row) for row in rows)
    return out.getvalue().encode()


def escaped(text: str) -> str:
    """The text with an apostrophe before everything in it that could begin a formula."""
    return _UNESCAPED.sub("'", text)


def unescaped(cell: str) -> str:
    """The text without the apostrophes of `escaped()`; text that wasn't escaped stays as it is."""
    return _ESCAPED.sub("", cell)


def decode(content: bytes) -> tuple[str, str]:
    """The text, and its encoding if it isn't Unicode. Raises Invalid if the content isn't text."""
    if content.startswith(b"PK\x03\x04"):
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    try:
        text, encoding = content.decode(_sixteen_bits(content) or "utf-8"), ""
    except UnicodeDecodeError as error:
        text, encoding = _windows(content, error.start), WINDOWS
    text = text.lstrip(_BYTE_ORDER_MARK).removeprefix(_MANGLED_BYTE_ORDER_MARK)
    if "\0" in text:
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    return text, encoding


def _sixteen_bits(content: bytes) -> str:
    """Which UTF-16 this is, by its byte order mark or the zeros beside ASCII letters; "" for none."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    head = content[:_SAMPLE_BYTES]
    first, second = head[::2].count(0), head[1::2].count(0)
    if 8 * max(first, second) < len(head) or 20 * min(first, second) > max(first, second):
        return ""
    return "utf-16-le" if second > first else "utf-16-be"


def _windows(content: bytes, position: int) -> str:
    """Decodes Windows-1252; refuses damaged UTF-8. position: the first byte that isn't UTF-8."""
    text = content.decode("utf-8", errors="replace")
    damaged = text.count("\ufffd")
    beyond_ascii = sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - damaged
    try:
        if damaged > beyond_ascii and b"\0" not in content:
            return content.decode("cp1252")
    except UnicodeDecodeError as error:
        position = error.start
    if b"\0" in content:
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    line = content.count(b"\n", 0, position) + 1
    raise Invalid({"file": [by_field.FILE_NOT_UTF8.format(line=line)]})


def declared_delimiter(text: str) -> str:
    """The delimiter that a first line `sep=;` declares, as Excel writes it; "" without such a line."""
    line = _DELIMITER_LINE.fullmatch(text.partition("\n")[0])
    return line[1] if line else ""


def first_records(text: str, delimiter: str) -> list[list[str]]:
    """The cells of the first lines, to find the delimiter and the headings."""
    lines = islice(_lines(text), _SAMPLE_LINES)
    try:
        return [cells[:MAX_CELLS] for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)]
    except csv.Error:
        return []


def records(text: str, delimiter: str) -> Iterator[Record]:
    """All records that aren't blank.

    Raises Invalid, with the line, for a quotation mark that isn't closed and for too many cells.
    """
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
        # The cell has over 100,000 characters, so its quotation mark isn't closed.
        raise stray_quote(line) from error


def _lines(text: str) -> Iterator[str]:
    """The lines, each with its line break."""
    return StringIO(text, newline="")


def _end(over: list[bool]) -> Iterator[str]:
    """One more line. `over` is filled when it is reached."""
    over.append(True)
    yield _END


def stray_quote(line: int) -> Invalid:
    return Invalid({"file": [by_field.FILE_STRAY_QUOTE.format(line=line)]})
