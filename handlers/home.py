"""The start page: home for members with a role, the waiting page for Pending members."""

from typing import Any

from litestar import Response, get

from db import engine, policy
from db.errors import SignInFirst
from db.members import last_day
from db.members.directory import role_counts
from db.policy import Role
from handlers.http.auth.guards import public
from handlers.http.auth.identity import identify
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering


@get("/", guards=[public])
async def home(request: AnyRequest) -> Response[bytes]:
    """Signed out: redirects to the login page. Pending: the waiting page, or its fragment. Active: home."""
    current = await identify(request)
    if current is None:
        if rendering.is_htmx(request):
            raise SignInFirst
        return rendering.redirect(request, "/user/login")
    ends_at = current.ends_at if last_day.near(current.ends_at) else 0
    if current.role is not Role.PENDING:
        # The waiting page polls this address, and goes home once there is a role.
        if rendering.wants_fragment(request):
            return rendering.redirect(request, "/")
        waiting = 0
        if policy.may_manage_members(current.role):
            waiting = (await engine.read(role_counts.counts))[Role.PENDING]
        return await rendering.page(request, "home/home.html", waiting=waiting, ends_at=ends_at)
    context: dict[str, Any] = {"joined_at": current.joined_at, "joined_via": current.joined_via}
    if rendering.wants_fragment(request):
        return rendering.fragment(request, "home/_waiting.html", **context)
    return await rendering.page(request, "home/waiting.html", ends_at=ends_at, **context)
