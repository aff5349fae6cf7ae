"""A sub-path in HOST: every address has it, and requests work with and without it."""

from collections.abc import AsyncIterator

import pytest

from settings import Settings
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site

pytestmark = ON_SQLITE

HTTPS = "https://members.example.org"


@pytest.fixture
async def below(database: str) -> AsyncIterator[Site]:
    """A site below a sub-path."""
    async with Site.opened(Settings(secret_key=SECRET, host=f"{HTTPS}/gate")) as opened:
        yield opened


async def test_requests_are_understood_with_and_without_the_sub_path(below: Site) -> None:
    olga = await below.sign_in("olga", base=HTTPS)

    for path in ("/user/account", "/organization/members", "/health", "/"):
        assert (await olga.get(path)).status_code == 200, path
        assert (await olga.get(f"/gate{path}")).status_code == 200, path
    assert (await olga.get("/gate")).status_code == 200
    assert (await olga.get("/gatehouse/user/account")).status_code == 404


async def test_every_address_of_a_page_carries_the_sub_path(below: Site) -> None:
    await below.person("ada")
    ada, olga = await below.sign_in("ada", base=HTTPS), await below.sign_in("olga", base=HTTPS)
    outside = below.visitor(base=HTTPS)

    pages = [await ada.get("/"), await outside.get("/user/login"), await outside.get("/user/signup")]
    pages += [await olga.get(path) for path in ("/", "/user/account", "/organization/members")]

    for page in pages:
        local = [address for address in read(page).addresses if address.startswith("/")]
        assert len(local) > 3
        assert [address for address in local if not address.startswith("/gate/")] == []


async def test_redirects_carry_the_sub_path_as_a_page(below: Site) -> None:
    visitor = below.visitor(base=HTTPS)

    first = await visitor.get("/gate/organization/members?role=NO")
    second = await visitor.submit(
        "/gate/user/login", email="olga@example.org", password=PASSWORD, next="/organization/members?role=NO"
    )

    assert first.headers["location"] == "/gate/user/login?next=/organization/members%3Frole%3DNO"
    assert second.headers["location"] == "/gate/organization/members?role=NO"


async def test_redirects_carry_the_sub_path_as_a_fragment(below: Site) -> None:
    visitor = below.visitor(base=HTTPS)

    first = await visitor.fragment("/gate/", **{"HX-Current-URL": f"{HTTPS}/gate/"})
    second = await visitor.press("/gate/user/login", email="olga@example.org", password=PASSWORD)

    assert first.headers["hx-redirect"] == "/gate/user/login?next=/"
    assert second.headers["hx-redirect"] == "/gate/"


async def test_links_to_copy_carry_the_sub_path_once(below: Site) -> None:
    olga = await below.sign_in("olga", base=HTTPS)

    link = tree(await olga.get("/gate/organization/invite")).one(id="invite-link")["value"]

    assert link.startswith(f"{HTTPS}/gate/user/signup?token=")
    assert (await below.visitor(base=HTTPS).get(link)).status_code == 200
