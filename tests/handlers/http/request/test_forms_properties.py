"""Forms, for any bytes: each field holds what was sent, or has an error."""

import unicodedata
from urllib.parse import parse_qs, urlencode

from hypothesis import given
from hypothesis import strategies as st
from litestar.exceptions import HTTPException

from db.errors import Invalid
from handlers.http.request import forms
from handlers.http.request.forms import (
    MAX_VALUE_CHARACTERS,
    MULTILINE_FIELDS,
    SECRET_FIELDS,
    TOKEN_FIELDS,
    Form,
)
from messages import by_field
from signing import token_in
from tests.support.examples import TEXT, fewer
from tests.support.pages.handler_requests import asked, body_of
from tests.support.pages.site import ON_SQLITE, Site

pytestmark = ON_SQLITE

SINGLE = ("email", "password", "first_name", "next", "role", "title")
NAMES = (*SINGLE, *MULTILINE_FIELDS, *TOKEN_FIELDS)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(NAMES) | TEXT,
        TEXT | st.text("a \t\r\n\0\x1b\x7f\x85&=+%;é", max_size=8),
    ),
    max_size=8,
)
TYPE = [(b"content-type", forms.FORM_TYPE.encode())]


async def read(site: Site, content: bytes, *names: str) -> Form:
    return await Form.read(asked(site, TYPE, body=await body_of(site, content)), *names)


def is_control(char: str, name: str) -> bool:
    return unicodedata.category(char) == "Cc" and not (name in MULTILINE_FIELDS and char in "\t\r\n")


@given(FIELDS)
@fewer(1)
async def test_each_field_is_what_was_sent_or_says_what_is_wrong(
    site: Site, fields: list[tuple[str, str]]
) -> None:
    form = await read(site, urlencode(fields).encode(), *NAMES)

    sent: dict[str, list[str]] = {}
    for name, text in fields:
        sent.setdefault(name, []).append(text)
    for name in NAMES:
        text = sent.get(name, [""])[0]
        controls = name not in TOKEN_FIELDS and any(is_control(char, name) for char in text)
        assert (by_field.SENT_TWICE in form.errors.get(name, [])) == (len(sent.get(name, [])) > 1)
        assert (by_field.CONTROL_CHARACTERS in form.errors.get(name, [])) == controls
        if name in TOKEN_FIELDS:
            assert form[name] == token_in(text)
        elif not controls:
            assert form[name] == text
        assert name in TOKEN_FIELDS or not any(is_control(char, name) for char in form[name])
        assert form.several(name) == sent.get(name, [])
    assert set(form.errors) <= set(NAMES)
    assert all(form.values[name] == "" for name in SECRET_FIELDS & set(NAMES)), "no page repeats a password"


@given(st.one_of(st.binary(), st.text("a=&+%;f0 \0é\n", max_size=40).map(str.encode)))
@fewer(1)
async def test_any_bytes_are_a_form_or_are_refused(site: Site, content: bytes) -> None:
    try:
        form = await read(site, content, *NAMES)
    except (Invalid, HTTPException):
        return

    for name in SINGLE:
        assert not any(is_control(char, name) for char in form[name])


@given(st.text("a1é=&+%; ", max_size=60).map(lambda text: text.replace("%", "%25").replace(";", "%3B")))
@fewer(1)
async def test_a_body_is_read_as_another_parser_reads_it(site: Site, text: str) -> None:
    fields = forms.read_fields(asked(site, TYPE, body=await body_of(site, text.encode())))

    expected = parse_qs(text, keep_blank_values=True)
    assert {name: values for name, values in fields.items() if name} == {
        name: values for name, values in expected.items() if name
    }


@given(st.integers(MAX_VALUE_CHARACTERS - 2, MAX_VALUE_CHARACTERS + 2))
@fewer(10)
async def test_a_value_is_as_long_as_it_may_be(site: Site, length: int) -> None:
    form = await read(site, b"email=" + b"a" * length, "email")

    assert ("email" in form.errors) == (length > MAX_VALUE_CHARACTERS)
    assert len(form["email"]) == min(length, MAX_VALUE_CHARACTERS)
