"""Code, SQL and templates name a role by Role, never by its code; SQL gets it from role_codes.codes."""

import ast
import re
from collections.abc import Iterator

import pytest

from db import policy
from db.common.role_codes import codes
from db.policy import Role
from tests.support.modules import ROOT, modules_of

QUOTED = re.compile(f"""(["'])({"|".join(role.value for role in Role)})\\1""")
ALLOWED = {
    "db.policy": "what the codes are",
    "db.schema.tables": "the table as the migrations made it",
    "db.maintenance.demo": "the people of the demo, a line each",
    "messages.phrases": "words by code: messages import nothing of ours",
    "messages.by_field": "words by code: messages import nothing of ours",
}


def by_hand(source: str) -> Iterator[str]:
    """The codes that stand in the texts of a module: as a whole text, or in quotes within one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings(tree):
            yield from (found[0] for found in QUOTED.finditer(repr(node.value)[1:-1] + f" '{node.value}'"))


def docstrings(tree: ast.Module) -> list[ast.Constant]:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = [node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body]
    texts = [node.value for node in first if isinstance(node, ast.Expr)]
    return [text for text in texts if isinstance(text, ast.Constant)]


def test_no_module_writes_a_role_s_code_by_hand() -> None:
    found = {
        name: sorted(set(by_hand(path.read_text(encoding="utf-8"))))
        for name, path in modules_of(ROOT).items()
        if not name.startswith("db.schema.migrations.")
    }

    assert {name for name, texts in found.items() if texts} == set(ALLOWED)


def test_no_template_writes_a_role_s_code_by_hand() -> None:
    templates = [path for path in (ROOT / "templates").rglob("*") if path.is_file()]

    assert len(templates) > 50
    assert [str(path) for path in templates if QUOTED.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    [
        """sql = "role <> 'DI'" """,
        """sql = f"id = {id} AND role = 'NO'" """,
        """form = {"role": "AN"} """,
    ],
)
def test_a_code_by_hand_is_found(source: str) -> None:
    assert list(by_hand(source))


def test_a_word_that_holds_a_code_is_none() -> None:
    assert list(by_hand('"""A docstring may say \'OW\'."""\nsql = "NOT NO, \'NONE\'"')) == []


def test_sql_gets_the_codes_as_literals_in_the_order_of_the_roles() -> None:
    assert codes(Role.PENDING) == "'NO'"
    assert codes(*policy.may_invite.roles) == "'OW', 'AD'"
