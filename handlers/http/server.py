"""The HTTP server around the application: uvicorn on a socket that was taken first; the lines of the log."""

import logging
import os
import signal
import time
from multiprocessing import parent_process
from socket import AF_INET, SO_REUSEADDR, SOCK_STREAM, SOL_SOCKET, getaddrinfo, socket
from threading import Thread
from typing import Any, Final

import uvicorn
from uvicorn.supervisors.multiprocess import Multiprocess

# What is under way when the server is told to stop may go on for so long.
GRACE_SECONDS: Final = 10
BACKLOG: Final = 2048


class CannotListen(OSError):
    """The port or the address can't be had; the message is one line."""


def listen(host: str, port: int) -> socket:
    """Takes the port, so that whoever comes second fails before touching anything. Raises CannotListen."""
    try:
        # A name may stand for two addresses; people who open it in a browser come to this one in any case.
        found = getaddrinfo(host, port, type=SOCK_STREAM)
        family, kind, _, _, where = min(found, key=lambda address: address[0] != AF_INET)
        listening = socket(family, kind)
    except OSError as error:
        raise CannotListen(
            f"{host} is no address of this machine ({error.strerror}): try another --host."
        ) from error
    try:
        listening.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        listening.bind(where)
        # Two may bind a port that nobody listens on yet, but only one may listen.
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"Port {port} of {host} can't be had ({error.strerror}): try another --port."
        ) from error
    listening.setblocking(False)
    return listening


async def serve(application: Any, listening: socket) -> None:
    """Serves in this process until SIGTERM or SIGINT. Raises SystemExit if the application doesn't start."""
    log_to_stderr()
    server = uvicorn.Server(_config(application))
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again when it has stopped, which would end us with another exit code.
        signal.signal(number, lambda *_: setattr(server, "should_exit", True))
    await server.serve([listening])


def serve_by_workers(factory: str, listening: socket, workers: int) -> None:
    """The same by processes of their own. factory: "module:function" that makes the application in each."""
    log_to_stderr()
    Multiprocess(_config(factory, workers), [listening]).run()


def _config(application: Any, workers: int = 1) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def end_with_the_parent() -> None:
    """For a worker: one whose parent was killed would go on, hold the port, and serve an older program."""
    parent = parent_process()

    def wait() -> None:
        if parent is not None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=wait, name="parent", daemon=True).start()


def log_to_stderr() -> None:
    """A plain line for each event: instant, level, logger, message; of errors the trace in the same line."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("{asctime} {levelname} {name} {message}", style="{"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("gatehouse").setLevel(logging.INFO)


class OneLine(logging.Formatter):
    """Nothing that somebody sends can begin a line of its own, or speak to the terminal. Times are UTC."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """The event as one printable line."""
        text = " | ".join(super().format(record).splitlines())
        return "".join(sign if sign.isprintable() else " " for sign in text)
