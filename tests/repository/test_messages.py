"""Holds the words of the interface in their places: templates, and the package `messages`."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from string import Formatter

import pytest

from messages import Plural, logbook
from tests.support.modules import ROOT

# Modules whose words are for whoever runs the server, are samples, or are what other programs write.
OPERATORS = {
    "db/maintenance/backup_file.py",
    "db/maintenance/demo.py",
    "db/engine/transaction.py",
    "db/engine/__init__.py",
    "db/common/disk.py",
    "db/engine/errors.py",
    "db/organization/setup.py",
    "db/maintenance/health.py",
    "db/invitations/recipients/headings.py",
    "db/schema/migrate.py",
    "db/engine/postgres.py",
    "db/engine/postgres_requirements.py",
    "db/engine/postgres_connection.py",
    "db/maintenance/restore.py",
    "db/maintenance/secret_key.py",
    "db/engine/sqlite.py",
    "db/engine/sqlite_connection.py",
    "db/engine/sqlite_requirements.py",
    "handlers/styleguide.py",
}
# What the database keeps and no page shows, why sessions and links have ended, which limit was reached; and
# the password of nobody.
CODES = {
    "became owner",
    "ended by its member",
    "ended by an administrator",
    "forgotten passwords",
    "key rotated",
    "membership ended",
    "nobody has this password",
    "password changed",
    "password reset",
    "set-up codes",
    "signed out",
    "taken over by an invitation",
    "taken over",
}
# Two words beside each other, of which one is no hole of an f-string.
HOLE = "Hole"
WORDS = re.compile(r"(?<![\w.=-])[^\W\d_]+['’]?[^\W\d_]*[,;:.]? [“(]?[^\W\d_]+(?![\w.=(/-])")
# SQL, and names with an underscore.
MACHINES = re.compile(
    r"\b(SELECT|INSERT|UPDATE|DELETE|FROM|WHERE|AND|IN|ORDER BY|LIMIT|UNION|PRAGMA|COALESCE|CASE|FOR|AS)\b"
    r"|[a-z]_[a-z]|= \?"
)
MODULES = sorted(ROOT.glob("messages/*.py"))


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """The literals that look like words for people, with their lines."""
    tree = ast.parse(source)
    passed = set(unseen(tree))
    for node in ast.walk(tree):
        if id(node) in passed or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        text = text_of(node)
        written = any(word.upper() != word for word in re.findall(r"[^\W\d_]+", text.replace(HOLE, "")))
        if written and WORDS.search(text) and not MACHINES.search(text) and text not in CODES:
            yield node.lineno, text


def unseen(tree: ast.Module) -> Iterator[int]:
    """Docstrings, what is logged or asserted, faults of ourselves, types in quotes; pieces of f-strings."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield from (id(piece) for piece in node.values)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield id(node.value)
        elif isinstance(node, ast.Assert) and node.msg:
            yield id(node.msg)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith(
            ("log.", "RuntimeError", "TypeError", "ValueError")
        ):
            yield from (id(argument) for argument in node.args)


def text_of(node: ast.Constant | ast.JoinedStr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    return node.value if isinstance(node.value, str) else ""


def constants() -> Iterator[tuple[str, str, object]]:
    """Every constant of every module: where it stands, its name and value."""
    for file in MODULES:
        name = f"messages.{file.stem}".removesuffix(".__init__")
        module = import_module(name)
        for constant in vars(module):
            if constant.isupper():
                yield name, constant, getattr(module, constant)


def texts_in(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Plural(one, other):
            yield from (one, other)
        case tuple():
            for part in value:
                yield from texts_in(part)
        case dict():
            for part in value.values():
                yield from texts_in(part)
        case _:
            raise TypeError(f"{value!r} is nothing to translate")


def placeholders(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name is not None]


def test_no_words_of_the_interface_stand_in_code() -> None:
    files = [file for part in ("db", "handlers") for file in ROOT.glob(f"{part}/**/*.py")]
    files.append(ROOT / "mailer" / "contents.py")
    looked_at = [
        file
        for file in files
        if file.relative_to(ROOT).as_posix() not in OPERATORS and "migrations" not in file.parts
    ]

    found = [
        f"{file.relative_to(ROOT)}:{line} {text!r}"
        for file in looked_at
        for line, text in sentences(file.read_text(encoding="utf-8"))
    ]

    assert len(looked_at) > 80
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'raise Refused("Nothing was changed.")',
        'raise Refused(f"{name} is gone.")',
        'who = "the Owner"',
        'form.add_error("role", f"Choose one of {number}")',
        'words = "“foo” is no domain"',
        """said = f"{number} day{'s' if number else ''} ago" """,
    ],
)
def test_words_in_code_are_found(source: str) -> None:
    assert list(sentences(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        'def look() -> None:\n    """Looks at everything there is."""',
        'log.warning("all mails wait for %d s", 5)',
        'assert row, "its row is locked"',
        'engine.rows(f"SELECT id FROM member WHERE id = ?{lock}", 1)',
        'name = f"{first_name} {last_name}"',
        'KIND = "attachment; filename=members.csv"',
        'end(links.INVITE, "taken over")',
    ],
)
def test_what_people_do_not_read_is_let_pass(source: str) -> None:
    assert list(sentences(source)) == []


# An ending that is added or left out, and words with something hung on them.
HALVES = re.compile(
    r"""else ["'](s|es)["']|["']["'] if [^}]*else ["'][a-z]|[a-z:] ["'] ~|~ ["'][ .,]*[a-z]{2}"""
)


def test_no_template_puts_words_together_from_halves() -> None:
    files = [file for ending in ("html", "jinja", "txt") for file in ROOT.glob(f"templates/**/*.{ending}")]

    found = [
        f"{file.relative_to(ROOT)}:{number} {half[0]}"
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        for half in HALVES.finditer(line)
    ]

    assert len(files) > 80
    assert found == []


@pytest.mark.parametrize(
    "template",
    [
        """{{ days }} day{{ "" if days == 1 else "s" }}""",
        """{{ "Link for " ~ email }}""",
        """{{ "once" if tries == 1 else tries ~ " times" }}""",
    ],
)
def test_halves_in_templates_are_found(template: str) -> None:
    assert HALVES.search(template)


def test_what_varies_in_a_message_has_a_name() -> None:
    named = [name for _, _, value in constants() for text in texts_in(value) for name in placeholders(text)]

    assert len(named) > 80
    assert [name for name in named if not re.fullmatch(r"[a-z_]+", name)] == []


def test_both_forms_of_a_plural_tell_the_same() -> None:
    plurals = [(name, value) for _, name, value in constants() if isinstance(value, Plural)]

    assert len(plurals) > 20
    assert [name for name, plural in plurals if names_in(plural.one) != names_in(plural.other)] == []


def names_in(text: str) -> set[str]:
    """What varies; one need not say its number, and has a role where several have roles."""
    return {"role" if name == "roles" else name for name in placeholders(text)} - {"count"}


def test_every_message_is_used() -> None:
    defined = [f"{module}.{name}" for module, name, _ in constants()]
    used = {
        name
        for part in ("db", "handlers", "mailer")
        for file in ROOT.glob(f"{part}/**/*.py")
        for name in used_in(file.read_text(encoding="utf-8"))
    }

    assert len(defined) > 150
    assert [name for name in defined if name not in used] == []


def used_in(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"messages.{node.value.id}.{node.attr}"
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_a_constant_is_written_in_capitals_and_final() -> None:
    wrong = [
        f"{file.name}:{node.lineno}"
        for file in MODULES
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and not is_constant(node)
    ]

    assert wrong == []


def is_constant(node: ast.Assign | ast.AnnAssign) -> bool:
    return (
        isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and node.target.id.isupper()
        and ast.unparse(node.annotation).startswith("Final")
    )


def test_the_log_names_each_kind_and_knows_what_it_adds() -> None:
    assert logbook.KINDS.keys() == logbook.EVENTS.keys()
    assert {kind for kind, _ in logbook.EVENTS_WITH} <= logbook.EVENTS.keys()


@pytest.mark.parametrize(
    ("count", "sentence"), [(0, "0 mails of Ada"), (1, "A mail of Ada"), (1200, "1,200 mails of Ada")]
)
def test_one_has_a_sentence_of_its_own(count: int, sentence: str) -> None:
    plural = Plural("A mail of {name}", "{count:,} mails of {name}")

    assert plural.format(count, name="Ada") == sentence
