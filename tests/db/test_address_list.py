"""What people paste when they are asked for addresses."""

import time

import pytest

from db import address_list
from db.invitations import MAX_TYPED


def emails(text: str) -> list[str]:
    return [entry.address.email for entry in address_list.parse(text).good if entry.address]


def test_commas_semicolons_spaces_and_new_lines_part_addresses() -> None:
    text = "ada@x.example, bob@x.example;cy@x.example\ndan@x.example eve@x.example,\n\n"

    assert emails(text) == [f"{name}@x.example" for name in ("ada", "bob", "cy", "dan", "eve")]


def test_a_name_before_an_address_becomes_first_and_last_name() -> None:
    (entry,) = address_list.parse("Lena Maria Hartmann <lena@x.example>").entries

    assert (entry.first_name, entry.last_name) == ("Lena", "Maria Hartmann")


def test_a_surname_and_a_comma_before_a_name_belong_to_it() -> None:
    listed = address_list.parse('Hartmann, Lena <lena@x.example>; "Doe, John" <john@x.example>')

    assert [(entry.first_name, entry.last_name) for entry in listed.entries] == [
        ("Lena", "Hartmann"),
        ("John", "Doe"),
    ]
    assert not listed.wrong


def test_an_address_counts_once_whatever_its_case() -> None:
    listed = address_list.parse("ada@x.example ADA@X.example Ada <ada@X.EXAMPLE>")

    assert len(listed.entries) == 1
    assert listed.repeated == 2


def test_what_is_no_address_says_why_and_keeps_what_was_typed() -> None:
    listed = address_list.parse("maria@@museo.example, ada, bob@x.example")

    assert [entry.typed for entry in listed.wrong] == ["maria@@museo.example", "ada"]
    assert "two @ signs" in listed.wrong[0].why
    assert emails("maria@@museo.example, ada, bob@x.example") == ["bob@x.example"]


def test_nothing_typed_is_nothing() -> None:
    assert address_list.parse(" ,;\n ").entries == ()


def test_reading_stops_at_the_first_entry_beyond_the_most() -> None:
    many = [f"guest{n}@x.example" for n in range(MAX_TYPED + 10)]

    assert len(address_list.parse("\n".join(many), most=MAX_TYPED).entries) == MAX_TYPED + 1
    assert len(address_list.parse("\n".join(many[:MAX_TYPED] * 3), most=MAX_TYPED).entries) == MAX_TYPED


@pytest.mark.parametrize(
    "piece",
    [
        "a{0}@x.example ",
        "ada@x.example,",
        "AdA@x.example;",
        "nobody ",
        "{0}<",
        '"{0}',
        "ä{0}@",
        "@",
        "x",
        "a@x.",
    ],
)
def test_a_megabyte_is_read_within_seconds(piece: str) -> None:
    text = "".join(piece.format(number) for number in range(1_000_000 // len(piece)))[:1_000_000]
    begun = time.perf_counter()

    address_list.parse(text, most=MAX_TYPED)

    assert time.perf_counter() - begun < 5
