"""A link to copy that only this computer can open says so, under each field that holds one."""

import httpx
import pytest

from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site, Visitor

pytestmark = ON_SQLITE

SAID = "Only this computer can open it: set HOST to the address that others use."
HERE = ["http://127.0.0.1:8080", "http://localhost:8080", "http://gate.localhost", "http://[::1]:8080"]
ELSEWHERE = ["http://192.0.2.7:8080", "http://members.example.org", "http://localhost.example.org"]


async def fields_with_links(site: Site, base: str) -> dict[str, bool]:
    """Each field to copy from, with whether the sentence stands under it."""
    olga = await site.sign_in("olga")
    # Not in the jar, which knows no addresses like [::1].
    olga.headers["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in olga.cookies.jar)
    olga.base_url = httpx.URL(base)
    said = {}
    answers = [
        await olga.get("/organization/members"),
        await olga.fragment("/organization/invite"),
        await olga.press(f"/organization/members/{await site.person('ada')}/password-link"),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.url
        for field in tree(answer).all("div", class_="copy"):
            said[field.one("input")["id"]] = SAID in field.text
    said["links"] = await sentence_above_links_of_a_sending(olga)
    return said


async def sentence_above_links_of_a_sending(olga: Visitor) -> bool:
    form = {"emails": "ben@example.org, cyd@example.org", "role": "AN"}
    sent = await olga.submit("/organization/invitations", form)
    page = tree(await olga.get(sent.headers["location"]))
    assert len(page.all("div", class_="copy")) == 2
    found = page.all("p", id="links-only-here")
    return bool(found) and "Only this computer can open these links" in found[0].text


@pytest.mark.parametrize("base", [*HERE, *ELSEWHERE])
async def test_a_link_that_leads_to_this_computer_says_so(database: str, base: str) -> None:
    async with Site.opened() as site:
        said = await fields_with_links(site, base)

    assert {"invite-link", "reset-link", "first-link"} <= set(said)
    assert set(said.values()) == {base in HERE}


async def test_with_host_set_no_link_says_so(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, host="http://localhost:8080")) as site:
        said = await fields_with_links(site, "http://localhost:8080")

    assert set(said.values()) == {False}
