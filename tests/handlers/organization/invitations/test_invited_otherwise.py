"""Somebody is invited by mail and registers by the invite link: they wait, and one press gives the role."""

import pytest

from db import engine
from db.invitations import listing as invitation_listing
from db.invitations.listing import Meant
from db.policy import Role
from tests.support.pages.markup import Element, tree
from tests.support.pages.members_page import PATH, select, toast
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps.invitation_steps import invited

SAID = "Invited as Reviewer by Olga; registered by the invite link"
BUTTON = "Approve as Reviewer"


async def come(site: Site, joined_via: str = "link") -> int:
    """ada is invited as Reviewer and registers without the invitation."""
    await invited(site, "ada", Role.REVIEWER)
    return await site.person("ada", joined_via=joined_via)


def approval(within: Element, member_id: int) -> Element:
    """The form that gives the invited role."""
    forms = within.all("form", action=f"{PATH}/{member_id}/role")
    return next(form for form in forms if form.all("input", type="hidden", name="role"))


async def test_what_was_meant_is_known_of_those_who_wait_and_came_by_themselves(site: Site) -> None:
    ada = await come(site)
    await invited(site, "ben", Role.MANAGER)
    ben = await site.person("ben", joined_via="signup")
    others = [await site.person("cy"), await site.person("di", Role.ANNOTATOR, joined_via="link")]
    await invited(site, "eve")
    others.append(await site.person("eve", joined_via="invitation"))

    found = await engine.read(invitation_listing.meant_for, [ada, ben, *others])

    assert found == {ada: Meant("RE", "Olga"), ben: Meant("MA", "Olga")}
    assert await engine.read(invitation_listing.meant_for, []) == {}


async def test_the_row_says_so_and_one_press_gives_the_role(site: Site) -> None:
    ada = await come(site)
    olga = await site.sign_in("olga")
    row = tree(await olga.get(PATH)).one("tr", id=f"member-{ada}")
    form = approval(row, ada)

    answer = await olga.press(form["action"], role=form.one("input", name="role")["value"])

    assert SAID in row.text
    assert BUTTON in form.one("button").text
    assert select(answer, ada) == ["RE"]
    assert toast(answer) == "Ada is Reviewer now."
    assert SAID not in tree(answer).text
    assert await site.role_of("ada") is Role.REVIEWER


@ON_SQLITE
async def test_the_panel_says_so_and_gives_the_role_as_a_page(site: Site) -> None:
    ada = await come(site)
    olga = await site.sign_in("olga")
    panel = tree(await olga.get(f"{PATH}/{ada}"))
    form = approval(panel, ada)

    answer = await olga.submit(form["action"], role=form.one("input", name="role")["value"])

    assert SAID in form.text
    assert answer.status_code == 303
    assert await site.role_of("ada") is Role.REVIEWER
    assert "Invited as" not in tree(await olga.get(f"{PATH}/{ada}")).text


@ON_SQLITE
@pytest.mark.parametrize(("joined_via", "page"), [("link", "invite link"), ("signup", "sign-up page")])
async def test_the_invitation_says_so_and_gives_the_role(site: Site, joined_via: str, page: str) -> None:
    ada = await come(site, joined_via)
    olga = await site.sign_in("olga")
    table = tree(await olga.get("/organization/invitations")).one("table", id="invitations")
    form = approval(table, ada)

    await olga.submit(form["action"], role=form.one("input", name="role")["value"])
    after = tree(await olga.get("/organization/invitations")).one("table", id="invitations")

    assert f"Registered by the {page}; waiting for a role." in table.text
    assert BUTTON in form.one("button").text
    assert await site.role_of("ada") is Role.REVIEWER
    assert f"Registered by the {page}." in after.text
    assert "Joined another way" in after.text
    assert not after.all("button")
    assert not after.all("input", name="invitation")
    assert BUTTON not in after.text


@ON_SQLITE
async def test_nobody_is_approved_by_their_address_alone(site: Site) -> None:
    await come(site)

    assert await site.role_of("ada") is Role.PENDING


@ON_SQLITE
async def test_a_revoked_invitation_promises_nothing(site: Site) -> None:
    ada = await come(site)
    olga = await site.sign_in("olga")
    page = await invitation_listing.page(invitation_listing.InvitationFilter())

    await olga.submit(f"/organization/invitations/{page.rows[0].id}/revocation")

    assert "Invited as" not in tree(await olga.get(PATH)).one("tr", id=f"member-{ada}").text
    assert "Registered by" not in tree(await olga.get("/organization/invitations")).text
