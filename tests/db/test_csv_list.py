"""A CSV file of people to invite."""

import pytest

from db import csv_list
from db.policy import Invalid, Role


def test_columns_may_stand_in_any_order_and_be_left_out() -> None:
    listed = csv_list.parse(b"Last name,email,First Name\nHartmann,lena@x.example,Lena\n")

    (entry,) = listed.entries
    assert (entry.first_name, entry.last_name, entry.role, entry.line) == ("Lena", "Hartmann", None, 2)


@pytest.mark.parametrize(("word", "role"), [("re", Role.REVIEWER), ("Manager", Role.MANAGER), ("", None)])
def test_a_role_is_a_code_or_a_word(word: str, role: Role | None) -> None:
    (entry,) = csv_list.parse(f"email;role\nada@x.example;{word}\n".encode()).entries

    assert entry.role is role
    assert entry.address is not None


@pytest.mark.parametrize("word", ["OW", "Owner", "NO", "DI", "boss"])
def test_another_role_is_wrong_on_its_line(word: str) -> None:
    listed = csv_list.parse(f"email,role\nada@x.example,AN\nbob@x.example,{word}\n".encode())

    (wrong,) = listed.wrong
    assert wrong.line == 3
    assert word in wrong.why


def test_spreadsheets_marks_semicolons_and_quoted_new_lines_are_read() -> None:
    content = '\ufeffemail;first_name\r\nada@x.example;"Ada\nAugusta"\r\n\r\nbob@x.example;Bob\r\n'.encode()

    ada, bob = csv_list.parse(content).entries

    assert ada.first_name == "Ada Augusta"
    assert bob.line == 5


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"address\nada@x.example\n", "email"),
        ("email\nÅda@x.example\n".encode("latin-1"), "Line 2"),
        (b"PK\x03\x04\0\0", "text file"),
        (b"email\n" + b"a@x.example\n" * 10_001, "10,000"),
    ],
)
def test_what_is_no_such_file_says_why(content: bytes, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        csv_list.parse(content)


def test_a_control_character_is_wrong_on_its_line() -> None:
    listed = csv_list.parse(b"email,first_name\nada@x.example,Ada\nbob@x.example,B\x07b\n")

    (wrong,) = listed.wrong
    assert wrong.line == 3
    assert "control characters" in wrong.why
