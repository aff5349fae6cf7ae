"""What was typed survives a session that ended meanwhile: kept, shown again after signing in, sent by hand.

SHOWN_BY maps the address that a form is posted to onto the page that shows this form, and its fields: nothing
else is kept.
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
from db.organization.settings import NOTED
from db.policy import Actor
from handlers.http.auth.cookies import SESSION_COOKIE, cookie_in
from handlers.http.context import context_of
from handlers.http.request.forms import Form, read_fields
from handlers.http.request.types import AnyRequest

INVITE_BY_MAIL: Final = ("/organization/invite?way=email", frozenset({"emails", "role", "others"}))
SETTINGS: Final = frozenset(
    {
        "title",
        "link_ends",
        "link_days",
        "link_ends_on",
        "link_max_uses",
        "link_domains",
        "notice_waiting",
        "notice_asked",
        "notice_ending",
        "session_age",
        "session_idle",
        "may_ask",
        "seen",
        *(f"note_{role.value}" for role in NOTED),
    }
)
ACCOUNT: Final = frozenset({"first_name", "last_name", "time_zone", "theme"})
SHOWN_BY: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    "/organization/invitations": INVITE_BY_MAIL,
    "/organization/invitations/preview": INVITE_BY_MAIL,
    "/organization/settings": ("/organization/settings", SETTINGS),
    "/user/account": ("/user/account", ACCOUNT),
}


async def kept(request: AnyRequest) -> str | None:
    """Keeps what was posted, if its session has ended lately; the address that shows it again, else None."""
    shown_by = SHOWN_BY.get(request.scope["path"]) if request.method == "POST" else None
    app_context = context_of(request)
    token = cookie_in(request, app_context, SESSION_COOKIE)
    if not shown_by or not token:
        return None
    address, names = shown_by
    path, _, query = address.partition("?")
    # Signing in goes on without a draft when there is nothing to keep, or no place for it.
    with contextlib.suppress(engine.DatabaseError, HTTPException, Busy, Invalid):
        fields = partial(read_fields, request)
        if key := await drafts.keep(token, path, fields, names=names, throttle=app_context.throttle):
            return f"{path}?{query + '&' if query else ''}draft={key}"
    return None


async def form_of(request: AnyRequest, current: Current, fields: Collection[str]) -> Form | None:
    """The form with what was kept under the address's `draft`, None when there is nothing."""
    key = request.query_params.get("draft", "")
    found = await drafts.find(current.member_id, request.scope["path"], key) if key else None
    return None if found is None else Form(fields, {**found, "draft": [key]}, kept=True)


async def sent(actor: Actor, form: Form) -> None:
    """Forgets the draft that this form was filled from, once it was sent. What fails here, time settles.

    actor: who has sent it, by the session as it is now.
    """
    if form.draft:
        with contextlib.suppress(engine.DatabaseError, SignInFirst):
            await drafts.discard(actor, form.draft)
