"""Asks for the password again before certain changes, and then sends the original form to the same address.

db/policy.py names the changes that need it, and the domain refuses them without. This module checks the
password that comes with a form, and asks for one that is missing.
"""

import re
from typing import Any, Final

from litestar import Response
from litestar.types import Message, Scope

from db.accounts import sign_in
from db.accounts.sign_in import WrongPassword
from db.auth.sessions import Current
from db.errors import PasswordWanted, TooManyTries
from db.policy import Actor
from handlers.http.auth import identity
from handlers.http.auth.cookies import renewed_cookie
from handlers.http.context import context_of
from handlers.http.request.forms import Form, read_fields
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from messages import by_field

FIELD: Final = "current_password"
# The id of an element, as htmx sends it.
_ID: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*", re.ASCII)
# The key of the scope's state under which a new session cookie waits for the answer.
_RENEWED: Final = "renewed"


class PasswordPrompt(PasswordWanted):
    """Ask again: the password was wrong (422), or there were too many tries (429). form: with the error."""

    def __init__(self, form: Form, *, status: int = 422, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.form, self.status, self.headers = form, status, headers or {}


async def actor_of(current: Current, request: AnyRequest) -> Actor:
    """The author of a change that may need the password. A password in the form is checked first.

    The session then goes on under a new token. Raises PasswordPrompt, and as read_fields.
    """
    actor, fields = identity.actor_of(current, request), read_fields(request)
    if FIELD not in fields:
        return actor
    form, app_context = Form((FIELD,), fields), context_of(request)
    if not form[FIELD]:
        form.add_error(FIELD, by_field.ENTER_YOUR_PASSWORD)
    if form.errors:
        raise PasswordPrompt(form)
    try:
        actor, token = await sign_in.give_again(
            actor,
            form[FIELD],
            session=current.key,
            throttle=app_context.throttle,
            browser=identity.browser_of(request),
        )
    except WrongPassword:
        form.add_error(FIELD, by_field.NOT_YOUR_PASSWORD)
        raise PasswordPrompt(form) from None
    except TooManyTries as error:
        form.add_error(FIELD, error.sentence)
        headers = {"Retry-After": str(error.retry_after)}
        raise PasswordPrompt(form, status=429, headers=headers) from None
    request.scope["state"][_RENEWED] = renewed_cookie(request, current, token)
    return actor


async def send_renewed_cookie(message: Message, scope: Scope) -> None:
    """Hook before each answer: adds the cookie of a session that has a new token."""
    if message["type"] == "http.response.start" and (cookie := scope["state"].get(_RENEWED)):
        message["headers"] = [
            *message["headers"],
            (b"set-cookie", cookie.to_header(header="").encode("latin-1")),
        ]


async def ask(request: AnyRequest, error: PasswordWanted) -> Response[bytes]:
    """Asks for the password, in a dialog or on a page of its own. Hidden fields hold the original form."""
    prompt = error if isinstance(error, PasswordPrompt) else PasswordPrompt(Form((FIELD,)), status=403)
    target = request.headers.get("hx-target", "")
    root = context_of(request).settings.root
    context: dict[str, Any] = {
        "form": prompt.form,
        "fields": [
            (name, value)
            for name, values in read_fields(request).items()
            for value in values
            if name != FIELD
        ],
        "action": root + request.scope["path"],
        "back": root + rendering.current_page(request),
    }
    if not rendering.wants_fragment(request):
        return await rendering.page(
            request,
            "password_anew.html",
            status=prompt.status,
            headers=prompt.headers,
            target="",
            **context,
        )
    # In place of the target that the asking element names.
    placed = {"HX-Retarget": "#anew", "HX-Reswap": "innerHTML", "HX-Reselect": "#password-anew"}
    headers = {**prompt.headers, **placed}
    return rendering.fragment(
        request,
        "_password_anew.html",
        status=prompt.status,
        headers=headers,
        target=target if _ID.fullmatch(target) else "",
        **context,
    )
