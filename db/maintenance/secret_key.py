"""The installation's secret key: SECRET_KEY, or else one line in a file that only its owner may read.

With another key all existing links would stop working. So a database remembers the fingerprint of its key and
refuses any other, and a new key is made only for a database that never had one.
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
# The setting SECRET_KEY has the same minimum.
MIN_CHARACTERS: Final = 32


class WrongKey(engine.Unsupported):
    """There is no key, or not the one to which the database belongs. The message is one line."""


async def key_of_database(path: Path, given: str, fingerprint: Callable[[str], str]) -> str:
    """The key to which the database in use belongs. If it never had one, `given` or a new key.

    given: SECRET_KEY; if "", the key is in the file at `path`. fingerprint: computes that of a key. Servers
    that start at the same time agree on one key. Raises WrongKey and OSError.
    """
    known = await known_fingerprint()
    # The file is read after the database, since the process that makes a key writes the file first.
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
    """The key in the file, None without a file. Raises WrongKey and OSError."""
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
    """Makes a key in the file. Processes that do so at once all return the same key. Raises OSError."""
    path = path.resolve()
    # link() creates the name together with the complete content, or fails if another process was faster.
    with (
        _private_file(path, secrets.token_urlsafe(KEY_BYTES)) as new_file,
        contextlib.suppress(FileExistsError),
    ):
        os.link(new_file, path)
    key = read(path)
    assert key is not None, "it was linked by this process or by another"
    return key


@contextmanager
def replacing(path: Path) -> Iterator[str]:
    """Replaces the key in the file and yields the new one. If the body fails, the old key is put back.

    Raises OSError.
    """
    # Follow a symbolic link, so that no old key stays in its target.
    path = path.resolve()
    key = secrets.token_urlsafe(KEY_BYTES)
    with _private_file(path, key) as new_file:
        old = new_file.with_name(f"{new_file.name}.old")
        with contextlib.suppress(FileNotFoundError):
            os.link(path, old)
        try:
            new_file.replace(path)
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
def _private_file(path: Path, key: str) -> Iterator[Path]:
    """A temporary private file beside `path` that holds the key and is on the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with disk.naming(path), _open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as descriptor:
            os.fchmod(descriptor, PRIVATE)
            # Unlike os.write(), this raises if the disk is full halfway.
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
    """The fingerprint of the key to which the database belongs, None if it never had a key."""
    stored = await engine.read(engine.rows, "SELECT key_fingerprint FROM installation")
    return stored[0][0] if stored else None


async def remember_fingerprint(fingerprint: str) -> str:
    """Stores the fingerprint unless there is one already. Returns the stored one."""

    async def write() -> str:
        if not await engine.rows("SELECT key_fingerprint FROM installation"):
            await Installation.insert(Installation(id=1, key_fingerprint=fingerprint, made_at=clock.now()))
        ((known,),) = await engine.rows("SELECT key_fingerprint FROM installation")
        return str(known)

    try:
        return await engine.write(write)
    except engine.UniqueViolation:
        return await engine.write(write)


async def rotate_key(fingerprint: str) -> int:
    """Changes the key: ends every open link and makes a new invite link. Returns how many links ended."""

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
