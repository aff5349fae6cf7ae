"""One canonical address for each account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.common import addresses
from db.common.addresses import NotAnAddress


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
        ("ada@nas.home.arpa", "ada@nas.home.arpa", "ada@nas.home.arpa"),
        ("ada@home.arpa", "ada@home.arpa", "ada@home.arpa"),
        ("o'hara@example.org", "o'hara@example.org", "o'hara@example.org"),
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
        "ada@1.0.168.192.in-addr.arpa",
        "ada@nothome.arpa",
        "ada@-example.org",
        "ada.@example.org",
        "a" * 65 + "@example.org",
        "ada@" + "a." * 124 + "org",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada\x00@example.org",
        "=?utf-8?q?evil?=@example.org",
        "=?ada@example.org",
        "ada.=?utf-8?b?YQ==?=@example.org",
    ],
)
def test_what_is_no_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(NotAnAddress) as refused:
        addresses.parse(typed)

    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("local", ["\u212aai", "ﬁona", "ádá", "ａｄａ"])
def test_the_part_before_the_at_sign_is_ascii_before_any_folding(local: str) -> None:
    with pytest.raises(NotAnAddress, match="ASCII"):
        addresses.parse(f"{local}@example.org")


@pytest.mark.parametrize(
    "around",
    [
        '"{}"',
        "'{}'",
        "<{}>",
        "“{}”",
        "„{}“",
        "«{}»",
        "({})",
        "[{}]",
        "mailto:{}",
        "MAILTO:{}?subject=Hello",
        "<mailto:{}>",
        ' "<{}>" ',
        "\u200b{}\ufeff",
        "\ufeff{}",
        "{}\u00ad",
        "\u2060{}\u200e",
        "\u202a{}\u202c",
        "\u00a0{}\u3000",
        "\u3164{}\u2800",
        "<\u200b{}\u200b>",
    ],
)
def test_what_programs_put_around_an_address_is_dropped(around: str) -> None:
    assert addresses.parse(around.format("ada@example.org")).email == "ada@example.org"


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("ada\u200b@example.org", "zero width space (U+200B)"),
        ("ada@exam\ufeffple.org", "zero width no-break space (U+FEFF)"),
        ("ada@example\u00ad.org", "soft hyphen (U+00AD)"),
        ("a\u2060da@example.org", "word joiner (U+2060)"),
        ("ada@\u202eexample.org", "right-to-left override (U+202E)"),
        ("ad\u00a0a@example.org", "no-break space (U+00A0)"),
        ("ad\u3164a@example.org", "hangul filler (U+3164)"),
        ("ada@ex\u200dample.org", "zero width joiner (U+200D)"),
    ],
)
def test_an_invisible_character_inside_is_named(typed: str, named: str) -> None:
    with pytest.raises(NotAnAddress) as refused:
        addresses.parse(typed)

    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("Ada <ada@example.org>", "only the address"),
        ("ada＠example.org", "wide"),
        ("ada@router.arpa", "home.arpa"),
        ('"ada@example.org', "quotation marks"),
    ],
)
def test_the_reason_is_the_true_one(typed: str, said: str) -> None:
    with pytest.raises(NotAnAddress, match=said):
        addresses.parse(typed)


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
        address = addresses.parse(typed)
    except NotAnAddress:
        return

    assert address.key == address.email.lower()
    assert address.key.isascii()
    assert addresses.parse(address.email) == address, "the canonical form of a canonical form is itself"


def test_an_international_domain_can_be_shown_as_it_is_written() -> None:
    assert addresses.unicode_domain("ada@xn--bcher-kva.example") == "bücher.example"
    assert addresses.unicode_domain("ada@example.org") == ""
    assert addresses.unicode_domain("ada@xn--a.example") == ""
