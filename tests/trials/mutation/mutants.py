"""Small changes of code, each of which some test should notice.

Most come from mutmut's operators: comparisons, arithmetic, and/or, not, numbers, strings, methods of
strings, assignments, either side of an if in a line. Those know neither guards nor SQL, so these are
added: a condition is turned round; a call, a raise or what is returned is dropped; a query loses a
condition or its comparisons and order are turned; a call loses an argument that is passed by name.

Left alone: annotations, decorators, defaults and docstrings, which do nothing here or are read once at the
start; what is logged, since the wording of a log is no promise; what stands outside functions, such as
words and patterns, but for numbers, since limits are promises; a string's case, SQL inside quotes and None
for an argument, since those only break and would raise the score for nothing.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final

import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, ParentNodeProvider, PositionProvider
from mutmut.mutation import mutators

LOGGED: Final = m.Call(func=m.Attribute(value=m.Name("log") | m.Name("logging")))
SQL: Final = re.compile(r"\b(SELECT|UPDATE|DELETE|INSERT|WHERE|AND|ORDER BY|SET)\b")
# What turns a query into another: the sign or word, and what it becomes.
SQL_TURNS: Final = (
    (r" <= ", " < "),
    (r" >= ", " > "),
    (r" < ", " <= "),
    (r" > ", " >= "),
    (r" <> ", " = "),
    (r" \+ 1", " - 1"),
    (r" DESC\b", ""),
    (r"\bWHERE (?![^()]*\bAND\b)", "WHERE 1 = 1 OR "),
    (r" AND (?!excluded)[\w.]+ (=|<>|<|>|<=|>=) (\?|\w+|'\w*')", ""),
    (r"\bWHERE [\w.]+ (=|<>|<|>|<=|>=) (\?|\w+|'\w*') AND ", "WHERE "),
)


STATEMENTS: Final = (cst.SimpleStatementLine, cst.BaseCompoundStatement)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one small change. lines: of the statement that was changed, in the file as it is."""

    path: str
    lines: range
    # What differs, each side in one line: it names the change.
    before: str
    after: str
    text: str
    # The constant that was changed, outside functions; "" for any other.
    constant: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.before} -> {self.after}"

    def diff(self, original: str) -> str:
        return "".join(
            unified_diff(
                original.splitlines(keepends=True),
                self.text.splitlines(keepends=True),
                self.path,
                self.path,
            )
        )


def turned(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """A condition means its opposite."""
    if isinstance(node, cst.If | cst.CompIf | cst.While):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def dropped(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """What a statement does isn't done, or what it returns is None."""
    if m.matches(node, m.Expr(value=m.Call() | m.Await())) or isinstance(node, cst.Raise | cst.Del):
        yield cst.Pass()
    elif isinstance(node, cst.Return) and node.value and not m.matches(node.value, m.Name("None")):
        yield cst.Return(cst.Name("None"))


def queried(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """Another condition, comparison or order in a piece of SQL."""
    if isinstance(node, cst.SimpleString | cst.FormattedStringText) and SQL.search(node.value):
        for pattern, instead in SQL_TURNS:
            for found in re.finditer(pattern, node.value):
                value = node.value[: found.start()] + instead + node.value[found.end() :]
                yield node.with_changes(value=value)


def string(node: cst.CSTNode) -> Iterable[cst.CSTNode]:
    """Another string, but no SQL, which only breaks, and no other case."""
    if isinstance(node, cst.SimpleString) and not SQL.search(node.value):
        yield from list(mutators.operator_string(node))[:1]


def argument(node: cst.Call) -> Iterable[cst.CSTNode]:
    """Without one of the arguments that are passed by name; without another the call would only break."""
    for index, one in enumerate(node.args):
        if one.keyword:
            yield node.with_changes(args=[*node.args[:index], *node.args[index + 1 :]])


REPLACED: Final = (mutators.operator_string, mutators.operator_arg_removal)
OPERATORS: Final[list[tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]]] = [
    *(pair for pair in mutators.mutation_operators if pair[1] not in REPLACED),
    (cst.Call, argument),
    (cst.CSTNode, string),
    (cst.CSTNode, turned),
    (cst.CSTNode, dropped),
    (cst.CSTNode, queried),
]


@dataclass(frozen=True, slots=True)
class _Place:
    """part: the number of the statement of the module that the node is in."""

    node: cst.CSTNode
    instead: cst.CSTNode
    part: int
    lines: range
    constant: str


class _Visitor(cst.CSTVisitor):
    """Finds the places: each node with what may stand there instead."""

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self) -> None:
        self.found: list[_Place] = []
        self._part = -1
        self._statements: list[range] = []
        self._depth = 0
        self._constant = ""

    def on_visit(self, node: cst.CSTNode) -> bool:
        parent = self.get_metadata(ParentNodeProvider, node, None)
        if isinstance(parent, cst.Module) and isinstance(node, STATEMENTS):
            self._part += 1
        if isinstance(node, cst.FunctionDef):
            self._depth += 1
        if isinstance(node, cst.SimpleStatementLine) and not self._depth:
            self._constant = _constant(node)
        if _is_left_alone(node):
            return False
        if isinstance(node, STATEMENTS):
            self._statements.append(self._lines(node))
        if self._depth or (self._constant and isinstance(node, cst.BaseNumber)):
            for kind, operator in OPERATORS:
                if isinstance(node, kind):
                    for instead in operator(node):
                        self.found.append(
                            _Place(node, instead, self._part, self._statements[-1], self._constant)
                        )
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.FunctionDef):
            self._depth -= 1
        if isinstance(original_node, cst.SimpleStatementLine):
            self._constant = ""
        if isinstance(original_node, STATEMENTS) and not _is_left_alone(original_node):
            self._statements.pop()

    def _lines(self, statement: cst.CSTNode) -> range:
        """Those of a statement; of one with others inside only its head's."""
        where = self.get_metadata(PositionProvider, statement)
        if isinstance(statement, cst.SimpleStatementLine):
            return range(where.start.line, where.end.line + 1)
        body = self.get_metadata(PositionProvider, statement.body)  # type: ignore[attr-defined]
        return range(where.start.line, max(where.start.line + 1, body.start.line))


def _constant(node: cst.SimpleStatementLine) -> str:
    match node.body[0]:
        case cst.AnnAssign(target=cst.Name(value=name), value=value) if value is not None:
            return name
        case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]):
            return name
    return ""


def _is_left_alone(node: cst.CSTNode) -> bool:
    return (
        isinstance(node, cst.Annotation | cst.Decorator | cst.Parameters | cst.Import | cst.ImportFrom)
        # A docstring.
        or m.matches(node, m.Expr(value=m.SimpleString() | m.ConcatenatedString()))
        or m.matches(node, m.Expr(value=LOGGED) | LOGGED)
        # The arguments of these only break, or are annotations.
        or m.matches(node, m.Call(func=m.Name("cast") | m.Name("isinstance") | m.Name("len")))
        or m.matches(node, m.Assert())
    )


def of(root: Path, path: str) -> list[Mutant]:
    """Every mutant of a file."""
    text = (root / path).read_text("utf-8")
    wrapper = MetadataWrapper(cst.parse_module(text))
    module = wrapper.module
    visitor = _Visitor()
    wrapper.visit(visitor)
    # Only the function or class around a change is written anew: the whole file takes ten times as long.
    parts = [module.code_for_node(part) for part in module.body]
    offset = text.index(parts[0]) if parts else 0
    starts = [offset + sum(map(len, parts[:index])) for index in range(len(parts))]
    found = list[Mutant]()
    seen = {text}
    for place in visitor.found:
        part = module.body[place.part].deep_replace(place.node, place.instead)
        assert isinstance(part, cst.CSTNode)
        start = starts[place.part]
        changed = text[:start] + module.code_for_node(part) + text[start + len(parts[place.part]) :]
        if changed not in seen:
            seen.add(changed)
            sides = _difference(text.splitlines(), changed.splitlines())
            found.append(Mutant(path, place.lines, *sides, changed, place.constant))
    return found


def _difference(was: list[str], now: list[str]) -> tuple[str, str]:
    """The lines that differ, each side in one line."""
    first = next(index for index, (old, new) in enumerate(zip(was, now, strict=False)) if old != new)
    last = 0
    while last < min(len(was), len(now)) - first and was[len(was) - 1 - last] == now[len(now) - 1 - last]:
        last += 1
    sides = (was[first : len(was) - last], now[first : len(now) - last])
    before, after = (" ".join(line.strip() for line in side) for side in sides)
    return before, after
