"""Whatever stands in a file of people: it is read or refused, and each row says what becomes of it."""

import asyncio
import csv
import io
import re
import time
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.common import csv_text
from db.errors import Invalid
from db.invitations.recipients import csv_import
from db.invitations.recipients.address_list import AddressList
from db.members.directory import MemberRow
from db.policy import WORKING, Role
from handlers.organization import spreadsheet
from tests.support.examples import fewer

# What spreadsheets take for the beginning of a formula, and for the end of a cell.
SYMBOLS = "=+-@＝＋－＠"
ENDS = ";\t\r\n"
LETTERS = st.text("abcäßñжあ'-.;=＝", min_size=1, max_size=10).map(lambda text: f"n{text}n")
# What a spreadsheet would take for a formula, before what may well be a name; with an @ it is an address.
NAMES = st.builds(
    "{}{}".format,
    st.sampled_from(["", "", "=", "+", "-", "=-", "＝", "'=", "''+", "'", '"=', "x;-", "x;'="]),
    LETTERS,
)
EMAILS = st.from_regex(r"'?[a-z+'|-][a-z='|+-]{0,7}@[a-z]{1,8}\.example", fullmatch=True).filter(
    lambda email: email[1:] != "'@"
)
CELLS = st.text(f"{SYMBOLS}{ENDS} ,'\"a\u200b\u00a0\ufeff@", max_size=12) | st.text(max_size=12)
PLAIN_EMAILS = st.from_regex(r"[a-z=+-]{1,8}@[a-z]{1,8}\.example", fullmatch=True)
PEOPLE = st.lists(
    st.tuples(EMAILS, NAMES, NAMES, st.sampled_from(sorted(WORKING))),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0],
)
# Bytes of texts of many kinds, and of none.
FILES = (
    st.binary(max_size=200)
    | st.text("email,;\t\"'\n\r ab@c.example=sep\0�", max_size=120).map(str.encode)
    | st.text('email,\n"a@c.exämple', max_size=80).map(lambda text: text.encode("utf-16"))
)


def read(content: bytes) -> AddressList:
    """The list in the file; an empty one for a file that is refused, as only Invalid may say."""
    try:
        return csv_import.parse(content)
    except Invalid:
        return AddressList()


async def exported(rows: list[MemberRow]) -> bytes:
    async def batches() -> AsyncIterator[list[MemberRow]]:
        yield rows

    return b"".join([piece async for piece in spreadsheet.lines([], batches())])


def begins_a_formula(cell: str) -> bool:
    return re.sub(r'\A[\s"\u200b\ufeff]+', "", cell).startswith(tuple(SYMBOLS))


@given(CELLS)
def test_the_mark_of_a_cell_is_taken_off_again(cell: str) -> None:
    assert csv_text.unescaped(csv_text.escaped(cell)) == cell


@given(CELLS, CELLS)
def test_no_cell_holds_a_formula_wherever_a_spreadsheet_cuts_it(first: str, second: str) -> None:
    content = csv_text.encode([("email", first, second)]).decode()
    cut = [cell for line in re.split("[\r\n]", content) for cell in re.split("[;\t]", line)]

    assert next(csv.reader(io.StringIO(content, newline=""))) == [
        "email",
        *map(csv_text.escaped, (first, second)),
    ]
    assert not [cell for cell in (*cut, csv_text.escaped(first)) if begins_a_formula(cell)]
    assert not csv_text.escaped(first).startswith(("\t", "\r", "\n"))


@given(FILES)
def test_any_file_is_read_or_refused_with_a_reason(content: bytes) -> None:
    listed = read(content)

    assert all(bool(entry.why) == (entry.address is None) for entry in listed.entries)


@given(PEOPLE)
def test_what_was_exported_is_imported_as_it_was(people: list[tuple[str, str, str, Role]]) -> None:
    rows = [
        MemberRow(
            id=number,
            email=email,
            domain_shown="",
            first_name=first_name,
            last_name=last_name,
            role=role.value,
            inviter_name="",
            joined_via="",
            confirmed_at=0,
            joined_at=0,
            last_activity_at=0,
            ends_at=0,
        )
        for number, (email, first_name, last_name, role) in enumerate(people)
    ]
    content = asyncio.run(exported(rows))
    cells = [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
    listed = csv_import.parse(content)

    assert not [cell for cell in cells if begins_a_formula(cell)]
    assert [
        (entry.address and entry.address.email, entry.first_name, entry.last_name, entry.role, entry.line)
        for entry in listed.entries
    ] == [(*person, line) for line, person in enumerate(people, start=2)]


@given(
    st.lists(st.tuples(PLAIN_EMAILS, st.booleans()), min_size=1, max_size=10, unique_by=lambda row: row[0]),
    st.sampled_from(csv_text.DELIMITERS),
    st.sampled_from(["\n", "\r\n"]),
)
def test_each_row_is_an_entry_on_its_line(rows: list[tuple[str, bool]], delimiter: str, end: str) -> None:
    lines = [f"role{delimiter}email"]
    lines += [f"Annotator{delimiter}{email if good else email.replace('@', '@@')}" for email, good in rows]
    listed = csv_import.parse(end.join(lines).encode())

    assert [(entry.line, entry.address is not None) for entry in listed.entries] == [
        (line, good) for line, (_, good) in enumerate(rows, start=2)
    ]


@pytest.mark.parametrize("row", ["a{}@x.example,n,AN\n", '"a,{}",,\n', "x\n", ",,\n", '""\n', "@{},\n"])
def test_four_times_the_rows_take_four_times_as_long(row: str) -> None:
    def seconds(rows: int) -> float:
        content = f"email,name,role\n{''.join(row.format(number) for number in range(rows))}".encode()
        began = time.process_time()
        csv_import.parse(content)
        return time.process_time() - began

    # Sixteen times would be quadratic; what is short is no measure.
    assert min(seconds(8_000) for _ in range(2)) < 10 * max(seconds(2_000), 0.05)


@given(st.integers(1, 9_000), st.sampled_from(['"', "'", "<", "(", "\t", "@", " a.b", "=", "ä"]))
@fewer(5)
def test_one_cell_of_whatever_length_takes_no_time(length: int, char: str) -> None:
    began = time.process_time()
    read(f"email\n{char * length}".encode())
    assert time.process_time() - began < 2
