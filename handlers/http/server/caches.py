"""Clears, after each request, every cache that is keyed by what a client sends.

The framework and Python keep whole headers, queries and paths, a thousand of each, and never give that memory
back. A client that sends something new each time would fill these caches.

Litestar 2 has no public way to bound or empty them, hence the private names. An upgrade that renames one
fails here, at the start; one that adds a cache fails tests/handlers/http/server/test_caches.py.
"""

from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Litestar
from litestar._asgi.routing_trie.traversal import parse_path_params
from litestar._kwargs.extractors import create_query_default_dict
from litestar._parsers import parse_cookie_string, parse_query_string, parse_url_encoded_form_data
from litestar.datastructures.url import URL
from litestar.types import ASGIApp, Receive, Scope, Send


def clearing_caches(app: Litestar, asgi_app: ASGIApp) -> ASGIApp:
    """`asgi_app`, with its caches cleared after each request. app: one of the caches is in its router."""
    caches = (
        app.asgi_router.handle_routing,
        parse_cookie_string,
        parse_query_string,
        parse_url_encoded_form_data,
        parse_path_params,
        create_query_default_dict,
        URL._new,
        URL.from_components,
        # Its type stub doesn't declare the cache.
        cast(Any, urlsplit),
    )

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asgi_app(scope, receive, send)
        finally:
            for cache in caches:
                cache.cache_clear()

    return handle
