"""The headings of columns that are understood in a list of people, however a program writes them. Pure."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

EMAIL: Final = "email"
SIGN_IN: Final = "sign_in"
FIRST_NAME: Final = "first_name"
LAST_NAME: Final = "last_name"
NAME: Final = "name"
ROLE: Final = "role"
# As people see them; docs/lists.md shows this table.
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    EMAIL: (
        *("email", "emails", "email address", "email addresses", "your email", "your email address"),
        *(
            "what is your email",
            "what is your email address",
            "mail",
            "mail address",
            "email ID",
            "user email",
        ),
        *("primary email", "primary email address", "primary SMTP address", "email value", "contact email"),
        *(
            "work email",
            "work email address",
            "business email",
            "company email",
            "member email",
            "e-Mail-Adresse",
        ),
        *("Mailadresse", "E-Post", "E-Post-Adresse", "E-Mail geschäftlich", "adresse e-mail", "adresse mail"),
        *("adresse électronique", "courriel", "adresse courriel", "correo", "correo electrónico"),
        *("dirección de correo", "dirección de correo electrónico", "indirizzo email", "posta elettronica"),
        *("e-mailadres", "mailadres", "endereço de email", "adres email", "e-postadress", "emailová adresa"),
        *("sähköposti", "e-posta", "электронная почта", "адрес электронной почты", "邮箱", "电子邮件"),
        *("电子邮箱", "メールアドレス", "이메일"),
    ),
    SIGN_IN: (
        *("user name", "user principal name", "UPN", "login", "login name", "sign-in name"),
        *("Benutzername", "Anmeldename", "Benutzerprinzipalname", "nom d’utilisateur"),
    ),
    FIRST_NAME: (
        *("first name", "given name", "forename", "first", "given", "Vorname", "Rufname", "prénom"),
        *("voornaam", "imię", "křestní jméno", "förnamn", "fornavn", "etunimi", "имя"),
    ),
    LAST_NAME: (
        *("last name", "surname", "family name", "last", "family", "sn", "Nachname", "Familienname"),
        *("Zuname", "nom", "nom de famille", "apellido", "apellidos", "cognome", "sobrenome", "achternaam"),
        *("nazwisko", "příjmení", "efternamn", "etternavn", "efternavn", "sukunimi", "фамилия"),
    ),
    NAME: (
        *("name", "full name", "display name", "your name", "your full name", "what is your name"),
        *(
            "member name",
            "contact name",
            "common name",
            "cn",
            "real name",
            "Vor- und Nachname",
            "Anzeigename",
        ),
        *("vollständiger Name", "nom complet", "nombre", "nombre completo", "nome", "nome completo", "naam"),
        *("volledige naam", "imię i nazwisko", "jméno", "namn", "navn", "nimi", "имя и фамилия", "фио"),
        *("姓名", "氏名"),
    ),
    ROLE: (
        *("role", "roles", "user role", "member role", "organization role", "Rolle", "rol", "ruolo"),
        *("rola", "роль", "角色"),
    ),
}
# Those of other people, or those that nobody reads.
_OTHERS_EMAIL: Final = re.compile(
    "manager|supervisor|boss|recovery|secondary|invited|inviter|parent|guardian"
    "|vorgesetz|wiederherstell|sekundar"
)
# Only as they stand here: "S/N" numbers the rows.
_EXACT: Final = frozenset(("sn",))
_BRACKETED: Final = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|\{[^{}]*\}|<[^<>]*>|（[^（）]*）")


def letters(heading: str) -> str:
    """What headings are compared by: their letters, without case, accents and what stands in brackets."""
    outside = _BRACKETED.sub("", heading[:200])
    return _letters(outside) or _letters(heading[:200])


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, unicodedata.normalize("NFKD", text).casefold()))


_BY_LETTERS: Final = {letters(heading): kind for kind, headings in KNOWN.items() for heading in headings}


def places(cells: Sequence[str]) -> dict[str, int]:
    """Which columns hold what: kind -> index of the first such column; {} when none holds addresses.

    The name people sign in by is taken for the address only where no other column holds one; so is a heading
    that isn't known, but is the only one with "email" in it.
    """
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        if kind := _kind(cell):
            found.setdefault(kind, place)
    signed_in = found.pop(SIGN_IN, _only_email(cells))
    if signed_in is not None:
        found.setdefault(EMAIL, signed_in)
    return found if EMAIL in found else {}


def _kind(cell: str) -> str:
    """What the column below this heading holds; "" for what isn't known, or isn't of the people listed."""
    text = letters(cell)
    if text in _EXACT and cell.strip() not in _EXACT:
        return ""
    kind = _BY_LETTERS.get(text, "")
    return "" if kind in (EMAIL, SIGN_IN) and _is_others(cell) else kind


def _is_others(cell: str) -> bool:
    """Whether the heading, or what stands in its brackets, says that the addresses are those of others."""
    return _OTHERS_EMAIL.search(_letters(cell[:200])) is not None


def _only_email(cells: Sequence[str]) -> int | None:
    """The one column among others whose heading has "email" in it, like "Attendee Email"."""
    all_letters = [letters(cell) for cell in cells]
    found = [
        place for place, text in enumerate(all_letters) if "email" in text and not _is_others(cells[place])
    ]
    # A lone cell is a title: "Email list of the choir".
    return found[0] if len(found) == 1 and sum(map(bool, all_letters)) > 1 else None
