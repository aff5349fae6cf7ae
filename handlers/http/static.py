"""Files that never change under their name: it carries a hash of the content, so any cache may keep them.

All are read once at start and kept compressed; a change of a file needs a restart.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HASH_CHARACTERS: Final = 12
# Written down, since each machine has its own idea of some. The framework adds the character set to text/…,
# and to nothing else.
MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".ico": "image/x-icon",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml; charset=utf-8",
    ".txt": "text/plain",
}
FOREVER: Final = "public, max-age=31536000, immutable"
# The hash stands behind the first dot, so there is one place to look for it, however long an address is.
_HASHED: Final = re.compile(r"([^.]+)\.[0-9a-f]{12}(\..+)")


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file: its hashed name, type, and the bytes as they are and compressed by gzip."""

    address: str
    media_type: str
    content: bytes
    compressed: bytes

    def headers(self, *, exact: bool) -> dict[str, str]:
        """exact: asked for by today's name; an older name (rolling restart) is not for caches."""
        return {"Cache-Control": FOREVER if exact else "no-cache", "Vary": "Accept-Encoding"}


class StaticFiles:
    """The files below a folder, by their plain names such as css/app.css."""

    def __init__(self, folder: Path, root: str) -> None:
        self._root = root
        self._files = {
            path.relative_to(folder).as_posix(): _read(folder, path)
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.suffix in MEDIA_TYPES
        }

    def address(self, name: str) -> str:
        """The address of a file, for templates: static('css/app.css')."""
        return f"{self._root}/static/{self._files[name].address}"

    def find(self, address: str) -> tuple[StaticFile, bool] | None:
        """The file behind an address below /static/, and whether that is today's name."""
        match = _HASHED.fullmatch(address)
        file = self._files.get(f"{match[1]}{match[2]}" if match else address)
        return (file, file.address == address) if file else None


def _read(folder: Path, path: Path) -> StaticFile:
    content = path.read_bytes()
    name = path.relative_to(folder)
    digest = hashlib.sha256(content).hexdigest()[:HASH_CHARACTERS]
    stem, dot, suffix = name.name.partition(".")
    return StaticFile(
        address=name.with_name(f"{stem}.{digest}{dot}{suffix}").as_posix(),
        media_type=MEDIA_TYPES[path.suffix],
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
    )
