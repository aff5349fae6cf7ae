"""/organization/ownership: the Owner transfers the ownership, with their password."""

from typing import Final

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.accounts.sign_in import WrongPassword
from db.errors import Refused, TooManyTries, Unknown
from db.members import directory
from db.members.directory import MemberFilter
from db.organization import ownership
from db.policy import WORKING, Role
from handlers.http.auth import identity
from handlers.http.auth.cookies import renewed_cookie
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from handlers.organization.wording import plain
from messages import by_field, toasts

FIELDS: Final = ("member", "password")


class OwnershipController(Controller):
    path = "/organization/ownership"
    guards = [Requires(policy.may_transfer_ownership)]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        form = Form(FIELDS, {"member": request.query_params.getall("member", [])[:1]})
        return await _page(request, form)

    @post(status_code=HTTP_200_OK)
    async def hand_over(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *FIELDS)
        if not form["member"]:
            form.add_error("member", by_field.CHOOSE_THE_OWNER)
        if not form["password"]:
            form.add_error("password", by_field.ENTER_YOUR_PASSWORD)
        if form.errors:
            return await _page(request, form, status=422)
        try:
            row, token = await ownership.hand_over(
                identity.actor_of(current, request),
                session_id=current.session_id,
                member_id=row_id(form["member"]),
                password=form["password"],
                throttle=context_of(request).throttle,
                browser=identity.browser_of(request),
            )
        except Refused as error:
            return await _page(request, form, **errors.in_form(form, error, "member"))
        except WrongPassword:
            form.add_error("password", by_field.NOT_YOUR_PASSWORD)
            return await _page(request, form, status=422)
        except TooManyTries as error:
            return await _page(request, form, **errors.in_form(form, error, "password"))
        notice = toasts.OWNER_NOW.format(name=plain(row.label))
        cookie = renewed_cookie(request, current, token)
        return rendering.redirect(request, "/organization/members", notice=notice, cookies=[cookie])


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    page = await directory.page(MemberFilter(roles=WORKING, sort="role"))
    candidates = list(page.rows)
    chosen = form.values["member"]
    if chosen and not any(str(row.id) == chosen for row in candidates):
        row = await _named(chosen)
        candidates += [row] if row else []
    return await rendering.page(
        request,
        "organization/settings/ownership.html",
        status=status,
        headers=headers,
        form=form,
        candidates=candidates,
        more=page.older is not None,
    )


async def _named(member_id: str) -> directory.MemberRow | None:
    """The member who was chosen on their own page, if the list is too long to hold them."""
    try:
        row = await directory.one(row_id(member_id))
    except Unknown:
        return None
    return row if row and Role(row.role) in WORKING else None
