"""The routes for machines: the health check and the static files."""

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from db import engine
from handlers.http.auth.guards import before_setup
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from handlers.http.response.compression import accepts_gzip


@get("/health", guards=[before_setup])
async def health() -> Response[dict[str, str]]:
    """200 only if the database answers, else 503."""
    try:
        await engine.read(engine.rows, "SELECT 1 FROM installation")
    except engine.DatabaseError:
        return Response({"status": "unavailable"}, status_code=503, headers={"Retry-After": "5"})
    return Response({"status": "ok"})


@get("/static/{name:path}", guards=[before_setup])
async def static_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A file by its hashed name, compressed if the browser accepts that."""
    match = context_of(request).static.find(name.lstrip("/"))
    if match is None:
        raise NotFoundException
    file, exact = match
    compressed = accepts_gzip(request.headers.get("accept-encoding", ""))
    headers = file.headers(exact=exact)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = file.compressed if compressed else file.content
    return Response(content, media_type=file.media_type, headers=headers)
