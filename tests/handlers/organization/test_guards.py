"""Who reaches the organization's addresses: the Owner and Administrators, and nobody else."""

import pytest
from litestar.routes import HTTPRoute

from app import create_app
from db import engine
from db.policy import Role
from handlers.http.request.uploads import UPLOAD_PATH
from settings import Settings
from tests.support.pages.site import ON_SQLITE, SECRET, Site

OWNER_ONLY = ("/organization/ownership", "/organization/settings", "/organization/activity/erasure")


def addresses() -> list[tuple[str, str]]:
    """Method and path of everything below /organization, as the application knows it."""
    routes = create_app(Settings(secret_key=SECRET)).routes
    return sorted(
        (method, route.path_format.replace("{member_id}", "2"))
        for route in routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/organization")
        for method in route.methods & {"GET", "POST"}
    )


ADDRESSES = addresses()


async def ask(site: Site, name: str | None, method: str, path: str, *, htmx: bool) -> tuple[int, str]:
    """The status, and where the answer leads."""
    visitor = site.visitor() if name is None else await site.sign_in(name)
    if method == "GET":
        answer = await (visitor.fragment(path) if htmx else visitor.get(path))
    elif path == UPLOAD_PATH:
        headers = {"Sec-Fetch-Site": "same-origin", **({"HX-Request": "true"} if htmx else {})}
        answer = await visitor.post(path, files={"file": b"email\n"}, headers=headers)
    else:
        answer = await (visitor.press(path, role="AN") if htmx else visitor.submit(path, role="AN"))
    return answer.status_code, answer.headers.get("hx-redirect") or answer.headers.get("location", "")


def test_there_is_something_to_guard() -> None:
    assert len(ADDRESSES) >= 13


@ON_SQLITE
@pytest.mark.parametrize("role", [Role.PENDING, Role.ANNOTATOR, Role.REVIEWER, Role.MANAGER])
async def test_others_are_refused_everywhere(site: Site, role: Role) -> None:
    await site.person("ada", role)
    await site.person("bob")

    for method, path in ADDRESSES:
        for htmx in (False, True):
            assert await ask(site, "ada", method, path, htmx=htmx) == (403, ""), (method, path)
    assert await site.role_of("bob") is Role.PENDING


@ON_SQLITE
async def test_who_is_signed_out_or_deactivated_comes_to_the_login_page(site: Site) -> None:
    await site.person("ada", Role.DEACTIVATED)

    for method, path in ADDRESSES:
        for name in (None, "ada"):
            page = await ask(site, name, method, path, htmx=False)
            fragment = await ask(site, name, method, path, htmx=True)
            assert (page[0], fragment[0]) == (303, 401), (method, path)
            assert page[1].startswith("/user/login?next=/")
            assert fragment[1].startswith("/user/login?next=/")


@ON_SQLITE
async def test_an_administrator_reaches_all_but_what_is_the_owner_s(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)

    for method, path in ADDRESSES:
        if method == "GET":
            status, _ = await ask(site, "ada", method, path, htmx=False)
            expected = {
                "/organization": 303,
                "/organization/members/2/removal": 409,
                "/organization/invitations/{invitation_id}": 404,
                "/organization/invitations/import/{upload_id}": 404,
                "/organization/invitations/progress/{batch_id}": 404,
            }
            assert status == (403 if path in OWNER_ONLY else expected.get(path, 200)), path


@ON_SQLITE
async def test_a_get_changes_nothing(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    tables = ("member", "organization", "links", "activity", "session")
    olga = await site.sign_in("olga")
    before = [await engine.rows(f"SELECT * FROM {table}") for table in tables]

    for method, path in ADDRESSES:
        if method == "GET":
            await olga.get(f"{path}?role=AN&member=2&password=x")

    assert [await engine.rows(f"SELECT * FROM {table}") for table in tables] == before
