"""The list of members that somebody was looking at, to come back to it and to change what tells of it."""

from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from db.errors import Invalid
from db.members.directory import Filter
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from messages import by_field

PATH: Final = "/organization/members"
PARAMETERS: Final = frozenset({"q", "role", "sort", "link", "after", "before"})
MAX_FIELDS: Final = 100


def present_filter(request: AnyRequest, form: Form | None = None) -> Filter:
    """Of the list that a request came from: its field `filter` tells it, else the address of the page.

    In a dialog the address is the dialog's own.
    """
    if form is not None and form["filter"]:
        return filter_in(form["filter"])
    came_from = _came_from(request)
    return filter_in(came_from.query) if came_from else Filter()


def is_over_list(request: AnyRequest, form: Form | None = None) -> bool:
    """Whether the list stands behind the panel that a request came from: its field `listed` tells it, else
    the address of the page that opens the panel.
    """
    if form is not None:
        return bool(form["listed"])
    return rendering.wants_fragment(request) and _came_from(request) is not None


def _came_from(request: AnyRequest) -> SplitResult | None:
    """The address of the list that a request came from; None when it came from another page."""
    address = request.headers.get("hx-current-url") or request.headers.get("referer") or ""
    try:
        came_from = urlsplit(address)
    except ValueError:
        return None
    return came_from if came_from.path.endswith(PATH) else None


def filter_in(query: str) -> Filter:
    """The filter of a query string; everybody when it can't be read."""
    try:
        return Filter.parse(parse_qs(query, max_num_fields=MAX_FIELDS))
    except (Invalid, ValueError):
        return Filter()


def parameters_in(query: str) -> dict[str, list[str]]:
    """The parameters of a list's query string, for a decision on all of it. Raises Invalid for any other."""
    try:
        parameters = parse_qs(query, strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Invalid({"filter": [by_field.FILTER_NOT_READ]}) from None
    if parameters.keys() - PARAMETERS:
        raise Invalid({"filter": [by_field.FILTER_NOT_READ]})
    return parameters


def path_of(chosen: Filter) -> str:
    """Where the list with this filter stands."""
    query = chosen.address()
    return f"{PATH}?{query}" if query else PATH
