"""Requests as handlers get them, without a server and without an answer."""

from collections.abc import Iterable
from typing import Any

from litestar import Request
from litestar.types import Receive

from handlers.http.request.bodies import Body
from handlers.http.request.types import AnyRequest
from tests.support.pages.site import Site


def asked(
    site: Site, headers: Iterable[tuple[bytes, bytes]] = (), *, scheme: str = "http", body: Body | None = None
) -> AnyRequest:
    """A request of a browser at 192.0.2.1, with these headers and a body that was read already."""
    scope: Any = {
        "type": "http",
        "method": "POST" if body else "GET",
        "scheme": scheme,
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": list(headers),
        "client": ("192.0.2.1", 40_000),
        "state": {"body": body} if body else {},
        "litestar_app": site.app,
        "app": site.app,
    }
    return Request(scope)


async def body_of(site: Site, content: bytes) -> Body:
    """What was sent, as the defences read it."""
    body = Body(site.context.room)
    receive: Receive = lambda: _whole(content)  # type: ignore[assignment, return-value] # noqa: E731
    await body.read(receive)
    return body


async def _whole(content: bytes) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": False}
