"""What stands beside the code agrees with it: links between pages, hooks, the workflow, the changelog."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
]
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def headings(page: Path) -> set[str]:
    """The names under which the headings of a page are linked to, as GitHub and others make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    plain = (found.lower().replace("`", "") for found in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def dead_links(page: Path) -> list[str]:
    """The links of a page into this repository that lead nowhere."""
    dead = []
    for link in map("".join, LINK.findall(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and heading not in headings(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_between_pages_leads_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## What isn't `here`, yet\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](other.md#what-isnt-here-yet) [c](https://nowhere.example/x)\n"
        '[d](gone.md) [e](other.md#here) <img src="gone.png">'
    )

    assert dead_links(page) == ["gone.md", "other.md#here", "gone.png"]


def test_the_hooks_before_a_commit_are_the_parts_of_make_check() -> None:
    parts = re.findall(r"^check: (.+)$", read("Makefile"), re.MULTILINE)

    hooks = re.findall(r"^ +entry: (.+)$", read(".pre-commit-config.yaml"), re.MULTILINE)

    assert hooks == [f"make {part}" for part in parts[0].split()]
    assert re.findall(r"^ +- repo: (.+)$", read(".pre-commit-config.yaml"), re.MULTILINE) == ["local"]


def test_the_workflow_runs_what_has_to_pass_and_pins_what_it_uses() -> None:
    workflow = read(".github/workflows/tests.yml")

    used = re.findall(r"uses: (.+)$", workflow, re.MULTILINE)

    assert re.search(r"^ +run: \.ci/run$", workflow, re.MULTILINE)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", one)] == []


def test_the_changelog_begins_with_the_version_of_the_program() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]

    entries = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)

    assert version in entries[:2]
    assert entries[0] in {version, "Unreleased"}


def test_each_decision_is_listed_and_says_context_decision_and_consequences() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))

    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", read("docs/decisions/README.md"), re.MULTILINE)

    assert [name for _, _, name in listed] == records
    for number, title, name in listed:
        text = (folder / name).read_text("utf-8")
        assert (int(name[:4]), text.splitlines()[0]) == (int(number), f"# {number}. {title}")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], name


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=lambda page: page.stem
)
def test_what_a_decision_names_of_the_repository_is_there(page: Path) -> None:
    named = re.findall(r"`([^`]+)`", page.read_text("utf-8"))
    paths = [
        name for name in named if re.fullmatch(r"(?:db|docs|handlers|mailer|tests)/[\w./]+|\w+\.py", name)
    ]
    benches = [f"tests/bench/{bench}.py" for bench in re.findall(r"tests\.bench (\w+)", " ".join(named))]
    trials = [f"tests/trials/{trial}" for trial in re.findall(r"trial ARGS=(\w+)", " ".join(named))]

    assert [path for path in (*paths, *benches, *trials) if not (ROOT / path).exists()] == []
