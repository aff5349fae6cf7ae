"""/organization/members: the table, its filter, roles for one and for several, and the CSV."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from litestar import Controller, Response, get, post
from litestar.params import FromPath
from litestar.response import Stream
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from db import engine, policy
from db.common import clock
from db.errors import DomainError, Invalid, Refused, Unknown
from db.members import directory, roles
from db.members.directory import MemberFilter, MemberRow, MemberSummary
from db.members.directory.filters import PARAMETERS
from db.members.roles import RoleChange
from db.organization import invite_link
from db.policy import Role
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser, Me
from handlers.http.context import context_of
from handlers.http.request.forms import Form
from handlers.http.request.paths import row_id
from handlers.http.request.types import AnyRequest
from handlers.http.response import errors, password_anew, rendering
from handlers.http.response.rendering import Undo
from handlers.organization import spreadsheet
from handlers.organization.members import rows as member_rows
from handlers.organization.members.member_listing import (
    PATH,
    filter_in,
    parameters_in,
    path_of,
    present_filter,
)
from handlers.organization.sharing import invite_address
from handlers.organization.wording import (
    back_sentence,
    bulk_question,
    bulk_sentence,
    change_sentence,
    count_sentence,
)
from messages import by_field, refusals

# The id of the list in the pages.
LIST = "directory"
# So many members may get a role by one press.
MAX_AT_ONCE: Final = 500


class MembersController(Controller):
    path = "/organization"
    guards = [Requires(policy.may_manage_members)]

    @get("/members")
    async def show(self, request: AnyRequest) -> Response[bytes]:
        query = request.query_params.dict()
        try:
            chosen = await _parse(query)
        except Invalid as error:
            if rendering.wants_fragment(request):
                raise
            return await _wrong_filter(request, query, error.errors)
        if not rendering.wants_fragment(request):
            return await _page(request, chosen)
        return await _list(request, chosen, headers=_history(request, chosen))

    @get("/members/news")
    async def news(self, request: AnyRequest) -> Response[bytes]:
        """The counts, for the open page, which polls them. As a page, the list."""
        chosen = await _parse(request.query_params.dict())
        if not rendering.wants_fragment(request):
            return await _page(request, chosen)
        page = await directory.counted(chosen)
        seen = dict(zip(page.counts, request.query_params.get("seen", "").split("."), strict=False))
        present = {role: str(count) for role, count in page.counts.items()}
        if seen == present:
            return Response(b"", status_code=HTTP_204_NO_CONTENT, media_type=rendering.HTML)
        return rendering.fragment(
            request,
            "organization/members/_members_news.html",
            page=page,
            filter=chosen,
            sentence=count_sentence(chosen, page) if page.total_is_exact else None,
            announce=seen.get(Role.PENDING) != present[Role.PENDING],
        )

    @get("/members.csv")
    async def export(self, request: AnyRequest) -> Stream:
        batches = directory.export(await _parse(request.query_params.dict()))
        # The first batch is read before the answer begins, so that an error still gets a status.
        first: list[MemberRow] = await anext(batches, [])
        headers = {"Content-Disposition": 'attachment; filename="members.csv"'}
        lines = spreadsheet.lines(first, batches)
        return Stream(lines, media_type="text/csv", headers=headers)

    @post("/members/{member_id:str}/role", status_code=HTTP_200_OK)
    async def change_role(
        self, request: AnyRequest, current: CurrentUser, member_id: FromPath[str]
    ) -> Response[bytes]:
        form = await Form.read(request, "role", "filter")
        role, actor, wanted = form.role(), await password_anew.actor_of(current, request), row_id(member_id)
        chosen = present_filter(request, form)
        try:
            form.check()
            assert role is not None, "checked"
            change = await roles.change_role(actor, member_id=wanted, role=role)
        except (Invalid, Refused) as error:
            return await _refused(request, chosen, wanted, error)
        return await _changed(request, chosen, change)

    @post("/members/roles", status_code=HTTP_200_OK)
    async def change_roles(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, "role", "filter", "all")
        role, ids = form.role(), [row_id(value) for value in form.several("member")]
        before, chosen = _before(form), filter_in(form["filter"])
        try:
            form.check()
            assert role is not None, "checked"
            if form["all"]:
                return await _ask(request, await _parse(parameters_in(form["filter"])), role)
            actor = await password_anew.actor_of(current, request)
            changes = await roles.change_roles(actor, member_ids=ids, role=role, before=before)
        except (Invalid, Refused) as error:
            if rendering.wants_fragment(request):
                raise
            return await _refused_page(request, chosen, error)
        return await _changed_several(request, chosen, bulk_sentence(changes, role), changes)

    @post("/members/reversal", status_code=HTTP_200_OK)
    async def undo_roles(self, request: AnyRequest, current: CurrentUser) -> Response[bytes]:
        form = await Form.read(request, "role", "filter")
        given, before = form.role(), _before(form)
        chosen = present_filter(request, form)
        try:
            form.check()
            assert given is not None, "checked"
            changes = await roles.undo(
                await password_anew.actor_of(current, request), given=given, before=before
            )
        except (Invalid, Refused) as error:
            # The list on the screen may be out of date, so it is shown again.
            shown = _list if rendering.wants_fragment(request) else _page
            return await shown(
                request, chosen, status=errors.status_of(error), toast=str(error), refused=True
            )
        return await _changed_several(request, chosen, back_sentence(changes))


async def _parse(query: Mapping[str, list[str]]) -> MemberFilter:
    """The filter in an address. Raises Invalid, also for an invite link that never existed."""
    chosen = MemberFilter.parse(query)
    if chosen.link and await invite_link.find(chosen.link) is None:
        raise Invalid({"link": [by_field.NO_SUCH_LINK]})
    return chosen


def _history(request: AnyRequest, chosen: MemberFilter) -> dict[str, str]:
    """The header that puts the list's address into the browser's history.

    While a person goes on typing, each search replaces the one before, so that Back leaves the search.
    """
    before = present_filter(request)
    typed_on = (
        chosen.q != "" and before.q != "" and replace(before, q=chosen.q, after="", before="") == chosen
    )
    name = "HX-Replace-Url" if typed_on else "HX-Push-Url"
    return {name: context_of(request).settings.root + path_of(chosen)}


async def _ask(request: AnyRequest, chosen: MemberFilter, role: Role) -> Response[bytes]:
    """Asks before everybody in the list gets this role. The form of the question has each member's id.

    Members who have the role already are left out.
    """
    # Two more, since nobody can change themselves or the Owner in a list.
    me, everybody = _me(request), await directory.everybody(chosen, MAX_AT_ONCE + 2)
    rows = [
        row for row in everybody if policy.why_untouchable(me.id, me.role, row.id, Role(row.role)) is None
    ]
    if len(rows) > MAX_AT_ONCE:
        raise Refused(refusals.TOO_MANY_AT_ONCE.format(most=MAX_AT_ONCE))
    if not rows:
        raise Invalid({"member": [by_field.SELECT_SOMEBODY]})
    if reason := policy.why_not_assigned(me.id, me.role, rows[0].id, Role(rows[0].role), role):
        raise Refused(reason)
    others = [row for row in rows if Role(row.role) is not role]
    if not others:
        unchanged = [RoleChange(row=row, before=role) for row in rows]
        return await _changed_several(request, chosen, bulk_sentence(unchanged, role))
    question, button = bulk_question(len(others), role)
    context: dict[str, Any] = {
        "rows": others,
        "role": role,
        "question": question,
        "button": button,
        "back": chosen.address(),
        "listed": len(everybody),
        "has_me": any(row.id == me.id for row in everybody),
        "has_owner": any(row.role == Role.OWNER and row.id != me.id for row in everybody),
        "has_already": len(others) < len(rows),
    }
    if rendering.wants_fragment(request):
        headers = {"HX-Retarget": "#dialog", "HX-Reswap": "innerHTML"}
        return rendering.fragment(request, "organization/members/_everybody.html", headers=headers, **context)
    return await rendering.page(request, "organization/members/everybody.html", **context)


async def _page(
    request: AnyRequest, chosen: MemberFilter, *, status: int = 200, **context: Any
) -> Response[bytes]:
    values = {"errors": {}, "typed": chosen.q} | await _listed(request, chosen) | context
    return await rendering.page(request, "organization/members/members.html", status=status, **values)


async def _list(request: AnyRequest, chosen: MemberFilter, **context: Any) -> Response[bytes]:
    """The list as a fragment, with the counts around it."""
    values = await _listed(request, chosen) | context
    return rendering.fragment(request, "organization/members/_list.html", swap=True, **values)


async def _wrong_filter(
    request: AnyRequest, query: Mapping[str, list[str]], errors: Mapping[str, list[str]]
) -> Response[bytes]:
    """The page with the valid part of the filter. The form keeps what was typed."""
    names = PARAMETERS - {"after", "before"} - errors.keys()
    right = MemberFilter.parse({name: query.get(name, []) for name in names})
    typed = "".join(char for char in query.get("q", [""])[0] if char.isprintable())
    return await _page(request, right, status=422, errors=errors, typed=typed)


async def _listed(request: AnyRequest, chosen: MemberFilter) -> dict[str, Any]:
    """The context of the list's templates."""
    current, me = request.scope["state"]["current"], _me(request)
    page = await directory.page(chosen)
    everybody = sum(page.counts.values())
    alone = everybody == 1 and not chosen.narrows
    link = await invite_link.present() if alone and policy.may_invite(me.role) else None
    return _around(chosen, page) | {
        "site": rendering.Site(title=current.title, closed=context_of(request).settings.closed),
        "rows": await member_rows.looked_up(request, page.rows, me),
        "filter_link": await invite_link.find(chosen.link) if chosen.link else None,
        "first_link": invite_address(request, link) if link else None,
        "first_is_invalid": link is not None and link.invalid_reason(clock.now()) is not None,
    }


def _around(chosen: MemberFilter, page: MemberSummary) -> dict[str, Any]:
    """The context of the counts around the rows: in all, and by role."""
    return {
        "page": page,
        "filter": chosen,
        "role_order": directory.ROLE_ORDER,
        "most_at_once": MAX_AT_ONCE,
        "sentence": count_sentence(chosen, page),
    }


def _me(request: AnyRequest) -> Me:
    me = identity.me_of(request.scope["state"]["current"])
    assert me is not None, "the guard let only members through"
    return me


async def _changed(request: AnyRequest, chosen: MemberFilter, change: RoleChange) -> Response[bytes]:
    sentence, undo = change_sentence(change), _undo([change])
    if not rendering.wants_fragment(request):
        return rendering.redirect(request, path_of(chosen), notice=sentence, undo=undo)
    return await _row(request, change.row, chosen, toast=sentence, undo=undo)


def _undo(changes: Sequence[RoleChange]) -> Undo | None:
    """The button that undoes these changes to one role.

    Its target is the list, since the page may show other rows by the time somebody presses it.
    """
    changed = [change for change in changes if change.before != change.row.role]
    if not changed:
        return None
    before = [("before", f"{change.row.id}:{change.before.value}") for change in changed]
    return Undo(f"{PATH}/reversal", [*before, ("role", changed[0].row.role)], target=f"#{LIST}")


def _before(form: Form) -> dict[int, Role]:
    """The former roles by member, from fields like before=17:RE, or for several in one: 17:RE 18:AN."""
    pairs = [pair.partition(":") for value in form.several("before") for pair in value.split(" ")]
    roles = {role.value: role for role in Role}
    if not all(code in roles for _, _, code in pairs):
        form.add_error("before", by_field.WHO_HAD_WHICH_ROLE)
    if len({number for number, _, _ in pairs}) < len(pairs):
        form.add_error("before", by_field.SENT_TWICE)
    return {row_id(number): roles[code] for number, _, code in pairs if code in roles}


async def _changed_several(
    request: AnyRequest, chosen: MemberFilter, sentence: str, changes: Sequence[RoleChange] = ()
) -> Response[bytes]:
    if not rendering.wants_fragment(request):
        return rendering.redirect(request, path_of(chosen), notice=sentence, undo=_undo(changes))
    try:
        return await _list(request, chosen, toast=sentence, undo=_undo(changes))
    except (engine.TookTooLong, engine.Unavailable):
        # The change is done, and an error page would deny it. The list shows it when it is loaded again.
        return rendering.toast(request, sentence, status=200, refused=False)


async def _refused(
    request: AnyRequest, chosen: MemberFilter, member_id: int, error: DomainError
) -> Response[bytes]:
    """Returns the row in its true state, so that the drop-down snaps back, with the reason as a toast."""
    row = await directory.one(member_id)
    if row is None:
        raise Unknown(refusals.NO_SUCH_MEMBER)
    if not rendering.wants_fragment(request):
        return await _refused_page(request, chosen, error)
    return await _row(request, row, chosen, toast=str(error), refused=True, status=errors.status_of(error))


async def _refused_page(request: AnyRequest, chosen: MemberFilter, error: DomainError) -> Response[bytes]:
    """The page of members, with the reason why nothing was changed."""
    return await _page(request, chosen, status=errors.status_of(error), toast=str(error), refused=True)


async def _row(
    request: AnyRequest, row: MemberRow, chosen: MemberFilter, *, status: int = 200, **context: Any
) -> Response[bytes]:
    me = _me(request)
    rows = await member_rows.looked_up(request, (row,), me)
    values: dict[str, Any] = {
        "rows": rows,
        "page": None,
        "swap": True,
        "undo": None,
        "refused": False,
    } | context
    try:
        values |= _around(chosen, await directory.summary(chosen))
    except (engine.TookTooLong, engine.Unavailable):
        # The result of the change is shown without the counts around the row.
        pass
    return rendering.fragment(request, "organization/members/_changed_row.html", status=status, **values)
