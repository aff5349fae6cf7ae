"""The server as a whole: start, memory, and the processor time of a members page beside a static file's.

Starts `gatehouse serve` on a SQLite database with so many members, signs in over HTTP, and asks one page
after the other over one connection. Processor time and memory are the kernel's own figures of that process.
"""

import argparse
import asyncio
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from db import engine
from db.auth import passwords
from db.common import addresses
from db.maintenance import secret_key
from db.members.new_member import Person
from db.organization import setup
from db.schema import migrate
from signing import Signer
from tests.bench.support import seed
from tests.bench.support.databases import say
from tests.support import packages

ROUNDS: Final = 5
REQUESTS: Final = 400
MANY: Final = 10_000
PORT: Final = 18_080
SECRET: Final = "a secret for measuring, and for nothing else"
EMAIL, PASSWORD = "olga@example.org", "four purple lanterns by the sea"
TICKS: Final = os.sysconf("SC_CLK_TCK")


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        url = f"sqlite:///{folder}/bench.db"
        await fill(url, options.members)
        await asyncio.to_thread(_measure, url, options.members)


async def fill(url: str, members: int) -> None:
    """A migrated database that olga owns, whose password is PASSWORD, with so many members."""
    engine.use(url)
    await engine.start()
    await migrate.migrate()
    await secret_key.remember_fingerprint(Signer(SECRET).fingerprint())
    owner = Person(addresses.parse(EMAIL), "Olga", "", await passwords.hash_of(PASSWORD))
    await setup.found_by_operator("Fenwick Herbarium", owner)
    await seed.fill(members)
    await engine.stop()


def _measure(url: str, members: int) -> None:
    starts = []
    for _ in range(ROUNDS):
        with served(url) as (_, seconds):
            starts.append(seconds)
    starts.sort()
    say(f"start to first answered request         {starts[0]:.2f} s best, {starts[ROUNDS // 2]:.2f} s median")
    with served(url) as (pid, _), closing(http.client.HTTPConnection("127.0.0.1", PORT)) as browser:
        say(f"resident memory at rest                 {memory(pid):.0f} MB")
        cookie = sign_in(browser)
        page, file = "/organization/members", _large_file(browser)
        ratios = []
        for _ in range(ROUNDS):
            dynamic, size = _cost(browser, pid, page, cookie)
            static, file_size = _cost(browser, pid, file, cookie)
            ratios.append((dynamic * file_size / static / size, dynamic, static, size, file_size))
        ratio, dynamic, static, size, file_size = sorted(ratios)[ROUNDS // 2]
        say(f"members page, {members:,} members, 50 rows   {dynamic:.2f} ms of CPU, {size:,} bytes")
        packed, packed_size = _cost(browser, pid, page, cookie, encoding="gzip")
        say(f"the same, compressed                    {packed:.2f} ms of CPU, {packed_size:,} bytes")
        say(f"static file                             {static:.2f} ms of CPU, {file_size:,} bytes")
        say(f"page as a multiple of the file          {dynamic / static:.1f}, per byte {ratio:.1f}")
        for _ in range(MANY):
            _get(browser, page, cookie)
        say(f"resident memory after {MANY:,} requests   {memory(pid):.0f} MB")
    names, size = packages.runtime(), packages.installed_bytes()
    say(f"runtime packages                        {len(names)}, {size / 1e6:.0f} MB")


@contextmanager
def served(url: str, **settings: str) -> Iterator[tuple[int, float]]:
    """The process id of a server, and the seconds from its start to the first answered request."""
    environment = {**os.environ, "DATABASE_URL": url, "SECRET_KEY": SECRET, **settings}
    command = [str(Path(sys.executable).with_name("gatehouse")), "serve", "--port", str(PORT)]
    began = time.perf_counter()
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", PORT)) as browser:
                    browser.request("GET", "/user/login")
                    if browser.getresponse().status == 200:
                        break
            except ConnectionRefusedError:
                if server.poll() is not None:
                    raise SystemExit("the server ended by itself") from None
                time.sleep(0.005)
        yield server.pid, time.perf_counter() - began
    finally:
        server.terminate()
        server.wait()


def sign_in(browser: http.client.HTTPConnection) -> str:
    """The cookies of olga's browser."""
    fields = urlencode({"email": EMAIL, "password": PASSWORD})
    browser.request("POST", "/user/login", fields, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = browser.getresponse()
    answer.read()
    return "; ".join(part.partition(";")[0] for part in answer.headers.get_all("set-cookie", []))


def _large_file(browser: http.client.HTTPConnection) -> str:
    """The address of the largest static file, which is about as large as the page."""
    text = _get(browser, "/organization/members", sign_in(browser)).decode()
    found: list[str] = re.findall(r'"(/static/js/htmx[^"]+)"', text)
    return found[0]


def _cost(
    browser: http.client.HTTPConnection, pid: int, path: str, cookie: str, encoding: str = "identity"
) -> tuple[float, int]:
    """Milliseconds of the server's processor time for one request, and the bytes of its answer's body."""
    size = len(_get(browser, path, cookie, encoding))
    before = _cpu_seconds(pid)
    for _ in range(REQUESTS):
        _get(browser, path, cookie, encoding)
    return (_cpu_seconds(pid) - before) * 1000 / REQUESTS, size


def _get(browser: http.client.HTTPConnection, path: str, cookie: str, encoding: str = "identity") -> bytes:
    browser.request("GET", path, headers={"Cookie": cookie, "Accept-Encoding": encoding})
    answer = browser.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} answered {answer.status}")
    return body


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory(pid: int) -> float:
    """Resident memory in MB (10^6 bytes)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
