"""Our own modules: where they lie, and what a test asks of their source."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# The modules beside app.py, and the packages of the product; the tests are none.
TOP = ("app", "server", "settings", "signing")
PACKAGES = ("cli", "db", "environment", "handlers", "mailer", "messages")


def modules_of(root: Path) -> dict[str, Path]:
    """Every module of the product by its full name."""
    files = [*root.glob("*.py"), *(file for part in PACKAGES for file in root.glob(f"{part}/**/*.py"))]
    return {name_of(file.relative_to(root)): file for file in files}


def name_of(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
