"""Where SQLite can be trusted: a new enough library, and a file system whose locks work."""

import re
import sqlite3
from pathlib import Path

from db.engine.errors import Unsupported

# RETURNING came with 3.35.
OLDEST_SQLITE = (3, 35)

# SQLite's write-ahead log needs shared memory and locks that hold between all who open the file
# (https://www.sqlite.org/wal.html, https://www.sqlite.org/faq.html#q5); network file systems have neither.
# 9p is what WSL shows Windows drives through.
NETWORK_FILE_SYSTEMS = frozenset(
    "9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.davfs2 fuse.glusterfs fuse.rclone fuse.s3fs "
    "fuse.sshfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 smb2 smb3 smbfs".split()
)
MOUNTS = Path("/proc/self/mountinfo")


def refuse_unsuitable(file: Path, mounts: Path = MOUNTS) -> None:
    """Unsupported, in one line, if SQLite is too old or `file` (absolute) is on a network file system.

    On a system without /proc the file system isn't known and isn't refused.
    """
    if file.exists() and not file.is_file():
        raise Unsupported(f"{file} is a folder or the like, and has to be a file")
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Unsupported(
            f"This Python comes with SQLite {sqlite3.sqlite_version}; {oldest} or newer is needed"
        )
    if not mounts.exists():
        return
    kind = file_system_of(file, mounts.read_text(errors="surrogateescape"))
    if kind in NETWORK_FILE_SYSTEMS:
        raise Unsupported(
            f"{file} is on a network file system ({kind}), where SQLite isn't safe: take a local disk"
        )


def file_system_of(file: Path, mounts: str) -> str:
    """The type of the file system an absolute path is on, by the text of /proc/self/mountinfo; else ""."""
    found, depth = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # Blanks and the like are written as octal escapes, see proc(5).
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # Of two mounts on one point the later one hides the other.
        if (point == file or point in file.parents) and len(point.parts) >= depth:
            found, depth = after.split()[0], len(point.parts)
    return found
