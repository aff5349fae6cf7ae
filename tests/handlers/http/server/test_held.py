"""Connections whose application is slow: what arrives meanwhile, and the answers."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest

from handlers.http.server.limits import LIMITS
from settings import Settings
from tests.support.servers.command import TIMEOUT_SECONDS
from tests.support.servers.wire import Served, served

Send = Callable[[Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]

# What a busy machine may need for what is at once elsewhere.
SOON_SECONDS = 8
HOST = b"Host: members.example.org\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST
BEGIN = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
SHORT = replace(LIMITS, body_seconds=0.3, answer_seconds=2, rest_seconds=1)


class Application:
    """Answers once `goes_on` is set. reads: it reads the body. begins: it starts its answer at once."""

    def __init__(self, *, reads: bool = True, begins: bool = False, body: bytes = b"done") -> None:
        self.state = SimpleNamespace(context=SimpleNamespace(settings=Settings()))
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self._reads, self._begins, self._body = reads, begins, body

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if self._begins:
            await send(BEGIN)
        self.asked.set()
        await self.goes_on.wait()
        size = 0
        while self._reads and (message := await receive())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                break
        if not self._begins:
            await send(BEGIN)
        await send({"type": "http.response.body", "body": self._body + b" %d" % size})


async def asked(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    return reader, writer


async def heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """All that comes until the server hangs up."""
    received = b""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while piece := await reader.read(65_536):
                received += piece
    except ConnectionError:
        pass
    writer.transport.abort()
    return received


async def test_what_comes_behind_a_wish_for_another_protocol_is_thrown_away() -> None:
    application = Application(reads=False)
    async with served(application) as started:
        reader, writer = await asked(started.port, GET + b"Upgrade: x\r\nConnection: Upgrade\r\n\r\n")
        await application.asked.wait()
        for _ in range(3):
            writer.write(GET + b"\r\n")
            await asyncio.sleep(0.05)
        application.goes_on.set()
        answer = await heard(reader, writer)

    assert (answer.count(b"HTTP/1.1 "), answer.count(b"done")) == (1, 1)


async def test_the_time_of_a_body_that_we_let_wait_is_not_counted() -> None:
    application = Application()
    async with served(application, replace(SHORT, body_rate=10_000_000)) as started:
        head = POST + b"Connection: close\r\nContent-Length: 300000\r\n\r\n"
        reader, writer = await asked(started.port, head + b"a" * 299_999)
        await application.asked.wait()
        await asyncio.sleep(3 * SHORT.body_seconds)
        application.goes_on.set()
        writer.write(b"a")
        answer = await heard(reader, writer)

    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b"done 300000" in answer


async def test_an_answer_that_has_begun_gets_no_second_one_when_the_body_fails_to_come() -> None:
    application = Application(begins=True)
    application.goes_on.set()
    async with served(application, SHORT) as started:
        answer = await heard(*await asked(started.port, POST + b"Content-Length: 9\r\n\r\na"))

    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_an_answer_begun_before_the_end_of_the_body_ends_the_connection_as_it_said() -> None:
    application = Application(begins=True)
    async with served(application) as started:
        reader, writer = await asked(started.port, POST + b"Content-Length: 2\r\n\r\na")
        begun = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        writer.write(b"b" + GET + b"\r\n")
        application.goes_on.set()
        rest = await heard(reader, writer)

    assert b"connection: close" in begun
    assert b"done 2" in rest
    assert b"HTTP/1.1 " not in rest


async def test_what_nobody_took_of_a_body_is_not_kept_for_as_long_as_the_connection() -> None:
    application = Application(reads=False)
    application.goes_on.set()
    async with served(application) as started:
        reader, writer = await asked(started.port, POST + b"Content-Length: 90000\r\n\r\n" + b"a" * 60_000)
        await asyncio.wait_for(reader.readuntil(b"done 0"), TIMEOUT_SECONDS)
        connections: set[Any] = started.server.server_state.connections
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while any(one.cycle.body for one in connections):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        connected = len(connections)
        writer.transport.abort()

    assert connected == 1


async def test_an_answer_goes_on_once_somebody_listens_again_and_so_does_the_connection() -> None:
    application = Application(reads=False, body=b"a" * 8_000_000)
    application.goes_on.set()
    async with served(
        application, replace(LIMITS, answer_seconds=4, idle_seconds=TIMEOUT_SECONDS)
    ) as started:
        reader, writer = await asked(started.port, GET + b"\r\n")
        # Nobody reads: our side stands still until there is room again.
        await asyncio.sleep(0.3)
        answers = []
        for wait, data in ((5, GET + b"\r\n"), (0, b"")):
            answer = b""
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while not answer.endswith(b"0\r\n\r\n"):
                    answer += await reader.read(1_000_000)
                    assert not reader.at_eof(), "hung up on"
            answers.append(answer.count(b"a"))
            await asyncio.sleep(wait)
            writer.write(data)
        writer.transport.abort()

    assert min(answers) >= 8_000_000


@pytest.mark.parametrize("waits", [True, False])
async def test_the_end_of_the_server_waits_for_an_answer_and_for_no_idle_connection(waits: bool) -> None:
    application = Application(reads=False)
    async with served(application) as started:
        idle = await asked(started.port, b"GET / HT")
        under_way = await asked(started.port, GET + b"\r\n")
        await application.asked.wait()
        if not waits:
            application.goes_on.set()
            await asyncio.wait_for(under_way[0].readuntil(b"done 0"), TIMEOUT_SECONDS)
        started.server.should_exit = True
        silence = await heard(*idle)
        application.goes_on.set()
        answer = await heard(*under_way)

    assert silence == b""
    assert (b"done 0" in answer) is waits
    assert (b"connection: close" in answer) is waits


async def test_a_proxy_that_is_trusted_may_have_all_connections() -> None:
    application = Application(reads=False)
    application.state.context.settings = Settings(trusted_proxies=(ip_network("127.0.0.1"),))
    application.goes_on.set()
    async with served(application, replace(LIMITS, connections=8)) as started:
        through = [await asked(started.port, GET + b"Connection: close\r\n") for _ in range(8)]
        await asyncio.sleep(0.2)
        for _, writer in through:
            writer.write(b"\r\n")
        answers = [await heard(*one) for one in through]

    assert [answer[:13] for answer in answers] == [b"HTTP/1.1 200 "] * 8


async def none_left(started: Served, seconds: float) -> bool:
    """Whether the server is rid of all its connections within this time."""
    connections: set[Any] = started.server.server_state.connections
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while connections:  # noqa: ASYNC110 - no event tells of it
                await asyncio.sleep(0.01)
    return not connections


async def test_the_rest_of_a_body_is_awaited_for_its_own_time() -> None:
    application = Application(reads=False)
    application.goes_on.set()
    limits = replace(LIMITS, rest_seconds=0.3, idle_seconds=TIMEOUT_SECONDS)
    async with served(application, limits) as started:
        reader, writer = await asked(started.port, POST + b"Content-Length: 90000\r\n\r\na")
        await asyncio.wait_for(reader.readuntil(b"done 0"), TIMEOUT_SECONDS)
        is_over = await none_left(started, SOON_SECONDS)
        writer.transport.abort()

    assert is_over


async def test_of_the_rest_of_a_body_only_so_much_is_read() -> None:
    application = Application(reads=False)
    application.goes_on.set()
    limits = replace(LIMITS, rest_bytes=200_000, rest_seconds=TIMEOUT_SECONDS)
    async with served(application, limits) as started:
        reader, writer = await asked(started.port, POST + b"Content-Length: 900000\r\n\r\na")
        await asyncio.wait_for(reader.readuntil(b"done 0"), TIMEOUT_SECONDS)
        writer.write(b"a" * 150_000)
        within = await none_left(started, 0.5)
        writer.write(b"a" * 50_001)
        above = await none_left(started, SOON_SECONDS)
        writer.transport.abort()

    assert (within, above) == (False, True)


async def test_while_an_answer_is_awaited_any_number_of_bytes_behind_another_protocol_come() -> None:
    application = Application(reads=False)
    async with served(application, replace(LIMITS, rest_bytes=1_000)) as started:
        reader, writer = await asked(started.port, GET + b"Upgrade: x\r\nConnection: Upgrade\r\n\r\n")
        await application.asked.wait()
        writer.write(b"a" * 100_000)
        await asyncio.sleep(0.2)
        application.goes_on.set()
        answer = await asyncio.wait_for(reader.readuntil(b"done 0"), TIMEOUT_SECONDS)
        writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 200 ")


class Listening(Application):
    """It takes what comes, to the end: told of it in `types`."""

    def __init__(self) -> None:
        super().__init__()
        self.types: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, _scope: Any, receive: Receive, send: Send) -> None:
        while (kind := (await receive())["type"]) == "http.request":
            self.types.put_nowait(kind)
        self.types.put_nowait(kind)
        await send(BEGIN)
        await send({"type": "http.response.body", "body": b"too late"})

    async def last(self) -> str:
        async with asyncio.timeout(SOON_SECONDS):
            while (kind := await self.types.get()) == "http.request":
                pass
        return kind


async def test_who_hangs_up_is_gone_at_once_though_the_answer_is_still_being_made() -> None:
    application = Application(reads=False)
    async with served(application) as started:
        _, writer = await asked(started.port, GET + b"\r\n")
        await application.asked.wait()
        writer.transport.abort()
        is_over = await none_left(started, SOON_SECONDS)
        application.goes_on.set()

    assert is_over


async def test_an_application_whose_request_is_refused_hears_no_more_of_it_and_says_no_more() -> None:
    application = Listening()
    limits = replace(LIMITS, rest_seconds=TIMEOUT_SECONDS)
    async with served(application, limits) as started:
        reader, writer = await asked(started.port, POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n")
        assert await asyncio.wait_for(application.types.get(), TIMEOUT_SECONDS) == "http.request"
        writer.write(b"zz\r\n")
        kind = await application.last()
        is_open = not await none_left(started, 0.1)
        answer = await asyncio.wait_for(reader.read(), TIMEOUT_SECONDS)
        writer.transport.abort()

    assert (kind, is_open) == ("http.disconnect", True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too late" not in answer


@pytest.mark.parametrize(("limits", "status"), [({"header_seconds": 0.3}, 408), ({"connections": 0}, 503)])
async def test_nothing_more_is_read_of_who_was_too_slow_or_one_too_many(
    limits: dict[str, Any], status: int
) -> None:
    application = Application()
    application.state.context.trusted_proxies = ()
    async with served(
        application, replace(LIMITS, rest_seconds=TIMEOUT_SECONDS, idle_seconds=TIMEOUT_SECONDS, **limits)
    ) as started:
        reader, writer = await asked(started.port, b"GET / HT")
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), TIMEOUT_SECONDS)
        is_over = await none_left(started, SOON_SECONDS)
        writer.transport.abort()

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert is_over
