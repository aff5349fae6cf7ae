"""The server's own answers to requests beyond its limits, and their lines in the log."""

import logging

import pytest

from handlers.http.server.limits import LIMITS, SENTENCES, RefusalLog, answer


def test_an_answer_of_the_servers_own_is_whole_and_ends_the_connection() -> None:
    response = answer(431, [(b"date", b"Sat, 28 Nov 2026 09:00:00 GMT")], https=False)

    head, _, body = response.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    named = dict(header.split(b": ", 1) for header in headers)
    assert line == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert body == f"{SENTENCES[431]}\n".encode()
    assert named[b"date"] == b"Sat, 28 Nov 2026 09:00:00 GMT"
    assert named[b"content-type"] == b"text/plain; charset=utf-8"
    assert named[b"content-length"] == str(len(body)).encode()
    assert named[b"connection"] == b"close"
    assert named[b"content-security-policy"].startswith(b"default-src 'none'")
    assert len(named) == len(headers)


@pytest.mark.parametrize("https", [False, True])
def test_it_has_the_headers_of_every_answer_and_on_https_hsts(https: bool) -> None:
    response = answer(503, [], https=https)

    assert (b"\r\nstrict-transport-security: max-age=31536000\r\n" in response) is https
    assert b"\r\ncache-control: no-store\r\n" in response


def test_each_status_that_is_refused_has_a_sentence() -> None:
    for status in (400, 408, 414, 431, 503):
        assert answer(status, [], https=False).startswith(f"HTTP/1.1 {status} ".encode())


def test_of_each_status_the_log_has_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "gatehouse")
    refusals = RefusalLog()

    for status, now in (
        (400, 5.0),
        (400, 5.0),
        (408, 6.0),
        (400, 64.9),
        (400, 65.0),
        (400, 125.0),
        (408, 66.0),
    ):
        refusals.add(status, f"192.0.2.{now:.0f}", now)

    logged = [
        record.getMessage().rpartition(f" {SENTENCES[400]}")[0] or record.getMessage()
        for record in caplog.records
    ]
    assert logged == [
        "connections: status=400 from=192.0.2.5 unsaid=0",
        f"connections: status=408 from=192.0.2.6 unsaid=0 {SENTENCES[408]}",
        "connections: status=400 from=192.0.2.65 unsaid=2",
        "connections: status=400 from=192.0.2.125 unsaid=0",
        f"connections: status=408 from=192.0.2.66 unsaid=0 {SENTENCES[408]}",
    ]


def test_the_limits_are_those_of_the_manual() -> None:
    assert (LIMITS.header_bytes, LIMITS.header_lines) == (32_768, 200)
    assert (LIMITS.header_seconds, LIMITS.idle_seconds) == (10, 10)
    assert (LIMITS.body_seconds, LIMITS.body_rate) == (30, 10_000)
    assert (LIMITS.answer_seconds, LIMITS.answer_bytes) == (30, 10_000)
    assert (LIMITS.rest_seconds, LIMITS.rest_bytes) == (30, 64_000_000)
    assert (LIMITS.connections, LIMITS.share) == (10_000, 8_750)
