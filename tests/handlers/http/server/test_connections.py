"""The limits of a connection, on real connections to a server with short deadlines."""

import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.http.server.limits import Limits
from tests.bench.server import memory
from tests.support.pages import hostile_requests
from tests.support.pages.hostile_requests import HOST, get
from tests.support.servers import wire
from tests.support.servers.command import ROOT, TIMEOUT_SECONDS

# What a busy machine may add to a deadline of a second.
SOON_SECONDS = 8
SHORT = {
    "header_seconds": 1,
    "idle_seconds": 2,
    "body_seconds": 1,
    "answer_seconds": 1,
    "rest_seconds": 1,
    "rest_bytes": 2_000_000,
}
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = get(b"/health")
FORM = b"POST /user/login HTTP/1.1\r\n" + HOST + hostile_requests.FORM


@dataclass(frozen=True)
class Server:
    port: int
    pid: int
    log: Path


@contextmanager
def served(folder: Path, template: Path, descriptors: int = 0, **limits: float) -> Iterator[Server]:
    """A server of its own. descriptors: how many files it may have open at most; half of them at first."""
    url = f"sqlite:///{shutil.copyfile(template, folder / 'gatehouse.db')}"
    command = [
        sys.executable,
        str(ROOT / "tests" / "support" / "servers" / "limits_process.py"),
        url,
        json.dumps(limits),
    ]
    if descriptors:
        bound = f'ulimit -Sn {descriptors // 2} && ulimit -Hn {descriptors} && exec "$@"'
        command = ["sh", "-c", bound, "sh", *command]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (folder / "log").read_text()
        yield Server(int(line), process.pid, folder / "log")
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)
        process.stdout.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Server]:
    """A server with short deadlines, for all tests of this module."""
    with served(tmp_path_factory.mktemp("short"), migrated_sqlite, **SHORT) as started:
        yield started


class Visitor:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def at(cls, server: Server, source: str = "127.0.0.1") -> "Visitor":
        return cls(*await asyncio.open_connection("127.0.0.1", server.port, local_addr=(source, 0)))

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def trickle(self, piece: bytes, seconds: float) -> None:
        """Says a piece again and again, until the server has hung up."""
        while not self._reader.at_eof():
            try:
                await self.send(piece)
            except ConnectionError:
                return
            await asyncio.sleep(seconds)

    async def hear(self) -> bytes:
        """All that the server says until it hangs up."""
        heard = b""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while piece := await self._reader.read(65_536):
                    heard += piece
        except ConnectionError:
            pass
        self._writer.transport.abort()
        return heard


def sockets(server: Server) -> int:
    """How many the server has open, its connections among them."""
    held = 0
    for entry in Path(f"/proc/{server.pid}/fd").iterdir():
        # It may be gone since it was listed.
        with suppress(FileNotFoundError):
            held += os.readlink(entry).startswith("socket:")
    return held


def is_ours(answer: bytes, status: int) -> bool:
    """Whether it has this status and the headers of every answer."""
    head = answer.partition(b"\r\n\r\n")[0].lower()
    ours = (b"content-security-policy: default-src 'none'", b"x-content-type-options: nosniff", b"no-store")
    return head.startswith(b"http/1.1 %d " % status) and all(header in head for header in ours)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (get(b"/health", b"X: " + b"a" * 32_600), 200),
        (get(b"/health", b"X: " + b"a" * 32_768), 431),
        (get(b"/health", *(b"X: a",) * 7_000), 431),
        (get(b"/health", *(b"a:",) * 190), 200),
        (get(b"/health", *(b"a:",) * 201), 431),
        (get(b"/", b"Cookie: a=" + b"a" * 2_000_000), 431),
        (get(b"/", b"X: " + b"a" * 60_000_000), 431),
        (get(b"/health?" + b"a" * 8_192), 200),
        (get(b"/health?" + b"a" * 8_193), 414),
        (get(b"/health?" + b"a" * 2_000_000), 414),
        (get(b"/" + b"a" * 2_000_000), 414),
        (get(b"/health?" + b"a" * 10_000, b"X: " + b"a" * 40_000), 414),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"nothing of the kind\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"CONNECT evil.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (FORM + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (FORM + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 400),
        (FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (hostile_requests.chunked(b"/user/login", b"a", 4_000), 400),
        (hostile_requests.chunked(b"/user/login", b"a" * 20, 4_000) + b"0\r\n\r\n", 422),
        (hostile_requests.chunked(b"/user/login", b"a", 100) + b"0\r\n\r\n", 422),
        (b"\r\n\r\n" + LAST, 200),
        (get(b"/health", b"Upgrade: websocket", b"Connection: Upgrade"), 200),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else None,
)
async def test_what_is_too_large_or_makes_no_sense_is_refused_with_our_headers(
    server: Server, request_: bytes, status: int
) -> None:
    began = time.monotonic()

    heard = await hostile_requests.send(server.port, request_)

    assert is_ours(heard, status), heard[:1000]
    assert heard.count(b"HTTP/1.1 ") == 1
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize(
    "before",
    [
        HEALTH * 300,
        FORM + b"Content-Length: 3\r\n\r\na=b",
        FORM + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n",
    ],
)
async def test_requests_sent_ahead_are_answered_one_by_one(server: Server, before: bytes) -> None:
    visitor = await Visitor.at(server)

    await visitor.send(before + LAST)
    heard = await visitor.hear()

    assert heard.count(b"HTTP/1.1 ") == before.count(b"HTTP/1.1") + 1
    assert heard.endswith(b'{"status":"ok"}')


async def test_trailers_without_end_take_no_memory(server: Server) -> None:
    before = memory(server.pid)
    body = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    visitor = await Visitor.at(server)

    await visitor.send(FORM + b"Transfer-Encoding: chunked\r\n\r\n" + body * 10 + b"0\r\n")
    flood = asyncio.create_task(visitor.trickle(b"X: a\r\n" * 10_000, 0.001))
    heard = await visitor.hear()
    await flood

    assert is_ours(heard, 400), heard
    assert memory(server.pid) - before < 20


# Time


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nX: ", HEALTH + b"GET / HTTP/1.1\r\nX: ", b"\r\n"])
async def test_a_header_has_to_be_complete_in_time_however_it_drips(server: Server, begun: bytes) -> None:
    visitor, began = await Visitor.at(server), time.monotonic()

    await visitor.send(begun)
    dripping = asyncio.create_task(visitor.trickle(begun[-1:], 0.2))
    heard = await visitor.hear()
    await dripping

    last = heard[heard.rindex(b"HTTP/1.1 ") :]
    assert is_ours(last, 408), heard
    assert 0.9 < time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("data", [b"", HEALTH])
async def test_a_connection_that_stands_idle_is_closed(server: Server, data: bytes) -> None:
    visitor, began = await Visitor.at(server), time.monotonic()

    await visitor.send(data)
    heard = await visitor.hear()

    assert heard.count(b"HTTP/1.1 200") == (1 if data else 0)
    assert 1.9 < time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("framing", [b"Content-Length: 9000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"])
async def test_a_body_that_drips_is_cut_off(server: Server, framing: bytes) -> None:
    visitor, began = await Visitor.at(server), time.monotonic()

    await visitor.send(FORM + framing)
    dripping = asyncio.create_task(visitor.trickle(b"1\r\na\r\n", 0.2))
    heard = await visitor.hear()
    await dripping

    assert is_ours(heard, 408), heard
    assert time.monotonic() - began < SOON_SECONDS


async def test_a_body_at_the_least_rate_may_take_its_time(server: Server) -> None:
    visitor = await Visitor.at(server)

    await visitor.send(FORM + b"Connection: close\r\nContent-Length: 60000\r\n\r\na=")
    for _ in range(6):
        await visitor.send(b"b" * 9_999)
        await asyncio.sleep(0.3)
    await visitor.send(b"bbbb")

    assert is_ours(await visitor.hear(), 422)


@pytest.mark.parametrize(
    ("chunk", "status"), [(b"10000\r\n" + b"a" * 65_536 + b"\r\n", 413), (b"1\r\na\r\n" * 10_000, 400)]
)
async def test_a_body_without_end_is_refused_and_not_read_for_ever(
    server: Server, chunk: bytes, status: int
) -> None:
    visitor, began = await Visitor.at(server), time.monotonic()

    await visitor.send(FORM + b"Transfer-Encoding: chunked\r\n\r\n")
    flood = asyncio.create_task(visitor.trickle(chunk, 0.001))
    heard = await visitor.hear()
    await flood

    assert is_ours(heard, status), heard
    assert b"connection: close" in heard
    assert time.monotonic() - began < SOON_SECONDS


async def test_who_never_listens_is_hung_up_on(server: Server) -> None:
    page = get(b"/user/login").replace(b"Connection: close\r\n", b"")
    before, open_before = memory(server.pid), sockets(server)

    async with wire.small_window(server.port) as visitor:
        sending = asyncio.create_task(asyncio.get_running_loop().sock_sendall(visitor, page * 1_000))
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while sockets(server) == open_before:  # noqa: ASYNC110 - another process has no event
                await asyncio.sleep(0.01)
            while sockets(server) > open_before:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await asyncio.gather(sending, return_exceptions=True)

    assert memory(server.pid) - before < 20


LARGE = b"a" * 4_000_000


async def in_one_piece(_scope: Any, _receive: Any, send: Any) -> None:
    headers = [(b"content-length", str(len(LARGE)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": LARGE})


async def take(visitor: socket.socket, most: int, seconds: float) -> int:
    """How many bytes of the answer came, taken so many at a time; raises ConnectionError where it is cut."""
    taken = 0
    while piece := await asyncio.get_running_loop().sock_recv(visitor, most):
        taken += len(piece)
        await asyncio.sleep(seconds)
    return taken


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_who_takes_an_answer_slowly_gets_all_of_it(connection: bytes) -> None:
    began, limits = time.monotonic(), Limits(answer_seconds=0.5, idle_seconds=0.5)
    request = get(b"/").replace(b"close", connection)

    async with wire.served(in_one_piece, limits) as server, wire.small_window(server.port) as visitor:
        await asyncio.get_running_loop().sock_sendall(visitor, request)
        taken = await take(visitor, 4_000, 0.001)

    assert taken > len(LARGE)
    assert time.monotonic() - began > 1


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
async def test_who_takes_hardly_any_of_an_answer_is_cut_off(connection: bytes) -> None:
    began, limits = time.monotonic(), Limits(answer_seconds=1, answer_bytes=100_000)
    request = get(b"/").replace(b"close", connection)

    async with wire.served(in_one_piece, limits) as server, wire.small_window(server.port) as visitor:
        await asyncio.get_running_loop().sock_sendall(visitor, request)
        with pytest.raises(ConnectionError):
            await take(visitor, 2_000, 0.05)
        assert not server.server.server_state.connections

    assert 0.9 < time.monotonic() - began < SOON_SECONDS


async def test_who_has_taken_all_of_an_answer_may_ask_again_later() -> None:
    loop, limits = asyncio.get_running_loop(), Limits(answer_seconds=0.2)

    async with wire.served(in_one_piece, limits) as server, wire.small_window(server.port) as visitor:
        await loop.sock_sendall(visitor, get(b"/").replace(b"close", b"keep-alive"))
        first = 0
        while first < len(LARGE):
            first += len(await loop.sock_recv(visitor, 65_536))
        await asyncio.sleep(0.5)
        await loop.sock_sendall(visitor, get(b"/"))
        second = await take(visitor, 65_536, 0)

    assert second >= len(LARGE)


async def test_what_was_taken_of_one_answer_counts_for_no_later_one() -> None:
    loop, taken, limits = asyncio.get_running_loop(), 0, Limits(answer_seconds=1)

    async with wire.served(in_one_piece, limits) as server, wire.small_window(server.port) as visitor:
        await loop.sock_sendall(visitor, get(b"/").replace(b"close", b"keep-alive"))
        while taken < len(LARGE):
            taken += len(await loop.sock_recv(visitor, 65_536))
        await asyncio.sleep(0.7)
        began = time.monotonic()
        await loop.sock_sendall(visitor, get(b"/"))
        async with asyncio.timeout(SOON_SECONDS):
            while server.server.server_state.connections:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)

    assert time.monotonic() - began > 0.9


async def test_who_sends_far_ahead_is_hung_up_on(server: Server) -> None:
    ahead = get(b"/health", b"X: " + b"a" * 1_000).replace(b"Connection: close\r\n", b"")

    heard = await hostile_requests.send(server.port, ahead * 5_000)

    assert 1 <= heard.count(b"HTTP/1.1 200 ") < 5_000


async def test_what_many_send_ahead_without_listening_takes_little_memory(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    page = get(b"/user/login").replace(b"Connection: close\r\n", b"")
    with served(tmp_path, migrated_sqlite) as own:
        await hostile_requests.send_all(own.port, 60)
        before = memory(own.pid)
        async with AsyncExitStack() as stack:
            visitors = [await stack.enter_async_context(wire.small_window(own.port)) for _ in range(100)]
            loop = asyncio.get_running_loop()
            sending = [asyncio.create_task(loop.sock_sendall(visitor, page * 14_000)) for visitor in visitors]
            await asyncio.sleep(3)
            grown = memory(own.pid) - before
            for one in sending:
                one.cancel()
            await asyncio.gather(*sending, return_exceptions=True)

    assert grown < 30, grown


async def test_stopping_waits_for_no_half_sent_request(tmp_path: Path, migrated_sqlite: Path) -> None:
    with served(tmp_path, migrated_sqlite) as own:
        await hostile_requests.send(own.port, LAST)
        visitors = [await Visitor.at(own) for _ in range(4)]
        for visitor, data in zip(
            visitors, (b"", b"GET /", HEALTH, FORM + b"Content-Length: 1000001\r\n\r\n"), strict=True
        ):
            await visitor.send(data)
        await asyncio.sleep(0.3)
        began = time.monotonic()

    assert time.monotonic() - began < SOON_SECONDS


# Number


async def test_above_the_most_connections_others_are_told_and_the_log_once(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    with served(tmp_path, migrated_sqlite, connections=20, idle_seconds=2) as own:
        idle = [await Visitor.at(own) for _ in range(20)]
        await asyncio.sleep(0.2)
        refused = [await (await Visitor.at(own)).hear() for _ in range(5)]
        for visitor in idle:
            await visitor.hear()
        again = await hostile_requests.send(own.port, LAST)
        log = own.log.read_text()

    assert all(is_ours(heard, 503) for heard in refused), refused
    assert is_ours(again, 200)
    assert log.count("status=503") == 1, log


async def test_one_network_leaves_connections_to_others(tmp_path: Path, migrated_sqlite: Path) -> None:
    with served(tmp_path, migrated_sqlite, connections=16) as own:
        idle = [await Visitor.at(own) for _ in range(14)]
        await asyncio.sleep(0.2)
        refused = await (await Visitor.at(own)).hear()
        elsewhere = await Visitor.at(own, source="127.0.1.1")
        await elsewhere.send(LAST)
        let_in = await elsewhere.hear()
        # One leaves, so one more may come, and no other.
        await idle[0].send(LAST)
        assert is_ours(await idle[0].hear(), 200)
        idle[0] = await Visitor.at(own)
        await asyncio.sleep(0.2)
        refused_again = await (await Visitor.at(own)).hear()
        for visitor in idle:
            await visitor.send(LAST)
            assert is_ours(await visitor.hear(), 200)
        again = await hostile_requests.send(own.port, LAST)

    assert is_ours(refused, 503)
    assert is_ours(let_in, 200)
    assert is_ours(refused_again, 503)
    assert is_ours(again, 200)


async def test_no_number_of_half_sent_requests_stops_the_server(
    tmp_path: Path, migrated_sqlite: Path
) -> None:
    with served(tmp_path, migrated_sqlite, descriptors=240, header_seconds=2) as own:
        half_sent = [await Visitor.at(own) for _ in range(400)]
        for visitor in half_sent:
            try:
                await visitor.send(b"GET / HTTP/1.1\r\n")
            except ConnectionError:
                continue
        heard = [await visitor.hear() for visitor in half_sent]
        again = await hostile_requests.send(own.port, LAST)
        files = resource.prlimit(own.pid, resource.RLIMIT_NOFILE)

    assert files == (240, 240)
    assert sum(is_ours(answer, 408) for answer in heard) >= 100
    assert all(is_ours(answer, 408) or is_ours(answer, 503) or not answer for answer in heard)
    assert is_ours(again, 200)


# Memory


async def test_hostile_requests_leave_nothing_in_memory(server: Server) -> None:
    await hostile_requests.send_all(server.port, 60)
    before = memory(server.pid)

    answers = await hostile_requests.send_all(server.port, 300)

    assert memory(server.pid) - before < 20
    assert b"" not in answers
    assert not [line for line in answers if line[9:12] == b"500"]
    assert "Traceback" not in server.log.read_text()
