"""Email addresses: one canonical form, and one account for each form.

The local part has to be ASCII. That is checked before anything is normalized, since NFKC and casefold turn
the Kelvin sign into k. The domain becomes IDNA A-labels (UTS 46, non-transitional), so straße.de isn't
strasse.de.
"""

from dataclasses import dataclass
from typing import Final

import email_validator
import idna

from db.common import invisible
from messages import by_field

MAX_BYTES: Final = 254
MAX_LOCAL_CHARACTERS: Final = 64
# Checked first: to parse a domain of thousands of characters would take seconds.
MAX_TYPED_CHARACTERS: Final = 1_000
# Programs put these around an address.
_PAIRS: Final = frozenset(("<>", '""', "''", "()", "[]", "“”", "„“", "„”", "‘’", "‚‘", "«»", "»«", "＜＞"))
_QUOTATION_MARKS: Final = '"“”„«»'
_SCHEME: Final = "mailto:"
# The only domain below .arpa that people use for their hosts (RFC 8375).
_HOME: Final = "home.arpa"
# Hosts of a home or office network, where small installations live.
email_validator.SPECIAL_USE_DOMAIN_NAMES[:] = [
    name for name in email_validator.SPECIAL_USE_DOMAIN_NAMES if name not in ("arpa", "local", "test")
]


@dataclass(frozen=True, slots=True)
class Address:
    """email: the address to store, show and send mail to. key: its canonical form, which is unique."""

    email: str
    key: str


class NotAnAddress(ValueError):
    """The text isn't an email address; the message is a sentence for the person who typed it."""


def parse(text: str) -> Address:
    """The address in `text`, without brackets and the like around it. Raises NotAnAddress with the reason."""
    typed = text.strip()
    if len(typed) > MAX_TYPED_CHARACTERS:
        raise NotAnAddress(by_field.ADDRESS_TOO_LONG.format(most=MAX_BYTES))
    typed = bare(typed)
    if not typed:
        raise NotAnAddress(by_field.ENTER_ADDRESS)
    local = _local_part(typed)
    checked = _checked(typed)
    host = (checked.ascii_domain or checked.domain).lower()
    if host.endswith(".arpa") and not f".{host}".endswith(f".{_HOME}"):
        raise NotAnAddress(by_field.ADDRESS_ARPA)
    email = f"{local}@{host}"
    if len(email.encode()) > MAX_BYTES:
        raise NotAnAddress(by_field.ADDRESS_TOO_LONG.format(most=MAX_BYTES))
    return Address(email=email, key=email.lower())


def account_key(email: str) -> str:
    """The canonical address, to count tries and find an account; text that is no address stays as it is."""
    try:
        return parse(email).key
    except NotAnAddress:
        return email.strip().lower()[:320]


def bare(text: str) -> str:
    """The text without invisible characters, quotation marks, brackets and `mailto:` around it."""
    while True:
        text = invisible.stripped(text)
        if len(text) > 1 and text[0] + text[-1] in _PAIRS:
            text = text[1:-1]
        elif text[: len(_SCHEME)].lower() == _SCHEME:
            text = text[len(_SCHEME) :].partition("?")[0]
        else:
            return text


def _local_part(typed: str) -> str:
    """The part before the @. Raises NotAnAddress if the text obviously isn't an address."""
    local, at, domain = typed.rpartition("@")
    if not at and ("＠" in typed or "﹫" in typed):
        raise NotAnAddress(by_field.ADDRESS_WIDE_AT)
    if not at or not local or not domain:
        raise NotAnAddress(by_field.ADDRESS_PARTS)
    if hidden := invisible.first_in(typed):
        raise NotAnAddress(by_field.ADDRESS_HIDDEN.format(character=hidden))
    if "://" in typed or local.endswith("/") or "?" in local.partition("/")[2]:
        raise NotAnAddress(by_field.ADDRESS_LINK)
    if "<" in typed or ">" in typed:
        raise NotAnAddress(by_field.ADDRESS_ALONE)
    if any(mark in typed for mark in _QUOTATION_MARKS):
        raise NotAnAddress(by_field.ADDRESS_QUOTED)
    for is_wrong, sentence in (
        # Mail programs decode this as another text (RFC 2047), though that isn't allowed in an address.
        ("=?" in local, by_field.ADDRESS_ENCODED),
        (not local.isascii(), by_field.ADDRESS_ASCII),
        (len(local) > MAX_LOCAL_CHARACTERS, by_field.ADDRESS_NAME_TOO_LONG.format(most=MAX_LOCAL_CHARACTERS)),
        ("@" in local, by_field.ADDRESS_TWO_AT),
    ):
        if is_wrong:
            raise NotAnAddress(sentence)
    return local


def _checked(typed: str) -> email_validator.ValidatedEmail:
    try:
        return email_validator.validate_email(typed, check_deliverability=False, allow_smtputf8=False)
    except email_validator.EmailNotValidError as error:
        raise NotAnAddress(_sentence(str(error))) from error


def unicode_domain(email: str) -> str:
    """An international domain (xn--) as its owners write it; "" for any other."""
    domain = email.rpartition("@")[2]
    if "xn--" not in domain:
        return ""
    try:
        return idna.decode(domain)
    except idna.IDNAError:
        return ""


def shown_domain(domain: str) -> str:
    """A domain for people to read: an international one as its owners write it, then its A-labels."""
    shown = unicode_domain(f"@{domain}")
    return f"{shown} ({domain})" if shown else domain


def _sentence(reason: str) -> str:
    return reason if reason.endswith(".") else f"{reason}."
