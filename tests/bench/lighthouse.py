"""Lighthouse's scores of the pages that everybody meets first, on a phone and on a desk.

Needs Node and npm, which nothing else here does. `npm/package-lock.json` pins it; it is installed into .venv.
Ends with 1 when a score is below what is asked, or when Node, npm or a browser is missing.
"""

import argparse
import asyncio
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any, Final

from tests import provide
from tests.bench import server
from tests.bench.support.databases import say
from tests.support.servers.postgres import Missing

PATHS: Final = ("/user/login", "/user/signup", "/organization/members")
DEVICES: Final = {"phone": (), "desk": ("--preset=desktop",)}
# What is asked of each category, of 100.
ASKED: Final = {"accessibility": 100, "best-practices": 100, "performance": 98}
# Performance is measured, and a busy machine spoils single runs: the median counts.
ROUNDS: Final = 3
TRIES: Final = 3
PINNED: Final = Path(__file__).with_name("npm")
INSTALLED: Final = provide.ROOT / ".venv" / "lighthouse"
# Nothing is asked of any other machine. Lighthouse splits this at spaces outside quotes.
NOWHERE_ELSE: Final = '--host-resolver-rules="MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"'
MAX_SECONDS: Final = 300


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each page and device. Raises SystemExit when that isn't good enough."""
    node, browser = _programs()
    with tempfile.TemporaryDirectory(prefix="gatehouse-lighthouse-") as folder:
        url = f"sqlite:///{folder}/lighthouse.db"
        await server.fill(url, options.members)
        low = await asyncio.to_thread(_look_at_all, url, [node, *_lighthouse()], browser, Path(folder))
    if low:
        raise SystemExit(f"Below what is asked: {'; '.join(low)}.")


def _programs() -> tuple[str, str]:
    """Node, with what is pinned installed, and the browser."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise SystemExit(
            "Lighthouse needs Node 18.20 or newer, with npm: install them (Debian: apt install npm)."
        )
    try:
        browser = provide.browser()
    except Missing as missing:
        raise SystemExit(str(missing)) from None
    _install(npm)
    return node, browser


def _install(npm: str) -> None:
    """What the lock pins, checked by its hashes; nothing when that is there already."""
    lock, marker = PINNED / "package-lock.json", INSTALLED / "installed"
    if marker.exists() and marker.read_bytes() == lock.read_bytes():
        return
    shutil.rmtree(INSTALLED, ignore_errors=True)
    shutil.copytree(PINNED, INSTALLED)
    say("Installing the packages of tests/bench/npm/package-lock.json")
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        check=False,
        cwd=INSTALLED,
    )
    if done.returncode != 0:
        raise SystemExit("npm could not install Lighthouse; what it said stands above.")
    shutil.copyfile(lock, marker)


def _lighthouse() -> list[str]:
    return [str(INSTALLED / "node_modules/lighthouse/cli/index.js"), "--quiet", "--no-enable-error-reporting"]


def _look_at_all(url: str, command: list[str], browser: str, folder: Path) -> list[str]:
    """Prints the scores; returns those that are too low."""
    low = []
    environment = {**os.environ, "CHROME_PATH": browser}
    say(f"{'':<30}" + "".join(f"{category:>16}" for category in ASKED))
    with server.served(url), closing(http.client.HTTPConnection("127.0.0.1", server.PORT)) as visitor:
        cookie = server.sign_in(visitor)
        for path in PATHS:
            for device, preset in DEVICES.items():
                # Who is signed in would see neither of the doors.
                headers = {} if path.startswith("/user/") else {"Cookie": cookie}
                look = [
                    *command,
                    f"http://127.0.0.1:{server.PORT}{path}",
                    *preset,
                    *_options(headers, folder),
                ]
                found = [_scores(look, environment, folder / "report.json") for _ in range(ROUNDS)]
                scores = {category: median(scores[category] for scores in found) for category in ASKED}
                say(f"{path:<24}{device:<6}" + "".join(f"{score:>16g}" for score in scores.values()))
                low += [
                    f"{path} {device} {name} {score:g}"
                    for name, score in scores.items()
                    if score < ASKED[name]
                ]
    return low


def _options(headers: dict[str, str], folder: Path) -> list[str]:
    flags = ["--headless=new", NOWHERE_ELSE, *provide.browser_arguments()]
    return [
        f"--only-categories={','.join(ASKED)}",
        f"--extra-headers={json.dumps(headers)}",
        f"--chrome-flags={' '.join(flags)}",
        "--output=json",
        f"--output-path={folder / 'report.json'}",
    ]


def _scores(look: list[str], environment: dict[str, str], report: Path) -> dict[str, float]:
    """One run: each category's score of 100. On a busy machine a recording may fail: it is tried again."""
    said = ""
    for _ in range(TRIES):
        done = subprocess.run(
            look, check=False, env=environment, capture_output=True, text=True, timeout=MAX_SECONDS
        )
        if done.returncode == 0:
            found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
            return {category: round(found["categories"][category]["score"] * 100) for category in ASKED}
        said = next((line.strip() for line in done.stderr.splitlines() if "rror" in line), "it said nothing")
    raise SystemExit(f"Lighthouse failed: {said}")
