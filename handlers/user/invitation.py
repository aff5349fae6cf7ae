"""/user/invitation: accepting an invitation, with a name and a password."""

from typing import Any, Final

from litestar import Controller, Response, get, post
from litestar.status_codes import HTTP_200_OK

from db.auth import links, passwords, rate_limits
from db.auth.sessions import Current
from db.common import clock
from db.common.addresses import Address
from db.errors import Invalid, InvalidLink, Refused, TooManyTries
from db.invitations import acceptance, management
from db.invitations.acceptance import InvitationForToken
from db.members.new_member import Person
from handlers.http.auth import identity, tokens
from handlers.http.auth.cookies import sign_in_cookies
from handlers.http.auth.guards import public
from handlers.http.context import context_of
from handlers.http.request import client
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, rendering
from messages import toasts

FIELDS: Final = ("token", "password", "first_name", "last_name")


class InvitationController(Controller):
    path = "/user/invitation"
    guards = [public]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        """GET and HEAD don't use up the link: mail scanners open every link."""
        token = tokens.in_address(request)
        try:
            invited = await _find(request, token)
        except InvalidLink:
            return await _invalid(request, token, None)
        names = {"first_name": [invited.first_name], "last_name": [invited.last_name]}
        return await _page(request, Form(FIELDS, {"token": [token], **names}), invited)

    @post(status_code=HTTP_200_OK)
    async def accept(self, request: AnyRequest) -> Response[bytes]:
        form = await Form.read(request, *FIELDS)
        current = await identity.identify(request)
        app_context = context_of(request)
        try:
            invited = await _find(request, form["token"])
        except InvalidLink:
            return await _invalid(request, form["token"], None)
        try:
            await rate_limits.count(app_context.throttle.sign_up(client.network_of(request), with_link=True))
            if current is not None:
                if not _is_for(current, invited):
                    return await _page(request, form, invited, status=409)
                await acceptance.accept_as(identity.actor_of(current, request), invited)
                return rendering.redirect(request, "/")
            signed_in = await acceptance.accept(
                invited,
                await _person(request, form, invited),
                session_limits=app_context.session_limits,
                browser=identity.browser_of(request),
            )
        except (Invalid, Refused, TooManyTries) as error:
            return await _page(request, form, invited, **errors.in_form(form, error))
        except InvalidLink:
            return await _invalid(request, form["token"], None)
        cookies = sign_in_cookies(app_context, request, signed_in)
        return rendering.redirect(request, "/", cookies=cookies)

    @post("/renewal", status_code=HTTP_200_OK)
    async def ask_again(self, request: AnyRequest) -> Response[bytes]:
        """Asks the inviter for a new invitation. The answer is the same for any token."""
        form = await Form.read(request, "token")
        app_context = context_of(request)
        await rate_limits.count(app_context.throttle.sign_up(client.network_of(request), with_link=False))
        invited = await _authentic_link(request, form["token"])
        if invited is not None and invited.invalid_reason(clock.now()) is None:
            # The invitation has become valid again meanwhile.
            return rendering.redirect(request, f"/user/invitation?token={form['token']}")
        if invited is not None:
            await management.note_new_invitation_wanted(invited, address=client.address_of(request))
        return await _invalid(request, form["token"], toasts.ASKED_FOR_ANOTHER, status=200)


async def _authentic_link(request: AnyRequest, token: str) -> InvitationForToken | None:
    """The invitation of this token, valid or not."""
    return await tokens.authentic_link(request, links.INVITATION, token, acceptance.find)


def _is_for(current: Current, invited: InvitationForToken) -> bool:
    return current.email.lower() == invited.email_key


async def _find(request: AnyRequest, token: str) -> InvitationForToken:
    return await tokens.valid_link(request, links.INVITATION, token, acceptance.find)


async def _person(request: AnyRequest, form: Form, invited: InvitationForToken) -> Person:
    first_name, last_name = form.person_name("first_name"), form.person_name("last_name")
    hints = await passwords.password_hints(
        invited.email, first_name, last_name, *context_of(request).settings.names
    )
    requester = identity.requester_of(request)
    form.add_error("password", *await passwords.why_refused(form["password"], hints, requester=requester))
    form.check()
    address = Address(invited.email, invited.email_key)
    return Person(
        address, first_name, last_name, await passwords.hash_of(form["password"], requester=requester)
    )


async def _page(
    request: AnyRequest,
    form: Form,
    invited: InvitationForToken,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    current = await identity.identify(request)
    context: dict[str, Any] = {"form": form, "invited": invited, "token": form.values["token"]}
    if current is None:
        name = "user/invitation.html"
    elif _is_for(current, invited):
        name = "user/invitation_mine.html"
    else:
        name = "user/invitation_other.html"
    return await rendering.page(request, name, status=status, headers=headers, **context)


async def _invalid(
    request: AnyRequest, token: str, done: str | None, *, status: int = 410
) -> Response[bytes]:
    """The page of a used, revoked or expired invitation, with a button that asks for a new one."""
    invited, current = await _authentic_link(request, token), await identity.identify(request)
    reason = invited.invalid_reason(clock.now()) or "used" if invited else "unknown"
    return await rendering.page(
        request,
        "user/invalid_invitation.html",
        status=status,
        reason=reason,
        token=token if invited else "",
        is_mine=bool(current and invited and _is_for(current, invited)),
        done=done,
    )
