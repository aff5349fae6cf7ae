"""Drafts: what was typed survives the end of its session, and is shown again after signing in.

SHOWN_BY maps the address that a form is posted to onto the page that shows this form, and its fields. Nothing
else is kept, and nothing is sent without its author.
"""

import contextlib
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final

from litestar.exceptions import HTTPException

from db import engine
from db.accounts import drafts
from db.auth.sessions import Current
from db.errors import Busy, Invalid, SignInFirst
from db.organization.settings import INPUTS
from db.policy import Actor
from handlers.http.auth.cookies import SESSION_COOKIE, cookie_in
from handlers.http.context import context_of
from handlers.http.request.forms import Form, read_fields
from handlers.http.request.types import AnyRequest

INVITE_BY_MAIL: Final = ("/organization/invite?way=email", frozenset({"emails", "role", "others"}))
SETTINGS: Final = frozenset({*INPUTS, "seen"})
ACCOUNT: Final = frozenset({"first_name", "last_name", "time_zone", "theme"})
SHOWN_BY: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "/organization/invitations": INVITE_BY_MAIL,
    "/organization/invitations/preview": INVITE_BY_MAIL,
    "/organization/settings": ("/organization/settings", SETTINGS),
    "/user/account": ("/user/account", ACCOUNT),
}


async def keep(request: AnyRequest) -> str | None:
    """Keeps a form whose session has ended lately. Returns the address that shows it again, or None."""
    shown_by = SHOWN_BY.get(request.scope["path"]) if request.method == "POST" else None
    app_context = context_of(request)
    token = cookie_in(request, app_context, SESSION_COOKIE)
    if not shown_by or not token:
        return None
    address, names = shown_by
    path, _, query = address.partition("?")
    # Without anything to keep, or room for it, people sign in all the same.
    with contextlib.suppress(engine.DatabaseError, HTTPException, Busy, Invalid):
        fields = partial(read_fields, request)
        if key := await drafts.keep(token, path, fields, names=names, throttle=app_context.throttle):
            return f"{path}?{query + '&' if query else ''}draft={key}"
    return None


async def form_of(request: AnyRequest, current: Current, fields: Collection[str]) -> Form | None:
    """The form filled with the draft that the address names, or None."""
    key = request.query_params.get("draft")
    if not key:
        return None
    draft = await drafts.find(current.member_id, request.scope["path"], key)
    return None if draft is None else Form(fields, {**draft, "draft": [key]}, restored=True)


async def discard(actor: Actor, form: Form) -> None:
    """Deletes the draft that a form was filled from, once the form was sent. actor: with the present session.

    A draft that can't be deleted now expires by itself.
    """
    if form.draft:
        with contextlib.suppress(engine.DatabaseError, SignInFirst):
            await drafts.discard(actor, form.draft)
