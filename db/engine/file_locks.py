"""Locks between processes on one machine, by flock(2). A lock ends with its process, however that ends."""

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
    """Opens a file, creating it if needed. Only its owner may read and write it, whatever the umask."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
    with disk.naming(path):
        if os.fstat(descriptor).st_mode & 0o777 != PRIVATE:
            os.fchmod(descriptor, PRIVATE)
    return descriptor


@asynccontextmanager
async def locked(
    path: Path, *, shared: bool = False, seconds: float = math.inf, otherwise: Exception | None = None
) -> AsyncIterator[None]:
    """Holds a lock on a file. Waiting doesn't block the event loop. Raises `otherwise` after `seconds`."""
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
            # Closing isn't enough: a child that was forked meanwhile would keep the lock.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class WriteLock:
    """The lock that lets one process at a time write. Use it from one thread only.

    flock(2) has no timeout, so a helper thread waits while another process has the lock. After a timeout the
    helper goes on waiting. It passes the lock to the next `acquire()`, or releases it if none is waiting.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = open_private(path)
        self._mutex = threading.Lock()
        self._granted: threading.Event | None = None
        self._waiting = False
        self._closed = False

    def acquire(self, seconds: float) -> None:
        """Takes the lock. Raises TimeoutError if other processes hold it for so many seconds."""
        with self._mutex:
            if self._granted is None and _try(self._descriptor, fcntl.LOCK_EX):
                return
            self._waiting = True
            if self._granted is None:
                self._granted = threading.Event()
                threading.Thread(target=self._wait_for_lock, name="sqlite-write-lock", daemon=True).start()
            granted = self._granted
        granted.wait(seconds)
        with self._mutex:
            self._waiting = False
            if not granted.is_set():
                raise TimeoutError
            self._granted = None

    def release(self) -> None:
        """Lets another process write."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Closes the file. If the helper is still waiting, it closes the file when it has the lock."""
        with self._mutex:
            self._closed = True
            if self._granted is None:
                os.close(self._descriptor)

    def _wait_for_lock(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        with self._mutex:
            granted, self._granted = self._granted, None
            if self._closed:
                os.close(self._descriptor)
            elif not self._waiting or granted is None:
                self.release()
            else:
                self._granted = granted
                granted.set()
