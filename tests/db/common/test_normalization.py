"""Keys of search: the spellings of a name, and how those of earlier programs are written anew."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import engine
from db.common import normalization
from db.invitations import access_request_listing
from db.members import directory
from db.members.directory import MemberFilter
from db.policy import Role
from db.schema import migrate, renames
from tests.bench.support import seed

BEFORE = "2026-11-22T12:00:00:000002"
KEY_COLUMNS = list(seed.COLUMNS).index("sort_key"), list(seed.COLUMNS).index("search_text")
PEOPLE = (
    ("muller@example.org", "Jörg", "Müller"),
    ("cara@example.org", "Cara", "O’Neill"),
    ("d'arcy@example.org", "", ""),
    ("plain@example.org", "Ada", "Lovelace"),
)


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("Müller", ["muller", "mueller"]),
        ("mu\u0308ller", ["muller", "mueller"]),
        ("MUELLER", ["mueller"]),
        ("Ødegård", ["odegard", "odegaard", "oedegard", "oedegaard"]),
        ("Straße", ["strasse"]),
        ("STRAẞE", ["strasse"]),
        ("Đorđe", ["dorde", "dordje", "djorde", "djordje"]),
        ("Łódź", ["lodz"]),
        ("Yıldız", ["yildiz"]),
        ("Ærø", ["aero", "aeroe"]),
        ("Þórður", ["thordur"]),
        ("Noël", ["noel"]),
        ("ääääää", ["aaaaaa", "aeaeaeaeaeae"]),
        ("O’Neill", ["oneill"]),
        ("Мар’яна", ["маряна"]),
    ],
)
def test_a_word_has_the_spellings_that_people_use(word: str, ways: list[str]) -> None:
    assert normalization.spellings(word) == ways


@pytest.mark.parametrize("char", "'`´ʹʻʼʽʾʿˈ‘’‚‛′＇ꞌ՚׳")
def test_every_apostrophe_is_left_out(char: str) -> None:
    assert normalization.normalize(f"O{char}Neill") == normalization.normalize("ONeill") == "oneill"


@pytest.mark.parametrize("char", "-‐‑‒–—―−－﹣־")
def test_every_dash_is_a_hyphen(char: str) -> None:
    assert normalization.normalize(f"Anne{char}Marie") == "anne-marie"


def test_names_sort_without_apostrophes_and_accents() -> None:
    names = ["Özil", "O’Neill", "Oneal", "ONeill", "Ottaviano", "Mueller", "Müller"]

    order = sorted(names, key=lambda name: normalization.sort_key(name, "", "x@example.org"))

    assert order == ["Mueller", "Müller", "Oneal", "O’Neill", "ONeill", "Ottaviano", "Özil"]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
def test_every_name_is_found_as_it_is_written(name: str) -> None:
    key = normalization.search_text(name, "", "a@example.org", "a@example.org")

    for spellings in normalization.search_terms(name):
        assert any(spelling in key for spelling in spellings)


@given(st.text(max_size=200))
def test_a_search_has_few_spellings_and_no_empty_one(text: str) -> None:
    for spellings in normalization.search_terms(text):
        assert 1 <= len(spellings) <= 3 * 2**normalization.MAX_MIXED
        assert all(len(spelling) >= 3 for spelling in spellings)


def with_old_keys(person: tuple[str, str, str]) -> tuple[Any, ...]:
    row = list(seed.row(1, "AN", *person))
    row[KEY_COLUMNS[0]], row[KEY_COLUMNS[1]] = "old", f"  old  {person[0]}"
    return tuple(row)


async def test_the_keys_of_everybody_are_written_anew(empty_database_url: str) -> None:
    engine.use(empty_database_url)
    await engine.start()
    try:
        await engine.write(migrate.forwards, BEFORE)
        people = [*map(with_old_keys, PEOPLE), seed.row(1, "DI", removed_at=5)]
        columns = {renames.column_at([BEFORE], "member", name): kind for name, kind in seed.COLUMNS.items()}
        await engine.write(seed.insert_into, "member", columns, people)
        await engine.write(
            engine.execute,
            "INSERT INTO request (email, email_key, name, words, search_key, link_id, made_at, confirmed_at,"
            " invitation_id, ended_at, end_reason)"
            " VALUES ('g@example.org', 'g@example.org', 'Göran', '', 'old', 0, 1, 1, 0, 0, '')",
        )

        assert await migrate.migrate()

        for q, email in (("mueller", "muller@example.org"), ("o'neill", "cara@example.org")):
            assert [row.email for row in (await directory.page(MemberFilter(q=q))).rows] == [email]
        assert [line.name for line in (await access_request_listing.page("goeran")).rows] == ["Göran"]
        assert (await directory.page(MemberFilter(q="old"))).rows == ()
        found = await engine.rows("SELECT email, first_name, last_name, sort_key, search_text FROM member")
        for email, first, last, sort_key, search_text in found:
            assert sort_key == (normalization.sort_key(first, last, email) if email else "")
            assert search_text == (normalization.search_text(first, last, email, email) if email else "")
        assert (await directory.counts())[Role.ANNOTATOR] == len(PEOPLE)
    finally:
        await engine.stop()
