"""How long others wait for a page while a crowd holds the server's connections and means no good.

The crowd is a process of its own: 1,000 connections that stand idle, 200 that send a byte a second of a
header or a body, bodies of 10 MB and ones without end, headers of 60 MB, and visitors that never listen.
Whoever is cut off comes again at once. Meanwhile one visitor asks for the login page, 20 times a second.
"""

import argparse
import asyncio
import contextlib
import http.client
import multiprocessing
import resource
import tempfile
import time
from contextlib import closing
from typing import Final

from tests.bench import server
from tests.bench.support.databases import say
from tests.support.pages import hostile_requests

SECONDS: Final = 20
PAUSE_SECONDS: Final = 0.05
IDLE: Final = 1_000
SLOW: Final = 200
FEW: Final = 4


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        url = f"sqlite:///{folder}/bench.db"
        await server.fill(url, options.members)
        with server.served(url) as (pid, _):
            _tell("alone", await asyncio.to_thread(_waits))
            crowd = multiprocessing.get_context("spawn").Process(target=_crowd, args=(server.PORT,))
            crowd.start()
            await asyncio.sleep(3)
            _tell("in the crowd", await asyncio.to_thread(_waits))
            say(f"resident memory in the crowd            {server.memory(pid):.0f} MB")
            crowd.terminate()
            crowd.join()
            await asyncio.sleep(3)
            _tell("after it", await asyncio.to_thread(_waits))


def _waits() -> list[float]:
    """Milliseconds that each request took, over a connection of its own."""
    waits = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        began = time.perf_counter()
        with closing(http.client.HTTPConnection("127.0.0.1", server.PORT, timeout=60)) as browser:
            browser.request("GET", "/user/login")
            if browser.getresponse().status != 200:
                raise SystemExit("the login page wasn't served")
        waits.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE_SECONDS)
    return sorted(waits)


def _tell(name: str, waits: list[float]) -> None:
    middle, most = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    say(f"{name:<14} median, p99, longest      {middle:.0f} ms, {most:.0f} ms, {waits[-1]:.0f} ms")


def _crowd(port: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(_gather(port))


async def _gather(port: int) -> None:
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    body = hostile_requests.post(b"/user/login", hostile_requests.FORM, b"a" * 10_000_000)
    endless = hostile_requests.chunked(b"/user/login", b"a", 1)
    header = hostile_requests.get(b"/user/login", b"X: " + b"a" * 60_000_000)
    pages = hostile_requests.get(b"/user/login").replace(b"Connection: close\r\n", b"") * 1_000
    half = hostile_requests.get(b"/user/login")[:-2]
    kinds: tuple[tuple[int, bytes, bytes, float], ...] = (
        # How many, what they say first, then again and again, and the pause before each.
        (IDLE, b"", b"", 60),
        (SLOW // 2, half, b"a", 1),
        (SLOW // 2, hostile_requests.post(b"/user/login", hostile_requests.FORM, b"a" * 900)[:-900], b"a", 1),
        (FEW, body, b"", 1),
        (FEW, endless, chunk, 0.01),
        (FEW, endless, b"1\r\na\r\n" * 10_000, 0.01),
        (FEW, header, b"", 1),
        (FEW, pages, b"", 60),
    )
    everybody = [
        _again(port, first, more, pause) for number, first, more, pause in kinds for _ in range(number)
    ]
    await asyncio.gather(*everybody)


async def _again(port: int, first: bytes, more: bytes, pause: float) -> None:
    while True:
        with contextlib.suppress(OSError):
            await _one(port, first, more, pause)
        await asyncio.sleep(0.1)


async def _one(port: int, first: bytes, more: bytes, pause: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
    try:
        writer.write(first)
        while not reader.at_eof():
            await writer.drain()
            with contextlib.suppress(TimeoutError):
                # Idle ones see the end at once; those that never listen don't.
                await asyncio.wait_for(reader.read(1) if not first else asyncio.sleep(pause), pause)
            writer.write(more)
    finally:
        writer.transport.abort()
