"""Files that never change under their name: it carries a hash of the content, so any cache may keep them.

All are read once at start, joined as JOINED says, and kept compressed; a change of a file needs a restart.
"""

import gzip
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
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
# The one file that pages load, and the files that people edit: its content is theirs, in this order. Of two
# rules of a layer the later one wins; what a script calls at once stands before it.
JOINED: Final = {
    "css/app.css": (
        "css/tokens.css",
        "css/reset.css",
        "css/base.css",
        "css/components/button.css",
        "css/components/field.css",
        "css/components/menu.css",
        "css/components/note.css",
        "css/components/person.css",
        "css/components/table.css",
        "css/components/sheet.css",
        "css/components/tabs.css",
        "css/components/lists.css",
        "css/components/toast.css",
        "css/pages/letterhead.css",
        "css/pages/page.css",
        "css/pages/activity.css",
        "css/pages/account.css",
        "css/pages/door.css",
        "css/pages/columns.css",
        "css/pages/cards.css",
        "css/pages/phone.css",
        "css/pages/print.css",
        "css/utilities.css",
    ),
    "js/app.js": (
        "js/core.js",
        "js/toast.js",
        "js/dialog.js",
        "js/password-anew.js",
        "js/focus.js",
        "js/swap.js",
        "js/waiting.js",
        "js/unsaved.js",
        "js/copy.js",
        "js/tabs.js",
        "js/times.js",
        "js/selection.js",
        "js/passwords.js",
        "js/known-passwords.js",
        "js/keys.js",
        "js/theme.js",
        "js/secret.js",
        "js/start.js",
    ),
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
    """The files below a folder, by their plain names such as css/app.css; those that were joined as one."""

    def __init__(self, folder: Path, root: str) -> None:
        contents = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in MEDIA_TYPES
        }
        for name, parts in JOINED.items():
            contents[name] = b"\n".join(contents.pop(part) for part in parts)
        self._root = root
        self._files = {name: _pack(name, content) for name, content in contents.items()}

    def address(self, name: str) -> str:
        """The address of a file, for templates: static('css/app.css')."""
        return f"{self._root}/static/{self._files[name].address}"

    def find(self, address: str) -> tuple[StaticFile, bool] | None:
        """The file behind an address below /static/, and whether that is today's name."""
        match = _HASHED.fullmatch(address)
        file = self._files.get(f"{match[1]}{match[2]}" if match else address)
        return (file, file.address == address) if file else None


def _pack(name: str, content: bytes) -> StaticFile:
    digest = hashlib.sha256(content).hexdigest()[:HASH_CHARACTERS]
    path = PurePosixPath(name)
    stem, dot, suffix = path.name.partition(".")
    return StaticFile(
        address=path.with_name(f"{stem}.{digest}{dot}{suffix}").as_posix(),
        media_type=MEDIA_TYPES[path.suffix],
        content=content,
        compressed=gzip.compress(content, 9, mtime=0),
    )
