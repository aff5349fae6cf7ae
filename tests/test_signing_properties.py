"""Tokens: whatever is done to one, it is the same token or none."""

import base64
import string
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from db.auth import links
from signing import Device, Signer, token_in

SECRET = "a secret for tests, and for nothing else"
PURPOSES = (links.SETUP, links.INVITE, links.INVITATION, links.RESET, links.ADDRESS, links.ACCESS_REQUEST)
signer = Signer(SECRET)

IDS = st.integers(1, 10**18 - 1)
NONCES = st.binary(min_size=16, max_size=16).map(bytes.hex)
ROWS = st.tuples(st.sampled_from(PURPOSES), IDS, NONCES)
# What a token is made of, and what stands near it.
CHARS = string.ascii_letters + string.digits + "-_.=+/~ %\0\n\x7fé０"


def opens(sent: str, purpose: str, nonce: str, used: Signer = signer) -> int:
    """The id of the row that this opens, as handlers ask; 0 for none."""
    token = token_in(sent)
    link_id = used.id_in(token)
    return link_id if used.matches(purpose, token, nonce) else 0


@given(ROWS)
def test_a_token_opens_its_row_and_stands_unchanged_in_an_address(row: tuple[str, int, str]) -> None:
    token = signer.token(*row)

    assert opens(token, row[0], row[2]) == row[1]
    assert quote(token, safe="") == token


@given(ROWS, st.data())
def test_a_token_with_one_bit_changed_opens_nothing(row: tuple[str, int, str], data: st.DataObject) -> None:
    token = signer.token(*row)
    changed = bytearray(token.encode())
    place = data.draw(st.integers(0, 8 * len(changed) - 1))
    changed[place // 8] ^= 1 << place % 8

    sent = bytes(changed).decode("latin-1")

    # Tokens end in 0 and 1 where they ended in - and _ once; no bit lies between these.
    assert opens(sent, row[0], row[2]) == 0


@given(ROWS, st.data())
def test_a_token_that_was_cut_lengthened_or_mixed_opens_nothing(
    row: tuple[str, int, str], data: st.DataObject
) -> None:
    token = signer.token(*row)
    start, end = sorted((data.draw(st.integers(0, len(token))), data.draw(st.integers(0, len(token)))))
    middle = data.draw(st.text(CHARS, max_size=4))

    sent = token[:start] + middle + token[end:]

    if token_in(sent) != token:
        # A token for each way in which its last character was written.
        before = token[:-1] + {"0": "-", "1": "_"}.get(token[-1], token[-1])
        assert opens(sent, row[0], row[2]) in ((0, row[1]) if token_in(sent) == before else (0,))


@given(ROWS, st.data())
def test_a_token_is_good_for_nothing_else(row: tuple[str, int, str], data: st.DataObject) -> None:
    purpose, link_id, nonce = row
    token = signer.token(*row)
    of_other_row = f"{data.draw(IDS.filter(lambda other: other != link_id))}.{token.partition('.')[2]}"

    for other in {*PURPOSES, "device", "notice/0", "fingerprint", ""} - {purpose}:
        assert opens(token, other, nonce) == 0
    assert opens(of_other_row, purpose, nonce) == 0
    assert opens(token, purpose, data.draw(NONCES.filter(lambda other: other != nonce))) == 0
    assert opens(token, purpose, nonce, Signer(data.draw(st.text(max_size=40)))) == 0
    assert not signer.matches(purpose, token, None)
    assert signer.device(token, 0) is None
    assert signer.unseal(purpose, token) is None


@given(ROWS)
def test_no_last_character_but_its_own_opens_a_row(row: tuple[str, int, str]) -> None:
    """Its own, and the character that this one stands for: tokens ended in these once."""
    purpose, link_id, nonce = row
    token = signer.token(*row)
    computed = signer._mac(purpose, str(link_id), nonce)[-1]

    letters = string.ascii_letters + string.digits + "-_"
    assert {last for last in letters if opens(token[:-1] + last, purpose, nonce)} == {token[-1], computed}


@given(ROWS)
def test_a_token_in_another_encoding_opens_nothing(row: tuple[str, int, str]) -> None:
    number, _, mac = signer.token(*row).partition(".")
    raw = base64.urlsafe_b64decode(mac)

    for other in (
        raw.hex(),
        base64.b32encode(raw).decode(),
        base64.b85encode(raw).decode(),
        base64.b64encode(raw + b"\0").decode(),
        f"{mac[:-1]}=",
        mac.swapcase(),
    ):
        assert other == mac or opens(f"{number}.{other}", row[0], row[2]) == 0
    for same in (f"0{number}", f"{number}.0", hex(int(number)), f"{int(number):_}_", f"{number}e0"):
        assert opens(f"{same}.{mac}", row[0], row[2]) == 0


@given(st.text(), st.sampled_from(PURPOSES), NONCES)
def test_no_text_breaks_the_reading_of_tokens(text: str, purpose: str, nonce: str) -> None:
    assert opens(text, purpose, nonce) == 0
    assert token_in(token_in(text)) == token_in(text)


@given(ROWS, st.text(".,;:!?)]}>\"'`*_~-=/| \t\r\n”’“–。\u200b\ufeff\u00a0", max_size=6))
def test_what_stands_around_a_token_never_becomes_part_of_it(row: tuple[str, int, str], ballast: str) -> None:
    token = signer.token(*row)

    assert token_in(f"{token}{ballast}") == token
    assert opens(f"{ballast}{token}", row[0], row[2]) == row[1]


@given(st.integers(1, 10**18 - 1), st.integers(1, 10**18 - 1), st.integers(0, 10**11), st.data())
def test_a_device_is_the_one_that_was_remembered_or_none(
    member_id: int, generation: int, now: int, data: st.DataObject
) -> None:
    cookie = signer.device_token(member_id, generation, now)
    authentic = signer.device(cookie, now)
    place = data.draw(st.integers(0, len(cookie) - 1))
    end = data.draw(st.integers(place, len(cookie)))
    forged = cookie[:place] + data.draw(st.text(CHARS, max_size=4)) + cookie[end:]

    assert authentic == Device(member_id, generation, cookie.split(".")[3])
    assert (signer.device(forged, now) is None) == (forged != cookie)
    assert Signer(SECRET + "!").device(cookie, now) is None


@given(st.text(st.characters(exclude_categories=["Cs"])), st.data())
def test_a_sealed_text_with_anything_changed_is_none(text: str, data: st.DataObject) -> None:
    sealed = signer.seal("notice/1", text)
    place = data.draw(st.integers(0, len(sealed) - 1))
    end = data.draw(st.integers(place, len(sealed)))
    forged = sealed[:place] + data.draw(st.text(CHARS, max_size=4)) + sealed[end:]

    assert signer.unseal("notice/1", sealed) == text
    assert (signer.unseal("notice/1", forged) == text) == (forged == sealed)
    assert forged == sealed or signer.unseal("notice/1", forged) is None
    assert signer.unseal("notice/2", sealed) is None


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_no_cookie_breaks_the_reading_of_what_is_sealed(value: str) -> None:
    assert signer.unseal("notice/0", value) is None
    assert signer.device(value, 0) is None
