"""/organization: leads to the first of its parts that is open to who asks."""

from typing import Final

from litestar import Response, get

from db import policy
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering

PARTS: Final = (
    (policy.may_manage_members, "/organization/members"),
    (policy.may_invite, "/organization/invitations"),
    (policy.may_read_activity, "/organization/activity"),
    (policy.may_change_settings, "/organization/settings"),
)


@get("/organization", guards=[Requires(policy.may_open_organization)])
async def start(request: AnyRequest, current: CurrentUser) -> Response[bytes]:
    return rendering.redirect(request, next(path for may, path in PARTS if may(current.role)))
