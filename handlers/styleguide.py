"""/styleguide: each component in each state, from the macros of the pages. Only with `serve --debug`."""

from typing import Final

from litestar import Response, get

from db.common import clock
from db.members.directory import MemberRow
from db.policy import Role
from handlers.http.auth.guards import public
from handlers.http.request.forms import Form
from handlers.http.request.types import AnyRequest
from handlers.http.response import rendering
from handlers.http.response.rendering import Undo

HOUR_MS: Final = 3600_000
LONG: Final = f"a-very-long-local-part-without-any-end{'x' * 25}@{'herbarium-of-the-north.' * 7}example.org"


@get("/styleguide", guards=[public])
async def show_styleguide(request: AnyRequest) -> Response[bytes]:
    """Shows made-up people, and reads no database."""
    return await rendering.page(
        request,
        "styleguide.html",
        rows=_rows(),
        empty=Form(("email", "first_name", "role", "persist_session", "password")),
        wrong=_wrong(),
        undo=Undo(action="/styleguide", fields=(), target="#main"),
        now=clock.now(),
    )


def _rows() -> list[tuple[MemberRow, Role, str | None]]:
    """Members in each state, with the reason if their role can't be changed."""
    people = (
        (Role.OWNER, "Olga", "Lund", "olga@example.org", "Only the Owner can hand this over."),
        (Role.PENDING, "Ben", "Oyelaran", "ben@example.org", None),
        (Role.ANNOTATOR, "فاطمة", "الحسن", "fatima@example.org", None),
        (Role.REVIEWER, "", "", LONG, None),
        (Role.MANAGER, "Wolfeschlegelsteinhausenbergerdorff", "Ekwueme-Oluwaseun", LONG, None),
        (Role.DEACTIVATED, "Dora", "Iyer", "dora@example.org", None),
    )
    now = clock.now()
    return [
        (
            MemberRow(
                id=number,
                email=email,
                domain_shown="",
                first_name=first,
                last_name=last,
                role=role.value,
                joined_via="link",
                inviter_name="",
                confirmed_at=now,
                joined_at=now - number * 400 * HOUR_MS,
                last_activity_at=now - number**4 * HOUR_MS,
                ends_at=0,
            ),
            role,
            why,
        )
        for number, (role, first, last, email, why) in enumerate(people, 1)
    ]


def _wrong() -> Form:
    form = Form(("email", "password", "role"), {"email": ["ben@@example"], "role": [Role.ANNOTATOR.value]})
    form.add_error("email", "Write one address, like name@example.org.")
    form.add_error("password", "This is one of the first that anybody would try.")
    form.add_error("role", "Choose one of the roles in the list.")
    form.add_error("", "Address and password don't go together.")
    return form
