"""The gatehouse command as people run it: a process, in a checkout of its own with a data/ of its own."""

import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

ROOT = Path(__file__).parents[3]
PARTS = (
    "app.py",
    "cli",
    "signing.py",
    "server.py",
    "settings.py",
    "db",
    "environment",
    "handlers",
    "mailer",
    "messages",
    "static",
    "templates",
)
# Generous: the machine of the tests is busy.
TIMEOUT_SECONDS = 60


# CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE (linux/capability.h), and how to drop one.
RIGHTS_OF_ROOT = (1, 2, 10)
PR_CAPBSET_DROP = 24


def _give_up_rights() -> None:
    """In a new process: root's rights past the modes of files end with the program that is loaded next."""
    for right in RIGHTS_OF_ROOT:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, right, 0, 0, 0)


class Server:
    """A process that serves, or tries to."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path, log: Path) -> None:
        self.process = process
        self._output = output
        self._log = log

    @property
    def lines(self) -> list[str]:
        """What it printed."""
        return self._output.read_text("utf-8").splitlines()

    @property
    def log(self) -> str:
        """What it wrote to stderr."""
        return self._log.read_text("utf-8")

    @property
    def base(self) -> str:
        """Its address."""
        # With HOST set the line names that address first, then where the server listens.
        found = re.findall(r"http://\S+", self.lines[0])
        assert found, self.lines
        return str(found[-1])

    @property
    def setup_code(self) -> str:
        """The code of the set-up link that it printed, "" if it printed none."""
        return "".join(line.partition("/setup?code=")[2] for line in self.lines)

    def wait_until_it_answers(self) -> "Server":
        """Returns when it is healthy; fails with its log if it ends before."""
        until = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < until:
            assert self.process.poll() is None, f"exit code {self.process.returncode}: {self.log}"
            try:
                if (
                    self.lines
                    and httpx.get(f"{self.base}/health", timeout=TIMEOUT_SECONDS).status_code == 200
                ):
                    return self
            except httpx.TransportError:
                pass
            time.sleep(0.02)
        raise AssertionError(f"no answer in {TIMEOUT_SECONDS} s: {self.log}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and waits for the end; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT_SECONDS)

    def browser(self) -> httpx.Client:
        """Somebody's browser: it keeps cookies and sends what forms send."""
        headers = {"Sec-Fetch-Site": "same-origin"}
        return httpx.Client(base_url=self.base, headers=headers, timeout=TIMEOUT_SECONDS)


class Checkout:
    """A copy of the program. url: of the database its commands use, "" for the one in data/."""

    def __init__(self, root: Path, url: str = "") -> None:
        self.root = root
        self.url = url
        # The program that runs the commands, with its arguments, such as strace.
        self.under: list[str] = []
        self.data = root / "data"
        root.mkdir()
        # `gatehouse --version` reads the last one.
        for part in (*PARTS, "pyproject.toml"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, root / part)
            else:
                shutil.copy2(source, root / part)

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end."""
        return self._run(("-m", "cli", *arguments), stdin, environment)

    def python(self, program: Path) -> "subprocess.CompletedProcess[str]":
        """Runs a program of Python to its end, as the commands are run."""
        return self._run((str(program),), "", {})

    def run_without_rights(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """The same as somebody for whom the modes of files hold, even if the tests are run by root."""
        return self._run(("-m", "cli", *arguments), "", environment, _give_up_rights)

    def _run(
        self,
        arguments: tuple[str, ...],
        stdin: str,
        environment: dict[str, str],
        before: Callable[[], None] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*self.under, sys.executable, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            cwd="/",
            env=self._environment(environment),
            preexec_fn=before,
        )

    @contextmanager
    def start(self, *arguments: str, **environment: str) -> Iterator[Server]:
        """Starts a command that serves on a free port, and kills it at the end if need be."""
        name = self.root / f"output-{uuid4().hex}"
        with name.open("wb") as output, name.with_suffix(".log").open("wb") as log:
            process: subprocess.Popen[Any] = subprocess.Popen(
                [*self.under, sys.executable, "-m", "cli", *arguments, "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                cwd="/",
                env=self._environment(environment),
            )
        try:
            yield Server(process, name, name.with_suffix(".log"))
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def serve(self, *arguments: str, **environment: str) -> Iterator[Server]:
        """Starts a server and waits until it answers."""
        with self.start("serve", *arguments, **environment) as server:
            yield server.wait_until_it_answers()

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        chosen = {"DATABASE_URL": self.url} if self.url else {}
        return {**kept, "PYTHONUTF8": "1", "PYTHONPATH": str(self.root), **chosen, **more}
