"""The scanners' programs, and what they find beside what tests/trials/scan/explained.toml explains."""

import fnmatch
import os
import subprocess
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.servers.command import ROOT

FOLDER: Final = ROOT / ".venv" / "scan"
EXPLAINED: Final = Path(__file__).with_name("explained.toml")


class Missing(Exception):
    """The scanners aren't installed."""


@dataclass(frozen=True, order=True)
class Finding:
    """tool: bandit, wapiti or sqlmap. what: its name for the fault. place: where, without what changes."""

    tool: str
    what: str
    place: str

    def __str__(self) -> str:
        return f"{self.tool}: {self.what} at {self.place}"


@dataclass(frozen=True)
class Explanation:
    """places: shell patterns. why: the reason for which these findings are no fault."""

    tool: str
    what: str
    places: tuple[str, ...]
    why: str

    def covers(self, finding: Finding, place: str) -> bool:
        return (self.tool, self.what) == (finding.tool, finding.what) and fnmatch.fnmatchcase(
            finding.place, place
        )


def explanations(text: str = "") -> list[Explanation]:
    """What the file says, or the text of another one."""
    return [
        Explanation(one["tool"], one["what"], tuple(one["places"]), one["why"])
        for one in tomllib.loads(text or EXPLAINED.read_text("utf-8"))["explained"]
    ]


def held(found: Iterable[Finding], explained: Sequence[Explanation], *, stale: bool = True) -> list[str]:
    """A sentence for each finding that nothing explains; `stale`: for each place that nothing matches."""
    findings = sorted(set(found))
    broken = [
        f"{finding}: not explained"
        for finding in findings
        if not any(one.covers(finding, place) for one in explained for place in one.places)
    ]
    if stale:
        broken += [
            f"{one.tool}: {one.what} at {place}: explained, and not found any more"
            for one in explained
            for place in one.places
            if not any(one.covers(finding, place) for finding in findings)
        ]
    return broken


def program(name: str) -> str:
    """The path of a scanner. Raises Missing."""
    found = FOLDER / "bin" / name
    if not found.exists():
        raise Missing(f"{name} is missing: `make .venv/scan/made` installs it.")
    return str(found)


def run(name: str, *arguments: str, seconds: float, home: Path) -> str:
    """What a scanner prints; after so many seconds it is stopped and said so in the last line.

    home: where it keeps what it wants to keep.
    """
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    process = subprocess.Popen(
        [program(name), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=home,
        env={**kept, "HOME": str(home), "PYTHONUTF8": "1", "NO_COLOR": "1"},
    )
    try:
        said, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        said, _ = process.communicate()
        return said.decode("utf-8", "replace") + "\n" + STOPPED
    return said.decode("utf-8", "replace")


STOPPED: Final = "stopped: it took too long"
