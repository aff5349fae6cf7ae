"""Locks between processes on one machine, by flock(2): they end with their process, however it ends."""

import asyncio
import fcntl
import math
import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from db.common import disk

PRIVATE = 0o600
POLL_SECONDS = 0.05


def open_private(path: Path) -> int:
    """Opens a file and makes it if needed; only its owner may read and write it, whatever the umask."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    with disk.naming(path):
        if os.fstat(descriptor).st_mode & 0o777 != PRIVATE:
            os.fchmod(descriptor, PRIVATE)
    return descriptor


@asynccontextmanager
async def locked(
    path: Path, *, shared: bool = False, seconds: float = math.inf, otherwise: Exception | None = None
) -> AsyncIterator[None]:
    """Holds the lock on a file; waits without blocking the loop, after `seconds` raises `otherwise`."""
    until = time.monotonic() + seconds
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_private(path)
    try:
        while not _try(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX):
            if time.monotonic() >= until:
                raise otherwise or TimeoutError
            await asyncio.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            # Closing alone would leave the lock with a child that was forked meanwhile.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Turn:
    """The turn to write, taken by one process at a time. For use by one thread.

    flock(2) knows no time limit, so when the lock isn't free a helper thread waits for it. If the limit
    passes first, the helper goes on waiting for the next `take()`, or gives the lock back at once.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path)
        self._mutex = threading.Lock()
        self._helper_has_it: threading.Event | None = None
        self._wanted = False
        self._closed = False

    def take(self, seconds: float) -> None:
        """Takes the turn; TimeoutError if others keep it for so many seconds."""
        with self._mutex:
            if self._helper_has_it is None and _try(self._descriptor, fcntl.LOCK_EX):
                return
            self._wanted = True
            if self._helper_has_it is None:
                self._helper_has_it = threading.Event()
                threading.Thread(target=self._help, name="sqlite-turn", daemon=True).start()
            granted = self._helper_has_it
        granted.wait(seconds)
        with self._mutex:
            self._wanted = False
            if not granted.is_set():
                raise TimeoutError
            self._helper_has_it = None

    def give_back(self) -> None:
        """Lets the next one write."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives up for good; a helper that still waits closes the file when it is done."""
        with self._mutex:
            self._closed = True
            if self._helper_has_it is None:
                os.close(self._descriptor)

    def _help(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            granted, self._helper_has_it = self._helper_has_it, None
            if self._closed:
                os.close(self._descriptor)
            elif not self._wanted or granted is None:
                self.give_back()
            else:
                self._helper_has_it = granted
                granted.set()
