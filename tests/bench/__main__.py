"""`python -m tests.bench [NAME] [options]`: prints the figures of docs/performance.md.

Each bench is a module beside this one with `async def run(options)`; without a name all of them run that need
nothing but Python packages.
"""

import argparse
import asyncio
import importlib
import os
import sys
from typing import Final

BENCHES: Final = {
    "activity": "the activity page at a million events, on both databases",
    "crowd": "how long others wait while connections stand idle, crawl, flood and never listen",
    "directory": "pages, searches and exports of the list of members, on both databases",
    "hostile": "memory of the server before and after 10,000 hostile requests",
    "mail": "500 invitations while the mail server hangs, and 1,000 mails over three processes",
    "passwords": "fifty sign-ins at once, and one member's new passwords over 120 connections",
    "roles": "fifty roles given at the same instant, ten times, on both databases",
    "page": "the members page in a browser: bytes, requests, and how soon the table is there",
    "server": "start, memory, and what a members page costs beside a static file",
}
WITH_NPM: Final = {"lighthouse": "Lighthouse's scores of login, sign-up and members"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        epilog="; ".join(f"{name}: {about}" for name, about in (BENCHES | WITH_NPM).items()),
    )
    parser.add_argument("name", nargs="?", choices=BENCHES | WITH_NPM)
    parser.add_argument("--members", type=int, default=10_000, help="how many to seed (default %(default)s)")
    parser.add_argument("--rows", type=int, default=1_000_000, help="how many events (default %(default)s)")
    parser.add_argument(
        "--url",
        action="append",
        help="a database to use and fill if it is empty, instead of fresh ones; may be repeated",
    )
    options = parser.parse_args(arguments)
    os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"
    for name in [options.name] if options.name else BENCHES:
        asyncio.run(importlib.import_module(f"tests.bench.{name}").run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
