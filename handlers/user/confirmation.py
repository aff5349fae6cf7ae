"""/user/confirmation: the link in the mail "check your address". Only the button changes anything.

Confirming takes a session of that very account. Otherwise somebody who registers under a colleague's address
would need only that colleague's kind click, and could then accept an invitation that was meant for them.
"""

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db.accounts import confirmation, password
from db.auth import links
from db.auth.links import Link
from handlers.http.auth import identity, tokens
from handlers.http.auth.guards import public
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import toasts


class ConfirmationController(Controller):
    path = "/user/confirmation"
    guards = [public]
    opt = {errors.INVALID_LINK: "user/invalid_confirmation.html"}

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        token = tokens.in_address(request)
        return await _page(request, token, await _link(request, token))

    @post(status_code=HTTP_200_OK)
    async def confirm(self, request: AnyRequest) -> Response[bytes]:
        form = await Form.read(request, "token")
        current = await identity.identify(request)
        link = await _link(request, form["token"])
        if current is None or current.member_id != link.subject:
            return await _page(request, form["token"], link, status=403)
        await confirmation.confirm(identity.actor_of(current, request), link)
        return rendering.redirect(request, "/", notice=toasts.ADDRESS_CONFIRMED)


async def _page(request: AnyRequest, token: str, link: Link, *, status: int = 200) -> Response[bytes]:
    current = await identity.identify(request)
    mine = current is not None and current.member_id == link.subject
    email, _ = await password.whose(link)
    return await rendering.page(
        request, "user/confirmation.html", status=status, token=token, email=email, mine=mine
    )


async def _link(request: AnyRequest, token: str) -> Link:
    return await tokens.valid_link(request, links.ADDRESS, token, confirmation.find)
