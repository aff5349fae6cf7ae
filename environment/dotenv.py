"""Reads `.env`: a line for each setting, as shells, systemd and Docker read such files."""

import os
import re
import stat
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from environment.names import PREFIX

# Byte order marks, which editors on Windows write, and the encodings that they announce.
MARKS: Final = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# The rights of everybody but the file's owner and group.
OTHERS: Final = stat.S_IROTH | stat.S_IWOTH
LINE: Final = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)", re.DOTALL)
# Word processors turn straight quotation marks into the others, which mean the same here.
QUOTES: Final = {"'": "'", '"': '"', "“": "”", "„": "“", "‘": "’"}
NOTE: Final = re.compile(r"(?:^|\s)#.*", re.DOTALL)
# A secret may hold # anywhere, so a note can only follow a secret that is empty.
NOTE_ALONE: Final = re.compile(r"\s+#\s.*", re.DOTALL)


class BadLine(ValueError):
    """A line can't be read; the message names it by its number and shows nothing of it."""


@dataclass(frozen=True, slots=True)
class DotEnv:
    """values: by name. warnings: sentences about lines that may not mean what they say."""

    values: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read(path: Path, secrets: Collection[str] = ()) -> DotEnv:
    """The settings in a file. Raises BadLine and OSError. secrets: names whose values are kept whole."""
    if path.is_dir():
        raise BadLine(f"{path.name} is a folder; it has to be a file, or not there at all.")
    parsed = DotEnv()
    lines: dict[str, int] = {}
    for number, raw in enumerate(_lines(path.read_bytes(), path.name), 1):
        line = f"{path.name} line {number}"
        text = _decoded(raw, line)
        if not text or text.startswith("#"):
            continue
        name, value = _setting(text, line, secrets, parsed.warnings)
        if name in lines and parsed.values[name] != value:
            parsed.warnings.append(
                f"{path.name} sets {name} in line {lines[name]} and in line {number}: the last one counts."
            )
        lines[name] = number
        parsed.values[name] = value
    # DATABASE_URL, PASSWORD and their like, with or without the prefix.
    kept = sorted(
        name for name, value in parsed.values.items() if value and name.removeprefix(PREFIX) in secrets
    )
    if kept and os.name == "posix" and path.stat().st_mode & OTHERS:
        parsed.warnings.append(
            f"Everybody on this machine may read or write {path.name}, where {kept[0]} stands: "
            f"chmod o= {path.name} takes that right away."
        )
    return parsed


def _lines(content: bytes, name: str) -> list[bytes]:
    """The lines in UTF-8, whatever the file was saved in; bytes that can't be read are left as they are."""
    mark = next((mark for mark in MARKS if content.startswith(mark)), b"")
    encoding = MARKS.get(mark, "utf-8")
    content = content[len(mark) :]
    if not mark and b"\0" in content:
        # Text without a mark whose every other byte is zero is UTF-16 all the same.
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    if encoding != "utf-8":
        try:
            content = content.decode(encoding).encode()
        except UnicodeError:
            raise BadLine(f"{name} line 1 can't be read: save the file as UTF-8.") from None
    return re.split(rb"\r\n|\n|\r", content)


def _decoded(raw: bytes, line: str) -> str:
    try:
        return raw.decode().strip()
    except UnicodeDecodeError:
        if raw.lstrip().startswith(b"#"):
            return ""
        raise BadLine(f"{line} can't be read: save the file as UTF-8.") from None


def _setting(text: str, line: str, secrets: Collection[str], warnings: list[str]) -> tuple[str, str]:
    match = LINE.fullmatch(text)
    if match is None:
        raise BadLine(f"{line} can't be read: accepted is NAME=value.")
    name, value = match[1], match[2].strip()
    if value and value[0] in QUOTES:
        value = _quoted(value, line)
    elif name.removeprefix(PREFIX) not in secrets or NOTE_ALONE.fullmatch(match[2]):
        value = NOTE.sub("", value).strip()
    elif NOTE.search(value):
        warnings.append(
            f"{line}: {name} is a secret, so what stands behind # counts as a part of it. "
            "Put the secret in quotation marks, or take the note out."
        )
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise BadLine(f"{line} can't be read: its value holds a control character.")
    return name, value


def _quoted(value: str, line: str) -> str:
    """What stands between quotation marks; behind them nothing but a note may follow."""
    opening, closing = value[0], QUOTES[value[0]]
    escaped = r'(?:\\["\\$`]|[^"])*' if opening == '"' else f"[^{closing}]*"
    match = re.fullmatch(f"{opening}({escaped}){closing}(?:\\s+#.*)?\\s*", value, re.DOTALL)
    if match is None:
        raise BadLine(
            f"{line} can't be read: a value that begins with a quotation mark ends with one, "
            "in the same line."
        )
    return re.sub(r'\\(["\\$`])', r"\1", match[1]) if opening == '"' else match[1]
