"""Answers on a real connection, as servers and clients see them."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from handlers.http.request import bodies
from handlers.http.server import connections
from handlers.http.server.limits import LIMITS, RefusalLog
from messages import refusals
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.servers.wire import served

pytestmark = ON_SQLITE

HEAD = b"Host: members.example.org\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@pytest.fixture
async def port(site: Site) -> AsyncIterator[int]:
    """The port on which the site is served as `gatehouse serve` does it."""
    async with served(site.app) as started:
        yield started.port


async def talk(port: int, data: bytes) -> str:
    """Everything the server says until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    heard = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return heard.decode("latin-1")


LAST = b"GET /health HTTP/1.1\r\nConnection: close\r\n" + HEAD + b"\r\n"


async def test_a_connection_goes_on_after_head(port: int, caplog: pytest.LogCaptureFixture) -> None:
    heard = await talk(port, b"HEAD /user/login HTTP/1.1\r\n" + HEAD + b"\r\n" + LAST)

    assert heard.count("HTTP/1.1 200 OK") == 2
    assert heard.endswith('{"status":"ok"}')
    assert "<!doctype" not in heard
    assert caplog.records == []


async def test_a_body_without_a_length_is_refused_while_it_comes(port: int) -> None:
    piece = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    begun = b"POST /user/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n"

    heard = await talk(port, begun + piece * 20 + b"0\r\n\r\n" + LAST)

    assert heard.startswith("HTTP/1.1 413 ")
    assert "connection: close" in heard, "the rest of it is thrown away, and what comes behind it"
    assert heard.count("HTTP/1.1 ") == 1


async def test_a_body_too_long_by_its_own_account_is_refused_at_once(port: int) -> None:
    begun = b"POST /user/login HTTP/1.1\r\nContent-Length: 3000000\r\n" + HEAD + b"\r\n"

    heard = await talk(port, begun + b"a" * 3_000_000 + LAST)

    assert heard.startswith("HTTP/1.1 413 ")
    assert "connection: close" in heard


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nContent-Length: 44",
    ],
)
async def test_a_body_of_two_lengths_smuggles_no_second_request(port: int, lengths: bytes) -> None:
    begun = b"POST /user/login HTTP/1.1\r\n" + lengths + b"\r\n" + HEAD + b"\r\n"

    heard = await talk(port, begun + b"0\r\n\r\n" + LAST)

    assert heard.count("HTTP/1.1 ") == 1
    assert heard.startswith("HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "trailers",
    [
        b"X-Forwarded-For: 203.0.113.9\r\n\r\n",
        b"X: a\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n",
        b"X",
        b"\rX",
        b"\n",
    ],
)
async def test_nothing_may_follow_the_last_chunk(port: int, trailers: bytes) -> None:
    begun = b"POST /user/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n"

    heard = await talk(port, begun + b"3\r\na=b\r\n0\r\n" + trailers + LAST)

    assert heard.startswith("HTTP/1.1 400 ")
    assert "connection: close" in heard
    assert heard.count("HTTP/1.1 ") == 1


async def test_a_trailer_that_comes_later_is_refused_at_its_first_byte(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /user/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n0\r\n")
    await asyncio.sleep(0.2)

    writer.write(b"X")
    heard = await asyncio.wait_for(reader.readline(), 20)
    writer.close()

    assert heard == b"HTTP/1.1 400 Bad Request\r\n"


@pytest.mark.parametrize(
    "chunks",
    [
        b"3\r\na=b\r\n0\r\n\r\n",
        b"001;name=value\r\na\r\n2;x\r\n=b\r\n000\r\n\r\n",
        b"A\r\na=bbbbbbbb\r\na\r\nbbbbbbbbbb\r\n0;last\r\n\r\n",
    ],
)
async def test_behind_chunks_the_connection_goes_on_wherever_they_are_cut(port: int, chunks: bytes) -> None:
    begun = b"POST /user/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n"
    at_once = await talk(port, begun + chunks + LAST)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    for byte in begun + chunks + LAST:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.001)
    drop_by_drop = (await asyncio.wait_for(reader.read(), 30)).decode()
    writer.close()

    for heard in (at_once, drop_by_drop):
        assert heard.count("HTTP/1.1 ") == 2
        assert heard.startswith("HTTP/1.1 422 ")
        assert heard.endswith('{"status":"ok"}')


@pytest.mark.parametrize(
    "chunks",
    [
        b"-1\r\n",
        b"0x3\r\na=b\r\n0\r\n\r\n",
        b"\r\n0\r\n\r\n",
        b"3\na=b\r\n0\r\n\r\n",
        b"3\r\na=bb\r\n0\r\n\r\n",
        b"100000000\r\n",
        b"3;" + b"a" * 300,
        b"1\r\na\r\n3;" + b"a" * 300 + b"\r\na=b\r\n0\r\n\r\n",
    ],
)
async def test_a_chunk_of_unclear_size_is_refused(port: int, chunks: bytes) -> None:
    begun = b"POST /user/login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HEAD + b"\r\n"

    heard = await talk(port, begun + chunks)

    assert heard.startswith("HTTP/1.1 400 ")
    assert heard.count("HTTP/1.1 ") == 1


async def test_the_last_descriptors_are_for_files_and_the_log_is_told_once(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "REFUSALS", RefusalLog())
    free = os.dup(0)
    os.close(free)

    # The listening socket, the visitor's own and the server's end of it take one each, and the loop some.
    firsts = []
    for more in range(20):
        async with served(site.app, replace(LIMITS, descriptors=free + more)) as started:
            firsts.append((await talk(started.port, LAST)).partition("\r\n")[0])

    refused = firsts.count("HTTP/1.1 503 Service Unavailable")
    assert 3 <= refused < 20
    assert firsts == ["HTTP/1.1 503 Service Unavailable"] * refused + ["HTTP/1.1 200 OK"] * (20 - refused)
    assert [record.getMessage() for record in caplog.records] == [
        f"connections: status=503 from=127.0.0.1 unsaid=0 {refusals.FULL}"
    ]


async def test_a_body_that_stops_coming_is_answered_and_its_connection_closed(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "TIMEOUT_SECONDS", 0.2)

    heard = await talk(port, b"POST /user/login HTTP/1.1\r\nContent-Length: 2000\r\n" + HEAD + b"\r\nemail=")

    assert heard.startswith("HTTP/1.1 408 ")
    assert "That took too long" in heard


async def test_who_hangs_up_in_the_middle_is_no_fault_of_ours(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse")
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /user/login HTTP/1.1\r\nContent-Length: 2000\r\n" + HEAD + b"\r\nemail=")
    await writer.drain()

    writer.close()
    async with asyncio.timeout(30):
        while not caplog.records:  # noqa: ASYNC110 - a log has no event to wait for
            await asyncio.sleep(0.01)

    assert [record.getMessage() for record in caplog.records] == [
        "POST /user/login status=400 member=0 from=127.0.0.1"
    ]


@pytest.mark.parametrize(
    ("line", "header", "status"),
    [
        (b"GET /%ff", b"", "404"),
        (b"GET //evil.example/", b"", "404"),
        (b"GET //user/account", b"", "404"),
        (b"GET ///evil.example/user/account", b"", "404"),
        (b"HEAD //user/login", b"", "404"),
        (b"GET http://evil.example//user/account", b"", "404"),
        (b"GET http://evil.example/user/account", b"", "303"),
        (b"OPTIONS *", b"", "405"),
        (b"GET /user/signup?token=%ff%00", b"", "410"),
        (b"GET /user/account", b"Cookie: gatehouse_session=\xff%00;;=; gatehouse_notice=\xff.\xff", "303"),
        (b"GET /user/account", b'Cookie: gatehouse_device="; gatehouse_session=\xc4\x8d', "303"),
        (b"GET /user/login", b"User-Agent: \xff\xfe\r\nAccept-Encoding: \xff", "200"),
        (b"GET /user/account", b"HX-Request: true\r\nHX-Current-URL: http://[", "401"),
        (b"POST /user/login", b"Origin: http://\xff", "403"),
        (b"GET /" + b"a" * 30_000, b"", "404"),
    ],
)
async def test_no_strange_request_breaks_anything(port: int, line: bytes, header: bytes, status: str) -> None:
    heard = await talk(port, line + b" HTTP/1.1\r\nConnection: close\r\n" + HEAD + header + b"\r\n\r\n")

    assert heard.startswith(f"HTTP/1.1 {status} ")
    assert "content-security-policy: default-src 'none'" in heard
    assert "evil.example" not in heard
