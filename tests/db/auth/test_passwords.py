"""Which passwords are accepted, and what a burst of them costs others."""

import asyncio
import random
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.auth import common_passwords, known_words, passwords
from db.maintenance import demo
from messages import by_field
from tests.support import known_passwords

ABOUT = ("ada@fenwick.example", "Ada", "Lovelace", "Fenwick Herbarium", "Label Studio")
GOOD = "four purple lanterns by the sea"


async def test_twelve_to_256_characters_are_accepted() -> None:
    long = (GOOD * 10)[:256]

    assert await passwords.why_refused("tri€dlor mub", ABOUT) == []
    assert await passwords.why_refused(long, ABOUT) == []
    assert "this has 11" in (await passwords.why_refused("tri€dlor mu", ABOUT))[0]
    assert "this has 257" in (await passwords.why_refused(long + "x", ABOUT))[0]
    assert await passwords.why_refused("", ABOUT) == ["Enter a password."]


async def test_characters_are_counted_as_typed() -> None:
    # Eleven letters, five of them with an accent of its own: sixteen characters before normalization.
    typed = "e\u0301" * 5 + "vwkzqj"

    assert await passwords.why_refused(typed, ABOUT) == []


@pytest.mark.parametrize(
    "weak",
    [
        "passwordpassword",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "qwertyuiop[]",
        "Football-2026!",
        "Sommer2026Princess!",
        "!!!!Sunshine!!!!",
        "s-u-n-s-h-i-n-e",
        "Winter2026!!!",
        "Fruehling-2026-Herbst",
        "01.January.2026",
    ],
)
async def test_what_others_would_guess_first_is_refused(weak: str) -> None:
    assert await passwords.why_refused(weak, ABOUT) == [by_field.GUESSED_PASSWORD]


@pytest.mark.parametrize("usual", [*known_passwords.USUAL_GUESSES, *known_passwords.COMMON])
async def test_usual_guesses_are_refused(usual: str) -> None:
    assert await passwords.why_refused(usual, ABOUT) == [by_field.GUESSED_PASSWORD]


@pytest.mark.parametrize("honest", known_passwords.HONEST)
async def test_honest_phrases_are_accepted(honest: str) -> None:
    assert await passwords.why_refused(honest, ABOUT) == []


def test_the_list_has_three_thousand_that_differ_once_folded() -> None:
    ranks, common = zip(*common_passwords.ranked(), strict=True)

    assert list(ranks) == sorted(set(ranks))
    assert all(passwords.MIN_CHARACTERS <= len(each) <= passwords.MAX_CHARACTERS for each in common)
    # ASVS 6.2.4. Folded and without years, seasons, months, digits and symbols at the ends.
    assert len(common_passwords.folded(common)) >= 3000


def test_each_password_of_the_list_is_refused() -> None:
    accepted = [each for _, each in common_passwords.ranked() if not passwords._why_guessable(each, ())]

    assert accepted == []


async def test_the_words_of_somebody_else_are_nothing_to_this_password() -> None:
    await passwords.why_refused(GOOD, ("Xylotarn",))

    assert await passwords.why_refused("xylotarn-7-2", ()) == []


def test_the_list_takes_little_memory_and_time() -> None:
    common_passwords._listed.cache_clear()
    begun = time.process_time()
    listed = common_passwords._listed()

    # A tenth of a second when nobody else is at work, once in a process, when a password is first chosen.
    assert time.process_time() - begun < 1
    assert sys.getsizeof(listed) < 200_000


@pytest.mark.parametrize("made_of_known", known_passwords.MADE_OF_KNOWN)
async def test_what_is_made_of_known_words_is_refused(made_of_known: str) -> None:
    reasons = await passwords.why_refused(
        made_of_known, (*known_passwords.JOERG, *known_passwords.INSTALLATION)
    )

    assert reasons == [by_field.MADE_OF_KNOWN]


@pytest.mark.parametrize("other", known_passwords.OTHERS)
async def test_a_passphrase_may_hold_a_known_word(other: str) -> None:
    assert await passwords.why_refused(other, (*known_passwords.JOERG, *known_passwords.INSTALLATION)) == []


@pytest.mark.parametrize("drawn", known_passwords.DRAWN)
async def test_a_year_among_random_digits_is_no_trimming(drawn: str) -> None:
    assert await passwords.why_refused(drawn, (*known_passwords.JOERG, *known_passwords.INSTALLATION)) == []


async def test_random_digits_are_accepted() -> None:
    dice = random.Random(8)
    drawn = ["".join(dice.choices("0123456789", k=24)) for _ in range(200)]

    assert [text for text in drawn if await passwords.why_refused(text, ())] == []


@pytest.mark.parametrize(
    "weak",
    [
        "2024-2025-2026",
        "1985 1987 1990!",
        "Winter 2025/2026",
        "12.March.1987",
        "Winter2026!!!!!!!!!",
        "Sommer2026 12345678",
    ],
)
async def test_years_and_seasons_alone_are_refused(weak: str) -> None:
    assert await passwords.why_refused(weak, ABOUT) == [by_field.GUESSED_PASSWORD]


@pytest.mark.parametrize("weak", ["Lindenhof beautiful", "Lindenhof password", "Müller qwertyuiop"])
async def test_what_is_left_without_known_words_must_be_hard_to_guess(weak: str) -> None:
    reasons = await passwords.why_refused(weak, (*known_passwords.JOERG, *known_passwords.INSTALLATION))

    assert reasons == [by_field.MADE_OF_KNOWN]


@pytest.mark.parametrize(
    ("about", "made_of_known"),
    [
        ("o.neill@example.org", "oneill oneill"),
        ("Ó Néill", "o'neill-ONEILL-1"),
        ("Łukasz Đorđević", "lukasz-dordevic"),
        ("Søren Weiß", "soeren-weiss-1"),
        ("Мюллер Линденхоф", "мюллерлинденхоф"),
        ("東京翻訳株式会社", "東京翻訳株式会社2026年"),
        ("ann@xn--mller-kva.example", "müllermüller"),
        ("McDonald", "MCDONALD-mcdonald"),
    ],
)
async def test_words_are_known_in_any_spelling(about: str, made_of_known: str) -> None:
    assert await passwords.why_refused(made_of_known, (about,)) == [by_field.MADE_OF_KNOWN]


def test_words_of_one_or_two_letters_do_not_count() -> None:
    assert known_words.left("we do it by the sea", ("Bo Li", "it@do.to")) is None


async def test_the_password_of_the_demo_is_one_that_its_people_could_choose() -> None:
    for somebody in demo.PEOPLE:
        about = (
            somebody.email,
            somebody.first_name,
            somebody.last_name,
            demo.TITLE,
            *known_passwords.INSTALLATION,
        )
        assert await passwords.why_refused(demo.PASSWORD, about) == []


@pytest.mark.parametrize(
    "strange",
    [" " * 3 + GOOD + " ", "пурпурный фонарь у моря", "紫色のランタンが海辺に四つ", "🏮🌊🟣4️⃣🏮🌊🟣4️⃣x!y"],
)
async def test_any_character_is_accepted_spaces_included(strange: str) -> None:
    assert await passwords.why_refused(strange, ABOUT) == []


async def test_a_password_is_verified_exactly_spaces_and_case_included() -> None:
    stored = await passwords.hash_of(f" {GOOD} ")

    assert await passwords.matches(stored, f" {GOOD} ")
    assert not await passwords.matches(stored, GOOD)
    assert not await passwords.matches(stored, f" {GOOD.upper()} ")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_all_characters_of_a_long_password_count() -> None:
    long = (GOOD * 10)[:256]
    stored = await passwords.hash_of(long)

    assert await passwords.matches(stored, long)
    assert not await passwords.matches(stored, long[:255] + "?")


async def test_composed_and_decomposed_letters_are_one_password() -> None:
    stored = await passwords.hash_of("cafe\u0301 by the purple sea")

    assert await passwords.matches(stored, "caf\u00e9 by the purple sea")


async def test_nobodys_password_never_matches() -> None:
    assert not await passwords.matches("", "nobody has this password")
    assert not await passwords.matches("no hash at all", GOOD)


@given(st.text(min_size=12, max_size=80), st.text(max_size=40))
def test_no_text_breaks_the_estimate(password: str, name: str) -> None:
    assert 0 <= passwords._score(password[:256], (name,)) <= 4
    assert isinstance(passwords._why_guessable(password[:256], (name,)), str)


@pytest.mark.parametrize("symbols", ["4@8({[<369!1|075$+%2", "!|$970{{2%@%99%6%47{8|935718", "71|l!+t"])
def test_no_password_keeps_the_estimate_busy(symbols: str) -> None:
    """A password full of symbols that stand for letters took it fifteen seconds, and everybody waited."""
    begun = time.process_time()

    passwords._score((symbols * 72)[:72], ABOUT)

    assert time.process_time() - begun < 1


def test_the_longest_password_and_the_longest_names_take_no_time_to_compare() -> None:
    about = ("lindenhof " * 25, "müller " * 15, "j. " * 33, "translation bureau " * 5)
    begun = time.process_time()

    known_words.left(("Lindenh0f!" * 26)[:256], about)

    assert time.process_time() - begun < 0.1


async def test_hashing_leaves_the_other_pages_alone() -> None:
    hashing, turns = asyncio.gather(*(passwords.hash_of(GOOD) for _ in range(10))), 0

    while not hashing.done():
        await asyncio.sleep(0.001)
        turns += 1

    # Ten in one go would leave no turn to others; each takes about twenty.
    assert turns >= 10
    await hashing


def test_of_the_signs_for_one_letter_one_is_left_if_there_are_too_many_kinds() -> None:
    few, many = "4@ 69", "4@ ({[< 69 1!|7 $5 +7"

    assert passwords._readable(few) == few
    assert passwords._readable(many) == "44 (((( 66 111+ $$ ++"


async def test_for_nobody_a_real_hash_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that an address that nobody has takes as long as one that somebody has."""
    monkeypatch.setattr(passwords, "_dummy", "")

    for _ in range(2):
        assert not await passwords.matches("", "any password")
        assert passwords._dummy.startswith("$argon2id$")


@pytest.mark.parametrize("email", ["rothenburger@a.org", "x@rothenburger.org", "j.rothenburger@a.org"])
def test_each_part_of_an_address_is_a_word_to_the_estimate(email: str) -> None:
    assert passwords._score("rothenburger", ("x",)) > passwords._score("rothenburger", (email,)) == 0
