"""What SQLite needs to be safe: a library that is new enough, and a file system whose locks work."""

import re
import sqlite3
from pathlib import Path

from db.engine.errors import Unsupported

# The first with RETURNING.
OLDEST_SQLITE = (3, 35)

# The write-ahead log needs shared memory and locks between all processes that open the file. Network file
# systems have neither (https://www.sqlite.org/wal.html, https://www.sqlite.org/faq.html#q5). WSL mounts
# Windows drives by 9p.
NETWORK_FILE_SYSTEMS = frozenset(
    "9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.davfs2 fuse.glusterfs fuse.rclone fuse.s3fs "
    "fuse.sshfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 smb2 smb3 smbfs".split()
)
MOUNTS = Path("/proc/self/mountinfo")


def refuse_unsuitable(file: Path, mounts: Path = MOUNTS) -> None:
    """Raises Unsupported, with one line, if SQLite is too old or the file is on a network file system.

    file: an absolute path. Without /proc the file system is unknown and accepted.
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
    """The type of the file system of an absolute path, by the text of /proc/self/mountinfo; "" if unknown."""
    kind, depth = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not after:
            continue
        # Blanks and some other characters are octal escapes, see proc(5).
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4]))
        # If two file systems are mounted on one point, the later one hides the other.
        if (point == file or point in file.parents) and len(point.parts) >= depth:
            kind, depth = after.split()[0], len(point.parts)
    return kind
