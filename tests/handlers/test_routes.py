"""Every route of the application, and who gets in: a route that isn't in the table fails.

A cell tells what somebody is answered: ok (200), login (303 to the login page), no (403), there (let in, but
what was sent is an empty form, or leads on: 303, 404, 409, 410 or 422), method (405).
"""

from typing import Final

import pytest

from app import create_app
from db.policy import Role
from settings import Settings
from tests.support.pages.site import ON_SQLITE, SECRET, Site, Visitor

WHO: Final = ("anonymous", "pending", "deactivated", "annotator", "manager", "administrator", "owner")

ROLES: Final = (Role.PENDING, Role.ANNOTATOR, Role.ANNOTATOR, Role.MANAGER, Role.ADMINISTRATOR)

OK, LOGIN, NO, THERE, METHOD = "ok", "login", "no", "there", "method"
EVERYBODY: Final = (OK,) * 7
# A deactivated person's old cookie is nobody's.
SIGNED_IN: Final = (LOGIN, OK, LOGIN, OK, OK, OK, OK)
ADMINISTRATORS: Final = (LOGIN, NO, LOGIN, NO, NO, OK, OK)
OWNER: Final = (LOGIN, NO, LOGIN, NO, NO, NO, OK)
NEVER: Final = (METHOD,) * 7


def let_in(who: tuple[str, ...]) -> tuple[str, ...]:
    """The same people, for whom the answer is anything but a page: an error of the form, a redirect, …"""
    return tuple(THERE if cell == OK else cell for cell in who)


# address: (GET, POST). {member_id} is another annotator, other ids are nobody's; every form is empty.
TABLE: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "/": ((LOGIN, OK, LOGIN, OK, OK, OK, OK), NEVER),
    "/health": (EVERYBODY, NEVER),
    "/static/{name}": (let_in(EVERYBODY), NEVER),
    "/setup": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/signup": (EVERYBODY, let_in(EVERYBODY)),
    # Registration is open here, so nobody asks for access.
    "/user/access-request": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/access-request/confirmation": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/login": ((OK, THERE, OK, THERE, THERE, THERE, THERE), let_in(EVERYBODY)),
    "/user/logout": (NEVER, (LOGIN,) * 7),
    "/user/password/forgot": (EVERYBODY, let_in(EVERYBODY)),
    "/user/invitation": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/invitation/renewal": (NEVER, EVERYBODY),
    "/user/confirmation": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/password/reset": (let_in(EVERYBODY), let_in(EVERYBODY)),
    "/user/account": (SIGNED_IN, let_in(SIGNED_IN)),
    "/user/account/password": (NEVER, let_in(SIGNED_IN)),
    "/user/account/acknowledgement": (NEVER, let_in(SIGNED_IN)),
    "/user/account/notices": (NEVER, let_in(SIGNED_IN)),
    "/user/account/confirmation": (NEVER, let_in(SIGNED_IN)),
    "/user/account/sessions/{session_id}/end": (NEVER, let_in(SIGNED_IN)),
    "/user/account/sessions/end-others": (NEVER, let_in(SIGNED_IN)),
    "/organization": (let_in(ADMINISTRATORS), NEVER),
    "/organization/members": (ADMINISTRATORS, NEVER),
    "/organization/members/news": (ADMINISTRATORS, NEVER),
    "/organization/members.csv": (ADMINISTRATORS, NEVER),
    "/organization/members/roles": (NEVER, let_in(ADMINISTRATORS)),
    # Mail isn't set up here.
    "/organization/settings/test-mail": (NEVER, let_in(OWNER)),
    "/organization/members/reversal": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}": (ADMINISTRATORS, NEVER),
    "/organization/members/{member_id}/role": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/name": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/sessions/{session_id}/end": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/sessions/end-all": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/end": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/removal": (ADMINISTRATORS, let_in(ADMINISTRATORS)),
    "/organization/members/{member_id}/password-link": (NEVER, ADMINISTRATORS),
    "/organization/invite": (ADMINISTRATORS, NEVER),
    "/organization/invite-link/reset": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations": (ADMINISTRATORS, let_in(ADMINISTRATORS)),
    "/organization/invitations/preview": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/progress/{batch_id}": (let_in(ADMINISTRATORS), NEVER),
    "/organization/invitations/links/{batch_id}": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/reversal": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/several": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/{invitation_id}": (let_in(ADMINISTRATORS), NEVER),
    "/organization/invitations/{invitation_id}/role": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/{invitation_id}/resend": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/{invitation_id}/revocation": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/{invitation_id}/link": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/invitations/import": (ADMINISTRATORS, let_in(ADMINISTRATORS)),
    "/organization/invitations/import/{upload_id}": (let_in(ADMINISTRATORS), let_in(ADMINISTRATORS)),
    "/organization/requests/{access_request_id}/invitation": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/requests/{access_request_id}/dismissal": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/requests/{access_request_id}/reversal": (NEVER, let_in(ADMINISTRATORS)),
    "/organization/activity": (ADMINISTRATORS, NEVER),
    "/organization/activity/news": (ADMINISTRATORS, NEVER),
    "/organization/activity.csv": (ADMINISTRATORS, NEVER),
    "/organization/activity/erasure": (let_in(OWNER), let_in(OWNER)),
    "/organization/ownership": (OWNER, let_in(OWNER)),
    "/organization/settings": (OWNER, let_in(OWNER)),
    "/organization/roles": (ADMINISTRATORS, NEVER),
}


def test_every_route_stands_in_the_table_with_its_methods() -> None:
    served: dict[str, set[str]] = {}
    for route in create_app(Settings(secret_key=SECRET)).routes:
        # The framework answers OPTIONS by itself; the defences don't let it through.
        served.setdefault(route.path_format, set()).update(getattr(route, "methods", set()) - {"OPTIONS"})

    written = {
        path: {method for method, who in zip(("GET", "POST"), rows, strict=True) if who != NEVER}
        for path, rows in TABLE.items()
    }

    assert served == written


async def browsers(site: Site) -> dict[str, Visitor]:
    """A browser of each kind of person."""
    for name, role in zip(WHO[1:6], ROLES, strict=True):
        await site.person(name, role)
    # Each at an address of their own: tries are counted by address.
    people = {name: await site.sign_in(name, f"192.0.2.{place}") for place, name in enumerate(WHO[1:6])}
    olga = await site.sign_in("olga", "192.0.2.8")
    await olga.submit(f"/organization/members/{site.ids['deactivated']}/role", role="DI")
    return {"anonymous": site.visitor("192.0.2.9"), **people, "owner": olga}


async def address(site: Site, path: str) -> str:
    """The route's address: of somebody who has just joined, and of things that aren't there."""
    if "{member_id}" in path:
        path = path.replace("{member_id}", str(await site.person(f"number-{len(site.ids)}", Role.ANNOTATOR)))
    for name in ("session", "batch", "invitation", "upload", "request"):
        path = path.replace(f"{{{name}_id}}", "999")
    return path.replace("{name}", "nothing.css")


async def answered(visitor: Visitor, method: str, path: str) -> str:
    """The cell for what this request is answered."""
    answer = await (visitor.get(path) if method == "GET" else visitor.submit(path))
    if answer.status_code == 303 and answer.headers["location"].startswith("/user/login"):
        return LOGIN
    cells = {
        200: OK,
        303: THERE,
        403: NO,
        404: THERE,
        405: METHOD,
        409: THERE,
        410: THERE,
        415: THERE,
        422: THERE,
    }
    return cells[answer.status_code]


@pytest.mark.parametrize("method", ["GET", "POST"])
@ON_SQLITE
async def test_everybody_is_let_in_where_the_table_says(site: Site, method: str) -> None:
    people, wrong = await browsers(site), []

    # Whoever has signed out is nobody afterwards.
    for path in sorted(TABLE, key="/user/logout".__eq__):
        for name, expected in zip(WHO, TABLE[path][method == "POST"], strict=True):
            got = await answered(people[name], method, await address(site, path))
            if got != expected:
                wrong.append(f"{method} {path} for {name}: {got} instead of {expected}")

    assert wrong == []


@ON_SQLITE
async def test_htmx_is_refused_like_anybody(site: Site) -> None:
    people = await browsers(site)

    for path, (_, rows) in TABLE.items():
        for name, expected in zip(WHO, rows, strict=True):
            if expected in (LOGIN, NO) and path != "/user/logout":
                answer = await people[name].press(await address(site, path))
                assert answer.status_code == (401 if expected == LOGIN else 403), (path, name)
