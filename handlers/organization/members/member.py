"""/organization/members/{id}: details, name, sessions, the last day, a password link, and removal."""

from dataclasses import dataclass
from typing import Any, Final

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK
from markupsafe import Markup

from db import activity, engine, policy
from db.accounts import administration, password
from db.activity import Event
from db.auth import sessions
from db.auth.sessions import Current
from db.errors import Invalid, Refused, Unknown
from db.invitations import listing as invitation_listing
from db.invitations.listing import Meant
from db.members import directory, last_day, removal
from db.members.directory import MemberRow
from db.policy import Role
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import password_anew, rendering
from handlers.organization.members import rows as member_rows
from handlers.organization.members.member_listing import filter_in, is_over_list, path_of, present_filter
from handlers.organization.sharing import reset_address
from handlers.organization.wording import end_sentence, event_sentence, plain
from messages import refusals, toasts

# The hidden fields of every form of the panel: the filter of the list behind it, and whether it is there.
CARRIED: Final = ("filter", "listed")


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a sentence. at: in ms."""

    sentence: Markup
    at: int


class MemberController(Controller):
    path = "/organization/members/{member_id:str}"
    guards = [Requires(policy.may_manage_members)]

    @get()
    async def show(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        return await _panel(request, current, await _row(member_id))

    @post("/password-link", status_code=HTTP_200_OK)
    async def make_link(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        row, form = await _row(member_id), await Form.read(request, *CARRIED)
        actor = await password_anew.actor_of(current, request)
        link = await password.make_reset_link(actor, member_id=row.id)
        # The link is shown once, in the answer to this POST. No address and no list holds it.
        return await _panel(request, current, row, carried=form, link=reset_address(request, link))

    @post("/end", status_code=HTTP_200_OK)
    async def set_end(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "last_day", *CARRIED)
        actor, wanted = identity.actor_of(current, request), row_id(member_id)
        try:
            form.check()
            row = await last_day.set_last_day(actor, member_id=wanted, day=form["last_day"])
        except Invalid as error:
            form.errors.update(error.errors)
            return await _panel(request, current, await _row(member_id), carried=form, form=form, status=422)
        sentence = end_sentence(row)
        if not rendering.wants_fragment(request):
            return rendering.redirect(request, path_of(present_filter(request, form)), notice=sentence)
        return await _changed(request, current, form, row, sentence)

    @post("/name", status_code=HTTP_200_OK)
    async def set_name(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "first_name", "last_name", *CARRIED)
        actor, wanted = identity.actor_of(current, request), row_id(member_id)
        first_name, last_name = form.person_name("first_name"), form.person_name("last_name")
        if form.errors:
            return await _panel(
                request, current, await _row(member_id), carried=form, name_form=form, status=422
            )
        row = await administration.set_name(
            actor, member_id=wanted, first_name=first_name, last_name=last_name
        )
        return await _cared_for(request, current, form, row, toasts.NAME_CHANGED)

    @post("/sessions/{session_id:str}/end", status_code=HTTP_200_OK)
    async def end_session(
        self,
        request: AnyRequest,
        current: CurrentUser,
        member_id: FromPath[str],
        session_id: FromPath[str],
    ) -> Response[bytes]:
        form, actor = await Form.read(request, *CARRIED), await password_anew.actor_of(current, request)
        row = await administration.end_session(
            actor, member_id=row_id(member_id), session_id=row_id(session_id)
        )
        return await _cared_for(request, current, form, row, toasts.MEMBER_SESSION_ENDED)

    @post("/sessions/end-all", status_code=HTTP_200_OK)
    async def end_sessions(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        form, actor = await Form.read(request, *CARRIED), await password_anew.actor_of(current, request)
        row = await administration.end_sessions(actor, member_id=row_id(member_id))
        return await _cared_for(request, current, form, row, toasts.MEMBER_SESSIONS_ENDED)

    @get("/removal")
    async def ask(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        row = await _row(member_id)
        role = Role(row.role)
        why = policy.why_untouchable(current.member_id, current.role, row.id, role)
        if why:
            raise Refused(why)
        back = filter_in(request.query_params.get("filter", "")).address()
        return await _either(request, "removal.html", row=row, role=role, back=back)

    @post("/removal", status_code=HTTP_200_OK)
    async def remove(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "filter")
        name = await removal.remove(identity.actor_of(current, request), member_id=row_id(member_id))
        notice = toasts.REMOVED.format(name=plain(name))
        return rendering.redirect(request, path_of(filter_in(form["filter"])), notice=notice)


async def _cared_for(
    request: AnyRequest, current: Current, form: Form, row: MemberRow, sentence: str
) -> Response[bytes]:
    """The present panel with a toast, or the member's page without a script."""
    notice = sentence.format(name=plain(row.label))
    if not rendering.wants_fragment(request):
        return rendering.redirect(request, f"/organization/members/{row.id}", notice=notice)
    if row.id == current.member_id:
        # The head of the page has their name as well.
        path = (
            path_of(present_filter(request, form))
            if is_over_list(request, form)
            else rendering.current_page(request)
        )
        return rendering.redirect(request, path, notice=notice)
    return await _changed(request, current, form, row, notice)


async def _changed(
    request: AnyRequest, current: Current, form: Form, row: MemberRow, notice: str
) -> Response[bytes]:
    """The present panel, and the row in the list behind it, if there is one."""
    me, in_list = identity.me_of(current), is_over_list(request, form)
    new = await member_rows.out_of_band(request, row, me) if in_list and me else None
    return await _panel(
        request, current, row, name="changed_member.html", carried=form, new_row=new, toast=notice
    )


async def _row(member_id: str) -> MemberRow:
    row = await engine.read(directory.one, row_id(member_id))
    if row is None:
        raise Unknown(refusals.MEMBER_REMOVED)
    return row


async def _panel(
    request: AnyRequest,
    current: Current,
    row: MemberRow,
    *,
    name: str = "member.html",
    link: str | None = None,
    form: Form | None = None,
    name_form: Form | None = None,
    carried: Form | None = None,
    **more: Any,
) -> Response[bytes]:
    role = Role(row.role)
    why = policy.why_untouchable(current.member_id, current.role, row.id, role)
    lines, events, meant, was_administrator = await engine.read(_details, row.id)
    return await _either(
        request,
        name,
        row=row,
        role=role,
        why=why,
        may_name=policy.why_not_named(current.member_id, current.role, row.id, role) is None,
        may_sign_out=policy.why_not_signed_out(current.member_id, current.role, row.id, role) is None,
        name_form=name_form
        or Form(("first_name", "last_name"), {"first_name": [row.first_name], "last_name": [row.last_name]}),
        may_end=policy.why_no_last_day(current.member_id, current.role, row.id, role) is None,
        form=form or Form(("last_day",), {"last_day": [last_day.iso(row.ends_at)]}),
        back=present_filter(request, carried).address(),
        listed=is_over_list(request, carried),
        days=(last_day.earliest(), last_day.latest()),
        why_no_link=policy.why_no_password_link(
            current.member_id, current.role, row.id, role, was_administrator=was_administrator
        ),
        may_hand_over=policy.may_transfer_ownership(current.role)
        and policy.is_active(role)
        and row.id != current.member_id,
        sessions=lines,
        meant=meant,
        events=[Told(event_sentence(event), event.at) for event in events],
        link=link,
        **more,
    )


async def _details(member_id: int) -> tuple[list[sessions.OpenSession], list[Event], Meant | None, bool]:
    lines, events = await sessions.of_member(member_id), await activity.of_member(member_id)
    meant = (await invitation_listing.meant_for((member_id,))).get(member_id)
    return lines, events, meant, await password.was_administrator(member_id)


async def _either(request: AnyRequest, name: str, **context: Any) -> Response[bytes]:
    """The page, or the fragment that it is made of."""
    if rendering.wants_fragment(request):
        return rendering.fragment(request, f"organization/members/_{name}", **context)
    return await rendering.page(request, f"organization/members/{name}", **context)
