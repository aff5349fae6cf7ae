"""The HTTP server around the application: uvicorn on a socket that we bind first, and the log's format."""

import errno
import logging
import os
import resource
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import parent_process
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    SO_RCVBUF,
    SO_REUSEADDR,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NOTSENT_LOWAT,
    getaddrinfo,
    socket,
)
from threading import Thread
from typing import Any, Final

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

from handlers.http.server.connections import Connection
from handlers.http.server.limits import Limits

# When the server has to stop, requests under way may go on for so long.
GRACE_SECONDS: Final = 10
BACKLOG: Final = 2048
# The kernel buffers so much of an answer. By itself it would buffer megabytes for each connection.
UNSENT_BYTES: Final = 65_536
# The kernel buffers so much of a request before we read it; Linux doubles the number.
UNREAD_BYTES: Final = 65_536
# File descriptors for other things than connections: the database, mail, files, and sockets about to close.
OTHER_DESCRIPTORS: Final = 128
# The last descriptors are never for connections, however many the other things need.
RESERVED_DESCRIPTORS: Final = 8
# The first port to suggest in place of one below 1024, which needs rights: Gatehouse's default.
FIRST_FREE_PORT: Final = 8080
IN_USE: Final = "Port {} is in use. Try make run PORT={}."
PRIVILEGED: Final = (
    "Port {} is only for root. Try make run PORT={}, and let a proxy listen on ports below 1024."
)
NO_ADDRESS: Final = (
    "{} isn't an address of this computer. Try --host 127.0.0.1 for this computer alone, or --host 0.0.0.0."
)


class CannotListen(OSError):
    """The port or the address is not available. The message is one line."""


def listen(host: str, port: int) -> socket:
    """Binds the port, so that a second server fails before it touches anything. Raises CannotListen."""
    try:
        # A name may have an IPv6 address too. Browsers reach the IPv4 address in any case.
        candidates = getaddrinfo(host, port, type=SOCK_STREAM)
        family, kind, _, _, address = min(candidates, key=lambda candidate: candidate[0] != AF_INET)
        listening = socket(family, kind)
    except (OSError, UnicodeError) as error:
        raise CannotListen(NO_ADDRESS.format(host)) from error
    try:
        listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        # Its connections inherit these.
        listening.setsockopt(IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        listening.setsockopt(SOL_SOCKET, SO_RCVBUF, UNREAD_BYTES)
        listening.bind(address)
        # Two servers can bind a port while nobody listens on it, but only one can listen.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(why_not(error, host, port, address)) from error
    listening.setblocking(False)
    return listening


def why_not(error: OSError, host: str, port: int, address: tuple[Any, ...]) -> str:
    """A sentence that says why a port isn't available, and names one that is."""
    if error.errno == errno.EADDRINUSE:
        return IN_USE.format(port, _next_free(address, port + 1))
    if error.errno in (errno.EACCES, errno.EPERM):
        return PRIVILEGED.format(port, _next_free(address, FIRST_FREE_PORT))
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return NO_ADDRESS.format(host)
    return f"Port {port} of {host} can't be used (error {error.errno} of the operating system)."


def _next_free(address: tuple[Any, ...], first: int) -> int:
    """The first free port at this address, from `first` on."""
    for port in range(first, min(first + 100, 65536)):
        with socket(AF_INET6 if ":" in address[0] else AF_INET, SOCK_STREAM) as probe:
            probe.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
            try:
                probe.bind((address[0], port))
                probe.listen(1)
            except OSError:
                continue
            return port
    return FIRST_FREE_PORT


async def serve(application: Any, listening: socket, limits: Limits) -> None:
    """Serves in this process until SIGTERM or SIGINT. Raises SystemExit if the application doesn't start."""
    log_to_stderr()
    server = uvicorn.Server(configured(application, limits))
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again after it has stopped, which would change the exit code.
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    await server.serve([listening])


def serve_by_workers(factory: str, listening: socket, workers: int, limits: Limits) -> None:
    """Serves in several processes. factory: "module:function" that makes the application in each."""
    log_to_stderr()
    Multiprocess(configured(factory, limits, workers), [listening]).run()


def configured(application: Any, limits: Limits, workers: int = 1) -> uvicorn.Config:
    """The configuration of uvicorn. Also raises this process's limit of file descriptors, for workers too."""
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        workers=workers,
        loop="uvloop",
        http=partial(Connection, limits=bounded(limits), by_customer=Counter()),  # type: ignore[arg-type]
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def bounded(limits: Limits) -> Limits:
    """Raises the soft limit of file descriptors, and lowers `limits` to what that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems have an infinite hard limit, and don't accept it as a soft one.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    if soft == resource.RLIM_INFINITY:
        return limits
    return replace(
        limits,
        connections=min(limits.connections, max(soft - OTHER_DESCRIPTORS, soft // 2)),
        descriptors=min(limits.descriptors, soft - RESERVED_DESCRIPTORS),
    )


def end_with_the_parent() -> None:
    """Ends this worker when its parent is killed. Else it would hold the port, and serve an older program."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, name="parent", daemon=True).start()


def log_to_stderr() -> None:
    """Logs one plain line for each event: time, level, logger, message, and the trace of an error."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("{asctime} {levelname} {name} {message}", style="{"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("gatehouse").setLevel(logging.INFO)


class OneLine(logging.Formatter):
    """Keeps what a client sends from starting a new line or controlling the terminal. Times are UTC."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """The event as one printable line."""
        text = " | ".join(super().format(record).splitlines())
        return "".join(char if char.isprintable() else " " for char in text)
