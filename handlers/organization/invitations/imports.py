"""/organization/invitations/import: inviting many people from a CSV file, with a preview."""

from typing import Final

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.auth import rate_limits
from db.auth.fair_queue import LISTS
from db.auth.sessions import Current
from db.errors import Invalid, TooManyTries
from db.invitations import creation
from db.invitations.recipients import csv_import, uploads
from db.policy import Role
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires, recheck
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.request.uploads import read_upload
from handlers.http.response import errors, password_anew, rendering
from handlers.organization.wording import batch_sentence
from messages import by_field

FIELDS: Final = ("role", "others")


class ImportController(Controller):
    path = "/organization/invitations/import"
    guards = [Requires(policy.may_invite)]

    @get()
    async def show(self, request: AnyRequest) -> Response[bytes]:
        return await _page(request, Form(FIELDS, {"role": [Role.ANNOTATOR.value]}))

    @post(status_code=HTTP_200_OK)
    async def upload(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form, content = await read_upload(request, "file", "role")
        current = await recheck(request, policy.may_invite)
        role = form.role(among=policy.WORKING)
        try:
            if not content:
                raise Invalid({"file": [by_field.CHOOSE_A_FILE]})
            # Ten thousand rows take a second, and must not hold up other requests.
            await rate_limits.count(context_of(request).throttle.files(current.member_id))
            requester = identity.requester_of(request, current.member_id)
            listed = await LISTS.do(requester, csv_import.parse, content)
            if not listed.entries:
                raise Invalid({"file": [by_field.FILE_EMPTY]})
            form.check()
        except (Invalid, TooManyTries) as error:
            return await _page(request, form, **errors.in_form(form, error, "file"))
        assert role is not None, "checked"
        upload_id = await uploads.keep(identity.actor_of(current, request), listed, role)
        return rendering.redirect(request, f"/organization/invitations/import/{upload_id}")

    @get("/{upload_id:str}")
    async def preview(
        self, request: AnyRequest, current: CurrentUser, upload_id: FromPath[str]
    ) -> Response[bytes]:
        return await _preview(request, current, row_id(upload_id))

    @post("/{upload_id:str}", status_code=HTTP_200_OK)
    async def send(
        self, request: AnyRequest, current: CurrentUser, upload_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "others")
        actor, app_context, wanted = (
            await password_anew.actor_of(current, request),
            context_of(request),
            row_id(upload_id),
        )
        listed, role = await uploads.find(actor, wanted)
        try:
            batch = await creation.invite(
                actor,
                listed,
                role=role,
                days=app_context.settings.invitation_days,
                skip_invalid=bool(form["others"]),
                upload_id=wanted,
                throttle=app_context.throttle,
            )
        except Invalid:
            return await _preview(request, current, wanted, status=422)
        notice = batch_sentence(batch, mail=app_context.settings.sends_mail)
        return rendering.redirect(request, f"/organization/invitations?batch={batch.id}", notice=notice)


async def _preview(
    request: AnyRequest, current: Current, upload_id: int, *, status: int = 200
) -> Response[bytes]:
    listed, role = await uploads.find(identity.actor_of(current, request), upload_id)
    preview = await creation.preview(listed, role, context_of(request).throttle)
    form = Form(FIELDS, {"role": [role.value]})
    if listed.wrong:
        # Only if some rows are wrong does the preview offer to send the others.
        wrong, rows = len(listed.wrong), len(listed.entries)
        form.add_error("file", by_field.FILE_ROWS_WRONG.format(wrong=wrong, rows=rows))
    return await rendering.page(
        request,
        "organization/invitations/import_preview.html",
        status=status,
        form=form,
        preview=preview,
        upload_id=upload_id,
    )


async def _page(
    request: AnyRequest, form: Form, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response[bytes]:
    roles = [(role.value, Role(role).label) for role in policy.WORKING]
    return await rendering.page(
        request,
        "organization/invitations/import.html",
        status=status,
        headers=headers,
        form=form,
        roles=roles,
    )
