"""The packages of requirements.txt, as they are installed here."""

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def runtime() -> list[str]:
    """The names in the runtime lock."""
    lock = (ROOT / "requirements.txt").read_text("utf-8")
    return re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE)


def installed() -> Iterator[importlib.metadata.Distribution]:
    """Those that are installed here: some are for other systems."""
    for name in runtime():
        try:
            yield importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue


def installed_bytes() -> int:
    """The size of all their files."""
    paths = (Path(str(file.locate())) for package in installed() for file in package.files or [])
    return sum(path.stat().st_size for path in paths if path.exists())
