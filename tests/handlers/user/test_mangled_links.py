"""Links as programs hand them on: with something around them, shortened, escaped; each kind of link alike."""

from collections.abc import Awaitable, Callable

import httpx
import pytest

from db import engine
from db.accounts import confirmation
from db.auth import links
from db.common.addresses import parse
from db.invitations import access_requests
from db.invitations.access_requests import AccessRequestForm
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site
from tests.support.steps.invitation_steps import invited, token

pytestmark = ON_SQLITE
INCOMPLETE = "It may be incomplete: copy the whole link."


async def invite_link(site: Site) -> str:
    return f"/user/signup?token={await site.invite_token()}"


async def invitation(site: Site) -> str:
    return f"/user/invitation?token={token(site, await invited(site, 'ada'))}"


async def reset(site: Site) -> str:
    return f"/user/password/reset?token={await site.reset_token('olga')}"


async def newest(site: Site, purpose: str) -> str:
    link = await engine.read(links.newest, purpose)
    assert link is not None
    return site.context.signer.token(purpose, link.id, link.nonce)


async def address_check(site: Site) -> str:
    await engine.write(confirmation.ask, site.ids["olga"], "olga@example.org")
    return f"/user/confirmation?token={await newest(site, links.ADDRESS)}"


async def access_request(site: Site) -> str:
    await engine.write(engine.execute, "UPDATE organization SET may_ask = 1")
    await access_requests.submit(AccessRequestForm(parse("ben@example.org"), "Ben", ""), "192.0.2.1")
    return f"/user/access-request/confirmation?token={await newest(site, links.ACCESS_REQUEST)}"


Kind = Callable[[Site], Awaitable[str]]
KINDS = (invite_link, invitation, reset, address_check, access_request)
every_kind = pytest.mark.parametrize("kind", KINDS)


async def opened(site: Site, address: str) -> httpx.Response:
    return await site.visitor().get(address)


@every_kind
@pytest.mark.parametrize(
    "behind",
    [".", ")", "%3E", ",", "%E2%80%A6", "%22", "%20", "%0A", "%0D%0A", "%E2%80%8B", "=", "=20", "&amp;x=1"],
)
async def test_a_link_works_with_something_behind_it(posting: Site, kind: Kind, behind: str) -> None:
    address = await kind(posting)
    answer = await opened(posting, address + behind)

    assert answer.status_code == 200
    for field in tree(answer).all("input", name="token"):
        assert address.endswith(f"?token={field['value']}")


@every_kind
@pytest.mark.parametrize(
    "name", ["amp;token=", "x=1&amp;token=", "x=1&amp;amp;token=", "token%3D", "token=3D", "token%3D3D"]
)
async def test_a_link_works_when_the_name_of_its_token_was_escaped(
    posting: Site, kind: Kind, name: str
) -> None:
    address = (await kind(posting)).replace("token=", name)
    answer = await opened(posting, address)

    assert answer.status_code == 200
    assert answer.headers["referrer-policy"] == "strict-origin"


@every_kind
@pytest.mark.parametrize("behind", ["%00", "x", "%20x", "%FF", "%1B", "%EF%BC%A1"])
async def test_anything_else_behind_a_token_is_refused(posting: Site, kind: Kind, behind: str) -> None:
    answer = await opened(posting, await kind(posting) + behind)

    assert answer.status_code == 410
    assert INCOMPLETE in tree(answer).text


@every_kind
@pytest.mark.parametrize("lost", [1, 2, 20])
async def test_a_shortened_link_says_that_it_may_be_incomplete(posting: Site, kind: Kind, lost: int) -> None:
    path, _, whole = (await kind(posting)).partition("?token=")
    sent = await posting.visitor().submit(path, token=whole[:-lost], password=PASSWORD, email="a@example.org")
    answer = await opened(posting, f"{path}?token={whole[:-lost]}")

    for each in (answer, sent):
        assert each.status_code == 410
        assert "no longer works" in tree(each).one("h1").text
        assert INCOMPLETE in tree(each).text


@every_kind
async def test_a_form_understands_what_an_address_does(posting: Site, kind: Kind) -> None:
    path, _, whole = (await kind(posting)).partition("?token=")
    for behind in ("\0", "x"):
        refused = await posting.visitor().submit(path, token=whole + behind, password=PASSWORD)
        assert refused.status_code == 410

    # Behind a good token comes the question whose address it is, for whoever isn't signed in.
    olga = await posting.sign_in("olga") if kind is address_check else posting.visitor()
    answer = await olga.submit(path, token=f"<{whole}>.\n", password=PASSWORD, email="ben@example.org")

    assert answer.status_code in (200, 303)


async def test_the_invite_link_keeps_its_heading(site: Site) -> None:
    page = tree(await opened(site, (await invite_link(site))[:-1]))

    assert page.one("h1").text == "This invite link no longer works"


async def test_the_setup_code_is_read_like_a_token(database: str) -> None:
    async with Site.opened(founded=False) as site:
        code = await site.setup_code()
        for good in (f"code={code}.", f"amp;code={code}", f"code={code}%0A"):
            answer = await opened(site, f"/setup?{good}")
            assert answer.status_code == 200
            assert tree(answer).one("input", name="code")["value"] == code
        for bad in (f"code={code[:-1]}", f"code={code}%00"):
            answer = await opened(site, f"/setup?{bad}")
            assert answer.status_code == 403
            assert INCOMPLETE in tree(answer).text


async def test_an_open_house_takes_a_broken_link_for_a_link(site: Site) -> None:
    assert (await opened(site, "/user/signup?token=%20")).status_code == 410
    assert (await opened(site, "/user/signup?token=")).status_code == 200
