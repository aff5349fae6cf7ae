"""Whether a test fails for each small change of the code that keeps people out: for 90 % of them or more.

The changes are those of mutants.py, to the files of [tool.coverage.run] in pyproject.toml, each in a copy
of the checkout. The tests that reach the changed line run until one fails, on SQLite and without a
browser. A test that takes longer than LONGEST_TEST seconds is no judge, and one change gets MAX_SECONDS
of tests at most: what only the others would notice counts as survived, so the true score is no lower than
the one shown. A change that makes tests hang is killed, and counted apart.

`equivalent.txt` lists changes that change nothing, with the reason: they are left out of the score.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.servers.command import ROOT
from tests.trials.mutation import judge, mutants
from tests.trials.mutation.mutants import Mutant
from tests.trials.sample import Sample

MIN_SCORE: Final = 90
# Of each module, in a sample.
MAX_CHANGES_OF_FILE: Final = 10
LONGEST_TEST: Final = 4.0
MAX_SECONDS: Final = 45.0
# Beside ten times what a test took: longer only if it hangs.
TIMEOUT_SECONDS: Final = 20.0
JUDGES: Final = 2
TESTS: Final = (
    "tests/db",
    "tests/handlers",
    "tests/journeys/test_drafts.py",
    "tests/test_server.py",
    "tests/test_signing.py",
)
# What servers do that tests have started can't be seen from here. So a module is judged by all tests of the
# file that bears its name, whatever lines they reach, and of these.
BESIDE: Final = {
    "handlers/http/server/caches.py": ("tests/handlers/http/server/test_connections.py",),
    "handlers/http/server/connections.py": (
        "tests/handlers/http/server/test_held.py",
        "tests/handlers/http/server/test_wire.py",
    ),
}
EQUIVALENT: Final = Path(__file__).parent / "equivalent.txt"
SURVIVORS: Final = ROOT / "build" / "mutation-survivors.diff"


def run(sample: Sample) -> list[str]:
    """Tries a sample of all changes; returns which parts have too low a score, and what went wrong."""
    chosen = list[Mutant]()
    listed = Equivalent.read()
    for path in paths():
        found = [mutant for mutant in mutants.of(ROOT, path) if not listed.holds(mutant)]
        chosen += sample.draw(f"changes of {path}", found, MAX_CHANGES_OF_FILE)
    with tempfile.TemporaryDirectory(prefix="gatehouse-mutation-", ignore_cleanup_errors=True) as folder:
        trees = [_copy(Path(folder) / f"tree{number}") for number in range(JUDGES)]
        began = time.monotonic()
        reach = Reach.measured(trees)
        print(f"{len(reach.seconds):,} tests in {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
        for test in reach.failed:
            print(f"No judge, since it fails without any change: {test}")
        outcomes = _judged(trees, reach, chosen)
    _write_survivors(mutant for mutant, outcome in outcomes if outcome == "survived")
    wrong = [f"{mutant.path}: tests fail without a change." for mutant, said in outcomes if said == "wrong"]
    return listed.unknown() + wrong + _too_low(_table(outcomes))


def paths() -> list[str]:
    """The files that are changed, in one list with those whose coverage is measured."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        include = tomllib.load(file)["tool"]["coverage"]["run"]["include"]
    found = (path for pattern in include for path in ROOT.glob(pattern))
    return sorted(str(path.relative_to(ROOT)) for path in found)


def own_file(path: str) -> str:
    """The file of tests that bears the name of a module, where there is one."""
    return str(Path("tests", path).with_name(f"test_{Path(path).name}"))


class Equivalent:
    """The changes that change nothing: each a line `path: before -> after`, below its reason after a #."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._listed = {line for line in lines if line and not line.startswith("#")}
        self._met = set[str]()

    @classmethod
    def read(cls) -> "Equivalent":
        return cls(EQUIVALENT.read_text("utf-8").splitlines())

    def holds(self, mutant: Mutant) -> bool:
        found = str(mutant) in self._listed
        if found:
            self._met.add(str(mutant))
        return found

    def unknown(self) -> list[str]:
        """A sentence for each line that is no change of the code any more. Asked after all changes."""
        return [
            f"equivalent.txt lists what is no change: {line}" for line in sorted(self._listed - self._met)
        ]


def _copy(tree: Path) -> Path:
    """The files of the checkout that git knows or would, and nothing of what it ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    (tree / "tmp").mkdir()
    return tree


def _environment(tree: Path, **more: str) -> dict[str, str]:
    # Bytecode is written by the first run alone, of the code as it is, and not of what will be changed.
    return {**os.environ, "TMPDIR": str(tree / "tmp"), "PYTHONPATH": "", **more}


@dataclass(frozen=True, slots=True)
class Reach:
    """lines: of a file, the tests that reach each line. seconds: how long each test takes."""

    lines: dict[str, dict[int, list[str]]]
    seconds: dict[str, float]
    failed: list[str]

    @classmethod
    def measured(cls, trees: Sequence[Path]) -> "Reach":
        """Runs every test once, in each tree its share of the test files."""
        files = sorted(
            str(file.relative_to(ROOT))
            for part in TESTS
            for file in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("test_*.py"))
        )
        with ThreadPoolExecutor(len(trees)) as threads:
            shares = [files[number :: len(trees)] for number in range(len(trees))]
            found = list(threads.map(_measure, trees, shares))
        lines: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        failed = {test for share in found for test in share["failed"]}
        seconds = {test: took for share in found for test, took in share["seconds"].items()}
        for share in found:
            for path, tests_by_line in share["lines"].items():
                for line, tests in tests_by_line.items():
                    lines[path][int(line)] += (
                        test for test in tests if test not in failed and seconds[test] <= LONGEST_TEST
                    )
        return cls(lines, seconds, sorted(failed))

    def tests(self, mutant: Mutant) -> list[str]:
        """Those that judge a change: of the module's own files first, then quick ones of each file."""
        reached = self.lines.get(mutant.path, {})
        found = {test for line in self._lines(mutant) for test in reached.get(line, ())}
        own_files = (own_file(mutant.path), *BESIDE.get(mutant.path, ()))
        own = [test for test in self.seconds if test.partition("::")[0] in own_files and self._is_judge(test)]
        chosen, spent = list[str](), 0.0
        for test in sorted(own, key=lambda test: (test not in found, self.seconds[test], test)):
            if test in found or spent < MAX_SECONDS:
                chosen.append(test)
                spent += self.seconds[test]
        by_file: dict[str, deque[str]] = defaultdict(deque)
        for test in sorted(found.difference(own), key=lambda test: (self.seconds[test], test)):
            by_file[test.partition("::")[0]].append(test)
        queues = [queue for _, queue in sorted(by_file.items(), key=lambda row: (len(row[1]), row[0]))]
        while queues and spent < MAX_SECONDS:
            for queue in queues:
                if queue and spent < MAX_SECONDS:
                    chosen.append(queue.popleft())
                    spent += self.seconds[chosen[-1]]
            queues = [queue for queue in queues if queue]
        return chosen

    def _is_judge(self, test: str) -> bool:
        return test not in self.failed and self.seconds[test] <= LONGEST_TEST

    def _lines(self, mutant: Mutant) -> Iterable[int]:
        """Of a constant those that name it; its own is run before any test."""
        if not mutant.constant:
            return mutant.lines
        text = (ROOT / mutant.path).read_text("utf-8").splitlines()
        return [number for number, line in enumerate(text, 1) if re.search(rf"\b{mutant.constant}\b", line)]


def _measure(tree: Path, files: Sequence[str]) -> dict[str, Any]:
    report = tree / "reached.json"
    with (tree / "tmp" / "output").open("wb") as output:
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", judge.__name__, *judge.ARGUMENTS, *files],
            cwd=tree,
            env=_environment(tree, **{judge.REACHED: str(report)}),
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    found: dict[str, Any] = json.loads(report.read_text("utf-8"))
    # Bytecode of what will be changed: the time in it would not tell a change within the same second.
    for path in paths():
        for stale in (tree / path).parent.glob(f"__pycache__/{Path(path).stem}.*"):
            stale.unlink()
    return found


def _judged(trees: Sequence[Path], reach: Reach, chosen: Sequence[Mutant]) -> list[tuple[Mutant, str]]:
    """Each change with "killed", "timeout" or "survived"; "wrong" where tests fail without one."""
    # First each file as it is: tests that fail then would kill everything.
    last = {mutant.path: mutant for mutant in chosen}
    controls = [
        Mutant(path, mutant.lines, "", "", (ROOT / path).read_text("utf-8"), mutant.constant)
        for path, mutant in last.items()
    ]
    with ExitStack() as stack, ThreadPoolExecutor(len(trees)) as threads:
        free = deque(stack.enter_context(_judge(tree)) for tree in trees)

        def tried(mutant: Mutant) -> tuple[Mutant, str]:
            tests = reach.tests(mutant)
            if not tests:
                return mutant, "survived" if mutant.before else "control"
            process = free.popleft()
            try:
                seconds = {test: TIMEOUT_SECONDS + 10 * reach.seconds[test] for test in tests}
                asked = {"path": mutant.path, "text": mutant.text, "tests": seconds}
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(json.dumps(asked) + "\n")
                process.stdin.flush()
                said = str(json.loads(process.stdout.readline()))
            finally:
                free.append(process)
            return mutant, said if mutant.before else ("control" if said == "survived" else "wrong")

        outcomes = list[tuple[Mutant, str]]()
        for outcome in threads.map(tried, (*controls, *chosen)):
            outcomes.append(outcome)
            if len(outcomes) % 100 == 0:
                print(f"{len(outcomes)} of {len(controls) + len(chosen)} tried", flush=True)
        return [outcome for outcome in outcomes if outcome[1] != "control"]


@contextmanager
def _judge(tree: Path) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, tree / Path(judge.__file__).relative_to(ROOT)],
        cwd=tree,
        env=_environment(tree, PYTHONDONTWRITEBYTECODE="1"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        yield process
        process.stdin.close()


def _write_survivors(survived: Iterable[Mutant]) -> None:
    SURVIVORS.parent.mkdir(exist_ok=True)
    with SURVIVORS.open("w", encoding="utf-8") as file:
        for mutant in survived:
            file.write(f"# {mutant}\n{mutant.diff((ROOT / mutant.path).read_text('utf-8'))}\n")


def _table(outcomes: Sequence[tuple[Mutant, str]]) -> dict[str, Counter[str]]:
    """Prints a line for each module; returns the outcomes of the parts that are held to a score."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, outcome in outcomes:
        if outcome != "wrong":
            counted[mutant.path][outcome] += 1
    parts: dict[str, Counter[str]] = defaultdict(Counter)
    print(f"{'module':40}{'tried':>7}{'killed':>8}{'by time':>9}{'survived':>10}{'score':>7}")
    for path, of_one in sorted(counted.items()):
        _line(path, of_one)
        parts["handlers/http/" if path.startswith("handlers/http/") else "db/, server.py and signing.py"] += (
            of_one
        )
    parts["all"] = sum(counted.values(), Counter[str]())
    for name, of_one in parts.items():
        _line(name, of_one)
    print(f"Those that survived: {SURVIVORS.relative_to(ROOT)}")
    return parts


def _line(name: str, of_one: Counter[str]) -> None:
    killed = of_one["killed"] + of_one["timeout"]
    print(
        f"{name:40}{of_one.total():7}{killed:8}{of_one['timeout']:9}{of_one['survived']:10}"
        f"{score(of_one):6.1f}%"
    )


def score(counted: Counter[str]) -> float:
    """Killed, of a hundred; those that made tests hang count as killed."""
    return 100 * (counted["killed"] + counted["timeout"]) / (counted.total() or 1)


def _too_low(parts: dict[str, Counter[str]]) -> list[str]:
    return [
        f"{name}: {score(counted):.1f} % of the changes were noticed, {MIN_SCORE} % are asked for."
        for name, counted in parts.items()
        if score(counted) < MIN_SCORE
    ]
