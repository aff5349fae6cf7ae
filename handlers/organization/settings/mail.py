"""/organization/settings/test-mail: a test mail that is sent at once, while the Owner waits."""

import asyncio
from typing import Any, Final

from litestar import Response, post
from litestar.status_codes import HTTP_200_OK

from db import policy
from db.auth import rate_limits
from db.errors import Refused
from db.mail.delivery import ServerUnavailable
from db.members import changes
from handlers.http.auth import identity
from handlers.http.auth.guards import Requires
from handlers.http.auth.identity import CurrentUser
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from messages import refusals, toasts

# The answer comes within this time, even if the mail server or EMAIL_TIMEOUT would take longer.
MAX_SECONDS: Final = 15.0


@post(
    "/organization/settings/test-mail", guards=[Requires(policy.may_change_settings)], status_code=HTTP_200_OK
)
async def send_test_mail(request: AnyRequest, current: CurrentUser) -> Response[bytes]:
    """Sends a test mail to the Owner's own address, past the queue, and shows the mail server's answer."""
    app_context = context_of(request)
    if app_context.send_test_mail is None:
        raise Refused(refusals.NO_MAIL)
    await rate_limits.count([app_context.throttle.test_mail(current.member_id)])
    await changes.check(identity.actor_of(current, request), policy.may_change_settings)
    failure, answer = "", ""
    try:
        async with asyncio.timeout(MAX_SECONDS):
            *_, answer = await app_context.send_test_mail(current.email)
    except ServerUnavailable as error:
        failure = str(error)
    except TimeoutError:
        failure = refusals.TEST_MAIL_TOOK_TOO_LONG.format(seconds=f"{MAX_SECONDS:g}")
    result = failure or toasts.TEST_MAIL_SENT.format(email=current.email, answer=answer)
    if rendering.wants_fragment(request):
        context: dict[str, Any] = {"result": result, "refused": bool(failure)}
        status = 409 if failure else 200
        return rendering.fragment(request, "organization/settings/_test_mail.html", status=status, **context)
    if failure:
        raise Refused(failure)
    return rendering.redirect(request, "/organization/settings", notice=result)
