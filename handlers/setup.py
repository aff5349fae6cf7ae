"""The first run: the person with the one-time code from the log becomes the Owner."""

from typing import Final

from litestar import Controller, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.status_codes import HTTP_200_OK

from db.auth import links, passwords, rate_limits
from db.auth.links import Link
from db.errors import Invalid, InvalidLink, NotAllowed, TooManyTries
from db.members.new_member import Person
from db.organization import setup
from db.organization.setting_kinds import parse_title
from handlers.http.auth import identity, tokens
from handlers.http.auth.cookies import sign_in_cookies
from handlers.http.auth.guards import before_setup
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import refusals

FIELDS: Final = ("title", "first_name", "last_name", "email", "password", "code")


class SetupController(Controller):
    path = "/setup"
    guards = [before_setup]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        await _not_yet(request)
        form = Form(FIELDS, {"code": [tokens.in_address(request, "code")]})
        await _link(request, form["code"])
        return await _page(request, form)

    @post(status_code=HTTP_200_OK)
    async def found(self, request: AnyRequest) -> Response[bytes]:
        await _not_yet(request)
        form = await Form.read(request, *FIELDS)
        # The code may be in the address in place of the form.
        form.values["code"] = form["code"] or tokens.in_address(request, "code")
        link = await _link(request, form["code"])
        app_context = context_of(request)
        try:
            await rate_limits.count(app_context.throttle.new_password(client.network_of(request)))
            title, owner = await _parse(request, form)
        except (Invalid, TooManyTries) as error:
            return await _page(request, form, **errors.in_form(form, error))
        signed_in = await setup.found(
            title,
            owner,
            link_id=link.id,
            session_limits=app_context.session_limits,
            browser=identity.browser_of(request),
        )
        cookies = sign_in_cookies(app_context, request, signed_in)
        return rendering.redirect(request, "/organization/members", cookies=cookies)


async def _not_yet(request: AnyRequest) -> None:
    """Raises NotFoundException (404) once the organization is set up."""
    if await context_of(request).is_set_up():
        raise NotFoundException


async def _link(request: AnyRequest, code: str) -> Link:
    """The set-up link of this code. Counts and refuses a wrong code (NotAllowed)."""
    try:
        return await tokens.valid_link(request, links.SETUP, code, setup.find_link)
    except InvalidLink:
        await _not_yet(request)  # Somebody else's set-up may have used the link just now.
        await rate_limits.count(context_of(request).throttle.set_up(client.network_of(request)))
        raise NotAllowed(refusals.NOT_THE_SETUP_CODE) from None


def _title(form: Form) -> str:
    """The organization's name; "", with the error noted, for one that can't be."""
    try:
        return parse_title(form.values["title"])
    except Invalid as error:
        form.add_errors(error)
        return ""


async def _parse(request: AnyRequest, form: Form) -> tuple[str, Person]:
    title = _title(form)
    first_name, last_name = form.person_name("first_name"), form.person_name("last_name")
    address = form.email()
    about = (form["email"], first_name, last_name, title, *context_of(request).settings.names)
    requester = identity.requester_of(request)
    form.add_error("password", *await passwords.why_refused(form["password"], about, requester=requester))
    form.check()
    assert address is not None, "checked"
    password_hash = await passwords.hash_of(form["password"], requester=requester)
    return title, Person(address, first_name, last_name, password_hash)


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    return await rendering.page(request, "home/setup.html", status=status, headers=headers, form=form)
