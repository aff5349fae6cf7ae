"""Holds what the house promises of its top level and its locks."""

import fnmatch
import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from handlers.http.static import JOINED

ROOT = Path(__file__).parents[2]

TOP_LEVEL = {
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".git",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Containerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "app.py",
    "cli",
    "compose.yaml",
    "db",
    "docs",
    "environment",
    "handlers",
    "signing.py",
    "mailer",
    "messages",
    "pyproject.toml",
    "requirements-build.txt",
    "requirements-dev.txt",
    "requirements-scan.txt",
    "requirements.txt",
    "server.py",
    "settings.py",
    "static",
    "templates",
    "tests",
}

# A lock holds nothing else: no address, no folder, no option that says where files come from.
LOCK_LINE = re.compile(
    r"""
      (?P<name>[a-z0-9-]+) == (?P<version>[\w.]+) (\ ;\ [^\\]+)? \ \\
    | \ {4} --hash=sha256: [0-9a-f]{64} (\ \\)?
    | \ {4} \# .*
    | \# .*
    """,
    re.VERBOSE,
)
ADDRESS = re.compile(r"://|\w/\w")


def test_a_folder_holds_a_dozen_modules_at_most() -> None:
    modules = Counter(file.parent for file in ROOT.rglob("*.py") if ".venv" not in file.parts)
    crowded = [str(folder) for folder, number in modules.items() if number - counted_apart(folder) > 12]

    assert len(modules) > 60
    assert crowded == []


def counted_apart(folder: Path) -> int:
    """How many files of a folder are no modules of their own."""
    return sum((folder / name).exists() for name in ("__init__.py", "__main__.py", "conftest.py"))


def faults_of_lock(text: str) -> list[str]:
    """The lines of a lock that are none of a pinned version, a hash, or a comment without an address."""
    return [
        line
        for line in text.splitlines()
        if not LOCK_LINE.fullmatch(line) or (line.lstrip().startswith("#") and ADDRESS.search(line))
    ]


def pins_of_lock(text: str) -> dict[str, str]:
    return {found["name"]: found["version"] for found in LOCK_LINE.finditer(text) if found["name"]}


def read_lock(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_top_level_holds_only_what_is_listed() -> None:
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines() if line[:1] != "#"]

    found = {entry.name for entry in ROOT.iterdir()}

    assert {name for name in found if not any(fnmatch.fnmatch(name, one) for one in ignored)} <= TOP_LEVEL


@pytest.mark.parametrize(
    "name", ["requirements.txt", "requirements-dev.txt", "requirements-build.txt", "requirements-scan.txt"]
)
def test_a_lock_holds_versions_with_hashes_and_no_address(name: str) -> None:
    lock = read_lock(name)

    assert faults_of_lock(lock) == []
    assert len(pins_of_lock(lock)) >= 1
    assert not re.search(r"\\\n(?!    --hash=)", lock), "a version without a hash"


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://packages.example/simple",
        "--extra-index-url https://packages.example/simple",
        "--find-links wheels",
        "segno @ file:///home/ada/segno.whl",
        "segno>=1.6",
        "segno==1.6.6",
        "    # from https://packages.example/simple",
        "    # via -r /home/ada/requirements.in",
        "-r other.txt",
    ],
)
def test_a_line_that_says_where_files_come_from_or_pins_nothing_is_found(line: str) -> None:
    assert faults_of_lock(line) == [line]


def test_the_lock_of_lighthouse_holds_versions_with_hashes_and_no_address_of_a_package() -> None:
    folder = ROOT / "tests" / "bench" / "npm"
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))

    packages = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]

    root = packages.pop("")
    assert root["dependencies"] == wanted["dependencies"]
    assert packages["node_modules/lighthouse"]["version"] == wanted["dependencies"]["lighthouse"]
    assert all(package["integrity"].startswith("sha512-") for package in packages.values())
    assert not [name for name, package in packages.items() if "resolved" in package]


def test_the_tests_run_on_the_versions_that_people_run() -> None:
    runtime, tests = (
        pins_of_lock(read_lock("requirements.txt")),
        pins_of_lock(read_lock("requirements-dev.txt")),
    )

    assert runtime.items() <= tests.items()


def test_the_locks_fulfil_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        "requirements.txt": project["project"]["dependencies"],
        "requirements-dev.txt": project["dependency-groups"]["dev"],
        "requirements-build.txt": project["dependency-groups"]["build"],
        "requirements-scan.txt": project["dependency-groups"]["scan"],
    }

    for lock, lines in wanted.items():
        pins = pins_of_lock(read_lock(lock))
        for requirement in map(Requirement, lines):
            assert pins[canonicalize_name(requirement.name)] in requirement.specifier, (
                f"{requirement}: make lock"
            )


def test_each_file_whose_coverage_is_measured_is_there_and_leaves_nothing_out() -> None:
    """A pattern that matches nothing any more measures nothing, and says nothing of it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]
    patterns = settings["run"]["include"]

    found = {pattern: [path for path in ROOT.glob(pattern) if path.stat().st_size] for pattern in patterns}

    assert [pattern for pattern, paths in found.items() if not paths] == []
    assert (settings["run"]["branch"], settings["report"]["fail_under"]) == (True, 100)
    for path in (path for paths in found.values() for path in paths):
        assert "pragma: no" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("part", ["handlers/http", "db"])
def test_the_map_for_newcomers_names_every_module_once(part: str) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition(f"In `{part}/`")[2].partition("\n\n|")[2]
    rows = re.findall(r"^\| [^|]+ \| (`.+) \|$", text.partition("\n\n")[0], re.MULTILINE)

    named = re.findall(r"`([\w/]+)`", " ".join(rows))

    # The code of a package whose modules are its parts stands in its __init__.py.
    files = [path.relative_to(ROOT / part) for path in (ROOT / part).rglob("*.py") if path.stat().st_size]
    assert sorted(named) == sorted(
        path.with_suffix("").as_posix().removesuffix("/__init__")
        for path in files
        if "migrations" not in path.parts
    )


def test_pages_load_every_style_sheet_and_script_there_is() -> None:
    static = ROOT / "static"
    files = {
        path.relative_to(static).as_posix() for path in static.rglob("*") if path.suffix in {".css", ".js"}
    }

    assert files == {
        "js/early.js",
        "js/htmx.min.js",
        *(part for parts in JOINED.values() for part in parts),
    }


# Markdown has a paragraph on a line. The others are pictures, and texts that no one here writes line by line:
# licences, locks, what is minified, and a list that quotes lines of code.
NOT_HELD = {
    *("*.md", "*.png", "*.pyc", "*.backup"),
    *("LICENSE", "htmx.LICENSE.txt", "htmx.min.js"),
    *("requirements*.txt", "package-lock.json", "equivalent.txt"),
}
MAX_COLUMNS = 110
# A rule begins, a rule ends, or there is one declaration, or a part of one: of a list, or of a selector.
CSS_LINE = re.compile(r"\s*(\}|[^{};]*[{;]|[^{};]*)")


def crowded_lines(text: str) -> list[str]:
    """The lines of a style sheet that hold more than one declaration, or a rule and what is in it."""
    bare = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [line for line in bare.splitlines() if not CSS_LINE.fullmatch(line)]


def test_no_line_is_longer_than_110_characters_in_any_language() -> None:
    entries = [ROOT / name for name in TOP_LEVEL - {".git"}]
    files = {
        path
        for entry in entries
        for path in (entry, *entry.rglob("*"))
        if path.is_file() and not any(fnmatch.fnmatch(path.name, one) for one in NOT_HELD)
    }

    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted(files)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]

    endings = {path.suffix or path.name for path in files}
    assert endings >= {".py", ".css", ".js", ".html", ".jinja", ".toml", ".conf", "Makefile", "run"}
    assert found == []


def test_a_style_sheet_has_one_declaration_a_line() -> None:
    sheets = sorted((ROOT / "static").rglob("*.css"))

    found = {path.name: lines for path in sheets if (lines := crowded_lines(path.read_text("utf-8")))}

    assert len(sheets) > 1
    assert found == {}


@pytest.mark.parametrize(
    "line", ["a { color: red }", "  color: red; margin: 0;", "  color: red }", "} a {", "a { b {", "}}"]
)
def test_a_line_with_more_than_one_declaration_is_found(line: str) -> None:
    assert crowded_lines(line) == [line]
