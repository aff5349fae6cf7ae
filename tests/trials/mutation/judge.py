"""Runs tests in a copy of the checkout, for tests/trials/mutation, which starts it by its path.

Each line of stdin is a request: a file, its text, and tests with how many seconds each may take; its
answer, a line of stdout, is "killed", "survived" or "timeout"; all in JSON. The tests run in a fork of
this process, which has imported other people's packages (WARM) and none of ours: they import the changed
text, and so do processes that they start.

As a plugin of pytest (`-p tests.trials.mutation.judge`) it writes down which tests reach which lines.
"""

import importlib
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import Generator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import pytest

# The variable that names the file for what the plugin has found out.
REACHED: Final = "REACHED"
# On SQLite alone. A second try would take twice as long for each change that is noticed.
ARGUMENTS: Final = ("-m", "not postgres", "-p", "no:cacheprovider", "-p", "no:xdist", "-q")
# What takes long to import and knows nothing of tests: with all that they import, some fail after a fork.
WARM: Final = ("litestar", "litestar.testing", "piccolo.columns", "piccolo.table", "playwright.async_api")
# Until the first test begins, on a busy machine.
START_SECONDS: Final = 120.0


class Reach:
    """Which tests reach which lines of the files that coverage is told to measure, and how long they take."""

    def __init__(self) -> None:
        from coverage import Coverage

        # Not the file's [run]: nothing is written beside, and no process takes part but this one.
        include = Coverage().get_option("run:include")
        self._coverage = Coverage(
            data_file=None,
            config_file=False,
            include=include,  # type: ignore[arg-type]
        )
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines = {
            str(Path(file).relative_to(Path.cwd())): {
                line: [test for test in tests if test]
                for line, tests in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        found = {"lines": lines, "seconds": self._seconds, "failed": sorted(self._failed)}
        Path(os.environ[REACHED]).write_text(json.dumps(found), "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Reach())


class Patience:
    """Ends the process when a test takes longer than it may: what it waits for will never come."""

    def __init__(self, seconds: Mapping[str, float]) -> None:
        self._seconds = seconds

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        signal.setitimer(signal.ITIMER_REAL, self._seconds.get(item.nodeid, START_SECONDS))
        return (yield)


def _tried(asked: Mapping[str, Any]) -> str:
    """What the tests say to this text of the file, which is afterwards as it was."""
    file = Path(asked["path"])
    original = file.read_text("utf-8")
    file.write_text(asked["text"], "utf-8")
    try:
        return _run(asked["tests"])
    finally:
        file.write_text(original, "utf-8")


def _run(tests: Mapping[str, float]) -> str:
    child = os.fork()
    if not child:
        _be_the_tests(tests)
    _, status = os.waitpid(child, 0)
    # What the tests have started ends with them.
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return "timeout"
    return "killed" if status else "survived"


def _be_the_tests(tests: Mapping[str, float]) -> None:
    os.setsid()
    signal.setitimer(signal.ITIMER_REAL, START_SECONDS)
    with open(os.environ["TMPDIR"] + "/output", "w") as output, open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    code = 3
    try:
        more = ("-x", "--hypothesis-seed=0", "--tb=short", f"--basetemp={os.environ['TMPDIR']}/pytest")
        code = int(pytest.main([*more, *ARGUMENTS, *tests], plugins=[Patience(tests)]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def main() -> None:
    # The time of a file alone doesn't tell one text from the next, within the same second.
    sys.dont_write_bytecode = os.environ["PYTHONDONTWRITEBYTECODE"] == "1"
    for name in WARM:
        importlib.import_module(name)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        print(json.dumps(_tried(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
