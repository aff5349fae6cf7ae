"""Requests that mean no good: large, many-sided, and each unlike the one before; and how they are sent."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Final

HOST: Final = b"Host: 127.0.0.1\r\n"
FORM: Final = b"Content-Type: application/x-www-form-urlencoded\r\n"
UPLOAD: Final = b"Content-Type: multipart/form-data; boundary=b\r\n"
# As long as the server takes to hash a password, on a busy machine.
TIMEOUT_SECONDS: Final = 30


def get(target: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    """A request without a body, over a connection that ends with it."""
    lines = b"".join(b"%s\r\n" % header for header in headers)
    return b"%s %s HTTP/1.1\r\nConnection: close\r\n%s%s\r\n" % (method, target, HOST, lines)


def post(target: bytes, kind: bytes, body: bytes) -> bytes:
    head = b"POST %s HTTP/1.1\r\nConnection: close\r\n%s%s" % (target, HOST, kind)
    return b"%sContent-Length: %d\r\n\r\n%s" % (head, len(body), body)


def chunked(target: bytes, piece: bytes, times: int) -> bytes:
    """A body in chunks that never says that it has ended."""
    head = b"POST %s HTTP/1.1\r\nConnection: close\r\n%s%s" % (target, HOST, FORM)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(piece), piece) * times


def requests(count: int, seed: int = 1) -> Iterator[bytes]:
    """So many, of each kind in turn; the same ones for a seed."""
    rng = random.Random(seed)

    def word(size: int) -> bytes:
        """Letters that nobody has sent before."""
        return rng.randbytes(16).hex().encode() + b"a" * size

    def several(number: int, size: int, between: bytes) -> bytes:
        return between.join(b"%s=%s" % (word(0), word(size)) for _ in range(number))

    page = b"/user/login"
    kinds: tuple[Callable[[], bytes], ...] = (
        lambda: get(b"/", b"Cookie: gatehouse_session=" + word(30_000)),
        lambda: get(b"/", b"Cookie: " + several(300, 10, b"; ")),
        lambda: get(b"/", b"Cookie: gatehouse_session=" + word(2_000_000)),
        lambda: get(page + b"?" + several(100, 10, b"&")),
        lambda: get(page + b"?next=/" + word(8_000)),
        lambda: get(page + b"?next=/" + word(300_000)),
        lambda: get(page, b"Accept: " + word(30_000)),
        lambda: get(page, *(b"%s: %s" % (word(0), word(0)) for _ in range(400))),
        lambda: get(page, *(b"%s:" % word(0)[:8] for _ in range(190))),
        lambda: get(page, b"Accept-Language: " + word(9_000), b"User-Agent: " + word(9_000)),
        lambda: get(page, b"Referer: http://127.0.0.1/" + word(20_000), b"HX-Request: true"),
        lambda: get(b"/", b"HX-Current-URL: http://127.0.0.1/" + word(20_000), b"HX-Request: true"),
        lambda: get(b"/user/login", b"Host: " + word(8_000)),
        lambda: get(b"/organization/members/" + word(30_000)),
        lambda: get(b"/static/" + word(20_000)),
        lambda: get(b"/" + word(200_000)),
        lambda: get(page, method=word(0).upper()),
        lambda: get(page, method=rng.choice((b"PUT", b"PROPFIND", b"TRACE", b"OPTIONS"))),
        lambda: post(page, FORM, several(1_000, 800, b"&")),
        lambda: post(page, FORM, several(5_000, 10, b"&")),
        lambda: post(page, FORM + b"Origin: http://" + word(9_000) + b"\r\n", b""),
        lambda: post(page, b"Content-Type: " + word(9_000) + b"\r\n", word(10_000)),
        lambda: post(b"/organization/invitations/import", UPLOAD, b"--b\r\n" + word(500_000)),
        lambda: chunked(page, word(60_000), 30),
        lambda: chunked(page, b"a" * 20, 40_000) + b"0\r\n\r\n",
        lambda: chunked(page, b"a", 100_000) + b"0\r\n\r\n",
        lambda: word(0) + b"\r\n" + word(1_000) + b"\r\n\r\n",
        lambda: get(page, b"Upgrade: " + word(5_000), b"Connection: Upgrade"),
    )
    for _, kind in zip(range(count), cycle(kinds), strict=False):
        yield kind()


async def send(port: int, request: bytes) -> bytes:
    """What the server says, until it has said all."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        writer.write(request)
    heard = b""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while piece := await reader.read(65_536):
                heard += piece
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
    return heard


async def send_all(port: int, count: int, at_once: int = 8) -> list[bytes]:
    """The first line of each answer."""
    answers: list[bytes] = []
    waiting = requests(count)

    async def some() -> None:
        for request in waiting:
            heard = await send(port, request)
            answers.append(heard.partition(b"\r\n")[0])

    await asyncio.gather(*(some() for _ in range(at_once)))
    return answers
