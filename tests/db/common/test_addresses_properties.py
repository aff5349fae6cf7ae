"""Whatever is typed: one account for each address, and nothing that nobody could read or write."""

import string
import unicodedata
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import Address as MailAddress
from email.message import EmailMessage
from email.policy import SMTP

from hypothesis import given
from hypothesis import strategies as st

from db.common import addresses
from db.common.addresses import Address, NotAnAddress

# What local parts may hold (RFC 5322, atext).
ATOMS = st.text(string.ascii_letters + string.digits + "!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=12)
LOCALS = st.lists(ATOMS, min_size=1, max_size=3).map(".".join)
# Letters of scripts that domains are registered in, and those that fold in ways of their own.
LETTERS = "abcxyz0189-äöüßéèıİſñçøåæþðπσςλжщюяאבגعربيहिन中文日本語ひカ한ﬁｆＡＢⅷ①ǅ㎏\u0308\u200d"
LABELS = st.text(LETTERS, min_size=1, max_size=8)
DOMAINS = st.lists(LABELS, min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "example"]))
NEARLY = st.builds("{}@{}".format, LOCALS, DOMAINS)
LIKE_ENCODED_WORDS = st.text("=?qQbutf-8_a.", min_size=1, max_size=24).map(
    "{}@example.org".format
) | st.builds(
    "{}=?utf-8?{}?{}?={}@example.org".format,
    st.sampled_from(["", "a.", "a", "'"]),
    st.sampled_from("qQbB"),
    st.text("ZXa=40_", min_size=1, max_size=6),
    st.sampled_from(["", "a", ".a"]),
)
ANYTHING = st.one_of(
    st.text(),
    NEARLY,
    st.builds("{}{}{}".format, st.text(max_size=3), NEARLY, st.text(max_size=3)),
    st.builds("{}@{}".format, st.text(max_size=5), st.text(max_size=20)),
    st.text("ab@.-<>\"'()[]mailto:?\u200b\u3164＠\x00\r\n\x7f\x85\u2028\ud800xn", max_size=30),
)


def parsed(typed: str) -> Address | None:
    """The address, None if it is refused; anything but its own error goes through."""
    try:
        return addresses.parse(typed)
    except NotAnAddress:
        return None


@given(ANYTHING)
def test_what_passes_is_plain_ascii_without_blanks_and_control_characters(typed: str) -> None:
    address = parsed(typed)

    if address:
        assert all(" " < char <= "~" for char in address.email)
        assert address.email.count("@") == 1
        assert not set('"<>(),:;[]\\') & set(address.email), (
            "nothing that mail or a page reads in another way"
        )
        assert len(address.email) <= addresses.MAX_BYTES
        assert address.key == address.email.lower()
        assert addresses.parse(address.email) == address
        assert addresses.parse(address.key).key == address.key


@given(NEARLY | LIKE_ENCODED_WORDS)
def test_an_address_stands_in_the_header_of_a_mail_as_itself(typed: str) -> None:
    address = parsed(typed)

    if address:
        mail = EmailMessage(policy=SMTP)
        mail["To"] = MailAddress(addr_spec=address.email)
        read = message_from_bytes(mail.as_bytes(), policy=SMTP)
        assert [recipient.addr_spec for recipient in read["To"].addresses] == [address.email]
        assert make_header(decode_header(str(read["To"]))) == address.email


@given(ANYTHING, st.data())
def test_case_and_white_space_make_no_other_account(typed: str, data: st.DataObject) -> None:
    address = parsed(typed)

    if address:
        cased = "".join(data.draw(st.sampled_from((char.lower(), char.upper()))) for char in address.email)
        around = st.text(" \t\r\n\u00a0\u3000\u200b\ufeff", max_size=3)
        assert addresses.parse(data.draw(around) + cased + data.draw(around)).key == address.key


@given(NEARLY)
def test_an_address_is_itself_in_every_normal_form(typed: str) -> None:
    keys = {
        address.key
        for form in ("NFC", "NFD")
        if (address := parsed(unicodedata.normalize(form, typed))) is not None
    }

    assert len(keys) <= 1


@given(LOCALS, DOMAINS)
def test_what_is_shown_of_a_domain_leads_to_the_same_domain(local: str, domain: str) -> None:
    address = parsed(f"{local}@{domain}")

    if address:
        ascii_form = address.email.rpartition("@")[2]
        shown = addresses.unicode_domain(address.email)
        assert bool(shown) == ("xn--" in ascii_form), "a domain of ours can be shown as its owners write it"
        assert addresses.parse(f"{local}@{shown or ascii_form}") == address
        assert addresses.shown_domain(ascii_form) == (f"{shown} ({ascii_form})" if shown else ascii_form)
        assert shown.isprintable()


@given(st.text("abß", min_size=1, max_size=6).filter(lambda label: "ß" in label))
def test_a_sharp_s_is_no_double_s(label: str) -> None:
    with_it, without = parsed(f"ada@{label}.de"), parsed(f"ada@{label.replace('ß', 'ss')}.de")

    assert with_it
    assert without
    assert with_it.key != without.key
