"""A server that a scanner must find faults in, so that it means something when it finds none elsewhere."""

import asyncio
import html
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import asyncpg

START = '<!doctype html><title>Weak</title><a href="/members?q=ana">Ana</a><form><input name="q"></form>'
# In earnest nobody would write that.
STATEMENT = "SELECT name FROM (SELECT 'ana' AS name UNION SELECT 'bo') AS member WHERE name = '{}'"


class Weak(BaseHTTPRequestHandler):
    """Puts what it is asked for into SQL and into the page, as it came."""

    url = ""

    def do_GET(self) -> None:
        place = urlsplit(self.path)
        asked = parse_qs(place.query).get("q", [""])[0]
        try:
            page = START if place.path == "/" else f"<p>{asked}</p>{html.escape(str(self._found(asked)))}"
            status = 200
        except (sqlite3.Error, sqlite3.Warning, asyncpg.PostgresError) as error:
            status, page = 500, f"{type(error).__module__}.{type(error).__name__}: {error}"
        body = page.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _found(self, asked: str) -> list[str]:
        statement = STATEMENT.format(asked)
        if not self.url:
            with sqlite3.connect(":memory:") as database:
                return [str(row[0]) for row in database.execute(statement)]
        return asyncio.run(self._on_postgres(statement))

    async def _on_postgres(self, statement: str) -> list[str]:
        database = await asyncpg.connect(self.url)
        try:
            return [str(row[0]) for row in await database.fetch(statement)]
        finally:
            await database.close()

    def log_message(self, *_: object) -> None:
        """Nobody wants to read it."""


@contextmanager
def serving(url: str = "") -> Iterator[str]:
    """The address of a weak server. url: of the PostgreSQL that it asks, "" for a SQLite of its own."""
    handler = type("WeakOn", (Weak,), {"url": url})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
