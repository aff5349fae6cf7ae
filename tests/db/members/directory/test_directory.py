"""The directory against a plain list of the same people, on both databases."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from db import engine
from db.common import normalization
from db.errors import Invalid
from db.members import directory
from db.members.directory import PAGE_SIZE, MemberFilter, MemberPage, MemberRow, keyset, search
from db.members.directory.filters import DEFAULT_ROLES, DEFAULT_SORT, ROLE_ORDER, SORT_COLUMNS, SORTS, Cursor
from db.policy import Role
from tests.bench.support import seed
from tests.support.pages.site import ON_SQLITE

ALL_SORTS = (*SORTS, DEFAULT_SORT)
FIRST = ("Ada", "ada", "Zoë", "Ольга", "محمد", "", "İbrahim", "Großmann", "小明", "Émile")


async def add(*people: tuple[Any, ...]) -> None:
    await engine.write(seed.insert, list(people))


def crowd(number: int) -> list[tuple[Any, ...]]:
    """People with many ties: ten names, five instants, all roles, one Owner, some removed."""
    people = []
    for count in range(number):
        role = list(Role)[count % 7] if count < 7 or count % 7 else Role.ANNOTATOR
        email = f"p{count * 37 % 1_000:03}@{'example.org' if count % 2 else 'xn--mnchen-3ya.example'}"
        first, last = FIRST[count % 10], "Ng" if count % 3 else ""
        times = {"joined": 1_000 + count // 9 % 5, "activity": 5_000 - count % 4}
        if count % 11 == 10:
            people.append(seed.row(times["joined"], "DI", removed_at=9_000))
        else:
            people.append(
                seed.row(times["joined"], role.value, email, first, last, activity=times["activity"])
            )
    return people


async def everybody() -> list[dict[str, Any]]:
    """The members who aren't removed, straight from the table."""
    columns = ("id", "email_key", "sort_key", "search_text", "role", "joined_at", "last_activity_at")
    found = await engine.rows(f"SELECT {', '.join(columns)} FROM member WHERE removed_at = 0")
    return [dict(zip(columns, record, strict=True)) for record in found]


def model(people: list[dict[str, Any]], shown: MemberFilter) -> list[int]:
    """The ids that a filter shows, in its order."""
    column = {
        "email": "email_key",
        "name": "sort_key",
        "role": "sort_key",
        "joined": "joined_at",
        "waiting": "joined_at",
        "activity": "last_activity_at",
    }[shown.sort.strip("-")]

    def rank(person: dict[str, Any]) -> tuple[Any, ...]:
        role = [role.value for role in ROLE_ORDER].index(person["role"]) if "role" in shown.sort else 0
        waits = person["role"] == "NO" if "waiting" in shown.sort else False
        return waits, role, person[column], person["id"]

    roles = {role.value for role in shown.roles or DEFAULT_ROLES}
    terms = normalization.search_terms(shown.q)
    kept = [p for p in people if p["role"] in roles and found(p["search_text"], terms)]
    return [person["id"] for person in sorted(kept, key=rank, reverse=shown.sort.startswith("-"))]


def found(search_text: str, terms: tuple[tuple[str, ...], ...]) -> bool:
    return all(any(spelling in search_text for spelling in spellings) for spellings in terms)


def ids(rows: "list[MemberRow] | tuple[MemberRow, ...]") -> list[int]:
    return [row.id for row in rows]


def emails(page: MemberPage) -> set[str]:
    return {row.email for row in page.rows}


def reread(shown: MemberFilter, **changes: str) -> MemberFilter:
    """The filter after its way through an address."""
    return MemberFilter.parse(parse_qs(shown.address(**changes)))


async def walk(shown: MemberFilter) -> tuple[list[MemberPage], list[MemberPage]]:
    """All pages of a filter, forwards, and from the last one backwards."""
    forwards = [await directory.page(shown)]
    while (cursor := forwards[-1].older) is not None:
        forwards.append(await directory.page(reread(shown, after=cursor)))
    backwards = [forwards[-1]]
    while (cursor := backwards[-1].newer) is not None:
        backwards.append(await directory.page(reread(shown, before=cursor)))
    return forwards, backwards


# Order and pages


@pytest.mark.parametrize("sort", ALL_SORTS)
async def test_every_order_goes_through_everybody_once_forwards_and_backwards(
    database: str, sort: str
) -> None:
    await add(*crowd(260))
    shown = MemberFilter(sort=sort, roles=tuple(Role))

    forwards, backwards = await walk(shown)

    expected = model(await everybody(), shown)
    assert len(expected) == 237
    assert [id for page in forwards for id in ids(page.rows)] == expected
    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]
    assert [page.newer is None for page in forwards] == [True, False, False, False, False]
    assert [page.older is None for page in forwards] == [False, False, False, False, True]
    assert {page.total for page in forwards + backwards} == {237}
    assert [page.offset for page in forwards] == [0, 50, 100, 150, 200]
    assert [page.offset for page in backwards] == [page.offset for page in reversed(forwards)]


async def test_who_waits_stands_first_the_newest_first(database: str) -> None:
    people = [(1, "AN"), (2, "NO"), (3, "OW"), (4, "NO"), (5, "DI"), (6, "RE"), (7, "NO")]
    await add(*(seed.row(joined, role, f"a{joined}@example.org") for joined, role in people))

    page = await directory.page(MemberFilter.parse({}))
    found = await directory.page(MemberFilter.parse({"q": ["example"], "role": ["NO", "AN", "DI"]}))
    newest = await directory.page(MemberFilter.parse({"sort": ["-joined"]}))

    assert [row.joined_at for row in page.rows] == [7, 4, 2, 6, 3, 1]
    assert [row.joined_at for row in found.rows] == [7, 4, 2, 5, 1]
    assert [row.joined_at for row in newest.rows] == [7, 6, 4, 3, 2, 1]


async def test_a_page_between_others_counts_on_from_the_last_one(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:03}@example.org") for count in range(170)))
    shown = MemberFilter(sort="email")
    first = await directory.page(shown)
    assert first.older is not None

    await add(*(seed.row(1_000 + count, "AN", f"a000b{count}@example.org") for count in range(3)))
    second = await directory.page(reread(shown, after=first.older))
    elsewhere = await directory.page(
        MemberFilter(sort="email", after=Cursor("a100@example.org", 101).encode())
    )
    absurd = Cursor("a100@example.org", 101, passed=10**15).encode()
    beyond = await directory.page(MemberFilter(sort="email", after=absurd))

    assert (second.offset, elsewhere.offset) == (50, None)
    assert beyond.offset == 173 - 50, "no more than can be"


async def test_many_hits_of_a_search_are_counted_on_as_well(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:04}@example.org") for count in range(1_100)))

    first = await directory.page(MemberFilter(q="example"))
    second = await directory.page(reread(MemberFilter(q="example"), after=first.older or ""))

    assert (first.offset, second.offset, second.total_is_exact) == (0, 50, False)


async def test_a_list_of_exactly_one_page_ends_there(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count}@example.org") for count in range(PAGE_SIZE)))

    page = await directory.page(MemberFilter())

    assert len(page.rows) == PAGE_SIZE
    assert page.newer is None
    assert page.older is None


async def test_an_empty_list_has_no_cursors(database: str) -> None:
    page = await directory.page(MemberFilter(q="nobody"))
    empty = await directory.page(MemberFilter(after=Cursor(5, 5).encode()))

    assert (page.rows, page.newer, page.older, page.total) == ((), None, None, 0)
    assert (empty.rows, empty.newer, empty.older, empty.total) == ((), None, None, 0)


async def test_a_cursor_behind_the_end_shows_the_last_page(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:03}@example.org") for count in range(120)))

    page = await directory.page(MemberFilter(sort="email", after=Cursor("b", 1).encode()))

    assert [row.email[:4] for row in page.rows] == [f"a{count:03}" for count in range(70, 120)]
    assert page.newer is not None
    assert page.older is None


async def test_less_than_a_page_before_a_cursor_shows_the_whole_first_page(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:03}@example.org") for count in range(120)))

    page = await directory.page(MemberFilter(sort="email", before=Cursor("a010@example.org", 11).encode()))

    assert [row.email[:4] for row in page.rows] == [f"a{count:03}" for count in range(50)]
    assert page.newer is None
    assert page.older is not None


async def test_a_cursor_whose_members_have_gone_knows_that_nobody_precedes_it(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:03}@example.org") for count in range(120)))
    shown = MemberFilter(sort="email", after=Cursor("a009@example.org", 10).encode())
    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE joined_at < 10")

    page = await directory.page(shown)

    assert page.rows[0].email == "a010@example.org"
    assert page.newer is None


# Filters


async def test_deactivated_members_are_shown_only_when_asked_for(database: str) -> None:
    await add(*crowd(40))

    default = await directory.page(MemberFilter())
    deactivated = await directory.page(MemberFilter(roles=(Role.DEACTIVATED,)))

    assert "DI" not in {row.role for row in default.rows}
    assert {row.role for row in deactivated.rows} == {"DI"}
    assert default.total == sum(default.counts[role] for role in Role if role is not Role.DEACTIVATED)


@pytest.mark.parametrize("sort", ["name", "-role", "-joined"])
async def test_several_roles_at_once(database: str, sort: str) -> None:
    await add(*crowd(200))
    shown = MemberFilter(roles=(Role.PENDING, Role.REVIEWER, Role.DEACTIVATED), sort=sort)

    forwards, _ = await walk(shown)

    assert [id for page in forwards for id in ids(page.rows)] == model(await everybody(), shown)
    assert forwards[0].total == sum(forwards[0].counts[role] for role in shown.roles)


async def test_removed_members_never_appear_and_never_count(database: str) -> None:
    await add(
        seed.row(1, "AN", "ada@example.org", "Ada"),
        seed.row(2, "DI", removed_at=9),
        seed.row(3, "AN", "zoe@example.org", "Zoë"),
    )
    ((removed,),) = await engine.rows("SELECT id FROM member WHERE removed_at > 0")

    page = await directory.page(MemberFilter(roles=tuple(Role)))
    exported = [row async for batch in directory.export(MemberFilter(roles=tuple(Role))) for row in batch]

    assert {row.email for row in page.rows} == {"ada@example.org", "zoe@example.org"}
    assert sum(page.counts.values()) == page.total == len(exported) == 2
    assert await directory.one(removed) is None
    assert await directory.several([removed]) == ()


# Search

SEARCHED = (
    ("ada@example.org", "Ada", "Lovelace"),
    ("hana@fenwick.example", "Hana", "Vodičková"),
    ("ib@example.org", "İbrahim", "Yılmaz"),
    ("karl@xn--mnchen-3ya.example", "Karl", "Großmann"),
    ("fish@example.org", "Anna ﬁsh", 'O"Neil'),
    ("m@example.org", "محمد", "العربي"),
    ("under_score%x@example.org", "100% Lena", "a*b\\c"),
    ("wang@example.org", "小明", "王"),
    ("and.or@example.org", "NOT", "NEAR"),
    ("anna@example.org", "Änne", "Müller"),
    ("mueller@example.org", "Max", ""),
    ("m2@example.org", "Max", "Muller"),
    ("joerg@example.org", "", ""),
    ("j2@example.org", "Jörg", ""),
    ("cara@example.org", "Cara", "O’Neill"),
    ("d'arcy@example.org", "", ""),
    ("s@example.org", "Søren Ærlig", "Ødegård"),
    ("l@example.org", "Łukasz", "Đorđević"),
    ("am@example.org", "Anne‑Marie", "Berg"),
    ("ann@example.org", "Anne Marie", "Krüger"),
)


FOUND: dict[str, set[str]] = {
    "lovelace": {"ada@example.org"},
    "LOVELACE ada": {"ada@example.org"},
    "vela": {"ada@example.org"},
    "ada l": {"ada@example.org"},
    "ada k": set(),
    "vodickova": {"hana@fenwick.example"},
    "VODIČKOVÁ": {"hana@fenwick.example"},
    "ibrahim": {"ib@example.org"},
    "İBRAHİM yilmaz": {"ib@example.org"},
    "grossmann": {"karl@xn--mnchen-3ya.example"},
    "GROẞMANN": {"karl@xn--mnchen-3ya.example"},
    "münchen": {"karl@xn--mnchen-3ya.example"},
    "xn--mnchen": {"karl@xn--mnchen-3ya.example"},
    "fish": {"fish@example.org"},
    "ﬁsh": {"fish@example.org"},
    'o"neil': {"fish@example.org"},
    "müller": {"anna@example.org", "mueller@example.org", "m2@example.org"},
    "mueller": {"anna@example.org", "mueller@example.org"},
    "muller": {"anna@example.org", "m2@example.org"},
    "MÜLLER": {"anna@example.org", "mueller@example.org", "m2@example.org"},
    "mu\u0308ller": {"anna@example.org", "mueller@example.org", "m2@example.org"},
    "ueller": {"anna@example.org", "mueller@example.org"},
    "mü": {"anna@example.org", "mueller@example.org", "m2@example.org"},
    "muenchen": {"karl@xn--mnchen-3ya.example"},
    "joerg": {"joerg@example.org", "j2@example.org"},
    "jörg": {"joerg@example.org", "j2@example.org"},
    "o'neill": {"cara@example.org"},
    "oneill": {"cara@example.org"},
    "O’Neill": {"cara@example.org"},
    "o`neill": {"cara@example.org"},
    "o´neill": {"cara@example.org"},
    "oʼneill": {"cara@example.org"},
    "o neill": {"cara@example.org"},
    "’neill": {"cara@example.org"},
    "d'arcy": {"d'arcy@example.org"},
    "darcy@": {"d'arcy@example.org"},
    "soren": {"s@example.org"},
    "soeren": {"s@example.org"},
    "sören": {"s@example.org"},
    "søren odegaard": {"s@example.org"},
    "oedegard": {"s@example.org"},
    "ødegård": {"s@example.org"},
    "aerlig": {"s@example.org"},
    "ærlig": {"s@example.org"},
    "lukasz": {"l@example.org"},
    "łukasz dordevic": {"l@example.org"},
    "djordjevic": {"l@example.org"},
    "đorđević": {"l@example.org"},
    "anne-marie": {"am@example.org", "ann@example.org"},
    "anne–marie": {"am@example.org", "ann@example.org"},
    "anne\u2011marie": {"am@example.org", "ann@example.org"},
    "anne marie": {"am@example.org", "ann@example.org"},
    "annemarie": {"am@example.org"},
    "marie-kruger": {"ann@example.org"},
    '"""': set(),
    "محمد": {"m@example.org"},
    "مُحَمَّد العر": {"m@example.org"},
    "100%": {"under_score%x@example.org"},
    "r_s": {"under_score%x@example.org"},
    "e%x": {"under_score%x@example.org"},
    "%%%": set(),
    "a*b": {"under_score%x@example.org"},
    "a*b\\c": {"under_score%x@example.org"},
    "lov*": set(),
    "not near": {"and.or@example.org"},
    "and.or": {"and.or@example.org"},
    "hana@fenwick.example": {"hana@fenwick.example"},
    "@fenwick": {"hana@fenwick.example"},
    "h": {"hana@fenwick.example"},
    "lo": {"ada@example.org"},
    "王": {"wang@example.org"},
    "小明": {"wang@example.org"},
    "m@": {"m@example.org"},
    "ex": set(),
    "%": set(),
    "_": set(),
    '"': set(),
    "*": set(),
    "search_key : ada": set(),
    "-ada": set(),
    "^ada": set(),
}


async def test_search_finds_parts_of_names_and_addresses(database: str) -> None:
    await add(*(seed.row(1, "AN", *person) for person in SEARCHED))

    pages = {q: await directory.page(MemberFilter(q=q)) for q in FOUND}

    assert {q: emails(page) for q, page in pages.items()} == FOUND
    for page in pages.values():
        assert (page.total, page.total_is_exact, page.too_many) == (len(page.rows), True, False)


async def test_a_search_for_nothing_shows_everybody(database: str) -> None:
    await add(*(seed.row(1, "AN", *person) for person in SEARCHED))

    pages = [await directory.page(MemberFilter(q=q)) for q in ("  ", "\u200d", "\u0301")]

    assert [page.total for page in pages] == [len(page.rows) for page in pages] == [len(SEARCHED)] * 3


async def test_the_longest_searches_are_only_searches(database: str) -> None:
    await add(*(seed.row(1, "AN", *person) for person in SEARCHED))
    words = " ".join(chr(letter) for letter in range(0x4E00, 0x4E64))

    pages = [
        await directory.page(MemberFilter.parse({"q": [q]}))
        for q in ("ﷺ" * 200, words, "a\\" * 100, '"' * 200, "%_" * 100, "ab " * 66)
    ]

    assert [page.rows for page in pages] == [()] * 6


async def test_a_name_that_folds_to_many_letters_is_kept_and_found(database: str) -> None:
    await add(seed.row(1, "AN", "long@example.org", "ﷺ" * 100, "ﷺ" * 100))

    page = await directory.page(MemberFilter(q="ﷺ", sort="name"))

    assert emails(page) == {"long@example.org"}


async def test_search_keeps_to_the_roles(database: str) -> None:
    await add(
        seed.row(1, "AN", "ada@example.org", "Ada"),
        seed.row(2, "NO", "adam@example.org", "Adam"),
        seed.row(3, "DI", "adah@example.org", "Adah"),
    )

    assert emails(await directory.page(MemberFilter(q="ada"))) == {"ada@example.org", "adam@example.org"}
    assert emails(await directory.page(MemberFilter(q="ada", roles=(Role.PENDING,)))) == {"adam@example.org"}
    assert emails(await directory.page(MemberFilter(q="ada", roles=(Role.DEACTIVATED,)))) == {
        "adah@example.org"
    }


async def test_search_follows_a_new_name_and_forgets_a_removed_member(database: str) -> None:
    await add(seed.row(1, "AN", "ada@example.org", "Ada"), seed.row(1, "AN", "zoe@example.org", "Zoë"))
    await engine.write(
        engine.execute,
        "UPDATE member SET search_text = '  byron  ada@x.org' WHERE email_key = 'ada@example.org'",
    )
    await engine.write(
        engine.execute,
        # Nothing is left to find of somebody removed; and were it left, it wouldn't be found.
        "UPDATE member SET email_key = NULL, role = 'DI', removed_at = 5 WHERE email_key = 'zoe@example.org'",
    )

    assert emails(await directory.page(MemberFilter(q="byron"))) == {"ada@example.org"}
    assert emails(await directory.page(MemberFilter(q="example.org"))) == set()
    removed = await directory.page(MemberFilter(q="zoe", roles=tuple(Role)))
    assert (removed.rows, removed.total) == ((), 0)


async def test_up_to_a_thousand_hits_are_sorted_as_asked_for(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count * 7 % 1_000:03}@x.org", "Hit") for count in range(1_000)))
    shown = MemberFilter(q="hit", sort="email")

    forwards, backwards = await walk(shown)

    assert [id for page in forwards for id in ids(page.rows)] == model(await everybody(), shown)
    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]
    assert (forwards[0].total, forwards[0].total_is_exact, forwards[0].sorted_by) == (1_000, True, "email")


@pytest.mark.parametrize("few", [search.FEW, 0])
@pytest.mark.parametrize(
    ("sort", "in_force"), [("email", "-joined"), ("-joined", "-joined"), ("joined", "joined")]
)
async def test_more_hits_come_in_the_order_of_joining_and_say_so(
    monkeypatch: pytest.MonkeyPatch, database: str, sort: str, in_force: str, few: int
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    await add(*(seed.row(count, "AN", f"a{count * 8 % 1_001:04}@x.org", "Hit") for count in range(1_001)))
    shown = MemberFilter(q="hit", sort=sort)

    forwards, backwards = await walk(shown)

    expected = model(await everybody(), MemberFilter(q="hit", sort=in_force))
    assert [id for page in forwards for id in ids(page.rows)] == expected
    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]
    assert (forwards[0].total, forwards[0].total_is_exact) == (1_000, False)
    assert (forwards[0].too_many, forwards[0].sorted_by) == (True, in_force)


@ON_SQLITE
@pytest.mark.parametrize(
    ("shown", "way"),
    [
        (MemberFilter(q="example.org", roles=(Role.PENDING,)), "roles"),
        (MemberFilter(q="example.org", roles=(Role.ANNOTATOR,)), "roles"),
        (MemberFilter(q="example.org"), "roles"),
        (MemberFilter(q="p11", roles=(Role.ANNOTATOR,)), "trigrams"),
        (MemberFilter(q="nobody", roles=(Role.ANNOTATOR,)), "trigrams"),
        (MemberFilter(q="nobody example.org", roles=(Role.ANNOTATOR,)), "trigrams"),
        (MemberFilter(q="example.org p1"), "roles"),
        (MemberFilter(q="newest", roles=(Role.ANNOTATOR,)), "trigrams"),
        (MemberFilter(q="nobody", roles=(Role.PENDING,)), "roles"),
        (MemberFilter(q="p11", link=7), "link"),
        (MemberFilter(q="p11", link=8), "trigrams"),
    ],
)
async def test_a_search_begins_with_whichever_is_rarer(
    monkeypatch: pytest.MonkeyPatch, database: str, shown: MemberFilter, way: str
) -> None:
    monkeypatch.setattr(search, "FEW", 100)
    monkeypatch.setattr(search, "FEW_BY_LINK", 100)
    monkeypatch.setattr(search, "MAX_HITS", 150)
    await add(
        *(
            seed.row(
                count,
                "NO" if count % 30 == 0 else "AN",
                f"p{count}@example.org",
                "Newest" if count >= 1_900 else "",
                link_id=7 if count % 30 == 1 else 8,
            )
            for count in range(2_000)
        )
    )

    assert await engine.read_in_background(search._way, shown) == way


async def test_a_link_a_role_and_a_term_find_the_same_wherever_a_search_begins(database: str) -> None:
    await add(*crowd(400))
    await engine.write(engine.execute, "UPDATE member SET link_id = 7 WHERE joined_at = 1001")
    ways: tuple[search.Way, ...] = ("roles",)
    if engine.dialect() == "sqlite":
        ways = ("roles", "trigrams", "link")

    for q in ("p", "exam", "zoë", "ada ng", "nobody"):
        for roles in ((), (Role.ANNOTATOR,), (Role.OWNER, Role.PENDING), tuple(Role)):
            shown = MemberFilter(q=q, roles=roles, link=7)
            found = [await search._query(shown, way, "joined_at", 20, (None, True)) for way in ways]
            later = [await search._query(shown, way, "joined_at", 9, (200, False)) for way in ways]

            expected = await _came_and_match(shown)
            assert all([id for _, id, _ in some] == expected[::-1][:20] for some in found)
            assert all([id for _, id, _ in some] == [id for id in expected if id > 200][:9] for some in later)


async def _came_and_match(shown: MemberFilter) -> list[int]:
    came = {id for (id,) in await engine.rows("SELECT id FROM member WHERE link_id = 7")}
    return sorted(came & set(model(await everybody(), shown)))


async def test_each_search_on_postgresql_is_planned_for_its_words(database: str) -> None:
    if engine.dialect() == "postgres":
        assert await engine.read_in_background(engine.rows, "SHOW plan_cache_mode") == [
            ("force_custom_plan",)
        ]


async def test_a_search_that_no_longer_has_too_many_hits_starts_again(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:04}@x.org", "Hit") for count in range(1_001)))
    shown = MemberFilter(q="hit", sort="email")
    older = (await directory.page(shown)).older
    assert older is not None
    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE joined_at = 500")

    page = await directory.page(reread(shown, after=older))

    assert (page.sorted_by, page.rows[0].email) == ("email", "a0000@x.org")


# Against the model

WORDS = st.sampled_from(["ada", "p1", "zoe", "g", "ng", "mun", "محمد", "@ex", "ib", "é", "%"])

# Everything but control characters and halves of surrogate pairs, which are refused.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=4)


# So few members of the roles are looked through; with 0 each search begins with the trigrams instead.
BEGINNINGS = pytest.mark.parametrize("few", [search.FEW, 0])


@BEGINNINGS
@given(
    q=st.lists(WORDS | TEXT, max_size=3).map(" ".join),
    roles=st.sets(st.sampled_from(list(Role))),
    sort=st.sampled_from(("", *SORTS)),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_filter_shows_what_a_plain_list_would(
    monkeypatch: pytest.MonkeyPatch, database: str, few: int, q: str, roles: set[Role], sort: str
) -> None:
    monkeypatch.setattr(search, "FEW", few)
    if not await engine.rows("SELECT 1 FROM member LIMIT 1"):
        await add(*crowd(130))
    shown = MemberFilter.parse({"q": [q], "role": [role.value for role in roles], "sort": [sort]})

    forwards, backwards = await walk(shown)

    expected = model(await everybody(), shown)
    assert [id for page in forwards for id in ids(page.rows)] == expected
    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]
    assert {page.total for page in forwards} == {len(expected)}


@given(st.text())
def test_normalizing_twice_changes_nothing(text: str) -> None:
    normalized = normalization.normalize(text)

    assert normalization.normalize(normalized) == normalized


# Export


@pytest.mark.parametrize("q", ["", "Hit", "a0"])
@pytest.mark.parametrize("sort", ["-name", "role", "-joined", DEFAULT_SORT])
async def test_an_export_holds_all_pages_of_the_filter_in_its_order(database: str, q: str, sort: str) -> None:
    people = [seed.row(count % 700, "AN", f"a{count * 11 % 2_100:04}@x.org", "Hit") for count in range(2_100)]
    await add(*people, seed.row(1, "NO", "b@x.org"))
    shown = MemberFilter(q=q, sort=sort, after=Cursor("x", 5).encode())

    batches = [batch async for batch in directory.export(shown)]

    expected = model(await everybody(), shown)
    if q == "Hit":
        expected = model(await everybody(), MemberFilter(q=q, sort="-joined"))
        # Too many hits: the order of joining, which is that of ids.
        expected.sort(reverse=True)
    assert [id for batch in batches for id in ids(batch)] == expected
    assert max(map(len, batches)) <= 1_000


async def test_an_export_goes_on_when_too_many_hits_become_few(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count:04}@x.org", "Hit") for count in range(1_500)))
    export = directory.export(MemberFilter(q="hit", sort="name"))

    first = await anext(export)
    await engine.write(engine.execute, "UPDATE member SET role = 'DI' WHERE joined_at < 400")
    rest = [row async for batch in export for row in batch]

    assert [row.joined_at for row in [*first, *rest]] == list(range(1_499, 399, -1))


# Rows


async def test_a_row_tells_who_invited_and_shows_an_international_domain(database: str) -> None:
    await add(
        seed.row(1, "AD", "hana@example.org", "Hana", "Vodičková"),
        seed.row(2, "AD", "plain@example.org"),
        seed.row(3, "DI", removed_at=9),
    )
    inviters = [id for (id,) in await engine.rows("SELECT id FROM member ORDER BY joined_at")]
    invitations = [*inviters, 0]
    await add(*(seed.row(9, "AN", f"m{id}@xn--mnchen-3ya.example", "M", invited_by=id) for id in invitations))

    page = await directory.page(MemberFilter(sort="email"))

    by_email = {row.email.partition("@")[0]: row for row in page.rows}
    invited = [by_email[f"m{id}"].inviter_name for id in invitations]
    assert invited == ["Hana Vodičková", "plain@example.org", "a removed member", ""]
    assert by_email["m0"].domain_shown == "münchen.example"
    assert by_email["hana"].domain_shown == ""
    assert [row.label for row in page.rows][:2] == ["Hana Vodičková", "M"]


async def test_rows_hold_nothing_but_exactly_str_and_int(database: str) -> None:
    await add(*crowd(60))

    listed = (await directory.page(MemberFilter())).rows
    searched = (await directory.page(MemberFilter(q="p"))).rows

    assert listed
    assert searched
    for row in (*listed, *searched):
        assert MemberRow(*row) == row
        assert type(row) is MemberRow
        hash(row)


def test_a_row_refuses_what_only_looks_like_text() -> None:
    good: dict[str, Any] = MemberRow(1, "a@b.c", "", "A", "B", "AN", "link", "", 0, 1, 1, 0)._asdict()

    for field, wrong in (
        ("first_name", Markup("A")),
        ("role", Role.ANNOTATOR),
        ("id", True),
        ("email", None),
        ("joined_at", 1.0),
    ):
        with pytest.raises(TypeError, match=field):
            MemberRow(**good | {field: wrong})


def test_a_row_without_a_name_is_called_by_its_address() -> None:
    nameless = MemberRow(1, "zoe@example.org", "", "", "", "AN", "link", "", 0, 1, 1, 0)
    named = MemberRow(1, "zoe@example.org", "", "Zoë", "ångström", "AN", "link", "", 0, 1, 1, 0)

    assert (nameless.name, nameless.label, nameless.initials) == ("", "zoe@example.org", "Z")
    assert (named.name, named.label, named.initials) == ("Zoë ångström", "Zoë ångström", "ZÅ")


def test_initials_skip_what_nobody_sees() -> None:
    row = MemberRow(1, "zoe@example.org", "", "\u202eZoë", "\u3164", "AN", "link", "", 0, 1, 1, 0)

    assert (row.name, row.initials) == ("Zoë", "Z")


async def test_a_change_sees_its_own_rows(database: str) -> None:
    await add(seed.row(1, "NO", "ada@example.org"), seed.row(2, "NO", "zoe@example.org"))
    ada, zoe = ids((await directory.page(MemberFilter(sort="email"))).rows)

    async def change() -> tuple[MemberRow | None, tuple[MemberRow, ...], int]:
        await engine.execute("UPDATE member SET role = 'AN' WHERE id = ?", ada)
        waiting = (await directory.counts())[Role.PENDING]
        return await directory.one(ada), await directory.several([zoe, 999, ada]), waiting

    one, several, waiting = await engine.write(change)

    assert one is not None
    assert one.role == "AN"
    assert [(row.id, row.role) for row in several] == [(zoe, "NO"), (ada, "AN")]
    assert waiting == 1
    assert await directory.one(ada) == one


# Counts


async def test_counts_stay_exact_while_roles_change_and_are_compacted(database: str) -> None:
    await add(*(seed.row(count, "AN", f"a{count}@example.org") for count in range(40)))
    members = [id for (id,) in await engine.rows("SELECT id FROM member")]
    sums: list[int] = []

    async def change(number: int) -> None:
        for role in ("RE", "NO", "DI", "MA"):
            some = (members[number * 2], members[number * 2 + 1])
            await engine.write(engine.execute, "UPDATE member SET role = ? WHERE id IN (?, ?)", role, *some)
            sums.append(sum((await directory.counts()).values()))

    async def compact_often() -> None:
        for _ in range(15):
            await directory.compact()
            await asyncio.sleep(0.002)

    await asyncio.gather(*(change(number) for number in range(20)), compact_often(), compact_often())

    assert set(sums) == {40}
    assert await directory.counts() == {role: 40 * (role is Role.MANAGER) for role in Role}


async def test_compacting_leaves_a_row_for_each_role_and_the_same_sums(database: str) -> None:
    await add(*crowd(100))
    for role in ("AN", "RE", "MA", "AN"):
        await engine.write(
            engine.execute, "UPDATE member SET role = ? WHERE role IN ('AN', 'RE', 'MA')", role
        )
    before = await directory.counts()

    await directory.compact()

    counted = await engine.rows("SELECT role, COUNT(*) FROM member WHERE removed_at = 0 GROUP BY role")
    left = await engine.rows("SELECT role, n FROM role_count")
    assert await directory.counts() == before
    assert sorted(left) == sorted(counted)


async def test_a_change_that_fails_counts_nothing(database: str) -> None:
    await add(seed.row(1, "AN", "ada@example.org"))

    async def change() -> None:
        await engine.execute("UPDATE member SET role = 'RE'")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.write(change)

    assert (await directory.counts())[Role.ANNOTATOR] == 1


# Who came by a link


def by_links(number: int) -> list[tuple[Any, ...]]:
    """People who came by the links 7 and 8, or by none, with many ties."""
    return [
        seed.row(
            1_000 + count // 9,
            "AN" if count % 5 else "DI",
            f"p{count}@example.org",
            link_id=(7, 8, 0)[count % 3],
        )
        for count in range(number)
    ]


@pytest.mark.parametrize("sort", ["joined", "-joined", "name"])
async def test_who_came_by_a_link_is_listed_as_they_came_whatever_the_order(database: str, sort: str) -> None:
    await add(*by_links(600))
    came = {id for (id,) in await engine.rows("SELECT id FROM member WHERE link_id = 7 AND role = 'AN'")}
    order = MemberFilter(sort=sort if sort.endswith("joined") else "-joined")

    forwards, backwards = await walk(MemberFilter(link=7, sort=sort))

    assert [id for page in forwards for id in ids(page.rows)] == [
        id for id in model(await everybody(), order) if id in came
    ]
    assert [page.rows for page in backwards] == [page.rows for page in reversed(forwards)]
    assert {(page.total, page.total_is_exact, page.sorted_by) for page in forwards} == {
        (160, True, order.sort)
    }


async def test_a_link_goes_with_roles_a_search_and_an_export(database: str) -> None:
    await add(*by_links(60))

    deactivated = await directory.page(MemberFilter(link=8, roles=(Role.DEACTIVATED,)))
    found = await directory.page(MemberFilter(link=8, q="p4"))
    exported = [row async for batch in directory.export(MemberFilter(link=8, sort="name")) for row in batch]

    assert emails(deactivated) == {f"p{n}@example.org" for n in range(60) if n % 3 == 1 and n % 5 == 0}
    assert emails(found) == {f"p{n}@example.org" for n in (4, 43, 46, 49)}
    assert len(exported) == 16
    assert exported[0].joined_at > exported[-1].joined_at


async def test_more_than_a_thousand_who_came_by_a_link_are_not_counted(database: str) -> None:
    await add(*(seed.row(1_000, "AN", f"p{n}@example.org", link_id=7) for n in range(1_001)))

    page = await directory.page(MemberFilter(link=7))

    assert (page.total, page.total_is_exact, len(page.rows)) == (1_000, False, PAGE_SIZE)


@pytest.mark.parametrize(
    "shown",
    [
        MemberFilter(),
        MemberFilter(roles=(Role.ANNOTATOR, Role.DEACTIVATED), sort="name"),
        MemberFilter(q="p4"),
        MemberFilter(link=8),
        MemberFilter(link=8, q="p4", sort="email"),
    ],
)
async def test_a_summary_says_what_a_page_says(database: str, shown: MemberFilter) -> None:
    await add(*by_links(60))

    page, summary = await directory.page(shown), await directory.summary(shown)

    assert summary == directory.MemberSummary(page.counts, page.total, page.total_is_exact, page.sorted_by)
    assert summary.total > 0


# Plans


@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize(("sort", "link"), [*((sort, 0) for sort in SORTS), ("joined", 7), ("-joined", 7)])
async def test_pages_walk_along_indexes_and_sort_nothing(
    database: str, sort: str, link: int, placed: bool
) -> None:
    await add(*crowd(200))
    name = sort.strip("-")
    column = SORT_COLUMNS[name]
    roles = DEFAULT_ROLES[2:]
    cursor = Cursor(1_003 if column.endswith("_at") else "m", 5) if placed else None
    sql = keyset.statement(
        engine.dialect(), column, roles, placed, sort.startswith("-"), 51, MemberFilter(link=link).condition
    )

    async def plan() -> list[str]:
        arguments = keyset.arguments(engine.dialect(), roles, cursor)
        if engine.dialect() == "sqlite":
            return [step[-1] for step in await engine.rows(f"EXPLAIN QUERY PLAN {sql}", *arguments)]
        # With so few rows reading and sorting them all is cheaper: what counts is what's possible.
        for way in ("seqscan", "sort", "bitmapscan"):
            await engine.execute(f"SET LOCAL enable_{way} = off")
        return [step for (step,) in await engine.rows(f"EXPLAIN {sql}", *arguments)]

    steps = await engine.write(plan)

    index = f"member_by_{'link' if link else 'name' if name == 'role' else name}"
    walked = [step for step in steps if index in step]
    # On SQLite those who share the cursor's key are a walk of their own; an address is nobody else's.
    shared = len(roles) if placed and engine.dialect() == "sqlite" and name != "email" else 0
    assert len(walked) == len(roles) + shared
    for wrong in ("TEMP B-TREE", "SCAN m", "Seq Scan", "->  Sort"):
        assert not [step for step in steps if wrong in step]


# Addresses


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"q": ["x" * 201]}, {"q"}),
        ({"q": ["a\x00b"]}, {"q"}),
        ({"q": ["a\tb"]}, {"q"}),
        ({"q": ["\ud800"]}, {"q"}),
        ({"q": ["a", "b"]}, {"q"}),
        ({"role": ["AN", "XX"]}, {"role"}),
        ({"role": ["an"]}, {"role"}),
        ({"sort": ["size"]}, {"sort"}),
        ({"sort": ["--name"]}, {"sort"}),
        ({"sort": ["name", "name"]}, {"sort"}),
        ({"link": ["0"]}, {"link"}),
        ({"link": ["-1"]}, {"link"}),
        ({"link": ["７"]}, {"link"}),
        ({"link": ["7 OR 1=1"]}, {"link"}),
        ({"link": ["9" * 40]}, {"link"}),
        ({"link": ["7", "7"]}, {"link"}),
        ({"after": [Cursor(1, 1).encode()], "before": [Cursor(1, 1).encode()]}, {"before"}),
        ({"after": [Cursor(1, 1).encode()] * 2}, {"after"}),
        ({"q": ["x" * 201], "role": ["XX"], "sort": ["size"]}, {"q", "role", "sort"}),
    ],
)
def test_what_no_filter_is_says_so_by_its_field(query: dict[str, list[str]], fields: set[str]) -> None:
    with pytest.raises(Invalid) as refused:
        MemberFilter.parse(query)

    assert set(refused.value.errors) == fields


def forged(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("parameter", ["after", "before"])
@pytest.mark.parametrize(
    ("sort", "cursor"),
    [
        ("joined", "!"),
        ("joined", "é"),
        ("joined", "A" * 2_001),
        ("joined", forged("x")),
        ("joined", forged("[" * 1_400)),
        ("joined", forged("[1, 2]")),
        ("joined", forged("[1,2]") + "="),
        ("joined", forged("[1,2]") + "\n"),
        ("joined", forged("[01,2]")),
        ("joined", forged("[1e3,2]")),
        ("joined", forged("[NaN,2]")),
        ("joined", forged([1])),
        ("joined", forged([1, 2, 3, 4])),
        ("joined", forged([1, 2, -3])),
        ("joined", forged([1, 2, "3"])),
        ("joined", forged([1, 2, None])),
        ("joined", forged({"0": 1, "1": 2})),
        ("joined", forged(["1", 2])),
        ("joined", forged([True, 2])),
        ("joined", forged([1, True])),
        ("joined", forged([1, 0])),
        ("joined", forged([1, -1])),
        ("joined", forged([-1, 1])),
        ("joined", forged([1, 2**63])),
        ("joined", forged([2**63, 1])),
        ("joined", forged("[" + "9" * 1_400 + ",1]")),
        ("name", forged([1, 2])),
        ("name", forged([None, 2])),
        ("name", forged(["a\x00", 2])),
        ("name", forged('["\\ud800",2]')),
        ("name", forged(["AN", "a", 2])),
        ("role", forged(["a", 2])),
        ("role", forged(["XX", "a", 2])),
        ("role", forged([["AN"], "a", 2])),
        ("role", forged([{}, "a", 2])),
    ],
)
def test_a_forged_cursor_is_refused(parameter: str, sort: str, cursor: str) -> None:
    with pytest.raises(Invalid) as refused:
        MemberFilter.parse({"sort": [sort], parameter: [cursor]})

    assert set(refused.value.errors) == {parameter}


def test_a_filter_has_one_address() -> None:
    query = {
        "role": ["DI", "NO", "DI"],
        "sort": [""],
        "q": ["  ada & bob "],
        "after": [""],
        "x": ["y"],
    }
    shown = MemberFilter.parse(query)

    assert shown == MemberFilter(q="ada & bob", roles=(Role.PENDING, Role.DEACTIVATED))
    assert shown.address() == "q=ada+%26+bob&role=NO&role=DI"
    assert MemberFilter.parse({}).address() == ""
    assert reread(shown) == shown


def test_a_changed_filter_starts_at_the_first_page() -> None:
    after, before = Cursor(5, 5).encode(), Cursor(6, 6).encode()
    shown = MemberFilter(q="ada", after=after)

    assert shown.address() == f"q=ada&after={after}"
    assert shown.address(sort="name") == "q=ada&sort=name"
    assert shown.address(roles=(Role.ANNOTATOR, Role.PENDING)) == "q=ada&role=NO&role=AN"
    assert shown.address(before=before) == f"q=ada&before={before}"
    assert shown.address(q="", after=after) == f"after={after}"
