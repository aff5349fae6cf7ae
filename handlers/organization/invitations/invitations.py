"""/organization/invitations: inviting by mail, its preview, the list and its actions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.auth.fair_queue import LISTS
from db.auth.sessions import Current
from db.common import clock
from db.errors import DomainError, Invalid, Refused, Unknown
from db.invitations import creation, management, undo_revocation
from db.invitations import listing as invitation_listing
from db.invitations.listing import InvitationFilter
from db.invitations.management import Revoked
from db.invitations.recipients import address_list
from db.invitations.recipients.address_list import AddressList
from db.mail import outbox
from db.policy import Role
from handlers.http.auth import drafts, identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, password_anew, rendering
from handlers.http.response.rendering import Undo
from handlers.organization.dialog import FIELDS, invite_context
from handlers.organization.invitations.listing import list_context, path_of, shown_in
from handlers.organization.sharing import invitation_address, invitation_mailto
from handlers.organization.spreadsheet import invitation_links
from handlers.organization.wording import batch_sentence
from messages import by_field, refusals, toasts


class InvitationsController(Controller):
    path = "/organization/invitations"
    guards = [Requires(policy.may_invite)]

    @get()
    async def show(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        query = request.query_params.dict()
        try:
            shown = InvitationFilter.parse(query)
        except Invalid as error:
            if rendering.wants_fragment(request):
                raise
            return await _wrong_filter(request, current, query, error.errors)
        return await _page(request, current, shown)

    @post("/preview", status_code=HTTP_200_OK)
    async def preview(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *FIELDS)
        listed, role = await _parse(request, current, form)
        app_context, is_plain = context_of(request), listed.entries and not form.errors
        preview = await creation.preview(listed, role, app_context.throttle) if is_plain else None
        if rendering.wants_fragment(request):
            return rendering.fragment(
                request,
                "organization/invitations/_preview.html",
                status=422 if form.errors else 200,
                preview=preview,
                form=form,
                alone=True,
            )
        return await _dialog(request, form, preview, status=422 if form.errors else 200)

    @post(status_code=HTTP_200_OK)
    async def invite(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, *FIELDS)
        listed, role = await _parse(request, current, form)
        actor, app_context = await password_anew.actor_of(current, request), context_of(request)
        try:
            form.check()
            batch = await creation.invite(
                actor,
                listed,
                role=role,
                days=app_context.settings.invitation_days,
                skip_invalid=bool(form["others"]),
                throttle=app_context.throttle,
            )
        except (Invalid, Refused) as error:
            form.errors.update(error.errors if isinstance(error, Invalid) else {"emails": [str(error)]})
            is_plain = listed.entries and not _too_many(listed)
            preview = await creation.preview(listed, role, app_context.throttle) if is_plain else None
            return await _dialog(request, form, preview, status=errors.status_of(error))
        await drafts.discard(actor, form)
        notice = batch_sentence(batch, mail=app_context.settings.sends_mail)
        return rendering.redirect(request, f"/organization/invitations?batch={batch.id}", notice=notice)

    @get("/progress/{batch_id:str}")
    async def progress(self, request: AnyRequest, batch_id: FromPath[str]) -> Response[bytes]:
        """The progress of one batch, for the open page, which polls it. As a page, the list."""
        batch = row_id(batch_id)
        if not rendering.wants_fragment(request):
            return rendering.redirect(request, f"/organization/invitations?batch={batch}")
        return rendering.fragment(
            request,
            "organization/invitations/_progress.html",
            batch=batch,
            progress=await outbox.progress(batch),
            seen=request.query_params.get("seen", ""),
        )

    @post("/links/{batch_id:str}", status_code=HTTP_200_OK)
    async def export(
        self, request: AnyRequest, current: CurrentUser, batch_id: FromPath[str]
    ) -> Response[bytes]:
        """The open links of one batch as CSV, to pass on without mail. Records that they were revealed."""
        now, batch = clock.now(), await invitation_listing.of_batch(row_id(batch_id))
        open_ones = [invitation for invitation in batch if invitation.is_open(now)]
        if not open_ones:
            raise Unknown(refusals.NO_OPEN_INVITATIONS)
        revealed = await management.mark_link_revealed(
            await password_anew.actor_of(current, request), [invitation.id for invitation in open_ones]
        )
        content = invitation_links(
            (invitation.email, Role(invitation.role), invitation_address(request, invitation))
            for invitation in revealed
        )
        headers = {"Content-Disposition": 'attachment; filename="invitations.csv"'}
        return Response(content, media_type="text/csv", headers=headers)

    @get("/{invitation_id:str}")
    async def show_one(self, request: AnyRequest, invitation_id: FromPath[str]) -> Response[bytes]:
        """A row, which polls itself while its mail is queued. As a page, the list."""
        wanted = row_id(invitation_id)
        if not rendering.wants_fragment(request):
            return rendering.redirect(request, "/organization/invitations")
        return await _row(request, wanted, "")

    @post("/{invitation_id:str}/role", status_code=HTTP_200_OK)
    async def change_role(
        self, request: AnyRequest, current: CurrentUser, invitation_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "role")
        role, wanted = form.role(), row_id(invitation_id)
        try:
            form.check()
            assert role is not None, "checked"
            anew = await management.change_role(
                await password_anew.actor_of(current, request), invitation_id=wanted, role=role
            )
        except (Invalid, Refused) as error:
            return await _row(request, wanted, str(error), status=errors.status_of(error))
        notice = toasts.INVITED_AS_BY_NEW_LINK if anew else toasts.INVITED_AS
        return await _row(request, wanted, notice.format(role=role.label))

    @post("/{invitation_id:str}/resend", status_code=HTTP_200_OK)
    async def resend(
        self, request: AnyRequest, current: CurrentUser, invitation_id: FromPath[str]
    ) -> Response[bytes]:
        wanted, app_context = row_id(invitation_id), context_of(request)
        actor = await password_anew.actor_of(current, request)
        try:
            await management.resend(
                actor,
                invitation_ids=[wanted],
                days=app_context.settings.invitation_days,
                throttle=app_context.throttle,
            )
        except Refused as error:
            return await _row(request, wanted, str(error), status=409)
        notice = toasts.MAIL_AGAIN if app_context.settings.sends_mail else toasts.LIVES_ON
        return await _row(request, wanted, notice)

    @post("/{invitation_id:str}/revocation", status_code=HTTP_200_OK)
    async def revoke(
        self, request: AnyRequest, current: CurrentUser, invitation_id: FromPath[str]
    ) -> Response[bytes]:
        wanted = row_id(invitation_id)
        try:
            revoked = await management.revoke(identity.actor_of(current, request), invitation_ids=[wanted])
        except Refused as error:
            return await _row(request, wanted, str(error), status=409)
        return await _row(request, wanted, toasts.INVITATION_DEAD, undo=_undo(revoked))

    @post("/reversal", status_code=HTTP_200_OK)
    async def undo_revoke(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        """Undoes a revocation: restores all invitations that one press has revoked."""
        form = await Form.read(request, "revoked_at", "filter")
        wanted = [row_id(value) for value in form.several("invitation")]
        shown, actor = shown_in(request, form), await password_anew.actor_of(current, request)
        try:
            form.check()
            revoked = Revoked(wanted, row_id(form["revoked_at"]))
            done = await undo_revocation.undo(actor, revoked)
        except (Invalid, Refused) as error:
            if not rendering.wants_fragment(request):
                raise
            return await _list(request, current, shown, error)
        notice = toasts.INVITATIONS_BROUGHT_BACK.format(done)
        if not rendering.wants_fragment(request):
            return rendering.redirect(request, path_of(shown), notice=notice)
        return await _list(request, current, shown, notice)

    @post("/{invitation_id:str}/link", status_code=HTTP_200_OK)
    async def show_link(
        self, request: AnyRequest, current: CurrentUser, invitation_id: FromPath[str]
    ) -> Response[bytes]:
        """Shows the link to copy. From then on, accepting it doesn't prove the address."""
        invitation = await invitation_listing.one(row_id(invitation_id))
        if invitation is None:
            raise Unknown(refusals.NO_SUCH_INVITATION)
        if not invitation.is_open(clock.now()):
            raise Refused(refusals.INVITATION_ENDED)
        actor = await password_anew.actor_of(current, request)
        (invitation,) = await management.mark_link_revealed(actor, [invitation.id])
        context: dict[str, Any] = {
            "invitation": invitation,
            "link": invitation_address(request, invitation),
            "mailto": invitation_mailto(request, current.title, invitation),
            "back": path_of(shown_in(request)),
        }
        if rendering.wants_fragment(request):
            return rendering.fragment(request, "organization/invitations/_invitation_link.html", **context)
        return await rendering.page(request, "organization/invitations/invitation_link.html", **context)

    @post("/several", status_code=HTTP_200_OK)
    async def several(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        """Resends or revokes several invitations: all or none."""
        form = await Form.read(request, "action", "filter")
        wanted, actor = (
            [row_id(value) for value in form.several("invitation")],
            await password_anew.actor_of(current, request),
        )
        form.check()
        undo = None
        if form["action"] == "revoke":
            revoked = await management.revoke(actor, invitation_ids=wanted)
            notice, undo = toasts.INVITATIONS_DEAD.format(len(revoked.invitation_ids)), _undo(revoked)
        elif form["action"] == "resend":
            app_context = context_of(request)
            days = app_context.settings.invitation_days
            done = await management.resend(
                actor, invitation_ids=wanted, days=days, throttle=app_context.throttle
            )
            notice = toasts.INVITATIONS_LIVE_ON.format(done, days=days)
        else:
            raise Invalid({"action": [by_field.PRESS_RESEND_OR_REVOKE]})
        return rendering.redirect(request, path_of(shown_in(request, form)), notice=notice, undo=undo)


def _undo(revoked: Revoked) -> Undo:
    """The button that restores what one press has revoked."""
    fields = [("invitation", str(invitation_id)) for invitation_id in revoked.invitation_ids]
    fields.append(("revoked_at", str(revoked.at)))
    return Undo("/organization/invitations/reversal", fields, target="#invitations-list")


async def _list(
    request: AnyRequest, current: Current, shown: InvitationFilter, notice: str | DomainError
) -> Response[bytes]:
    """The present list, with the result of an Undo."""
    refused = isinstance(notice, DomainError)
    status = errors.status_of(notice) if isinstance(notice, DomainError) else 200
    context = await list_context(request, current, shown)
    return rendering.fragment(
        request,
        "organization/invitations/_answered_access_request.html",
        status=status,
        toast=str(notice),
        refused=refused,
        **context,
    )


async def _parse(request: AnyRequest, current: Current, form: Form) -> tuple[AddressList, Role]:
    """The addresses and the role of a form. Errors go into the form."""
    role = form.role(among=policy.WORKING) or Role.ANNOTATOR
    # A long text takes a while, and must not hold up other requests.
    requester = identity.requester_of(request, current.member_id)
    listed = await LISTS.do(requester, address_list.parse, form["emails"], most=creation.MAX_TYPED)
    if not listed.entries:
        form.add_error("emails", by_field.ENTER_ADDRESSES)
    if _too_many(listed):
        form.add_error("emails", by_field.TOO_MANY_ADDRESSES.format(most=creation.MAX_TYPED))
    return listed, role


def _too_many(listed: AddressList) -> bool:
    return len(listed.entries) > creation.MAX_TYPED


async def _dialog(
    request: AnyRequest, form: Form, preview: creation.InvitePreview | None, *, status: int
) -> Response[bytes]:
    """The dialog with what was typed. Wrong addresses come first in its preview."""
    context = await invite_context(request, form=form, preview=preview, chosen="email")
    if rendering.wants_fragment(request):
        return rendering.fragment(
            request, "organization/invitations/_invite_email.html", status=status, **context
        )
    return await rendering.page(request, "organization/invitations/invite.html", status=status, **context)


async def _wrong_filter(
    request: AnyRequest, current: Current, query: Mapping[str, list[str]], errors: dict[str, list[str]]
) -> Response[bytes]:
    """The list with the valid part of the filter. The form keeps what was typed."""
    right = InvitationFilter.parse({name: values for name, values in query.items() if name not in errors})
    typed = "".join(char for char in query.get("q", [""])[0] if char.isprintable())
    return await _page(request, current, right, status=422, errors=errors, typed=typed)


async def _page(
    request: AnyRequest,
    current: Current,
    shown: InvitationFilter,
    *,
    status: int = 200,
    errors: dict[str, list[str]] | None = None,
    typed: str | None = None,
) -> Response[bytes]:
    context = await list_context(request, current, shown)
    context |= {"states": invitation_listing.STATES, "errors": errors or {}}
    if typed is not None:
        context["typed"] = typed
    if rendering.wants_fragment(request):
        before, address = shown_in(request), context_of(request).settings.root + path_of(shown)
        typed_on = "" not in (before.q, shown.q) and replace(before, q=shown.q, after=0, before=0) == shown
        headers = {"HX-Replace-Url" if typed_on else "HX-Push-Url": address}
        return rendering.fragment(
            request,
            "organization/invitations/_invitations_found.html",
            status=status,
            headers=headers,
            **context,
        )
    return await rendering.page(
        request, "organization/invitations/invitations.html", status=status, **context
    )


async def _row(
    request: AnyRequest, invitation_id: int, notice: str, *, status: int = 200, undo: Undo | None = None
) -> Response[bytes]:
    invitation = await invitation_listing.one(invitation_id)
    if invitation is None:
        raise Unknown(refusals.NO_SUCH_INVITATION)
    if not rendering.wants_fragment(request):
        if status == 409:
            raise Refused(notice)
        if status == 422:
            raise Invalid({"role": [notice]})
        return rendering.redirect(request, path_of(shown_in(request)), notice=notice, undo=undo)
    context: dict[str, Any] = {"invitation": invitation, "now": clock.now(), "links": {}, "mailtos": {}}
    return rendering.fragment(
        request,
        "organization/invitations/_changed_invitation.html",
        status=status,
        counts=await invitation_listing.counts(),
        filter=shown_in(request),
        swap=True,
        toast=notice,
        undo=undo,
        refused=status != 200,
        **context,
    )
