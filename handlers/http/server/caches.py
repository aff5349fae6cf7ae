"""Nothing of a request outlives it in a cache: those that are keyed by what somebody sends are emptied.

The framework and Python remember whole headers, queries and paths, a thousand of each, for programs whose
visitors mean well. Whoever asks for something new each time would fill them, and they are never given back.
"""

from typing import Any, cast
from urllib.parse import urlsplit

from litestar import Litestar
from litestar._asgi.routing_trie.traversal import parse_path_params
from litestar._kwargs.extractors import create_query_default_dict
from litestar._parsers import parse_cookie_string, parse_query_string, parse_url_encoded_form_data
from litestar.datastructures.url import URL
from litestar.types import ASGIApp, Receive, Scope, Send


def kept_empty(app: Litestar, asgi_app: ASGIApp) -> ASGIApp:
    """The same application, after whose every request the caches are empty; app: whose router has one."""
    caches = (
        app.asgi_router.handle_routing,
        parse_cookie_string,
        parse_query_string,
        parse_url_encoded_form_data,
        parse_path_params,
        create_query_default_dict,
        URL._new,
        URL.from_components,
        # In its declaration Python says nothing of its cache.
        cast(Any, urlsplit),
    )

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asgi_app(scope, receive, send)
        finally:
            for cache in caches:
                cache.cache_clear()

    return handle
