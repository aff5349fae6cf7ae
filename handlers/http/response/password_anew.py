"""The password asked for anew: a form that carries on what was sent, to the same address, once it is given.

Which changes want it says db/policy.py, and the domain refuses them without; here it is checked when it comes
along, and asked for when it was wanted.
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
# Where a new token waits for the answer that takes it along.
_RENEWED: Final = "renewed"


class NotGiven(PasswordWanted):
    """It came along, but isn't theirs (422) or isn't looked at now (429). form: with what is wrong."""

    def __init__(self, form: Form, *, status: int = 422, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.form, self.status, self.headers = form, status, headers or {}


async def actor_of(current: Current, request: AnyRequest) -> Actor:
    """Who acts, for a change that may want the password: the one that the form brings is checked first.

    The session then goes on under a new token. Raises NotGiven, and what `read_fields` raises.
    """
    actor, sent = identity.actor_of(current, request), read_fields(request)
    if FIELD not in sent:
        return actor
    form, app_context = Form((FIELD,), sent), context_of(request)
    if not form[FIELD]:
        form.add_error(FIELD, by_field.ENTER_YOUR_PASSWORD)
    if form.errors:
        raise NotGiven(form)
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
        raise NotGiven(form) from None
    except TooManyTries as error:
        form.add_error(FIELD, error.sentence)
        headers = {"Retry-After": str(error.retry_after)}
        raise NotGiven(form, status=429, headers=headers) from None
    request.scope["state"][_RENEWED] = renewed_cookie(request, current, token)
    return actor


async def take_along(message: Message, scope: Scope) -> None:
    """Before an answer is sent: the cookie of a session that has a new token, whatever the answer is."""
    if message["type"] == "http.response.start" and (cookie := scope["state"].get(_RENEWED)):
        message["headers"] = [
            *message["headers"],
            (b"set-cookie", cookie.to_header(header="").encode("latin-1")),
        ]


async def ask(request: AnyRequest, error: PasswordWanted) -> Response[bytes]:
    """Asks, as a dialog over what is open or as a page. What was sent is carried on, in hidden fields."""
    given = error if isinstance(error, NotGiven) else NotGiven(Form((FIELD,)), status=403)
    target = request.headers.get("hx-target", "")
    root = context_of(request).root
    context: dict[str, Any] = {
        "form": given.form,
        "fields": [
            (name, value)
            for name, values in read_fields(request).items()
            for value in values
            if name != FIELD
        ],
        "action": root + request.scope["path"],
        "back": root + rendering.where(request),
    }
    if not rendering.wants_fragment(request):
        return await rendering.page(
            request, "password_anew.html", status=given.status, headers=given.headers, target="", **context
        )
    # Whatever of its answer the element that asked would have picked.
    placed = {"HX-Retarget": "#anew", "HX-Reswap": "innerHTML", "HX-Reselect": "#password-anew"}
    headers = {**given.headers, **placed}
    return rendering.fragment(
        request,
        "_password_anew.html",
        status=given.status,
        headers=headers,
        target=target if _ID.fullmatch(target) else "",
        **context,
    )
