"""Parses forms into values, and finds every error. bodies.py limits their size and time.

Unknown fields are ignored. A single-valued field that comes twice is an error of that field, as are NUL and
other control characters. What was typed is kept, except passwords.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from litestar.exceptions import HTTPException

from db.common import addresses, invisible
from db.errors import Invalid
from db.policy import Role
from handlers.http.request.bodies import BodyTooLarge, body_of
from handlers.http.request.types import AnyRequest
from messages import by_field
from signing import token_in

MAX_FIELDS: Final = 1_000
MAX_NAME_CHARACTERS: Final = 100
# Longer than any address or password, so that a field's own limit gives the better error.
MAX_VALUE_CHARACTERS: Final = 2_000
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# No field of ours has a longer name.
MAX_NAME_BYTES: Final = 200
# A character of four bytes in UTF-8, each of them escaped.
MAX_BYTES_OF_A_CHARACTER: Final = 12
_PAIR: Final = re.compile(rb"[^&]+")
_ESCAPES: Final = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")
# Unicode's category Cc: C0, DEL and C1.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A list of 500 addresses has lines, and is longer than any other field.
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Text around a token is cut off. No other error is reported: the page says whether the token works.
TOKEN_FIELDS: Final = frozenset({"token", "code"})
MULTILINE_FIELDS: Final = {
    "emails": (200_000, _CONTROL_IN_LINES),
    "link_domains": (20_000, _CONTROL_IN_LINES),
}
_DRAFT_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
SECRET_FIELDS: Final = frozenset({"password", "current_password"})


class WrongContentType(HTTPException):
    status_code = 415


class Form:
    """values: field -> text, to fill the form again (passwords are always ""). errors: field -> sentences.

    autofocus: whether the first wrong field takes the focus; in a fragment app.js does that.
    draft: the key of the draft it was filled from, "" for none. restored: whether that just happened.
    """

    def __init__(
        self, names: Iterable[str], sent: Mapping[str, Iterable[str]] | None = None, *, restored: bool = False
    ) -> None:
        self._sent = sent or {}
        self.autofocus = True
        self.restored = restored
        draft = next(iter(self._sent.get("draft", ())), "")
        self.draft = draft if _DRAFT_KEY.fullmatch(draft) else ""
        self.errors: dict[str, list[str]] = {}
        self.values = {name: self._value(name) for name in names}
        self._secrets = {name: self.values[name] for name in self.values if name in SECRET_FIELDS}
        self.values.update(dict.fromkeys(self._secrets, ""))

    @classmethod
    async def read(cls, request: AnyRequest, *names: str) -> "Form":
        """The form with these single-valued fields. Raises as read_fields."""
        return cls(names, _sent(request))

    def __getitem__(self, name: str) -> str:
        """The text of a field, passwords included."""
        return self._secrets.get(name, self.values[name])

    def several(self, name: str) -> list[str]:
        """All values of a field that may be repeated."""
        return list(self._sent.get(name, ()))

    def add_error(self, name: str, *sentences: str) -> None:
        """Adds errors to a field, or to the whole form with ""."""
        if sentences:
            self.errors.setdefault(name, []).extend(sentences)

    def add_errors(self, error: Invalid) -> None:
        """Adds what the domain says against the form, by its fields."""
        for name, sentences in error.errors.items():
            self.add_error(name, *sentences)

    def check(self) -> None:
        """Raises Invalid when there is any error."""
        if self.errors:
            raise Invalid(self.errors)

    def person_name(self, name: str) -> str:
        """A first or last name: trimmed, without invisible characters, at most 100 characters."""
        text = invisible.clean_name(self.values[name])
        if len(text) > MAX_NAME_CHARACTERS:
            self.add_error(name, by_field.AT_MOST.format(most=MAX_NAME_CHARACTERS, count=len(text)))
        return text

    def role(self, name: str = "role", among: Collection[Role] = tuple(Role)) -> Role | None:
        """One of these roles by its code. Anything else adds an error and gives None."""
        chosen = next((role for role in among if role.value == self.values[name]), None)
        if chosen is None:
            self.add_error(name, by_field.CHOOSE_A_ROLE)
        return chosen

    def email(self, name: str = "email") -> addresses.Address | None:
        """An email address. Anything else adds an error and gives None."""
        try:
            return addresses.parse(self.values[name])
        except addresses.NotAnAddress as error:
            self.add_error(name, str(error))
            return None

    def _value(self, name: str) -> str:
        limit, forbidden = MULTILINE_FIELDS.get(name, (MAX_VALUE_CHARACTERS, _CONTROL))
        values = iter(self._sent.get(name, ()))
        text = next(values, "")
        if next(values, None) is not None:
            self.add_error(name, by_field.SENT_TWICE)
        if name in TOKEN_FIELDS:
            return token_in(text[:limit])
        if len(text) > limit:
            self.add_error(name, by_field.FAR_TOO_LONG)
            text = text[:limit]
        if forbidden.search(text):
            self.add_error(name, by_field.CONTROL_CHARACTERS)
            text = forbidden.sub("", text)
        return text


def read_fields(request: AnyRequest) -> dict[str, list[str]]:
    """All fields of an urlencoded body, none cut off before its limit. An empty body is an empty form.

    Raises WrongContentType (415) and the errors of the body (408, 413, 503).
    """
    return {name: list(values) for name, values in _sent(request).items()}


def _sent(request: AnyRequest) -> dict[str, "_Values"]:
    """The same fields, with values that are decoded when they are read. Raises as read_fields."""
    content = body_of(request.scope).content
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content and content_type != FORM_TYPE:
        raise WrongContentType
    fields: dict[str, _Values] = {}
    for number, pair in enumerate(_PAIR.finditer(bytes(content)), 1):
        if number > MAX_FIELDS:
            raise BodyTooLarge
        raw_name, _, value = pair[0].partition(b"=")
        if len(raw_name) <= MAX_NAME_BYTES:
            name = _text(raw_name)
            fields.setdefault(name, _Values(name)).add(value)
    return fields


class _Values(Iterable[str]):
    """The values of one field. Only what a form reads is decoded, up to where it is too long.

    To decode a megabyte of escapes takes a fifth of a second.
    """

    def __init__(self, name: str) -> None:
        limit, _ = MULTILINE_FIELDS.get(name, (MAX_VALUE_CHARACTERS, _CONTROL))
        self._max_bytes = (limit + 1) * MAX_BYTES_OF_A_CHARACTER
        self._raw: list[bytes] = []

    def add(self, value: bytes) -> None:
        self._raw.append(value)

    def __iter__(self) -> Iterator[str]:
        return (_text(value[: self._max_bytes]) for value in self._raw)


def _text(raw: bytes) -> str:
    return text_of(_ESCAPES.sub(_unescaped, raw.replace(b"+", b" ")))


def _unescaped(match: re.Match[bytes]) -> bytes:
    return bytes.fromhex(match[0].replace(b"%", b"").decode())


def text_of(raw: bytes) -> str:
    """Decodes UTF-8. Broken bytes become NUL, which is an error in every field."""
    return raw.decode("utf-8", errors="replace").replace("\ufffd", "\0")
