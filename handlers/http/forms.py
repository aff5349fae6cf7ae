"""Parses forms into values and every error; what may be sent, and how fast, is in bodies.py.

Unknown fields are ignored; a repeated single-valued field, NUL and other control characters are errors of
that field; what was typed is kept, but for passwords.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from litestar.exceptions import HTTPException
from python_multipart.multipart import QuerystringParser

from db import addresses, visible
from db.policy import Invalid, Role, TooManyTries
from handlers.http.bodies import BodyTooLarge, body_of
from handlers.http.house import AnyRequest
from links import token_in
from messages import by_field, refusals

MAX_FIELDS: Final = 1_000
MAX_NAME_CHARACTERS: Final = 100
# Long enough for any address or password, with room for the sentence that says how much is too much.
MAX_VALUE_CHARACTERS: Final = 2_000
FORM_TYPE: Final = "application/x-www-form-urlencoded"
# Unicode's category Cc: C0, DEL and C1.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# A list of 500 addresses has lines, and is longer than anything else that is typed.
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# A token is good or not, and the page says so: what stands around it is cut off, and nothing else is changed.
TOKEN_FIELDS: Final = frozenset({"token", "code"})
MULTILINE_FIELDS: Final = {
    "emails": (200_000, _CONTROL_IN_LINES),
    "link_domains": (20_000, _CONTROL_IN_LINES),
}
_DRAFT_KEY: Final = re.compile(r"[A-Za-z0-9_-]{32}", re.ASCII)
SECRET_FIELDS: Final = frozenset({"password", "current_password"})


class WrongContentType(HTTPException):
    status_code = 415
    detail = refusals.FORMS_ONLY


class Form:
    """values: field -> text, to fill the form again (passwords are always ""). errors: field -> sentences.

    autofocus: whether the first wrong field asks for the focus; in a fragment app.js gives it.
    draft: the key of the draft it was filled from, "" for none; kept: whether the page just did that.
    """

    def __init__(
        self, names: Iterable[str], sent: Mapping[str, list[str]] | None = None, *, kept: bool = False
    ) -> None:
        self._sent = sent or {}
        self.autofocus = True
        self.kept = kept
        self.draft = next((key for key in self._sent.get("draft", ()) if _DRAFT_KEY.fullmatch(key)), "")
        self.errors: dict[str, list[str]] = {}
        self.values = {name: self._value(name) for name in names}
        self._secrets = {name: self.values[name] for name in self.values if name in SECRET_FIELDS}
        self.values.update(dict.fromkeys(self._secrets, ""))

    @classmethod
    async def read(cls, request: AnyRequest, *names: str) -> "Form":
        """The form with these single-valued fields. Raises as read_fields."""
        return cls(names, read_fields(request))

    def __getitem__(self, name: str) -> str:
        """What was sent, passwords included."""
        return self._secrets.get(name, self.values[name])

    def several(self, name: str) -> list[str]:
        """All values of a field that may be repeated."""
        return self._sent.get(name, [])

    def wrong(self, name: str, *sentences: str) -> None:
        """Adds errors to a field; "" is the whole form."""
        if sentences:
            self.errors.setdefault(name, []).extend(sentences)

    def wait(self, error: TooManyTries, name: str = "") -> dict[str, str]:
        """Says at this field that it has to wait. Returns the headers of the answer (429)."""
        self.wrong(name, error.sentence)
        return {"Retry-After": str(error.retry_after)}

    def check(self) -> None:
        """Raises Invalid when there is any error."""
        if self.errors:
            raise Invalid(self.errors)

    def person_name(self, name: str) -> str:
        """A first or last name: trimmed, without invisible characters, at most 100 characters."""
        text = visible.name(self.values[name])
        if len(text) > MAX_NAME_CHARACTERS:
            self.wrong(name, by_field.AT_MOST.format(most=MAX_NAME_CHARACTERS, count=len(text)))
        return text

    def title(self, name: str = "title") -> str:
        """The organization's name: trimmed, with something to be seen, at most 100 characters."""
        text = visible.name(self.values[name])
        if not text:
            self.wrong(name, by_field.ENTER_TITLE)
        elif len(text) > MAX_NAME_CHARACTERS:
            self.wrong(name, by_field.AT_MOST.format(most=MAX_NAME_CHARACTERS, count=len(text)))
        return text

    def role(self, name: str = "role", among: Collection[Role] = tuple(Role)) -> Role | None:
        """One of these roles by its code; None, with the error noted, for anything else."""
        found = next((role for role in among if role.value == self.values[name]), None)
        if found is None:
            self.wrong(name, by_field.CHOOSE_A_ROLE)
        return found

    def email(self, name: str = "email") -> addresses.Address | None:
        """An address; None, with the error noted, for anything else."""
        try:
            return addresses.parse(self.values[name])
        except addresses.NotAnAddress as error:
            self.wrong(name, str(error))
            return None

    def _value(self, name: str) -> str:
        longest, forbidden = MULTILINE_FIELDS.get(name, (MAX_VALUE_CHARACTERS, _CONTROL))
        sent = self._sent.get(name, [])
        if len(sent) > 1:
            self.wrong(name, by_field.SENT_TWICE)
        text = sent[0] if sent else ""
        if name in TOKEN_FIELDS:
            return token_in(text[:longest])
        if len(text) > longest:
            self.wrong(name, by_field.FAR_TOO_LONG)
            text = text[:longest]
        if forbidden.search(text):
            self.wrong(name, by_field.CONTROL_CHARACTERS)
            text = forbidden.sub("", text)
        return text


def read_fields(request: AnyRequest) -> dict[str, list[str]]:
    """All fields of an urlencoded body. An empty body is an empty form.

    Raises WrongContentType (415) and what was wrong with the body (408, 413, 503).
    """
    content = body_of(request.scope).content
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content and content_type != FORM_TYPE:
        raise WrongContentType
    reader = _Reader()
    # Not strict, it takes whatever comes.
    parser = QuerystringParser(reader.callbacks())  # type: ignore[arg-type]
    parser.write(bytes(content))
    parser.finalize()
    return reader.fields()


class _Reader:
    """Collects what the parser calls back; counts fields while reading."""

    def __init__(self) -> None:
        self._pairs: list[tuple[bytearray, bytearray]] = []

    def callbacks(self) -> dict[str, object]:
        return {"on_field_start": self._start, "on_field_name": self._name, "on_field_data": self._data}

    def _start(self) -> None:
        if len(self._pairs) >= MAX_FIELDS:
            raise BodyTooLarge
        self._pairs.append((bytearray(), bytearray()))

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._pairs[-1][0].extend(data[start:end])

    def _data(self, data: bytes, start: int, end: int) -> None:
        self._pairs[-1][1].extend(data[start:end])

    def fields(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, value in self._pairs:
            found.setdefault(_text(name), []).append(_text(value))
        return found


def _text(raw: bytearray) -> str:
    return text_of(unquote_to_bytes(bytes(raw).replace(b"+", b" ")))


def text_of(raw: bytes) -> str:
    """Decoded as UTF-8; broken bytes become NUL, which every field refuses by name."""
    return raw.decode("utf-8", errors="replace").replace("\ufffd", "\0")
