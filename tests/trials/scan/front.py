"""What stands between a scanner and the server: it counts the answers, and each request comes from elsewhere.

Limits that count tries by network would otherwise answer a scanner 429 after some dozen of them, and it would
see nothing more. It stands in TRUSTED_PROXIES and names another network for each request.
"""

import asyncio
import itertools
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from tests.support.servers import smtp

# In place of the session of one member: each case has its own, and another one after so many requests, since
# what members change of themselves is limited for each of them, and each of them sees another page.
ANYONE: Final = "anyone"
REQUESTS_OF_ONE: Final = 90
SESSION: Final = "gatehouse_session"
CASE: Final = "X-Case"
_CASE: Final = re.compile(rf"\r\n{CASE}: *([^\r]*)".encode(), re.IGNORECASE)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LEFT_OUT: Final = re.compile(rb"\r\n(connection|x-forwarded-for): [^\r]*", re.IGNORECASE)
_COOKIE: Final = re.compile(rf"{SESSION}={ANYONE}(?=[;\r])".encode())
TIMEOUT_SECONDS: Final = 60


class Front:
    """A proxy on 127.0.0.1, and what a server may speak to, on a thread of their own.

    answers: how often which status came, by the case that a request named in the header CASE. faults:
    requests that were answered 500, or not at all. called: what came to the address that scanners make a
    server call, if it lets them. upstream: the port of the server behind it. worn: the session that every
    request without one gets, "" for none: wapiti sends no cookie to an address without a dot, and would scan
    the login page alone.
    """

    def __init__(self) -> None:
        self.port = self.mail_port = self.call_port = self.upstream = 0
        self.worn = ""
        self.answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.faults: list[str] = []
        self.called: list[str] = []
        self._sessions: Iterator[str] = itertools.cycle([""])
        self._of_case: defaultdict[str, Iterator[str]] = defaultdict(self._some)
        self._numbers = itertools.count(1)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def let_anyone(self, tokens: Sequence[str]) -> None:
        """Whose sessions stand behind ANYONE."""
        self._sessions = itertools.cycle(tokens)

    async def run(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Listens until it is told to stop."""
        listening = await asyncio.start_server(self._pass_on, "127.0.0.1", 0, limit=1 << 20)
        calls = await asyncio.start_server(self._call, "127.0.0.1", 0)
        self.port, self.call_port = (one.sockets[0].getsockname()[1] for one in (listening, calls))
        async with smtp.serving() as mail_server:
            self.mail_port = mail_server.port
            ready.set()
            await stop.wait()
            calls.close()
            listening.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """wapiti asks here who has called; whatever else comes is a call."""
        line = (await reader.readline()).decode("latin-1").strip()
        if not line.startswith("GET /get_"):
            self.called.append(line)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of a connection, which ends with its answer."""
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._exchange(reader, writer)
        writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1])) if length else b""
        answers, asks = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            asks.write(self._head(head) + body)
            first = await answers.readline()
            self._count(head, first)
            writer.write(first)
            while piece := await answers.read(1 << 16):
                writer.write(piece)
                await writer.drain()
        finally:
            asks.close()

    def _head(self, head: bytes) -> bytes:
        """The same head from another network, over a connection that ends with it."""
        number = next(self._numbers)
        network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        if self.worn and f"{SESSION}=".encode() not in head:
            head = head[:-2] + f"Cookie: {SESSION}={self.worn}\r\n\r\n".encode()
        of_case = self._of_case[_case(head)]
        head = _COOKIE.sub(lambda _: f"{SESSION}={next(of_case)}".encode(), _LEFT_OUT.sub(b"", head))
        return head[:-2] + f"X-Forwarded-For: {network}\r\nConnection: close\r\n\r\n".encode()

    def _some(self) -> Iterator[str]:
        """One member's session for a while, then the next one's."""
        while True:
            yield from itertools.repeat(next(self._sessions), REQUESTS_OF_ONE)

    def _count(self, head: bytes, first: bytes) -> None:
        status = int(first[9:12]) if first[9:12].isdigit() else 0
        self.answers[_case(head)][status] += 1
        if status in (0, 500):
            self.faults.append(f"{head.partition(b' HTTP')[0][:300].decode('latin-1')} was answered {status}")


def _case(head: bytes) -> str:
    """What a request names as its case, "" for nothing."""
    found = _CASE.search(head)
    return found[1].decode("latin-1") if found else ""


@contextmanager
def standing() -> Iterator[Front]:
    """Listens until the end of the block."""
    front, ready = Front(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(front.run(ready, stop),))
    thread.start()
    assert ready.wait(TIMEOUT_SECONDS), "the proxy doesn't listen"
    try:
        yield front
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
