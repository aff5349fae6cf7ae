"""One canonical address for each account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db import addresses
from db.addresses import NotAnAddress


@pytest.mark.parametrize(
    ("typed", "email", "key"),
    [
        ("Ada@Example.ORG", "Ada@example.org", "ada@example.org"),
        ("  ada@example.org\t", "ada@example.org", "ada@example.org"),
        ("ada+lab@example.org", "ada+lab@example.org", "ada+lab@example.org"),
        ("ada@straße.de", "ada@xn--strae-oqa.de", "ada@xn--strae-oqa.de"),
        ("ada@strasse.de", "ada@strasse.de", "ada@strasse.de"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@XN--BCHER-KVA.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("o'hara@herbarium.lan", "o'hara@herbarium.lan", "o'hara@herbarium.lan"),
        ("ada@nas.local", "ada@nas.local", "ada@nas.local"),
        ("ada@db.internal", "ada@db.internal", "ada@db.internal"),
    ],
)
def test_an_address_has_one_canonical_form(typed: str, email: str, key: str) -> None:
    assert addresses.parse(typed) == addresses.Address(email=email, key=key)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "ada@@example.org",
        "ada@eve@example.org",
        '"<b>x</b>"@example.com',
        '"ada lovelace"@example.org',
        "Ada <ada@example.org>",
        "ada@[192.0.2.1]",
        "ada@example.org.",
        "ada@-example.org",
        "ada.@example.org",
        "a" * 65 + "@example.org",
        "ada@" + "a." * 124 + "org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada\x00@example.org",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(NotAnAddress) as refused:
        addresses.parse(typed)

    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("local", ["\u212aai", "ﬁona", "ádá", "ａｄａ", "ada\u200b"])
def test_the_part_before_the_at_sign_is_ascii_before_any_folding(local: str) -> None:
    with pytest.raises(NotAnAddress, match="ASCII"):
        addresses.parse(f"{local}@example.org")


def test_an_address_of_254_bytes_is_the_longest() -> None:
    domain = ".".join(["a" * 63, "b" * 63, "c" * 57, "org"])
    longest = "x" * 64 + "@" + domain

    assert len(longest) == 254
    assert addresses.parse(longest).email == longest
    with pytest.raises(NotAnAddress):
        addresses.parse("x" * 64 + "@d" + domain)


@given(st.one_of(st.text(), st.emails(), st.from_regex(r"[a-z]{1,5}@\S{1,20}", fullmatch=True)))
def test_any_text_is_an_address_or_is_refused(typed: str) -> None:
    try:
        found = addresses.parse(typed)
    except NotAnAddress:
        return

    assert found.key == found.email.lower()
    assert found.key.isascii()
    assert addresses.parse(found.email) == found, "the canonical form of a canonical form is itself"


def test_an_international_domain_can_be_shown_as_it_is_written() -> None:
    assert addresses.unicode_domain("ada@xn--bcher-kva.example") == "bücher.example"
    assert addresses.unicode_domain("ada@example.org") == ""
    assert addresses.unicode_domain("ada@xn--a.example") == ""
