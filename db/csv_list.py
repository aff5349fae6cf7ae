"""A CSV file of people to invite: `email`, and optionally `role`, `first_name`, `last_name`. Pure."""

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from db import address_list
from db.address_list import AddressList, Entry
from db.policy import WORKING, Invalid, Role
from messages import by_field

MAX_ROWS: Final = 10_000
_COLUMNS: Final = ("email", "role", "first_name", "last_name")
_ROLES: Final = {word.lower(): role for role in WORKING for word in (role.value, role.label)}


def parse(content: bytes) -> AddressList:
    """The rows of the file, each with its line; wrong ones say why. Raises Invalid for what is none."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Invalid({"file": [by_field.FILE_NOT_UTF8.format(line=line)]}) from error
    if "\0" in text:
        raise Invalid({"file": [by_field.FILE_NO_TEXT]})
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [cell.strip().lower().replace(" ", "_") for cell in next(reader, [])]
        if "email" not in header:
            raise Invalid({"file": [by_field.FILE_NO_EMAIL]})
        places: dict[str, int] = {name: header.index(name) for name in _COLUMNS if name in header}
        return address_list.once(_entries(reader, places))
    except csv.Error as error:
        unreadable = by_field.FILE_LINE_UNREADABLE.format(line=reader.line_num, fault=error)
        raise Invalid({"file": [unreadable]}) from error


def _entries(reader: "csv.reader", places: dict[str, int]) -> Iterator[Entry]:  # type: ignore[valid-type]
    count = 0
    for cells in reader:  # type: ignore[attr-defined]
        if not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > MAX_ROWS:
            raise Invalid({"file": [by_field.FILE_TOO_LONG.format(most=MAX_ROWS)]})
        yield _entry(cells, places, reader.line_num)  # type: ignore[attr-defined]


def _entry(cells: list[str], places: dict[str, int], line: int) -> Entry:
    found = {
        name: " ".join(cells[place].split()) if place < len(cells) else "" for name, place in places.items()
    }
    names = {name: found.get(name, "")[:100] for name in ("first_name", "last_name")}
    entry = replace(
        address_list.entry(found["email"][:320]),
        first_name=names["first_name"],
        last_name=names["last_name"],
        line=line,
    )
    if any(unicodedata.category(sign) == "Cc" for text in found.values() for sign in text):
        return replace(entry, address=None, why=by_field.CONTROL_CHARACTERS)
    word = found.get("role", "")
    if not word:
        return entry
    role: Role | None = _ROLES.get(word.lower())
    if role is None:
        why = by_field.FILE_NO_ROLE.format(word=word[:40])
        return replace(entry, address=None, why=f"{entry.why} {why}".strip())
    return replace(entry, role=role)
