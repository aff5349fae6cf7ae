"""The installation's secret key: SECRET_KEY, or else one line in a file that is for its owner's eyes alone.

A database remembers the fingerprint of the key it belongs to, so that links which were given out don't die
by an accident: another key is refused, and a new one is only made for a database that never had one.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from db import activity, engine
from db.auth import links
from db.common import clock, disk
from db.organization import invite_link_limits
from db.policy import COMMAND_LINE
from db.schema.tables import Installation

PRIVATE: Final = 0o600
KEY_BYTES: Final = 48
# What settings accept as SECRET_KEY, too.
MIN_CHARACTERS: Final = 32


class WrongKey(engine.Unsupported):
    """There is no key, or not the one that the database belongs to; the message is one line."""


async def agreed(path: Path, given: str, fingerprint: Callable[[str], str]) -> str:
    """The key that the database in use belongs to; for one that never had a key, it is given or made.

    given: SECRET_KEY, "" when it isn't set; then the key is in the file at `path`. fingerprint: of a key.
    Any number of servers that start at once agree on one key. Raises WrongKey and OSError.
    """
    known = await known_fingerprint()
    # Read after the database was asked: who made the key wrote the file first.
    key = given or read(path)
    if not key and known is not None:
        raise WrongKey(
            f"The database belongs to a secret key, but {path} is gone and SECRET_KEY isn't set: "
            "put the key back, or make the database belong to another with `gatehouse rotate-key`."
        )
    key = key or make(path)
    if known is None:
        known = await remember_fingerprint(fingerprint(key))
    if known != fingerprint(key):
        raise WrongKey(
            f"{'SECRET_KEY' if given else path} isn't the secret key that the database belongs to: "
            "put that one back, or make the database belong to another with `gatehouse rotate-key`."
        )
    return key


def read(path: Path) -> str | None:
    """The key in the file, None when there is no file. Raises WrongKey and OSError."""
    try:
        key = path.read_text("utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if len(key) < MIN_CHARACTERS or not key.isprintable():
        raise WrongKey(
            f"{path} holds no secret key any more: put it back, or make another with `gatehouse rotate-key`."
        )
    if path.stat().st_mode & 0o777 != PRIVATE:
        path.chmod(PRIVATE)
    return key


def make(path: Path) -> str:
    """A new key in the file; of several processes at once one makes it, all return it. Raises OSError."""
    path = path.resolve()
    # The name appears with the whole key behind it, or, if another was faster, not at all.
    with (
        _written(path, secrets.token_urlsafe(KEY_BYTES)) as whole,
        contextlib.suppress(FileExistsError),
    ):
        os.link(whole, path)
    key = read(path)
    assert key is not None, "it was linked by this process or by another"
    return key


@contextmanager
def replaced(path: Path) -> Iterator[str]:
    """Yields a new key, in the old one's place and on the disk; if the body fails the old one is back.

    Raises OSError.
    """
    # Of a link the file it leads to: no old key stays behind there.
    path = path.resolve()
    key = secrets.token_urlsafe(KEY_BYTES)
    with _written(path, key) as whole:
        old = whole.with_name(f"{whole.name}.old")
        with contextlib.suppress(FileNotFoundError):
            os.link(path, old)
        try:
            whole.replace(path)
            with _open(path.parent, os.O_RDONLY) as folder:
                os.fsync(folder)
            yield key
        except BaseException:
            if old.exists():
                old.replace(path)
            else:
                path.unlink(missing_ok=True)
            raise
        finally:
            old.unlink(missing_ok=True)


@contextmanager
def _written(path: Path, key: str) -> Iterator[Path]:
    """A private file beside `path` with the key in it and on the disk; it is gone afterwards."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with disk.naming(path), _open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.fchmod(descriptor, PRIVATE)
            # Unlike os.write(), it doesn't stop halfway when the disk gets full.
            with open(descriptor, "w", closefd=False) as file:
                file.write(f"{key}\n")
            os.fsync(descriptor)
        yield beside
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC, PRIVATE)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def known_fingerprint() -> str | None:
    """The fingerprint of the secret key this database was made with, None for an empty database."""
    found = await engine.read(engine.rows, "SELECT key_fingerprint FROM installation")
    return found[0][0] if found else None


async def remember_fingerprint(fingerprint: str) -> str:
    """Notes the key's fingerprint unless one is known; returns the one that is known afterwards."""

    async def write() -> str:
        try_first = await engine.rows("SELECT key_fingerprint FROM installation")
        if not try_first:
            await Installation.insert(Installation(id=1, key_fingerprint=fingerprint, made_at=clock.now()))
        ((known,),) = await engine.rows("SELECT key_fingerprint FROM installation")
        return str(known)

    try:
        return await engine.write(write)
    except engine.UniqueViolation:
        return await engine.write(write)


async def rotate_key(fingerprint: str) -> int:
    """Takes another key: every open link ends, the invite link is made anew. Returns how many ended."""

    async def write() -> int:
        await engine.execute("UPDATE installation SET key_fingerprint = ?", fingerprint)
        ended = 0
        for purpose in (
            links.SETUP,
            links.INVITE,
            links.INVITATION,
            links.RESET,
            links.ADDRESS,
            links.ACCESS_REQUEST,
        ):
            ended += await links.end(purpose, "key rotated")
        if await engine.rows("SELECT 1 FROM organization"):
            await invite_link_limits.make()
        await activity.record(COMMAND_LINE, "key_rotated")
        return ended

    return await engine.write(write)
