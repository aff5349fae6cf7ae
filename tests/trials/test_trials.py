"""Holds how a long trial takes a part and says what it left out, and how code is changed and judged."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

from tests.support.servers.command import ROOT
from tests.trials import mutation
from tests.trials.mutation import mutants
from tests.trials.sample import Sample

DOOR: Final = '''"""A door."""

MIN_AGE: Final = 12


def enter(age: int | None = 3) -> list[int]:
    """Comes in."""
    log.info("said %d", age)
    if age < MIN_AGE:
        raise ValueError(age)
    return rows("SELECT id FROM door WHERE open = 1 AND age = ?", age)
'''


def test_a_sample_is_the_same_again_for_its_seed_and_says_what_it_left_out() -> None:
    sample, again = (Sample.of({"SEED": "7"}) for _ in range(2))
    drawn = sample.draw("races", range(1_000), 10)
    assert drawn == again.draw("races", range(1_000), 10) == sorted(set(drawn))
    assert len(drawn) == 10
    assert drawn != Sample.of({"SEED": "8"}).draw("races", range(1_000), 10)
    assert sample.left_out == ["Left out 990 of 1,000 races."]


def test_nothing_is_left_out_of_everything_nor_of_what_is_few() -> None:
    everything, few = Sample.of({"FULL": "1"}), Sample.of({"FULL": "0"})
    assert everything.times("races", 10_000, 10) == 10_000
    assert few.draw("races", "abc", 3) == ["a", "b", "c"]
    assert everything.left_out == few.left_out == []


def test_without_a_seed_each_sample_is_another() -> None:
    assert len({Sample.of({}).seed for _ in range(5)}) > 1


def test_a_guard_a_query_and_a_limit_are_changed_and_words_are_not(tmp_path: Path) -> None:
    (tmp_path / "door.py").write_text(DOOR, "utf-8")
    changes = [(mutant.before, mutant.after) for mutant in mutants.of(tmp_path, "door.py")]
    assert ("if age < MIN_AGE:", "if not (age < MIN_AGE):") in changes
    assert ("if age < MIN_AGE:", "if age <= MIN_AGE:") in changes
    assert ("raise ValueError(age)", "pass") in changes
    assert ("MIN_AGE: Final = 12", "MIN_AGE: Final = 13") in changes
    query = 'return rows("SELECT id FROM door WHERE open = 1 AND age = ?", age)'
    assert (query, query.replace(" AND age = ?", "")) in changes
    assert (query, "return None") in changes
    assert not [change for change in changes if "said" in change[0] or "Comes in" in change[0]]
    assert len(changes) == len(set(changes))


def test_what_is_tried_on_a_change_are_the_tests_of_its_whole_statement(tmp_path: Path) -> None:
    """Nothing runs on the line of a string inside a call."""
    text = "def enter():\n    if (\n        a\n    ):\n        rows(\n            'AND x = 1',\n        )\n"
    (tmp_path / "door.py").write_text(text, "utf-8")
    lines = {mutant.after: mutant.lines for mutant in mutants.of(tmp_path, "door.py")}
    assert lines == {"if not (a):": range(2, 5), "pass": range(5, 8)}


def test_a_change_keeps_the_rest_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "door.py").write_text(DOOR, "utf-8")
    for mutant in mutants.of(tmp_path, "door.py"):
        compile(mutant.text, "door.py", "exec")
        assert DOOR.replace(mutant.before, mutant.after) == mutant.text, mutant.diff(DOOR)


def test_every_file_that_the_trial_of_mutations_names_is_there() -> None:
    """What moves takes its place in these lists along."""
    changed = mutation.paths()
    lines = mutation.EQUIVALENT.read_text("utf-8").splitlines()
    listed = {line.partition(": ")[0] for line in lines if line and not line.startswith("#")}
    with (ROOT / "pyproject.toml").open("rb") as file:
        include = tomllib.load(file)["tool"]["coverage"]["run"]["include"]
    assert [pattern for pattern in include if not list(ROOT.glob(pattern))] == []
    assert listed | set(mutation.BESIDE) <= set(changed)
    beside = (*mutation.TESTS, *(test for tests in mutation.BESIDE.values() for test in tests))
    assert [test for test in beside if not (ROOT / test).exists()] == []
    # The tests of a module stand where the trial looks for them first.
    for path, tests in mutation.BESIDE.items():
        assert mutation.own_file(path) not in tests
        assert (ROOT / mutation.own_file(path)).is_file()


def test_of_the_changes_to_a_rule_those_that_nobody_tests_survive(tmp_path: Path) -> None:
    """The judge itself: a test that notices, one that can't, one that hangs; and the file is as it was."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "rule.py").write_text("def is_old(age):\n    return age >= 12\n", "utf-8")
    (tmp_path / "test_rule.py").write_text(
        "import rule\ndef test_old(): assert rule.is_old(12)\ndef test_young(): assert not rule.is_old(1)\n",
        "utf-8",
    )
    old, young = "test_rule.py::test_old", "test_rule.py::test_young"
    asked = [
        ("def is_old(age):\n    return age > 12\n", {young: 60, old: 60}),
        ("def is_old(age):\n    return age > 12\n", {young: 60}),
        ("def is_old(age):\n    while True: pass\n", {old: 0.5}),
        ("def is_old(age):\n    return age >= 12\n", {old: 60, young: 60}),
    ]
    requests = [{"path": "rule.py", "text": text, "tests": tests} for text, tests in asked]
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "trials" / "mutation" / "judge.py"],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
        input="\n".join(map(json.dumps, requests)),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert list(map(json.loads, done.stdout.splitlines())) == ["killed", "survived", "timeout", "survived"]
    assert (tmp_path / "rule.py").read_text("utf-8") == "def is_old(age):\n    return age >= 12\n"
