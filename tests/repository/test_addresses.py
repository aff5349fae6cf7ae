"""docs/addresses.md lists every address with who may use it, and no other."""

import re
from pathlib import Path

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import create_app
from handlers.http.auth.guards import Requires
from settings import Settings
from tests.support.pages.site import SECRET

DOCUMENT = Path(__file__).parents[2] / "docs" / "addresses.md"
ROW = re.compile(
    r"\| (?P<methods>GET|POST|GET, POST) `(?P<path>/[^`?]*)(\?[^`]*)?` \| (?P<who>[^|]+) \| .+ \|"
)
# The guards of the routes, in the words of the document.
WHO = {
    "public": "anyone",
    "public_unchecked": "anyone",
    "before_setup": "anyone",
    "signed_in": "signed in",
}


def documented() -> list[tuple[str, str, str]]:
    """Method, path and who, from each row of the table."""
    table = DOCUMENT.read_text(encoding="utf-8").partition("|---|---|---|\n")[2]
    rows = [ROW.fullmatch(line) for line in table.splitlines()]
    assert all(rows), "a row that isn't one"
    return [(method, row["path"], row["who"]) for row in rows if row for method in row["methods"].split(", ")]


def served() -> list[tuple[str, str, str]]:
    """The same, from the application."""
    return [
        (method, route.path_format, who_uses(handler))
        for route in create_app(Settings(secret_key=SECRET)).routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in sorted(handler.http_methods & {"GET", "POST"})
    ]


def who_uses(handler: HTTPRouteHandler) -> str:
    """Whom the one guard of a route lets in, in the words of the document."""
    (guard,) = handler.resolve_guards()
    if isinstance(guard, Requires):
        return ", ".join(role.value for role in guard.permission.roles)
    return WHO[str(getattr(guard, "func", guard).__name__)]


def test_every_address_is_documented_with_who_may_use_it() -> None:
    assert sorted(documented()) == sorted(served())


def test_no_address_is_documented_twice() -> None:
    assert len(documented()) == len(set(documented()))
