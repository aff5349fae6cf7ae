"""How far the chunks of a body certainly go."""

import pytest

from handlers.http.server.chunks import Chunks, NotChunks


def measured(buffer: bytes, limit: int = 1_000) -> int:
    return Chunks().measure(bytearray(buffer), limit)


def test_the_line_before_a_chunk_may_be_256_bytes_long() -> None:
    line = b"3;" + b"a" * 252 + b"\r\n"

    assert measured(line) == len(line) == 256
    assert measured(line[:255]) == 0
    for too_long in (line[:-2] + b"aa", line[:-2] + b"a\r\n"):
        with pytest.raises(NotChunks):
            measured(b"1\r\na\r\n" + too_long)


def test_a_line_that_makes_no_sense_is_refused_once_it_ends() -> None:
    assert measured(b"zz") == 0
    with pytest.raises(NotChunks):
        measured(b"zz\n")
    assert measured(b"1\r\na\r\nzz") == 6


def test_what_is_measured_ends_about_at_the_limit_and_with_the_body() -> None:
    body = b"14\r\n" + b"a" * 20 + b"\r\n0\r\n\r\n"

    assert measured(body + b"GET /") == len(body)
    assert measured(body, 10) == 10
    assert measured(body, 26) == 26
    # The last chunk counts once the empty line behind it is there.
    assert measured(body[:-1]) == 26


def test_a_chunk_goes_on_where_the_last_call_ended() -> None:
    chunks = Chunks()

    assert chunks.measure(bytearray(b"5\r\nabc"), 1_000) == 6
    assert chunks.measure(bytearray(b"de\r"), 1_000) == 3
    assert chunks.measure(bytearray(b"\n0\r\n\r\nGET"), 1_000) == 6


@pytest.mark.parametrize("behind", [b"X", b"\n", b"\rX"])
def test_nothing_but_the_end_follows_the_last_chunk(behind: bytes) -> None:
    with pytest.raises(NotChunks):
        measured(b"0\r\n" + behind)
