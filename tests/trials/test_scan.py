"""bandit finds nothing but what is explained, and no place where text may reach SQL hides from sqlmap."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from tests.repository.test_addresses import DOCUMENT, served
from tests.support.modules import modules_of
from tests.support.servers.command import ROOT
from tests.trials.scan import bandit
from tests.trials.scan.places import NEVER_IN_SQL, NOTHING_TO_TRY, PLACES, Place
from tests.trials.scan.tools import Explanation, Finding, explanations, held

# The fields that are read where nothing is tried: the set-up page is gone, and `way` is compared with a word.
READ_ELSEWHERE = {"code", "way"}
INJECTED = 'def find(engine, name):\n    return engine.rows(f"SELECT id FROM member WHERE name = {name}")\n'


def test_bandit_finds_nothing_but_what_is_explained() -> None:
    explained = [one for one in explanations() if one.tool == "bandit"]

    assert held(bandit.findings(), explained) == []


def test_text_that_is_put_into_a_statement_is_found(tmp_path: Path) -> None:
    (tmp_path / "members.py").write_text(INJECTED)

    (found,) = bandit.findings(tmp_path, ("members.py",))

    assert found == Finding("bandit", "B608 hardcoded_sql_expressions", "members.py {name}")
    assert held([found], explanations(), stale=False) == [f"{found}: not explained"]


def test_an_explanation_that_nothing_matches_is_broken() -> None:
    explained = [Explanation("sqlmap", "q", ("GET /members", "GET /activity"), "no reason")]

    assert held([Finding("sqlmap", "q", "GET /members")], explained) == [
        "sqlmap: q at GET /activity: explained, and not found any more"
    ]


def without_names(path: str) -> str:
    """Braces alone: what stands in them differs between tables."""
    return re.sub(r"{\w+}", "{}", path)


def test_every_address_is_tried_or_has_a_reason() -> None:
    tried = {(place.method, without_names(place.path)) for place in PLACES}
    left = {(method, without_names(path)) for method, path in NOTHING_TO_TRY}

    assert tried | left == {(method, without_names(path)) for method, path, _ in served()}
    assert tried & left == set()


def test_every_query_that_is_documented_is_tried() -> None:
    rows = re.findall(r"\| GET(?:, POST)? `(/[^`?]*)\?([^`]*)` ", DOCUMENT.read_text("utf-8"))
    documented = {
        (without_names(path), name)
        for path, query in rows
        for name in re.findall(r"(\w+)=", query)
        if ("GET", path) not in NOTHING_TO_TRY
    }

    tried = {(without_names(place.path), name) for place in PLACES for name in fields_of(place)}

    assert len(documented) > 30
    assert documented - tried == set()


def fields_of(place: Place) -> set[str]:
    return set(place.fields) if place.method == "GET" else set()


def test_every_field_that_is_read_is_tried() -> None:
    tried = {name for place in PLACES for name in place.fields}

    assert set(read()) - NEVER_IN_SQL - READ_ELSEWHERE - tried == set()


def read() -> Iterator[str]:
    """The names of all fields that pages read from forms and addresses."""
    for module, path in modules_of(ROOT).items():
        if not module.startswith("handlers."):
            continue
        namespace = vars(importlib.import_module(module))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from names_in(node, namespace)


def names_in(call: ast.Call, namespace: dict[str, object]) -> Iterator[str]:
    """Those in a call of Form.read, Form.several or of a reader of the query."""
    asked = ast.unparse(call.func)
    if asked.endswith("Form.read"):
        for argument in call.args[1:]:
            text = ast.unparse(argument)
            # In the words of the module itself: a name in quotes, or a list of them.
            yield from eval(f"[{text}]", namespace)
    elif re.search(r"(\.several|query_params\.(get|getall)|^query\.get)$", asked):
        yield from (str(one.value) for one in call.args[:1] if isinstance(one, ast.Constant))


def test_the_fields_of_forms_are_seen_where_they_are_read() -> None:
    assert {"first_name", "emails", "token", "filter", "link_domains", "member", "draft"} <= set(read())
