"""Whatever is pasted as addresses: nobody is dropped unsaid, and nobody changes what becomes of another."""

from hypothesis import given
from hypothesis import strategies as st

from db.invitations.recipients import address_list
from tests.support.examples import TEXT

NAMES = st.text("abcdefghij", min_size=1, max_size=6)
# Letters, digits and signs that people paste with addresses, and those that have a meaning here.
PASTED = st.text("abäß0.@,;<>()[]\"“”'-_ \t\n\r•→*&: ", max_size=60)
GOOD = st.builds("{}@{}.example".format, NAMES, NAMES)
# Letters that no title, label or "and" is written with.
WORDS = st.text("bdfghk", min_size=3, max_size=8)
STOPS = st.sampled_from([",", ";", "\n", "\r\n", ", ", " ; "])


def outcome(text: str) -> list[tuple[str, str, str]]:
    """Of each entry: the address or what was typed, the name, and why it is wrong."""
    return [
        (one.address.email if one.address else one.typed, one.name, one.why)
        for one in address_list.parse(text).entries
    ]


@given(TEXT | PASTED)
def test_any_text_is_read_and_each_wrong_entry_says_why(text: str) -> None:
    listed = address_list.parse(text)

    assert all(bool(entry.why) == (entry.address is None) for entry in listed.entries)
    keys = [entry.address.key for entry in listed.entries if entry.address]
    assert len(keys) == len(set(keys))


@given(PASTED)
def test_text_with_an_at_sign_is_never_read_as_nothing(text: str) -> None:
    assert ("@" in text) <= bool(address_list.parse(text).entries)


@given(st.lists(GOOD, min_size=1, max_size=8), st.data())
def test_addresses_are_found_whatever_stands_between_them(emails: list[str], data: st.DataObject) -> None:
    between = st.sampled_from([" ", ", ", ",", ";", "\n", "\t", " and ", " • ", "> <"])
    text = emails[0] + "".join(data.draw(between) + email for email in emails[1:])
    listed = address_list.parse(text)

    assert [entry.address.email for entry in listed.good if entry.address] == list(dict.fromkeys(emails))
    assert not listed.wrong
    assert listed.repeated == len(emails) - len(set(emails))


@given(st.lists(GOOD | WORDS, min_size=1, max_size=8), st.data())
def test_each_piece_is_an_address_or_an_error(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(piece + data.draw(STOPS) for piece in pieces)
    listed = address_list.parse(text)

    assert [entry.address.email for entry in listed.good if entry.address] == list(
        dict.fromkeys(piece for piece in pieces if "@" in piece)
    )
    assert [entry.typed for entry in listed.wrong] == list(
        dict.fromkeys(piece for piece in pieces if "@" not in piece)
    )


@given(PASTED, NAMES)
def test_an_address_on_a_line_of_its_own_changes_nothing_above_it(text: str, name: str) -> None:
    newcomer = f"{name}@newcomer.example"
    above = outcome(text)

    assert outcome(f"{text}\n{newcomer}") == [*above, (newcomer, "", "")]


@given(st.lists(st.tuples(WORDS, WORDS, GOOD), min_size=1, max_size=5, unique_by=lambda row: row[2]))
def test_names_beside_addresses_are_kept_in_either_order(rows: list[tuple[str, str, str]]) -> None:
    expected = [(email, f"{first} {last}", "") for first, last, email in rows]

    assert outcome("; ".join(f"{first} {last} <{email}>" for first, last, email in rows)) == expected
    assert outcome("\n".join(f'"{last}, {first}" <{email}>' for first, last, email in rows)) == expected
