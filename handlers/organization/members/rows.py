"""Rows of the members table, cached: the HTML of a row depends only on the row and on who sees it."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from jinja2 import Environment
from markupsafe import Markup

from db import engine, policy
from db.invitations import listing as invitation_listing
from db.invitations.listing import Meant
from db.members.directory import MemberRow
from db.policy import Role
from handlers.http.auth.identity import Me
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest

REMEMBERED: Final = 4096
# A test switches the cache off, and finds the same bytes.
remember = True

# The key includes the environment, which knows the sub-path in every address.
_memory: OrderedDict[tuple[Environment, MemberRow, bool, Role, Meant | None], str] = OrderedDict()


async def looked_up(request: AnyRequest, rows: Sequence[MemberRow], me: Me) -> Markup:
    """The rows as this person sees them, with the role that each waiting member was invited to."""
    return rendered(context_of(request).templates, rows, me, await _meant(rows))


async def out_of_band(request: AnyRequest, row: MemberRow, me: Me) -> Markup:
    """One row as an out-of-band piece, to replace the row in the list."""
    meant = (await _meant((row,))).get(row.id)
    return Markup(_render(context_of(request).templates, row, me, meant, swap=True))


async def _meant(rows: Sequence[MemberRow]) -> Mapping[int, Meant]:
    waiting = [row.id for row in rows if row.role == Role.PENDING]
    return await engine.read(invitation_listing.meant_for, waiting) if waiting else {}


def rendered(templates: Environment, rows: Iterable[MemberRow], me: Me, meant: Mapping[int, Meant]) -> Markup:
    """The rows as this person sees them. meant: by id, the role that a waiting member was invited to."""
    return Markup("\n".join([_row(templates, row, me, meant.get(row.id)) for row in rows]))


def _row(templates: Environment, row: MemberRow, me: Me, meant: Meant | None) -> str:
    if not remember:
        return _render(templates, row, me, meant)
    key = (templates, row, row.id == me.id, me.role, meant)
    html = _memory.get(key)
    if html is None:
        html = _memory[key] = _render(templates, row, me, meant)
        if len(_memory) > REMEMBERED:
            _memory.popitem(last=False)
    else:
        _memory.move_to_end(key)
    return html


def _render(
    templates: Environment, row: MemberRow, me: Me, meant: Meant | None, *, swap: bool = False
) -> str:
    role = Role(row.role)
    return templates.get_template("organization/members/_member_row.html").render(
        row=row,
        role=role,
        why=policy.why_untouchable(me.id, me.role, row.id, role),
        is_me=row.id == me.id,
        may_transfer=policy.may_transfer_ownership(me.role),
        meant=meant,
        swap=swap,
    )
