"""An application served in this process as `gatehouse serve` does it, and what it says on a connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from handlers.http.server.limits import LIMITS, Limits
from server import configured, listen


@dataclass(frozen=True)
class Served:
    port: int
    server: uvicorn.Server


@asynccontextmanager
async def served(application: Any, limits: Limits = LIMITS) -> AsyncIterator[Served]:
    """Serves an application that is open already; at the end requests under way get their answers."""
    with listen("127.0.0.1", 0) as listening:
        config = configured(application, limits)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0.01)
        yield Served(listening.getsockname()[1], server)
        server.should_exit = True
        await serving


@asynccontextmanager
async def small_window(port: int) -> AsyncIterator[socket.socket]:
    """A connection on which the kernel takes hardly anything ahead of who reads; for the loop's sock_…."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        yield connection
