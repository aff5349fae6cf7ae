"""Undo for revoking invitations, in the list and without a script."""

import httpx

from tests.support.pages.markup import tree
from tests.support.pages.members_page import toast
from tests.support.pages.site import ON_SQLITE, Site
from tests.support.steps.invitation_steps import invite, invited, one, state

PATH = "/organization/invitations"
REVERSAL = f"{PATH}/reversal"
pytestmark = ON_SQLITE


def undo(answer: httpx.Response) -> dict[str, list[str]]:
    """The fields of the form in the toast."""
    form = tree(answer).one(id="toasts").one("form")
    assert (form["action"], form["hx-post"], form["hx-target"]) == (REVERSAL, REVERSAL, "#invitations-list")
    fields: dict[str, list[str]] = {}
    for field in form.all("input"):
        fields.setdefault(field["name"], []).append(field["value"])
    return fields


async def states(*names: str) -> list[str]:
    return [await state(f"{name}@example.org") for name in names]


async def test_the_toast_brings_one_back_and_the_list_is_shown_as_it_is_then(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")

    revoked = await olga.press(f"{PATH}/{line.id}/revocation")
    answer = await olga.press(REVERSAL, undo(revoked), filter="state=open")

    assert toast(answer) == "The invitation is valid again, in every mail where it stands."
    page = tree(answer)
    assert page.one(id="invitations-list").all("tr", id=f"invitation-{line.id}")
    assert page.one(id="open-invitations").text == "1"
    assert await states("ada") == ["unsent"]


async def test_fifty_come_back_without_a_script(site: Site) -> None:
    await invite(site, ", ".join(f"p{number}@example.org" for number in range(50)))
    ids = [str((await one(f"p{number}@example.org")).id) for number in range(50)]
    olga = await site.sign_in("olga")

    several = {"action": "revoke", "invitation": ids, "filter": "q=p"}
    revoked = await olga.get((await olga.submit(f"{PATH}/several", several)).headers["location"])
    assert await states("p0", "p49") == ["revoked"] * 2
    answer = await olga.get((await olga.submit(REVERSAL, undo(revoked))).headers["location"])

    assert toast(answer) == "50 invitations are valid again, in every mail where they stand."
    assert await states("p0", "p49") == ["unsent"] * 2


async def test_without_a_script_the_list_stays_filtered_after_each_press(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")
    shown = f"{PATH}?q=ada&state=open"
    olga.headers["Referer"] = f"http://testserver{shown}"

    led = [
        (await olga.submit(f"{PATH}/{line.id}/{action}", role="RE")).headers["location"]
        for action in ("role", "resend", "revocation")
    ]
    undone = await olga.submit(REVERSAL, undo(await olga.get(led[-1])))
    link = tree(await olga.submit(f"{PATH}/{line.id}/link"))

    assert [*led, undone.headers["location"]] == [shown] * 4
    assert link.one("dialog").one("a", **{"class": "btn close"})["href"] == shown


async def test_a_second_undo_is_refused_with_the_true_list(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")
    fields = undo(await olga.press(f"{PATH}/{line.id}/revocation"))
    await olga.press(REVERSAL, fields)

    again, as_page = await olga.press(REVERSAL, fields), await olga.submit(REVERSAL, fields)

    assert (again.status_code, as_page.status_code) == (409, 409)
    assert "Somebody has decided otherwise" in toast(again)
    assert not tree(again).one(id="toasts").all("form")
    assert await states("ada") == ["unsent"]
