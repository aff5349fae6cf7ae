"""An application served in this process as `gatehouse serve` does it, and what it says on a connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn

from handlers.http.limits import LIMITS, Limits
from handlers.http.server import configured


@dataclass(frozen=True)
class Served:
    port: int
    server: uvicorn.Server


@asynccontextmanager
async def served(application: Any, limits: Limits = LIMITS) -> AsyncIterator[Served]:
    """Serves an application that is open already; at the end requests under way get their answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        config = configured(application, limits)
        config.lifespan = "off"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listening]))
        while not server.started:  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0.01)
        yield Served(listening.getsockname()[1], server)
        server.should_exit = True
        await serving
