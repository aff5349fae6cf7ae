"""Commands whose writes fail: one sentence, and either all is done or nothing."""

import re
import shutil
import sqlite3
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.servers.command import Checkout
from tests.trials.faults.support.injection import OF_DATABASE, Fault, Trace, command
from tests.trials.sample import Sample

CALLS: Final = (*OF_DATABASE, "write", "link", "linkat", "rename", "renameat", "renameat2")
ERRORS: Final = ("ENOSPC", "EIO")
# Of each command; each takes two seconds.
MAX_FAULTS: Final = 20
OWNER: Final = {
    "LABEL_STUDIO_USERNAME": "olga@example.org",
    "LABEL_STUDIO_PASSWORD": "four purple lanterns by the sea",
}
CREATE_OWNER: Final = ("create-owner", "--email", OWNER["LABEL_STUDIO_USERNAME"])
# What is in data/ when a command is tried: nothing, a database that nobody owns yet, or one with its key and
# an older backup.
NOTHING, UNOWNED, OWNED = "", "unowned", "owned"
COMMANDS: Final[Mapping[tuple[str, ...], str]] = {
    ("migrate",): NOTHING,
    CREATE_OWNER: UNOWNED,
    ("restore", "{good}"): NOTHING,
    ("restore", "{good}", "--replace"): OWNED,
    ("backup", "{root}/data/new.backup"): OWNED,
    ("backup", "{root}/data/old.backup", "--force"): OWNED,
    ("rotate-key",): OWNED,
    ("invite-link", "--reset"): OWNED,
}
GOOD: Final = "good.backup"
REFUSED: Final = "refused and made afterwards"
Files = dict[str, bytes | tuple[str, ...]]


@dataclass
class Scene:
    """A checkout whose data/ is put back before each try. folder: of what is put there, and a good backup."""

    checkout: Checkout
    folder: Path

    def keep(self, name: str) -> None:
        """Keeps what is in data/ under this name."""
        shutil.copytree(self.checkout.data, self.folder / name)

    def prepare(self, name: str) -> None:
        shutil.rmtree(self.checkout.data, ignore_errors=True)
        if name:
            shutil.copytree(self.folder / name, self.checkout.data)

    def run(self, words: tuple[str, ...], fault: Fault | None = None) -> tuple[int, str, Trace]:
        """Runs a command with this fault; returns its exit code, what it said to stderr, and the trace."""
        trace = Trace(self.checkout.root / "trace")
        self.checkout.under = command(trace.file, CALLS, fault)
        filled = [word.format(root=self.checkout.root, good=self.folder / GOOD) for word in words]
        password = OWNER["LABEL_STUDIO_PASSWORD"]
        done: subprocess.CompletedProcess[str] = self.checkout.run(*filled, stdin=password)
        self.checkout.under = []
        trace.lines = trace.file.read_text(errors="replace").splitlines()
        return done.returncode, done.stderr, trace

    def files(self) -> Files:
        """What lies in data/: a database's rows and definitions, of anything else the bytes."""
        if not self.checkout.data.exists():
            return {}
        passing = ("-wal", "-shm", "-journal", ".lock", ".serving")
        found = (file for file in self.checkout.data.iterdir() if not file.name.endswith(passing))
        return {file.name: _content(file) for file in sorted(found)}


def run(sample: Sample) -> list[str]:
    """Prints how many writes failed in how many commands; returns what broke."""
    broken, figures = list[str](), Counter[str]()
    with tempfile.TemporaryDirectory(prefix="gatehouse-trial-") as folder:
        scene = _scene(Path(folder))
        for words in COMMANDS:
            for fault in sample.draw(
                f"writes of gatehouse {' '.join(words)} that fail", planned(scene, words), MAX_FAULTS
            ):
                wrong, outcome = tried(scene, words, fault)
                figures[outcome] += 1
                broken += [f"{' '.join(words)}, {fault}: {what}." for what in wrong]
    counted = ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(figures.items()))
    print(f"writes that failed in a command: {len(COMMANDS)} commands, {counted}, {len(broken)} broken")
    return broken


def _scene(folder: Path) -> Scene:
    scene = unowned(folder)
    with scene.checkout.serve(**OWNER):
        pass
    for file in (folder / GOOD, scene.checkout.data / "old.backup"):
        done = scene.checkout.run("backup", str(file))
        assert done.returncode == 0, done.stderr
    scene.keep(OWNED)
    return scene


def unowned(folder: Path) -> Scene:
    """A scene with nothing but an empty database."""
    scene = Scene(Checkout(folder / "checkout"), folder)
    done = scene.checkout.run("migrate")
    assert done.returncode == 0, done.stderr
    scene.keep(UNOWNED)
    return scene


def planned(scene: Scene, words: tuple[str, ...]) -> list[Fault]:
    """What may fail in a command, by what it does when nothing fails."""
    scene.prepare(COMMANDS[words])
    code, said, trace = scene.run(words)
    assert code == 0, said
    return faults_in(trace, scene.checkout.data)


def faults_in(trace: Trace, data: Path) -> list[Fault]:
    """Every call that concerned a file in data/, failing once and from there on."""
    nth, found = Counter[tuple[str, str]](), list[Fault]()
    for line in trace.lines:
        if not (made := re.match(r"(\d+)\s+(\w+)\(", line)):
            continue
        nth[made[1], made[2]] += 1
        # What it says on stdout and stderr is left to it: a write to a file there, once.
        writes = made[2] == "write"
        if f"<{data}/" in line if writes else str(data) in line:
            found += [
                Fault(made[2], nth[made[1], made[2]], error, stays)
                for error in ERRORS
                for stays in ((False,) if writes else (False, True))
            ]
    return list(dict.fromkeys(found))


def tried(scene: Scene, words: tuple[str, ...], fault: Fault) -> tuple[list[str], str]:
    """What is wrong, and what became of the command."""
    scene.prepare(COMMANDS[words])
    before = scene.files()
    code, said, trace = scene.run(words, fault)
    after = scene.files()
    if not trace.injected:
        return ([] if code == 0 else [f"failed by itself: {said}"]), "not reached"
    if code == 0:
        # Tidying up failed, such as carrying the log over.
        return ([] if words[0] == "migrate" or after != before else ["nothing was done"]), "done all the same"
    wrong = []
    if said.count("\n") != 1 or any(word in said for word in ("Traceback", "Errno", "sqlite")):
        wrong.append(f"it said {said!r}")
    # A database and a key that are made first may stay; what was there before is as it was.
    if any(after.get(name) != content for name, content in before.items()):
        wrong.append("something that was there is changed")
    if left := [
        name for name in after if name not in before and not name.startswith(("gatehouse.db", "secret.key"))
    ]:
        wrong.append(f"it left {left} behind")
    again, said, _ = scene.run(words)
    if again:
        wrong.append(f"made again it fails: {said.strip()}")
    return wrong, REFUSED


def _content(file: Path) -> bytes | tuple[str, ...]:
    if file.name != "gatehouse.db":
        return file.read_bytes()
    with closing(sqlite3.connect(file)) as database:
        (whole,) = database.execute("PRAGMA integrity_check").fetchone()
        return (whole, *database.iterdump())
