"""Requests and answers as bytes on a connection."""

import asyncio
import contextlib
import json
import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from tests.trials.scan.fuzz.requests import Request

# As long as a busy machine may need for a password.
TIMEOUT_SECONDS: Final = 60
# What the server answers before it knows the method: after them it hangs up.
UNREAD: Final = (400, 408, 414, 431)
_STATUS: Final = re.compile(rb"HTTP/1\.1 (\d{3})(?: [\x20-\x7e]*)?")
_HEADER: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\x20-\x7e\t]*)")


class Malformed(Exception):
    """An answer that is no HTTP; the message says why."""


class BrokenOff(Malformed):
    """One that has begun well, and whose end is missing."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found == name]

    def header(self, name: str) -> str:
        return ", ".join(self.all(name))


def answers(heard: bytes, *, is_head: bool) -> list[Answer]:
    """All answers in what a server said. is_head: of the first request. Raises Malformed."""
    found: list[Answer] = []
    while heard:
        head, end, heard = heard.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        if not end or status is None:
            raise Malformed(f"no answer begins with {head[:100]!r}")
        headers = []
        for line in lines[1:]:
            pair = _HEADER.fullmatch(line)
            if pair is None:
                raise Malformed(f"no header: {line[:200]!r}")
            headers.append((pair[1].decode().lower(), pair[2].decode()))
        answer = Answer(int(status[1]), headers, b"")
        if answer.status == 100:
            continue
        body, heard = _body(answer, heard, is_head=is_head and not found)
        found.append(Answer(answer.status, headers, body))
    return found


def _body(answer: Answer, heard: bytes, *, is_head: bool) -> tuple[bytes, bytes]:
    is_unread = answer.status in UNREAD and heard[:5] not in (b"", b"HTTP/")
    if answer.status in (204, 304) or (is_head and not is_unread):
        return b"", heard
    if answer.header("transfer-encoding") == "chunked":
        return _of_chunks(heard)
    length = answer.header("content-length")
    if not length.isdecimal():
        raise Malformed(f"a body of {length!r} bytes")
    if len(heard) < int(length):
        raise BrokenOff(f"a body of {len(heard)} bytes, said to have {length}")
    body, heard = heard[: int(length)], heard[int(length) :]
    return (zlib.decompress(body, 31) if answer.header("content-encoding") == "gzip" else body), heard


def _of_chunks(heard: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        if not heard:
            raise BrokenOff("chunks without an end")
        size, end, heard = heard.partition(b"\r\n")
        if not end or not re.fullmatch(rb"[0-9a-fA-F]+", size) or heard[int(size, 16) :][:2] != b"\r\n":
            raise Malformed(f"no chunk: {size[:50]!r}")
        body, heard = body + heard[: int(size, 16)], heard[int(size, 16) + 2 :]
        if int(size, 16) == 0:
            return body, heard


async def send(port: int, request: "Request") -> bytes:
    """What the server says until it hangs up. Raises TimeoutError, and ConnectionError if it breaks off."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    # Who says something unfinished may be cut off.
    with contextlib.suppress(*((ConnectionError,) if request.cut else ())):
        writer.write(request.raw)
        if request.cut:
            writer.write_eof()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                while piece := await reader.read(262_144):
                    heard += piece
        except TimeoutError as error:
            raise TimeoutError(f"{len(heard)} bytes in {TIMEOUT_SECONDS} s: {heard[:60]!r}") from error
    writer.transport.abort()
    return heard


def write(request: "Request", host: bytes, rng: random.Random) -> None:
    """Puts together what goes out."""
    body = request.content = _content(request)
    query = b"&".join(name + b"=" + value for name, value in request.query)
    # What would end the line is sent by those who change the framing.
    target = re.sub(rb"[\r\n]", b"", request.path + (b"?" + query if query else b"")).replace(b" ", b"%20")
    headers = [(b"Host", host), (b"Connection", b"close"), *request.headers]
    if request.kind is not None and (body or request.method == b"POST"):
        headers.append((b"Content-Type", request.kind))
    if any(name == b"Host" for name, _ in request.headers) and rng.random() < 0.8:
        del headers[0]
    line = request.method + b" " + target + b" HTTP/1.1"
    if "framing" in request.touched:
        rng.choice(_FRAMES)(request, line, headers, body, rng)
    else:
        length = [(b"Content-Length", b"%d" % len(body))] if body or request.method == b"POST" else []
        request.raw = _joined(line, headers + length, body)


def _joined(line: bytes, headers: list[tuple[bytes, bytes]], body: bytes, end: bytes = b"\r\n") -> bytes:
    return line + end + b"".join(name + b": " + value + end for name, value in headers) + end + body


def _content(request: "Request") -> bytes:
    if request.body is not None:
        return request.body
    if request.method != b"POST" and not request.touched:
        return b""
    kind = request.kind or b""
    if kind.lower().startswith(b"multipart/"):
        return multipart(request, kind.partition(b"boundary=")[2] or b"b")
    if b"json" in kind:
        return json.dumps(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in request.fields}
        ).encode()
    if b"xml" in kind:
        return b"<a>" + b"".join(b"<b>%s</b>" % value for _, value in request.fields) + b"</a>"
    return b"&".join(name + b"=" + value for name, value in request.fields)


def multipart(request: "Request", boundary: bytes) -> bytes:
    """The fields and the file as parts."""
    parts = []
    for name, value in request.fields:
        disposition = b'form-data; name="%s"' % name.replace(b'"', b"%22")
        parts.append((disposition, unquote_to_bytes(value.replace(b"+", b" "))))
    if request.file:
        parts.append((b'form-data; name="file"; filename="%s"' % request.file[0].encode(), request.file[1]))
    texts = (b"--%s\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (boundary, *part) for part in parts)
    return b"".join(texts) + b"--%s--\r\n" % boundary


# Framings. Each is given the request, its first line, its headers and its body.

Headers = list[tuple[bytes, bytes]]


def chunks(body: bytes, rng: random.Random, more: bytes = b"") -> bytes:
    """The body in chunks. more: behind their sizes."""
    pieces = []
    while body:
        size = rng.randrange(1, len(body) + 1) if len(body) < 300 else len(body) // 2 + 1
        pieces.append(b"%x%s\r\n%s\r\n" % (size, more, body[:size]))
        body = body[size:]
    return b"".join(pieces) + b"0\r\n\r\n"


def _in_chunks(request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random) -> None:
    more = rng.choice((b"", b"", b";a=b", b' ; a="' + request.mark.encode() + b'"'))
    coding = rng.choice(
        (
            b"chunked",
            b"chunked",
            b"Chunked",
            b"gzip, chunked",
            b"xchunked",
            b"chunked, identity",
            b"\x0bchunked",
        )
    )
    request.raw = _joined(line, [*headers, (b"Transfer-Encoding", coding)], chunks(body, rng, more))
    if coding.lower() != b"chunked":
        request.cut = True


def _two_lengths(request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random) -> None:
    """Whoever reads one of them finds another end than whoever reads the other."""
    request.touched.add("two lengths")
    smuggled = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    length = (b"Content-Length", b"%d" % len(body))
    other = rng.choice(
        (
            (b"Transfer-Encoding", b"chunked"),
            (b"Content-Length", b"%d" % (len(body) + 1)),
            (b"Content-Length", b"+%d" % len(body)),
            (b"Content-Length", b"%d, 99" % len(body)),
            (b"Content-Length", b"0x%x" % len(body)),
            (b"transfer-encoding", b"identity, chunked"),
        )
    )
    both = [length, other]
    rng.shuffle(both)
    text = chunks(body, rng) if b"hunked" in other[1] else body
    request.raw = _joined(line, headers + both, text + smuggled)
    request.cut = True


def _wrong_length(request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random) -> None:
    length = rng.choice(
        (b"%d" % (len(body) + 50), b"%d" % (len(body) // 2), b"-1", b"1e3", b"9" * 30, b"", b" 1 1")
    )
    request.raw = _joined(line, [*headers, (b"Content-Length", length)], body)
    request.cut = True


def _bad_chunks(request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random) -> None:
    text = rng.choice(
        (b"zz\r\n" + body, b"-1\r\n\r\n", b"fffffffffffffffff\r\na", b"5\na=b\n0\n\n", b"0\r\nX: y\r\n\r\n")
    )
    request.raw = _joined(line, [*headers, (b"Transfer-Encoding", b"chunked")], text)
    request.cut = True


def _odd_lines(request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random) -> None:
    length = (b"Content-Length", b"%d" % len(body))
    name = request.mark.encode()
    odd = (
        _joined(line, [*headers, length], body, b"\n"),
        _joined(line, [*headers, (b"X-Folded", b"a\r\n " + name), length], body),
        _joined(line, [*headers, (b"X-Folded", b"a\r\n\tCookie: " + name), length], body),
        _joined(line, [*headers, (b"Content-Length ", length[1])], body),
        _joined(line, [*headers, (b"X\x00Y", name), length], body),
        _joined(line, [*headers, (b"X", b"a\rX-Y: " + name), length], body),
        _joined(line, [*headers, (b"X", b"a\x00" + name), length], body),
        _joined(line, [*headers, (b"", name), length], body),
        _joined(line, [(b" X", name), *headers, length], body),
        _joined(line.replace(b"HTTP/1.1", b"HTTP/1.0"), [*headers, length], body),
        _joined(
            line.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/2.0", b"http/1.1", b"HTCPCP/1.0"))),
            [*headers, length],
            body,
        ),
        _joined(line.replace(b" HTTP/1.1", b""), [*headers, length], body),
        _joined(line.replace(b" ", b"  "), [*headers, length], body),
        _joined(line.replace(b" ", b"\t"), [*headers, length], body),
        _joined(line, [(b"Host", b"a"), *headers, length], body),
        _joined(line, [pair for pair in [*headers, length] if pair[0] != b"Host"], body),
        _joined(line, [*headers, *((b"X-%d" % at, name) for at in range(250)), length], body),
        _joined(line, [*headers, (b"Expect", rng.choice((b"100-continue", b"200-ok"))), length], body),
        b"\r\n\r\n" + _joined(line, [*headers, length], body),
        rng.randbytes(rng.randrange(1, 300)),
    )
    request.raw = rng.choice(odd)
    request.cut = True


def _one_after_another(
    request: "Request", line: bytes, headers: Headers, body: bytes, rng: random.Random
) -> None:
    """Another request in the same breath, that ends the connection if the first one does not."""
    kept = [pair for pair in headers if pair[0] != b"Connection"]
    first = _joined(line, [*kept, (b"Content-Length", b"%d" % len(body))], body)
    request.raw = first + b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    request.answers = 2


_FRAMES: Final[tuple[Callable[["Request", bytes, Headers, bytes, random.Random], None], ...]] = (
    _in_chunks,
    _in_chunks,
    _two_lengths,
    _wrong_length,
    _bad_chunks,
    _odd_lines,
    _odd_lines,
    _one_after_another,
)
