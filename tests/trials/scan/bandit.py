"""bandit on what people run. Statements put together from texts (B608) are told by what is put into them."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.support.servers.command import PARTS, ROOT
from tests.trials.scan.tools import Finding

SOURCES: Final = tuple(part for part in PARTS if part not in ("static", "templates"))
STATEMENT: Final = "B608"


def findings(root: Path = ROOT, sources: tuple[str, ...] = SOURCES) -> list[Finding]:
    """What bandit says of these files and folders, in all severities."""
    done = subprocess.run(
        [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json", *sources],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout)
    assert not said["errors"], said["errors"]
    assert said["metrics"]["_totals"]["loc"] > 0, "bandit has read nothing"
    return [finding for one in said["results"] for finding in _told(root, one)]


def _told(root: Path, one: dict[str, Any]) -> list[Finding]:
    path, what = one["filename"].removeprefix("./"), f"{one['test_id']} {one['test_name']}"
    if one["test_id"] != STATEMENT:
        return [Finding("bandit", what, f"{path} {_function(root / path, one['line_number'])}".strip())]
    names = _put_in(root / path, one["line_number"])
    return [Finding("bandit", what, f"{path} {{{name}}}") for name in names]


def _put_in(path: Path, line: int) -> list[str]:
    """The expressions in the braces of the text at this line. What a module settles once is CONSTANT."""
    inside = [
        node
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.JoinedStr | ast.BinOp | ast.Call)
        and node.lineno <= line <= (node.end_lineno or line)
    ]
    texts = [node for node in inside if isinstance(node, ast.JoinedStr)]
    # The innermost whole text; one that is joined by + or format has none and stands for itself.
    if not texts:
        return [ast.unparse(inside[-1])[:80]] if inside else ["?"]
    text = max(texts, key=lambda node: len(ast.unparse(node)))
    put = [part.value for part in text.values if isinstance(part, ast.FormattedValue)]
    return sorted({_name(path, value) for value in put})


def _name(path: Path, value: ast.expr) -> str:
    if isinstance(value, ast.Name) and value.id in _settled(path):
        return "CONSTANT"
    is_other = isinstance(value, ast.Attribute) and value.attr.isupper() and isinstance(value.value, ast.Name)
    return "CONSTANT" if is_other else ast.unparse(value)


@cache
def _settled(path: Path) -> frozenset[str]:
    """The names in capitals that a module binds once, at its top."""
    bound: list[str] = []
    for node in _tree(path).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        bound += [target.id for target in targets if isinstance(target, ast.Name)]
        if isinstance(node, ast.ImportFrom):
            bound += [one.asname or one.name for one in node.names]
    return frozenset(name for name in bound if name.isupper() and bound.count(name) == 1)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _function(path: Path, line: int) -> str:
    """The name of the function around a line, "" outside of any."""
    around = [
        node.name
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.lineno <= line <= (node.end_lineno or line)
    ]
    return around[-1] if around else ""
