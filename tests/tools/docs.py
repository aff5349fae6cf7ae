"""Writes the table of settings in docs/deploy.md anew, from settings.py: `python -m tests.tools.docs`."""

import re
from pathlib import Path
from typing import Final

from environment.setting import Setting, text_of
from settings import CHECKOUT, TABLE

FILE: Final = CHECKOUT / "docs" / "deploy.md"
_TABLE: Final = re.compile(r"(<!-- settings: .*? -->\n).*?(<!-- end of settings -->)", re.DOTALL)


def with_table(page: str) -> str:
    """The page with the table as it should be between the two marks. Raises ValueError without marks."""
    lines = ["| Name | Default | Meaning |", "|---|---|---|", *map(_row, TABLE)]
    written, found = _TABLE.subn(lambda marks: marks[1] + "\n".join([*lines, marks[2]]), page)
    if found != 1:
        raise ValueError("the marks around the table are gone")
    return written


def _row(setting: Setting) -> str:
    name = setting.variables[0] if setting.prefixed_only else setting.name
    return f"| `{name}` | {setting.unset or text_of(setting.default)} | {setting.help} |"


def main(file: Path = FILE) -> None:
    file.write_text(with_table(file.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
