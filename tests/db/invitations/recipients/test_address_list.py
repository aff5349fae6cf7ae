"""What people paste when they are asked for addresses."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.common import invisible
from db.invitations.creation import MAX_TYPED
from db.invitations.recipients import address_list, csv_import


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


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("'lena@x.org' <lena@x.org>", ["lena@x.org"]),
        ("mailto:lena@x.org", ["lena@x.org"]),
        ("lena@x.org<mailto:lena@x.org>", ["lena@x.org"]),
        ("[lena@x.org](mailto:lena@x.org)", ["lena@x.org"]),
        ("Okafor, Ben, Jr. <ben@x.org>", ["ben@x.org Ben Okafor Jr."]),
        ("Ben Okafor, PhD <ben@x.org>", ["ben@x.org Ben Okafor PhD"]),
        ("Okafor, Ben, Jr., Ph.D. <ben@x.org>", ["ben@x.org Ben Okafor Jr. Ph.D."]),
        ("Okafor, Ben, M.Sc., MBA <ben@x.org>", ["ben@x.org Ben Okafor M.Sc. MBA"]),
        ("Doe, John, M.D. <j@x.org>", ["j@x.org John M.D. Doe"]),
        ("Doe, J.R., Jr. <j@x.org>", ["j@x.org J.R. Doe Jr."]),
        ("<mailto:a@x.org>", ["a@x.org"]),
        ("Lena\tHartmann\tlena@x.org", ["lena@x.org Lena Hartmann"]),
        (
            "1\tLena\tHartmann\tlena@x.org\tTeam\n2\tBen\t\tben@x.org",
            ["lena@x.org Lena Hartmann", "ben@x.org Ben"],
        ),
        ('"a@x.org","b@x.org"', ["a@x.org", "b@x.org"]),
        ("['a@x.org', 'b@x.org']", ["a@x.org", "b@x.org"]),
        ("1. lena@x.org.\n2) ben@x.org\n(3) cleo@x.org", ["lena@x.org", "ben@x.org", "cleo@x.org"]),
        ("• Lena Hartmann – lena@x.org", ["lena@x.org Lena Hartmann"]),
        (
            "- lena@x.org\n* ben@x.org\n– cleo@x.org\n-dora@x.org",
            ["lena@x.org", "ben@x.org", "cleo@x.org", "dora@x.org"],
        ),
        ("a@x.org，b@x.org、c@x.org،d@x.org؛e@x.org；f@x.org", [f"{name}@x.org" for name in "abcdef"]),
        ("a@x.org\u2028b@x.org\u0085c@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
        ("Lena Hartmann (lena@x.org)", ["lena@x.org Lena Hartmann"]),
        ("lena@x.org (Lena Hartmann)", ["lena@x.org Lena Hartmann"]),
        ("Lena Hartmann—lena@x.org", ["lena@x.org Lena Hartmann"]),
        ("To: Lena <lena@x.org>; Email:ben@x.org", ["lena@x.org Lena", "ben@x.org"]),
        ("“Hartmann, Lena” <lena@x.org>", ["lena@x.org Lena Hartmann"]),
        ('"Doe; John" john@x.org', ["john@x.org Doe; John"]),
        ("Lena <lena@x.org> Ben <ben@x.org>", ["lena@x.org Lena", "ben@x.org Ben"]),
        ("a@x.org Ann b@x.org Ben", ["a@x.org Ann", "b@x.org Ben"]),
        ("a@x.org and b@x.org/c@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
        ("mailto:a@x.org?cc=b@x.org&subject=Hello", ["a@x.org", "b@x.org"]),
        ("*lena@x.org* `ben@x.org` _cleo@x.org_", ["lena@x.org", "ben@x.org", "cleo@x.org"]),
        (
            "O'Hara <o'hara@x.org>, _ben@x.org, +cleo@x.org",
            ["o'hara@x.org O'Hara", "_ben@x.org", "+cleo@x.org"],
        ),
        ("\ufefflena@x.org\u200b, \u202aben@x.org\u202c", ["lena@x.org", "ben@x.org"]),
        ("\u202eLena\u200b <lena@x.org>", ["lena@x.org Lena"]),
        ("lena@x.org!, ben@x.org…, «cleo@x.org»", ["lena@x.org", "ben@x.org", "cleo@x.org"]),
        ("Lena <lena@x.org\n<ben@x.org>>", ["lena@x.org Lena", "ben@x.org"]),
        ("Straße 5 lena@bücher.example.", ["lena@xn--bcher-kva.example Straße"]),
        ("•, —, ;", []),
    ],
)
def test_the_addresses_are_found_in_what_people_paste(text: str, found: list[str]) -> None:
    listed = address_list.parse(text)

    assert not listed.wrong
    assert [f"{e.address.email if e.address else ''} {e.name}".strip() for e in listed.entries] == found
    assert listed.repeated == 0


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("Lena Hartmann", ["Lena Hartmann"]),
        ("Lena Hartmann, lena@x.org", ["Lena Hartmann"]),
        ("lena@x.org; Ben; cleo@x.org", ["Ben"]),
        ("Hartmann\nLena <lena@x.org>", ["Hartmann"]),
        ("Hartmann; Lena <lena@x.org>", ["Hartmann"]),
        ("Okafor, a@x.org, Ben <ben@x.org>", ["Okafor"]),
        ("ann, ben, cleo, dan, eve, Fay <fay@x.org>", ["ann", "ben", "cleo", "dan", "eve"]),
        ("1.\nlena@x.org", ["1."]),
        ("ada@, @x.org, lena@x", ["ada@", "@x.org", "lena@x"]),
        ("a@b@x.org", ["a@b@x.org"]),
        ("le\u200bna@x.org", ["le[U+200B]na@x.org"]),
        ("Ann <ann @x.org>", ["@x.org"]),
        ('ann"x"@x.org', ["@x.org"]),
        ("https://x.org/@lena", ["https://x.org/@lena"]),
        ("https://www.tiktok.com/@lena.hartmann", ["https://www.tiktok.com/@lena.hartmann"]),
        ("Blog: <https://medium.com/@lena.h>", ["https://medium.com/@lena.h"]),
        ("Blog:https://medium.com/@lena.h", ["Blog:https://medium.com/@lena.h"]),
        ("https://x.org/?u=a@x.org", ["https://x.org/?u=a@x.org"]),
        ("https://x.org/?u=a@x.org&v=b@x.org", ["https://x.org/?u=a@x.org&v=b@x.org"]),
        ("www.x.org/?u=a@x.org", ["www.x.org/?u=a@x.org"]),
        ("www.x.org/@lena.h", ["www.x.org/@lena.h"]),
        ("//x.org/@lena.h, /@lena.h", ["//x.org/@lena.h", "/@lena.h"]),
        ("anna.example.org, Carol <carol@x.org>", ["anna.example.org"]),
        ("anna.h, Carol <carol@x.org>", ["anna.h"]),
        ("anna at x.org, Carol <carol@x.org>", ["anna at x.org"]),
        ("anna AT x, Carol <carol@x.org>", ["anna AT x"]),
        ("anna(at)x.org, Carol <carol@x.org>", ["anna(at)x.org"]),
        ("anna [at] x, Carol <carol@x.org>", ["anna [at] x"]),
        ("anna, bernd, carl, dora <dora@x.org>", ["anna", "bernd", "carl"]),
        ("anna, bernd, dora <dora@x.org>", ["anna", "bernd"]),
    ],
)
def test_what_holds_no_address_is_wrong(text: str, wrong: list[str]) -> None:
    assert [entry.typed for entry in address_list.parse(text).wrong] == wrong


_LETTERS = st.sampled_from("aZé1.-_'\"<>()[]{}@@@,;:\n\t •–，؛|/&+=?\u200b\u3164“”«»＠")


@given(st.text(_LETTERS, max_size=60))
def test_nobody_with_an_at_sign_is_dropped_unsaid(text: str) -> None:
    listed = address_list.parse(text)

    said = "\n".join(entry.typed for entry in listed.entries)
    # An address that stands there again, in whatever case, is counted, or is the name of itself.
    words = (word.strip("\"'").lower() for word in re.split(r"[\s,;:|/&+=?<>()\[\]\"•–，؛“”«»]+", text))
    assert all(
        invisible.escape(word).lower() in said.lower() for word in words if "@" in word and word != "@"
    )
    assert bool(listed.entries) or "@" not in text


@given(st.lists(st.emails(domains=st.sampled_from(["x.org", "example.com"])), min_size=1, max_size=5))
def test_each_address_on_a_line_of_its_own_is_said(many: list[str]) -> None:
    listed = address_list.parse("\n".join(many))

    assert len(listed.entries) + listed.repeated == len(many)


def test_a_scheme_that_is_repeated_is_read_like_one() -> None:
    assert emails(f"x@y.org <{'mailto:' * 100}a@x.org>") == ["x@y.org", "a@x.org"]


@pytest.mark.parametrize("ballast", ["mailto:", "mailto://", "mailto:'", "("])
def test_what_is_longer_than_any_address_is_wrong(ballast: str) -> None:
    listed = address_list.parse(f"x@y.org <{ballast * 1_500}a@x.org>")

    assert "x@y.org" in [entry.typed for entry in listed.good]


UNSEEN = [
    *("\u00ad", "\u034f", "\u115f", "\u1160", "\u180e", "\u200b", "\u200d", "\u202e", "\u2066", "\u2800"),
    *("\u3164", "\ufe0f", "\ufeff", "\uffa0", "\ufff9", "\ue000", "\U0001d173", "\U000e0061", "\U000e0100"),
]


@pytest.mark.parametrize("char", UNSEEN)
def test_an_address_that_looks_right_shows_what_is_wrong_with_it(char: str) -> None:
    (entry,) = address_list.parse(f"ad{char}a@example.org").entries
    (row,) = csv_import.parse(f"email\nad{char}a@example.org\n".encode()).entries

    for wrong in (entry, row):
        assert wrong.address is None
        assert f"ad[U+{ord(char):04X}]a@example.org" in wrong.typed


def test_what_is_quoted_from_a_file_shows_what_nobody_sees() -> None:
    (entry,) = csv_import.parse("email,role\nada@x.example,Ow\u200bner\n".encode()).entries

    assert "Ow[U+200B]ner" in entry.why


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
        "x, ",
        "x, {0}@",
        "“",
        "<a@x.org",
        "((",
        "\u200b",
        "@:",
        "mailto:",
        "x@y.org <mailto:mailto:",
        "a:",
        "a@b/",
    ],
)
def test_a_megabyte_is_read_within_seconds(piece: str) -> None:
    text = "".join(piece.format(number) for number in range(1_000_000 // len(piece)))[:1_000_000]
    begun = time.process_time()

    address_list.parse(text, most=MAX_TYPED)

    assert time.process_time() - begun < 5


@pytest.mark.parametrize("piece", ["Lena {0} H <a{0}@x.example>, ", "word {0} ", "@", "a@x.org<", "“x, "])
def test_what_is_pasted_is_read_in_linear_time(piece: str) -> None:
    text = "".join(piece.format(number) for number in range(50_000 // len(piece) + 1))[:50_000]
    begun = time.process_time()

    address_list.parse(text, most=MAX_TYPED)

    assert time.process_time() - begun < 0.5
