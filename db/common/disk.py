"""Errors of the operating system, as sentences for the person who runs the server."""

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NO_SPACE: Final = "There is no space left on the disk{where}: free some, then try again."
READ_ONLY: Final = "{path} is on a read-only file system: take a folder that can be written."
NO_RIGHT: Final = (
    "{path} can't be used by {user}, who runs this command{owner}: "
    "give {user} the right to it, or run the command as another user."
)
NO_FOLDER: Final = "{path} can't be used, since a part of that path is a file, not a folder."
A_FILE: Final = "{path} is a file, and has to be a folder."
A_FOLDER: Final = "{path} is a folder, and has to be a file."
MISSING: Final = "There is no {path}."
# The error of Python's tempfile names no folder.
NO_TEMPORARY: Final = "There is no folder for temporary files that can be written: name one in TMPDIR."
LOOP: Final = "{path} is a symbolic link that leads back to itself."
TOO_LONG: Final = "{path} is too long for a path."
BROKEN: Final = "The disk{where} can't be read or written: look at the log of the system."
TOO_MANY: Final = "Too many files are open: raise the limit of open files (ulimit -n)."
ELSE: Final = "{path} can't be used (error {code} of the operating system)."

_BY_NUMBER: Final = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.EROFS: READ_ONLY,
    errno.EACCES: NO_RIGHT,
    errno.EPERM: NO_RIGHT,
    errno.ENOTDIR: NO_FOLDER,
    errno.EISDIR: A_FOLDER,
    # The error of mkdir if a file has that name.
    errno.EEXIST: A_FILE,
    errno.ENOENT: MISSING,
    errno.ELOOP: LOOP,
    errno.ENAMETOOLONG: TOO_LONG,
    errno.EIO: BROKEN,
    errno.EMFILE: TOO_MANY,
    errno.ENFILE: TOO_MANY,
}


def describe(error: OSError) -> str:
    """One sentence: which file, and what went wrong. It has no word of the system's own message."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | Path) else ""
    if not path and error.errno == errno.ENOENT:
        return NO_TEMPORARY
    sentence = _BY_NUMBER.get(error.errno or 0, ELSE)
    return sentence.format(
        path=path or "A file",
        where=f" with {path}" if path else "",
        user=_name_of(os.geteuid()),
        owner=_owner_of(Path(path)) if path else "",
        code=errno.errorcode.get(error.errno or 0, "unknown"),
    )


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Adds the name of this file to errors of the body that name none."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def refuse_unwritable(*paths: Path) -> None:
    """Raises the OSError that writing to these folders and files would raise; missing ones are skipped.

    It opens nothing: to close a database file would drop the locks that this process has on it.
    """
    for path in paths:
        rights = os.W_OK | os.X_OK if path.is_dir() else os.R_OK | os.W_OK
        if path.exists() and not os.access(path, rights, effective_ids=True):
            read_only = os.statvfs(path).f_flag & os.ST_RDONLY
            raise OSError(errno.EROFS if read_only else errno.EACCES, "", str(path))


def _owner_of(path: Path) -> str:
    """Says who owns the file, or the nearest folder that we can see; "" if we do."""
    for nearest in (path, *path.parents):
        try:
            owner = nearest.stat().st_uid
        except OSError:
            continue
        return f" ({nearest} belongs to {_name_of(owner)})" if owner != os.geteuid() else ""
    return ""


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
