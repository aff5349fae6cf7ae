"""The list of members behind a request: to return to it, and to update it."""

from typing import Final
from urllib.parse import SplitResult, parse_qs, urlsplit

from db.errors import Invalid
from db.members.directory import MemberFilter
from db.members.directory.filters import PARAMETERS
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from messages import by_field

PATH: Final = "/organization/members"
MAX_FIELDS: Final = 100


def present_filter(request: AnyRequest, form: Form | None = None) -> MemberFilter:
    """The filter of the list behind a request: its field `filter`, or else the page's address.

    A dialog has its own address, so its forms send the field.
    """
    if form is not None and form["filter"]:
        return filter_in(form["filter"])
    came_from = _came_from(request)
    return filter_in(came_from.query) if came_from else MemberFilter()


def is_over_list(request: AnyRequest, form: Form | None = None) -> bool:
    """Whether the list is behind the panel that a request came from.

    A form says so in its field `listed`; a request that opens the panel, by the address of its page.
    """
    if form is not None:
        return bool(form["listed"])
    return rendering.wants_fragment(request) and _came_from(request) is not None


def _came_from(request: AnyRequest) -> SplitResult | None:
    """The address of the list that a request came from, None if it came from another page."""
    address = request.headers.get("hx-current-url") or request.headers.get("referer") or ""
    try:
        came_from = urlsplit(address)
    except ValueError:
        return None
    return came_from if came_from.path.endswith(PATH) else None


def filter_in(query: str) -> MemberFilter:
    """The filter of a query string. One that can't be read shows everybody."""
    try:
        return MemberFilter.parse(parse_qs(query, max_num_fields=MAX_FIELDS))
    except (Invalid, ValueError):
        return MemberFilter()


def parameters_in(query: str) -> dict[str, list[str]]:
    """The parameters of a list's query string, for a change of all its members. Raises Invalid for others."""
    try:
        parameters = parse_qs(query, strict_parsing=True, errors="strict", max_num_fields=MAX_FIELDS)
    except ValueError:
        raise Invalid({"filter": [by_field.FILTER_NOT_READ]}) from None
    if parameters.keys() - PARAMETERS:
        raise Invalid({"filter": [by_field.FILTER_NOT_READ]})
    return parameters


def path_of(chosen: MemberFilter) -> str:
    """The address of the list with this filter."""
    query = chosen.address()
    return f"{PATH}?{query}" if query else PATH
