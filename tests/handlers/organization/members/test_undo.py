"""Undo: a change of roles is undone as a whole, unless somebody decided otherwise meanwhile."""

from types import ModuleType

import httpx
import pytest

from db.common.undo import UNDO_MS
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, select, toast
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor

REVERSAL = f"{PATH}/reversal"


def undo(answer: httpx.Response) -> dict[str, list[str]]:
    """The fields of the form in the toast."""
    form = tree(answer).one(id="toasts").one("form")
    assert (form["action"], form["hx-post"], form["hx-target"]) == (REVERSAL, REVERSAL, "#directory")
    fields: dict[str, list[str]] = {}
    for field in form.all("input"):
        fields.setdefault(field["name"], []).append(field["value"])
    return fields


async def give(administrator: Visitor, role: str, *ids: int) -> httpx.Response:
    return await administrator.press(f"{PATH}/roles", role=role, member=[str(id) for id in ids])


async def test_a_toast_takes_a_change_back(site: Site) -> None:
    ada = await site.person("ada", Role.MANAGER)
    olga = await site.sign_in("olga")

    changed = await olga.press(f"{PATH}/{ada}/role", role="DI")
    answer = await olga.press(REVERSAL, undo(changed))

    assert toast(answer) == "Ada is Manager now."
    assert await site.role_of("ada") is Role.MANAGER


async def test_a_toast_gives_several_people_each_the_role_they_had(site: Site) -> None:
    ada, ben, eva = [
        await site.person(name, role)
        for name, role in (("ada", Role.PENDING), ("ben", Role.REVIEWER), ("eva", Role.MANAGER))
    ]
    olga = await site.sign_in("olga")

    changed = await give(olga, "MA", ada, ben, eva)
    answer = await olga.press(REVERSAL, undo(changed))

    assert toast(answer) == "2 people have the role back that they had before."
    assert [await site.role_of(name) for name in ("ada", "ben", "eva")] == ["NO", "RE", "MA"]


async def test_the_list_comes_back_as_it_is_shown_by_then(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    changed = await olga.press(f"{PATH}/{ada}/role", role="AN")

    olga.headers["HX-Current-URL"] = f"http://testserver{PATH}?role=MA"
    answer = await olga.press(REVERSAL, undo(changed))

    assert tree(answer).roots[0]["id"] == "directory"
    assert tree(answer).one(id="members-count").text == "0 of 2 members"


async def test_undo_works_without_a_script(site: Site) -> None:
    ada, ben = await site.person("ada", Role.MANAGER), await site.person("ben")
    olga = await site.sign_in("olga")

    several = {"role": "AN", "member": [str(ada), str(ben)], "filter": "sort=name"}
    changed = await olga.get((await olga.submit(f"{PATH}/roles", several)).headers["location"])
    taken_back = await olga.get((await olga.submit(REVERSAL, undo(changed))).headers["location"])

    assert toast(taken_back) == "2 people have the role back that they had before."
    assert [await site.role_of(name) for name in ("ada", "ben")] == ["MA", "NO"]
    assert not tree(await olga.get(PATH)).one(id="toasts").all("form")


async def test_a_refusal_stands_without_the_undo_of_the_change_before_it(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await olga.submit(f"{PATH}/{ada}/role", role="AN")

    refused = await olga.submit(f"{PATH}/{site.ids['olga']}/role", role="AN")

    assert refused.status_code == 409
    assert not tree(refused).one(id="toasts").all("form")


async def test_undo_for_more_people_than_a_cookie_holds_is_left_out(site: Site) -> None:
    ids = [str(await site.person(f"person{number}")) for number in range(150)]
    olga = await site.sign_in("olga")

    answer = await olga.submit(f"{PATH}/roles", role="AN", member=ids)
    page = await olga.get(answer.headers["location"])

    assert max(len(value) for value in answer.headers.get_list("set-cookie")) < 4096
    assert toast(page) == "150 people are Annotators now."
    assert not tree(page).one(id="toasts").all("form")


async def test_the_list_tells_its_filter_where_the_address_is_a_dialogs(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    changed = await olga.press(f"{PATH}/{ada}/role", role="AN")

    olga.headers["HX-Current-URL"] = f"http://testserver{PATH}/{ada}"
    answer = await olga.press(REVERSAL, undo(changed) | {"filter": ["role=MA"]})

    assert tree(answer).one(id="members-count").text == "0 of 2 members"


async def test_a_change_is_taken_back_as_a_page(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    await olga.submit(f"{PATH}/{ada}/role", role="AN")

    olga.headers["Referer"] = f"http://testserver{PATH}?sort=name"
    answer = await olga.submit(REVERSAL, before=f"{ada}:NO", role="AN")
    refused = await olga.submit(REVERSAL, before=f"{ada}:NO", role="AN")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?sort=name")
    assert (refused.status_code, tree(refused).one("select", name="sort").chosen) == (409, ["name"])
    assert "changed once more meanwhile" in toast(refused)


async def test_after_a_minute_it_is_too_late_to_undo(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    changed = await olga.press(f"{PATH}/{ada}/role", role="AN")
    clock.move(UNDO_MS + 1)
    answer = await olga.press(REVERSAL, undo(changed))

    assert (answer.status_code, toast(answer)) == (409, "Too late to undo.")
    assert await site.role_of("ada") is Role.ANNOTATOR


async def test_a_change_is_not_undone_by_the_toast_of_an_earlier_one(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    first = await olga.press(f"{PATH}/{ada}/role", role="AN")
    clock.move(50_000)
    await olga.press(f"{PATH}/{ada}/role", role="RE")
    await olga.press(f"{PATH}/{ada}/role", role="AN")
    clock.move(UNDO_MS - 1)
    answer = await olga.press(REVERSAL, undo(first))

    assert answer.status_code == 409
    assert await site.role_of("ada") is Role.ANNOTATOR


async def test_what_somebody_else_decided_meanwhile_stands(site: Site) -> None:
    ada, ben = await site.person("ada"), await site.person("ben")
    await site.person("eva", Role.ADMINISTRATOR)
    olga, eva = await site.sign_in("olga"), await site.sign_in("eva")

    changed = await give(olga, "AN", ada, ben)
    olga.headers["HX-Current-URL"] = f"http://testserver{PATH}?role=DI"
    await eva.press(f"{PATH}/{ben}/role", role="DI")
    answer = await olga.press(REVERSAL, undo(changed))

    assert (answer.status_code, tree(answer).roots[0]["id"]) == (409, "directory")
    assert select(answer, ben) == ["DI"]
    assert toast(answer).startswith("Nothing was changed, because of Ben: Their role was changed once more")
    assert [await site.role_of(name) for name in ("ada", "ben")] == ["AN", "DI"]


async def test_a_rule_that_forbids_it_by_now_is_told(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")
    changed = await olga.press(f"{PATH}/{ada}/role", role="MA")

    await olga.submit("/organization/ownership", member=ada, password=PASSWORD)
    answer = await olga.press(REVERSAL, undo(changed))

    assert answer.status_code == 409
    assert "always exactly one Owner" in toast(answer)


@ON_SQLITE
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"role": "AN"}, 422),
        ({"role": "XX", "before": "2:NO"}, 422),
        ({"role": "AN", "before": "2"}, 422),
        ({"role": "AN", "before": "2:XX"}, 422),
        ({"role": "AN", "before": ["2:NO", "2:"]}, 422),
        ({"role": "AN", "before": ["2:NO", "2:RE"]}, 422),
        ({"role": "AN", "before": "x:NO"}, 404),
        ({"role": "AN", "before": "99:NO"}, 404),
        ({"role": "AN", "before": "2:OW"}, 409),
        ({"role": "OW", "before": "1:AN"}, 409),
    ],
)
async def test_a_form_that_is_none_of_ours_changes_nothing(
    site: Site, fields: dict[str, object], status: int
) -> None:
    assert await site.person("ada", Role.ANNOTATOR) == 2
    olga = await site.sign_in("olga")

    answers = [await olga.submit(REVERSAL, fields), await olga.press(REVERSAL, fields)]

    assert [answer.status_code for answer in answers] == [status, status]
    assert (await site.role_of("olga"), await site.role_of("ada")) == (Role.OWNER, Role.ANNOTATOR)
