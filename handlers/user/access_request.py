"""/user/access-request: requests for access, if registration is closed and the Owner accepts requests.

The visitor always gets the same answer. What depends on the address goes into a mail.
"""

from typing import Final

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db.auth import links, rate_limits
from db.auth.links import Link
from db.common import invisible
from db.errors import Invalid, Refused, TooManyTries, Unknown
from db.invitations import access_requests
from db.invitations.access_requests import MAX_WORDS, AccessRequestForm
from db.organization import setup
from handlers.http.auth import identity, tokens
from handlers.http.auth.guards import public
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import by_field, refusals

FIELDS: Final = ("name", "email", "words")
PATH: Final = "/user/access-request"


class AccessRequestController(Controller):
    path = PATH
    guards = [public]
    opt = {errors.INVALID_LINK: "user/invalid_access_request.html"}

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        await _check_offered(request)
        if await identity.identify(request):
            return await rendering.page(request, "user/already_signed_in.html", again=PATH)
        return await _page(request, Form(FIELDS))

    @post(status_code=HTTP_200_OK)
    async def submit(self, request: AnyRequest) -> Response[bytes]:
        await _check_offered(request)
        if await identity.identify(request):
            return await rendering.page(request, "user/already_signed_in.html", status=409, again=PATH)
        form, app_context = await Form.read(request, *FIELDS), context_of(request)
        try:
            access_request = _checked(form)
            await rate_limits.count(
                app_context.throttle.access_request(access_request.address.key, client.network_of(request))
            )
            await access_requests.submit(access_request, client.address_of(request))
        except (Invalid, Refused, TooManyTries) as error:
            return await _page(request, form, **errors.in_form(form, error))
        return await rendering.page(request, "user/access_request_made.html", form=access_request)

    @get("/confirmation")
    async def show_confirmation(self, request: AnyRequest) -> Response[bytes]:
        """GET and HEAD don't use up the link: mail scanners open every link."""
        token = tokens.in_address(request)
        access_request = await access_requests.of_link(await _link(request, token))
        return await rendering.page(
            request, "user/access_request_confirmation.html", form=access_request, token=token, done=False
        )

    @post("/confirmation", status_code=HTTP_200_OK)
    async def confirm(self, request: AnyRequest) -> Response[bytes]:
        form = await Form.read(request, "token")
        link = await _link(request, form["token"])
        access_request = await access_requests.of_link(link)
        await access_requests.confirm(link, client.address_of(request))
        return await rendering.page(
            request, "user/access_request_confirmation.html", form=access_request, token="", done=True
        )


async def _check_offered(request: AnyRequest) -> None:
    """Raises Unknown (404) if registration is open, or the Owner accepts no requests."""
    if not context_of(request).settings.closed or not (await setup.site()).may_ask:
        raise Unknown(refusals.NO_SUCH_PAGE)


def _checked(form: Form) -> AccessRequestForm:
    """The checked content of the form. Raises Invalid with every error at once."""
    name, address = form.person_name("name"), form.email()
    if not name and "name" not in form.errors:
        form.add_error("name", by_field.ENTER_YOUR_NAME)
    words = invisible.clean_name(form["words"])
    if len(words) > MAX_WORDS:
        form.add_error("words", by_field.AT_MOST.format(most=MAX_WORDS, count=len(words)))
    form.check()
    assert address is not None, "checked"
    return AccessRequestForm(address, name, words)


async def _link(request: AnyRequest, token: str) -> Link:
    return await tokens.valid_link(request, links.ACCESS_REQUEST, token, access_requests.find_link)


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    return await rendering.page(
        request, "user/access_request.html", status=status, headers=headers, form=form
    )
