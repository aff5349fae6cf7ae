"""Holds what templates may not contain.

Under the content security policy and the htmx settings of the pages, inline styles and scripts, event
attributes, `hx-on`, `js:` values and filters in `hx-trigger` silently do nothing.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parent.parent.parent / "templates"

COMMENT = re.compile(r"\{#.*?#\}", re.DOTALL)
STATEMENT = re.compile(r"\{%.*?%\}", re.DOTALL)
EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
SAFE = re.compile(r"\|\s*safe\b|\bautoescape\s+false\b")

REQUESTS = {"hx-get", "hx-post"}


class Finder(HTMLParser):
    """Collects what is found in the start tags of a template."""

    def __init__(self, is_mail: bool) -> None:
        super().__init__()
        self.is_mail = is_mail
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name.removeprefix("data-"): value or "" for name, value in attrs}
        for name, value in attributes.items():
            if reason := self.reason_against(name, value.strip().lower()):
                self.found.append(f"line {self.getpos()[0]}: <{tag} {name}={value!r}>: {reason}")
        if tag == "script" and "src" not in attributes:
            self.found.append(f"line {self.getpos()[0]}: a script in the page")
        if tag == "style" and not self.is_mail:
            self.found.append(f"line {self.getpos()[0]}: a style sheet in the page")
        if attributes.keys() & {"hx-target", "hx-swap"} and not attributes.keys() & REQUESTS:
            self.found.append(f"line {self.getpos()[0]}: <{tag}> has a target for others to inherit")

    def reason_against(self, name: str, value: str) -> str | None:
        if name == "style" and not self.is_mail:
            return "an inline style"
        if name.startswith(("on", "hx-on")):
            return "a script in an attribute"
        if name == "hx-vars" or value.startswith(("js:", "javascript:")):
            return "a value that is evaluated"
        if name == "hx-trigger" and "[" in value:
            return "a filter in a trigger"
        return None


def faults_of_template(source: str, folder: str) -> list[str]:
    """What a template in a folder of templates/ may not contain, one line each."""
    text = COMMENT.sub(blank, source)
    finder = Finder(is_mail=folder == "mail")
    if folder != "macros" and SAFE.search(text):
        finder.found.append("escaping is switched off outside of macros")
    finder.feed(EXPRESSION.sub("x", STATEMENT.sub(blank, text)))
    finder.close()
    return finder.found


def blank(found: re.Match[str]) -> str:
    """Room in place of what Jinja takes away, with its line breaks, so that lines keep their numbers."""
    return " " + "\n" * found.group().count("\n")


def test_no_template_contains_what_silently_does_nothing() -> None:
    found = {
        str(file.relative_to(TEMPLATES)): faults
        for file in TEMPLATES.rglob("*.*")
        if (
            faults := faults_of_template(
                file.read_text(encoding="utf-8"), file.relative_to(TEMPLATES).parts[0]
            )
        )
    }

    assert found == {}


def test_there_are_templates_to_look_at() -> None:
    assert (TEMPLATES / "base.html").exists()


@pytest.mark.parametrize(
    "source",
    [
        '<p style="color: red">',
        "<p\n  STYLE=x>",
        "<style>p { color: red }</style>",
        "<button onclick='go()'>",
        '<button {% if here %}onclick="go()"{% endif %}>',
        "<form hx-on:submit='go()'>",
        "<form data-hx-on--after-request='go()'>",
        "<a href='javascript:go()'>",
        """<form hx-post="/" hx-vals='js:{"a": 1}'>""",
        "<form hx-post='/' hx-vars='a: 1'>",
        "<p hx-get='/' hx-trigger='every 10s [visible()]'>",
        "<script>go()</script>",
        "<main hx-target='#members'>",
        "{{ name|safe }}",
        "{{ name | safe }}",
        "{% autoescape false %}",
    ],
)
def test_what_silently_does_nothing_is_found(source: str) -> None:
    assert len(faults_of_template(source, "organization")) == 1


@pytest.mark.parametrize(
    ("source", "folder"),
    [
        ('{# style="" onclick="" |safe #}<p class="one">{{ on }}: one = 1</p>', "home"),
        ("{% set one = 1 %}<script src='{{ static('app.js') }}' defer></script>", "home"),
        ("<form hx-post='/a' hx-target='#b' hx-swap='outerHTML' hx-trigger='change, every 10s'>", "home"),
        ("<p style='color: red'>", "mail"),
        ("{{ options|safe }}", "macros"),
    ],
)
def test_what_works_is_let_pass(source: str, folder: str) -> None:
    assert faults_of_template(source, folder) == []
