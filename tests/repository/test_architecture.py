"""docs/architecture.md names what is there, and its picture shows today's imports."""

import ast
import re
from functools import cache

from tests.support.modules import ROOT
from tests.tools.architecture import (
    PICTURE,
    Graph,
    boxes_of,
    courses_of,
    draw,
    graph_of_the_imports,
    imported_by,
    places_of,
    rows_of,
    without_detours,
)

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text("utf-8")
NAMED = re.compile(r"`(\w+)(?:\(\))?` in\s+`([\w/.]+)`")
PATH = re.compile(r"`((?:cli|db|docs|environment|handlers|mailer|messages|tests)(?:/[\w/.]*)?|\w+\.py)`")


@cache
def defined_in(place: str) -> frozenset[str]:
    """The functions and classes of a module, or of all modules of a package."""
    path = ROOT / place
    trees = [ast.parse(file.read_text("utf-8")) for file in (path.rglob("*.py") if path.is_dir() else [path])]
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return frozenset(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, kinds))


def test_the_picture_shows_the_imports_of_today() -> None:
    drawn = draw(graph_of_the_imports())

    assert PICTURE.read_text("utf-8") == drawn, "draw it anew: .venv/bin/python -m tests.tools.architecture"


def test_every_function_and_class_that_the_document_names_is_where_it_says() -> None:
    named = NAMED.findall(DOCUMENT)

    missing = [(name, place) for name, place in named if name not in defined_in(place)]

    assert len(named) >= 20
    assert missing == []


def test_every_path_that_the_document_names_is_there() -> None:
    assert [path for path in PATH.findall(DOCUMENT) if not (ROOT / path).exists()] == []


# The picture of a small house: a page uses the domain, which uses the engine; the page uses that, too.
SMALL: Graph = {
    "handlers.home": {"db.members.roles", "db.engine", "messages.toasts"},
    "db.members.roles": {"db.engine", "db.members.locking"},
    "db.members.locking": set(),
    "db.engine": set(),
    "messages.toasts": set(),
}


def test_modules_are_drawn_as_the_boxes_they_are_in() -> None:
    assert boxes_of(SMALL) == {
        "handlers": {"db.members", "db.engine"},
        "db.members": {"db.engine"},
        "db.engine": set(),
    }


def test_imports_are_found_wherever_they_stand() -> None:
    late = "def late():\n    from db.auth.links import find\n"

    assert imported_by(f"import app\nfrom db import engine\n{late}from . import near") == {
        "app",
        "db.engine",
        "db.auth.links.find",
    }


def test_an_arrow_that_follows_from_others_is_left_out() -> None:
    assert without_detours({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == {"a": {"b"}, "b": {"c"}, "c": set()}


def test_a_box_stands_below_all_that_import_it_and_an_arrow_passes_the_rows_between() -> None:
    arrows: Graph = {"a": {"b", "d"}, "b": {"c"}, "c": {"e"}, "d": {"e"}, "e": set()}

    assert rows_of(arrows) == {"a": 0, "b": 1, "c": 2, "d": 1, "e": 3}
    passing = [spot for course in courses_of(arrows) for spot in course if spot.to]
    assert [(spot.row, spot.box, spot.to) for spot in passing] == [(2, "d", "e")]
    places = places_of(courses_of(arrows))
    assert len({(spot.row, place) for spot, place in places.items()}) == len(places)


def test_the_same_imports_give_the_same_picture() -> None:
    backwards = {module: SMALL[module] for module in reversed(SMALL)}

    assert draw(backwards) == draw(SMALL)
