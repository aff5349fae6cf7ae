"""The arrows of the house: who may import whom, and who may read the environment.

test_arrows.py holds them.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent

# What each part at the top may import of the others. Arrows run one way, and may skip a step.
MAY_IMPORT = {
    "cli": {"app", "settings", "mailer", "signing", "db"},
    "app": {"settings", "server", "handlers", "mailer", "signing", "db"},
    "server": {"handlers"},
    "handlers": {"handlers", "signing", "db", "messages"},
    "mailer": {"signing", "db", "messages"},
    "signing": set(),
    "settings": {"environment"},
    "environment": {"environment"},
    "db": {"db", "messages"},
    "messages": set(),
}
# The bottom of db, whose modules know less than the others: what they may import of db.
INSIDE_DB: dict[str, set[str]] = {
    "db.policy": set(),
    "db.common.clock": set(),
    "db.engine.piccolo_conf": set(),
    "db.schema.tables": {"db.policy", "db.engine"},
}
# The packages of db by floors: each may import those of the floors before its own, and itself.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("db.policy",),
    ("db.common",),
    ("db.engine",),
    ("db.schema", "db.activity", "db.mail"),
    ("db.auth",),
    ("db.members",),
    ("db.accounts", "db.invitations"),
    ("db.organization",),
    ("db.maintenance",),
)
# What all pages share, by floors in the same way.
HTTP_FLOORS: tuple[tuple[str, ...], ...] = (
    ("handlers.http.request", "handlers.http.static"),
    ("handlers.http.house",),
    ("handlers.http.auth",),
    ("handlers.http.response",),
    ("handlers.http.server",),
)
# The imports that go up all the same, until what they name has moved: each is a module and what it imports.
GO_UP: set[tuple[str, str]] = {
    ("db.activity.names", "db.members.changes"),
    ("db.activity.people", "db.members.directory"),
    ("db.members.invitation_ends", "db.invitations.access_request_ends"),
    ("db.members.invitation_ends", "db.invitations.invitation_shown"),
    ("db.members.members", "db.accounts.confirmation"),
    ("db.members.members", "db.organization.invite_link_limits"),
    ("handlers.organization.settings.mail", "mailer.worker"),
}
# Packages of others that a part does without.
FOREIGN = {
    "db": {"litestar", "jinja2", "markupsafe"},
    "signing": {"litestar", "jinja2", "piccolo"},
    "mailer": {"litestar"},
    "messages": {"litestar", "jinja2", "markupsafe", "piccolo"},
    "handlers": {"piccolo", "asyncpg", "sqlite3"},
    "server": {"litestar", "piccolo", "asyncpg", "sqlite3"},
}
# The parts that may set one variable, which tells Piccolo where its configuration is.
SETS_PICCOLO_CONF = {"app", "cli"}


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of the product by its full name; the tests are none."""
    files = [*root.glob("*.py"), *(file for part in MAY_IMPORT for file in root.glob(f"{part}/**/*.py"))]
    return {name_of(file.relative_to(root)): file for file in files}


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def violations(module: str, source: str, pages: set[str], is_package: bool = False) -> list[str]:
    """What in a module's source goes against the arrows; one line each. pages: the modules that are pages."""
    tree = ast.parse(source)
    found = []
    for line, target in sorted(set(imports(tree, module, is_package))):
        if reason := against_the_arrows(module, target, pages):
            found.append(f"{module}:{line} imports {target}: {reason}")
    if module != "settings":
        found += [f"{module}:{line} reads the environment" for line in environment_reads(module, tree)]
    return found


def imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[tuple[int, str]]:
    """Every name imported anywhere in a module, also inside functions, with its line.

    `from a import b` gives `a` and `a.b`: b may be a module.
    """
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *(node.module or "").split(".")]).strip(".")
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in {"import_module", "__import__"}:
            for argument in node.args[:1]:
                # A name that is put together at run time can't be checked, so it isn't allowed.
                yield node.lineno, str(argument.value) if isinstance(argument, ast.Constant) else "?"


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def against_the_arrows(module: str, target: str, pages: set[str]) -> str | None:
    """Why a module may not import a target; None if it may."""
    part, other = module.partition(".")[0], target.partition(".")[0]
    if target == "?":
        return "nobody can tell what it is"
    if other in FOREIGN.get(part, set()):
        return f"{part} does without {other}"
    if other not in MAY_IMPORT:
        return None
    if any(module == who and within(target, what) for who, what in GO_UP):
        return None
    if part != other and other not in MAY_IMPORT[part]:
        return f"{part} may import {', '.join(sorted(MAY_IMPORT[part])) or 'nothing of ours'}"
    if part == other == "db":
        return against_the_order_of_db(module, target)
    if part == "handlers":
        return against_the_order_of_handlers(module, target, pages)
    return None


def against_the_order_of_db(module: str, target: str) -> str | None:
    allowed = INSIDE_DB.get(module)
    if allowed is None or target == "db" or within(target, *allowed, module):
        return against_the_floors(module, target, FLOORS)
    return f"{module} may import {', '.join(sorted(allowed)) or 'nothing of ours'}"


def against_the_floors(module: str, target: str, floors: tuple[tuple[str, ...], ...]) -> str | None:
    own, other = floor_of(module, floors), floor_of(target, floors)
    if own is None or other is None or own[0] == other[0] or other[1] < own[1] or is_bare(target):
        return None
    return f"{own[0]} lies no higher than {other[0]}"


def is_bare(target: str) -> bool:
    """Whether it is a package without code: `from db.auth import links` is an arrow to links alone."""
    file = ROOT / target.replace(".", "/") / "__init__.py"
    return file.exists() and not file.stat().st_size


def floor_of(module: str, floors: tuple[tuple[str, ...], ...]) -> tuple[str, int] | None:
    """The package that a module is in, and its floor."""
    for number, floor in enumerate(floors):
        for package in floor:
            if within(module, package):
                return package, number
    return None


def against_the_order_of_handlers(module: str, target: str, pages: set[str]) -> str | None:
    if within(target, "db.schema.tables"):
        return "handlers never touch tables"
    if within(target, "handlers.http"):
        return against_the_floors(module, target, HTTP_FLOORS)
    if not within(target, "handlers") or is_site_map(module):
        return None
    if within(module, "handlers.http"):
        return "what all pages share knows no page"
    if within(target, *pages):
        return "one page never imports another"
    folder = module.rpartition(".")[0]
    return (
        None
        if within(target, folder) or within(folder, folder_of(target))
        else "a folder keeps what it shares to itself"
    )


def folder_of(target: str) -> str:
    """The folder that holds a module, or a name in one."""
    while target and not (ROOT / target.replace(".", "/")).is_dir():
        target = target.rpartition(".")[0]
    return target


def is_page(source: str) -> bool:
    """Whether a module answers addresses: only such a one takes these names from Litestar."""
    taken = {target for _, target in imports(ast.parse(source), "", is_package=False)}
    return not taken.isdisjoint({"litestar.Controller", "litestar.get", "litestar.post", "litestar.route"})


def within(target: str, *modules: str) -> bool:
    return any(target == module or target.startswith(f"{module}.") for module in modules)


def is_site_map(module: str) -> bool:
    return module == "handlers" or (ROOT / module.replace(".", "/") / "__init__.py").exists()


def environment_reads(module: str, tree: ast.Module) -> Iterator[int]:
    """The lines that touch the process's environment, but for the one that sets PICCOLO_CONF."""
    permitted: set[ast.AST] = set()
    if module in SETS_PICCOLO_CONF:
        permitted = {used for node in ast.walk(tree) if (used := environment_set_for_piccolo(node))}
    names = {"environ", "environb", "getenv", "putenv"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names and node not in permitted:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if alias.name in names)


def environment_set_for_piccolo(node: ast.AST) -> ast.AST | None:
    """The `os.environ` that a node sets PICCOLO_CONF in, by `[…] =` or by `.setdefault(…)`."""
    match node:
        case ast.Subscript(value=used, slice=ast.Constant(value="PICCOLO_CONF"), ctx=ast.Store()):
            return used
        case ast.Call(
            func=ast.Attribute(value=used, attr="setdefault"), args=[ast.Constant(value="PICCOLO_CONF"), _]
        ):
            return used
    return None


Graph = dict[str, set[str]]


def graph_of(sources: dict[str, str], packages: set[str]) -> Graph:
    """Each module with the modules it imports.

    `from a import b` is an arrow to the module a.b if there is one, and to a otherwise.
    """
    graph: Graph = {}
    for module, source in sources.items():
        targets = {target for _, target in imports(ast.parse(source), module, module in packages)}
        taken_from = {target.rpartition(".")[0] for target in targets & set(sources)}
        graph[module] = (targets & set(sources)) - (taken_from & packages) - {module}
    return graph


def circle(graph: Graph) -> list[str]:
    """Modules that import each other in a circle, one such circle; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def reached(graph: Graph, start: str) -> set[str]:
    """A module and everything it imports, directly or not."""
    seen: set[str] = set()
    ahead = {start}
    while ahead:
        seen |= ahead
        ahead = set().union(*(graph[module] for module in ahead)) - seen
    return seen


def graph_of_the_house() -> Graph:
    files = modules_of(ROOT)
    packages = {module for module, file in files.items() if file.name == "__init__.py"}
    return graph_of({module: file.read_text(encoding="utf-8") for module, file in files.items()}, packages)
