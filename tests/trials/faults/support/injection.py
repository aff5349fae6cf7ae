"""Calls of the operating system that fail as wanted, in a process that runs or in one that is started.

By strace, which counts the calls of each thread apart: the n-th call fails, or with "n+" all from there on.
"""

import asyncio
import contextlib
import re
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests import provide

# How SQLite writes: pages, their way to the disk, and the length of a file.
OF_DATABASE: Final = ("pwrite64", "fdatasync", "fsync", "ftruncate")
CALL: Final = re.compile(r"^(?P<thread>\d+)\s+(?P<call>\w+)\(")
INJECTED: Final = "(INJECTED)"
END_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Fault:
    """call: the n-th of it in a thread fails with this error, and all that follow if it stays."""

    call: str
    nth: int
    error: str
    stays: bool = False

    def __str__(self) -> str:
        return f"{self.call} {self.nth}{' and all after it' if self.stays else ''} fails with {self.error}"

    @property
    def option(self) -> str:
        return f"inject={self.call}:error={self.error}:when={self.nth}{'+' if self.stays else ''}"


class Trace:
    """What strace wrote down, to be read when it has ended."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: list[str] = []

    @property
    def injected(self) -> int:
        """How many calls were made to fail."""
        return sum(INJECTED in line for line in self.lines)

    def counted(self) -> dict[str, int]:
        """How often the thread that made the most of a call made it."""
        made = Counter((m["thread"], m["call"]) for line in self.lines if (m := CALL.match(line)))
        return {call: max(n for (_, c), n in made.items() if c == call) for _, call in made}


def command(trace: Path, calls: Sequence[str], fault: Fault | None) -> list[str]:
    """strace's command line, up to the process or program."""
    injecting = ["-e", fault.option] if fault else []
    names = ",".join(dict.fromkeys([*calls, *([fault.call] if fault else [])]))
    return [
        provide.program("strace"),
        "-f",
        "-y",
        "-e",
        "signal=none",
        "-e",
        f"trace={names}",
        *injecting,
        "-o",
        str(trace),
    ]


@asynccontextmanager
async def traced(
    pid: int, fault: Fault | None = None, calls: Sequence[str] = OF_DATABASE
) -> AsyncIterator[Trace]:
    """In the body a running process is traced, and has this fault. Raises RuntimeError if refused."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-trace-") as folder:
        trace = Trace(Path(folder) / "trace")
        strace = await asyncio.create_subprocess_exec(
            *command(trace.file, calls, fault), "-p", str(pid), stderr=subprocess.PIPE
        )
        assert strace.stderr is not None
        try:
            said = (await strace.stderr.readline()).decode()
            if "attached" not in said:
                raise RuntimeError(f"strace can't look into process {pid}: {said.strip()}")
            yield trace
        finally:
            with contextlib.suppress(ProcessLookupError):
                strace.send_signal(signal.SIGINT)
            async with asyncio.timeout(END_SECONDS):
                await strace.communicate()
            trace.lines = trace.file.read_text(errors="replace").splitlines()
