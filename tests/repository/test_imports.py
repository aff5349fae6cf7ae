"""Who may import whom: the contracts of pyproject.toml, and what they can't be told of."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.modules import PACKAGES, ROOT, TOP, modules_of

# What the modules beside app.py, which import-linter doesn't take, may import of ours.
MAY_IMPORT = {
    "app": {"settings", "server", "handlers", "mailer", "signing", "db"},
    "server": {"handlers"},
    "settings": {"environment"},
    "signing": set[str](),
}


def test_every_contract_is_kept() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout[-5_000:]
    assert ", 0 broken." in checked.stdout


def test_the_contracts_speak_of_every_module() -> None:
    assert {module.partition(".")[0] for module in modules_of(ROOT)} == {*TOP, *PACKAGES}


@pytest.mark.parametrize("module", TOP)
def test_the_modules_at_the_top_import_what_they_may(module: str) -> None:
    tree = ast.parse((ROOT / f"{module}.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}

    ours = {name.partition(".")[0] for name in imported} & {*TOP, *PACKAGES}

    assert ours <= MAY_IMPORT[module]
