"""The server around the application: ports that can't be had, and workers that end with their parent."""

import errno
import logging
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from pathlib import Path
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    SO_RCVBUF,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NOTSENT_LOWAT,
    socket,
)

import httpx
import pytest

import server
from handlers.http.server.limits import LIMITS
from server import (
    CannotListen,
    bounded,
    end_with_the_parent,
    listen,
    why_not,
)
from tests.support.servers.command import ROOT, TIMEOUT_SECONDS

HERE = "127.0.0.1"


def refusal(host: str, port: int) -> str:
    with pytest.raises(CannotListen) as said:
        listen(host, port)
    return str(said.value)


def two_in_a_row() -> tuple[socket, socket]:
    """Two ports, one behind the other, both listened on."""
    for _ in range(100):
        first = listen(HERE, 0)
        try:
            return first, listen(HERE, first.getsockname()[1] + 1)
        except CannotListen:
            first.close()
    raise AssertionError("no two ports in a row are free")


def test_a_port_in_use_is_said_with_the_next_one_that_is_free() -> None:
    first, second = two_in_a_row()
    with closing(first), closing(second):
        port = first.getsockname()[1]

        found = re.fullmatch(rf"Port {port} is in use\. Try make run PORT=(\d+)\.", refusal(HERE, port))

    assert found
    assert int(found[1]) >= port + 2


def test_behind_the_last_port_the_usual_one_is_said() -> None:
    taken = OSError(errno.EADDRINUSE, "Address already in use")

    assert "PORT=8080." in why_not(taken, HERE, 65_535, (HERE, 65_535))


def test_a_port_for_root_alone_is_said_with_another_one() -> None:
    denied = OSError(errno.EACCES, "Permission denied")

    said = why_not(denied, "127.0.0.1", 80, ("127.0.0.1", 80))

    assert re.fullmatch(
        r"Port 80 is only for root\. Try make run PORT=80\d\d, .+ proxy listen on ports below 1024\.", said
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "a" * 64 + ".example", "\udcff"])
def test_an_address_of_somebody_else_is_said(host: str) -> None:
    assert refusal(host, 0).startswith(f"{host} isn't an address of this computer. Try --host 127.0.0.1")


def test_any_other_reason_is_said_by_its_number() -> None:
    said = why_not(OSError(errno.ENOBUFS, "No buffer space available"), HERE, 8080, (HERE, 8080))

    assert said == f"Port 8080 of 127.0.0.1 can't be used (error {errno.ENOBUFS} of the operating system)."


def test_where_files_have_no_limit_connections_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, which calls the limit infinite and takes no such number."""

    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (infinite, infinite))
    monkeypatch.setattr(resource, "setrlimit", refuse)

    assert bounded(LIMITS) == LIMITS


@pytest.mark.parametrize(("most", "connections"), [(20_000, 10_000), (1_128, 1_000), (256, 128), (200, 100)])
def test_connections_leave_file_descriptors_for_what_else_is_open(
    monkeypatch: pytest.MonkeyPatch, most: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (100, most))
    monkeypatch.setattr(resource, "setrlimit", lambda *_: None)

    limits = bounded(LIMITS)

    assert (limits.connections, limits.descriptors) == (connections, most - 8)


def workers(base: str) -> set[str]:
    """The two that answer, once both do."""
    found = set[str]()
    until = time.monotonic() + TIMEOUT_SECONDS
    while len(found) < 2:
        assert time.monotonic() < until, found
        try:
            found.add(httpx.get(base, timeout=TIMEOUT_SECONDS).text)
        except httpx.TransportError:
            time.sleep(0.05)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent_however_it_ends(number: signal.Signals) -> None:
    command = [sys.executable, str(Path(__file__).parent / "support" / "servers" / "workers_process.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, ExitStack() as stack:
        # Nothing waits for it for ever, when something fails.
        stack.callback(process.kill)
        assert process.stdout
        base = f"http://{HERE}:{int(process.stdout.readline())}"
        assert str(process.pid) not in workers(base)

        process.send_signal(number)
        # All hold it: it ends with the last of them.
        rest, _ = process.communicate(timeout=TIMEOUT_SECONDS)

    assert (process.returncode, rest) == (0 if number == signal.SIGTERM else -number, "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(base, timeout=TIMEOUT_SECONDS)


def test_who_has_no_parent_goes_on() -> None:
    before = set(threading.enumerate())

    end_with_the_parent()

    for thread in set(threading.enumerate()) - before:
        thread.join(TIMEOUT_SECONDS)
        assert not thread.is_alive()


def test_a_name_with_two_addresses_is_the_older_kind_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where localhost is ::1, too, people who type 127.0.0.1 come in."""
    both = [
        (AF_INET6, SOCK_STREAM, 6, "", ("::1", 0, 0, 0)),
        (AF_INET, SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(server, "getaddrinfo", lambda *_, **__: both)

    with server.listen("localhost", 0) as listening:
        assert listening.family == AF_INET


def test_what_cannot_be_printed_is_one_blank_in_the_log() -> None:
    record = logging.makeLogRecord({"msg": "one\ntwo\x1b[31m\u202ethree", "levelname": "INFO"})

    assert server.OneLine("%(message)s").format(record) == "one | two [31m three"


def test_the_kernel_holds_little_of_each_connection() -> None:
    with listen(HERE, 0) as listening:
        # Linux doubles it, and says so.
        assert listening.getsockopt(SOL_SOCKET, SO_RCVBUF) == 2 * 65_536
        assert listening.getsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT) == 65_536


STARTS_BADLY = """
import asyncio, logging, server
from handlers.http.server.limits import LIMITS

async def application(scope, receive, send):
    await receive()
    logging.getLogger("gatehouse").info("starting")
    await send({"type": "lifespan.startup.failed", "message": "no"})

with server.listen("127.0.0.1", 0) as listening:
    asyncio.run(server.serve(application, listening, LIMITS))
"""


def test_a_server_logs_its_lines_from_the_start() -> None:
    done = subprocess.run(
        [sys.executable, "-c", STARTS_BADLY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )

    assert done.returncode
    lines = done.stderr.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO gatehouse starting", lines[0])
