"""Signed links: what is genuine, and that nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from links import DEVICE_SECONDS, Signer

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


def test_for_a_row_that_is_not_there_nothing_matches() -> None:
    from links import DUMMY_NONCE

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
    genuine = signer.device_token(3, 1, now=1_000)

    assert signer.device(cookie, 1_000) is None
    assert signer.device(genuine.replace("3.", "4.", 1), 1_000) is None


@given(st.text(max_size=300))
def test_a_sealed_sentence_comes_back_whole(sentence: str) -> None:
    try:
        sentence.encode()
    except UnicodeEncodeError:
        return

    assert signer.unseal("notice", signer.seal("notice", sentence)) == sentence


@given(st.text(max_size=80))
def test_a_forged_sentence_is_dropped(forged: str) -> None:
    assert signer.unseal("notice", forged) is None
    assert signer.unseal("notice", signer.seal("other", "You won!")) is None
