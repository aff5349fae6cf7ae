"""Signed links: which tokens are authentic, and that no others are."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signing import DEVICE_SECONDS, Signer, token_in

NONCE = "0123456789abcdef0123456789abcdef"
signer = Signer("a secret for tests, and for nothing else")


def test_a_token_names_its_row_and_carries_192_bits() -> None:
    token = signer.token("invite", 17, NONCE)

    assert signer.id_in(token) == 17
    assert signer.matches("invite", token, NONCE)
    assert len(token) == len("17.") + 32


@pytest.mark.parametrize(
    ("purpose", "link_id", "nonce", "secret"),
    [
        ("reset", 17, NONCE, "a secret for tests, and for nothing else"),
        ("invite", 18, NONCE, "a secret for tests, and for nothing else"),
        ("invite", 17, NONCE[::-1], "a secret for tests, and for nothing else"),
        ("invite", 17, NONCE, "another secret for tests, and for nothing"),
    ],
    ids=["purpose", "row", "nonce", "key"],
)
def test_a_token_is_good_for_one_purpose_row_nonce_and_key(
    purpose: str, link_id: int, nonce: str, secret: str
) -> None:
    other = Signer(secret).token(purpose, link_id, nonce)
    as_17 = f"17.{other.partition('.')[2]}"

    assert not signer.matches("invite", as_17, NONCE)


@given(st.integers(0, 35), st.characters())
def test_no_character_of_a_token_can_be_changed(place: int, letter: str) -> None:
    token = signer.token("invite", 17, NONCE)
    place %= len(token)
    forged = token[:place] + letter + token[place + 1 :]

    assert signer.matches("invite", forged, NONCE) == (forged == token)


@pytest.mark.parametrize(
    "shape", ["", ".", "17", "17.", "0.x", "+17.x", "１７.x", "1" * 19 + ".x", "-1.x", "17.x\n"]
)
def test_what_is_not_shaped_like_a_token_names_no_row(shape: str) -> None:
    mac = signer.token("invite", 17, NONCE).partition(".")[2]

    assert signer.id_in(shape) == 0
    assert signer.id_in(shape.replace("x", mac)) == 0
    assert not signer.matches("invite", shape.replace("x", mac), NONCE)


def test_a_token_ends_in_a_letter_or_digit() -> None:
    tokens = [signer.token("invite", link_id, NONCE) for link_id in range(1, 1_000)]

    assert all(token[-1].isalnum() for token in tokens)
    assert all(signer.matches("invite", token, NONCE) for token in tokens)


def test_a_token_that_ended_in_a_sign_goes_on_to_work() -> None:
    ends = set()
    for link_id in range(1, 1_000):
        given_out = f"{link_id}.{signer._mac('invite', str(link_id), NONCE)}"
        ends.add(given_out[-1])
        assert signer.matches("invite", given_out, NONCE)

    assert ends >= {"-", "_"}


@pytest.mark.parametrize(
    "sent",
    [
        *(
            "{}" + char
            for char in (*".,;:!?)]}>\"'`*_~-=/|…»”’“–。）、", " ", "\n", "\r\n", "\t", "\u00a0", "\u3000")
        ),
        *(
            "{}" + char
            for char in ("\u200b", "\ufeff", "\u00ad", "\u2060", "\u202c", "\ufe0f", "\u3164", "👍")
        ),
        *("{}).", "{}>,", "{}. \n", "{}=\r\n", "{}=20", "{}=0D=0A", "{}=E2=80=A6"),
        *("<{}>", " {}", "\u200b{}", "3D{}", "=3D{}", "“{}”", "={}"),
    ],
)
def test_what_stands_around_a_token_is_cut_off(sent: str) -> None:
    token = signer.token("invite", 17, NONCE)

    assert token_in(sent.replace("{}", token)) == token


@pytest.mark.parametrize("ending", ["-", "_"])
def test_of_a_token_that_ends_in_a_sign_nothing_is_cut_off(ending: str) -> None:
    token = f"17.{'a' * 31}{ending}"

    assert token_in(token) == token
    assert token_in(f"{token}).") == token


@pytest.mark.parametrize(
    "sent",
    [
        "{}\0",
        "\0{}",
        "{}x",
        "{}0",
        "{} x",
        "x{}",
        "{}\x1b",
        "{}\x7f",
        "{}\x85",
        "{}\ufffd",
        "{}=00",
        "{}é",
        "{}ｘ",
        "{}.{}",
    ],
)
def test_anything_else_is_not_taken_for_a_token(sent: str) -> None:
    token = signer.token("invite", 17, NONCE)
    text = sent.replace("{}", token)

    assert token_in(text) == text
    assert signer.id_in(token_in(text)) == 0


@pytest.mark.parametrize("place", [1, 3, 10, 34])
@pytest.mark.parametrize("char", [" ", "\n", "\u200b", "=\r\n", "\0", "."])
def test_a_token_with_something_inside_is_refused(place: int, char: str) -> None:
    token = signer.token("invite", 17, NONCE)

    assert signer.id_in(token_in(token[:place] + char + token[place:])) == 0


def test_fullwidth_digits_are_no_token() -> None:
    mac = signer.token("invite", 17, NONCE).partition(".")[2]

    assert signer.id_in(token_in(f"１７.{mac}")) == 0


def test_a_long_text_is_read_in_no_time() -> None:
    begun = time.process_time()

    token_in("=3D" * 700)
    token_in(signer.token("invite", 17, NONCE) + "=20" * 700 + "x")

    assert time.process_time() - begun < 0.1


def test_for_a_row_that_is_not_there_nothing_matches() -> None:
    from signing import DUMMY_NONCE

    assert not signer.matches("invite", signer.token("invite", 17, DUMMY_NONCE), None)


def test_a_device_is_known_for_a_year() -> None:
    cookie = signer.device_token(3, 1, now=1_000)

    known = signer.device(cookie, 1_000 + DEVICE_SECONDS - 1)

    assert known is not None
    assert (known.member_id, known.generation) == (3, 1)
    assert signer.device(cookie, 1_000 + DEVICE_SECONDS) is None


def test_a_device_keeps_its_id_when_its_cookie_is_renewed() -> None:
    first = signer.device(signer.device_token(3, 1, now=1_000), 1_000)
    assert first is not None

    renewed = signer.device(signer.device_token(3, 2, now=2_000, device_id=first.id), 2_000)

    assert renewed is not None
    assert (renewed.id, renewed.generation) == (first.id, 2)


@given(st.text(max_size=60))
def test_a_forged_device_is_unknown(cookie: str) -> None:
    authentic = signer.device_token(3, 1, now=1_000)

    assert signer.device(cookie, 1_000) is None
    assert signer.device(authentic.replace("3.", "4.", 1), 1_000) is None


@given(st.text(max_size=300))
def test_a_sealed_sentence_comes_back_whole(sentence: str) -> None:
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return

    assert signer.unseal("notice", signer.seal("notice", sentence)) == sentence


def test_a_sentence_whose_code_ends_in_a_letter_comes_back_whole() -> None:
    for end in range(128):
        assert signer.unseal("notice", signer.seal("notice", f"ab{chr(end)}")) == f"ab{chr(end)}"


@given(st.text(max_size=80))
def test_a_forged_sentence_is_dropped(forged: str) -> None:
    assert signer.unseal("notice", forged) is None
    assert signer.unseal("notice", signer.seal("other", "You won!")) is None
