"""An Administrator puts a member's name right and ends sessions of theirs."""

import pytest

from db import engine
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.members_page import toast
from tests.support.pages.site import ON_SQLITE, Site

PATH = "/organization/members"


async def open_sessions(member_id: int) -> list[int]:
    found = await engine.rows(
        "SELECT id FROM session WHERE member_id = ? AND ended_at = 0 ORDER BY id", member_id
    )
    return [session_id for (session_id,) in found]


async def told(member_id: int) -> list[str]:
    found = await engine.rows("SELECT kind FROM activity WHERE subject_id = ? ORDER BY id", member_id)
    return [kind for (kind,) in found if kind != "signed_in"]


async def name_of(member_id: int) -> tuple[str, str]:
    (found,) = await engine.rows("SELECT first_name, last_name FROM member WHERE id = ?", member_id)
    return found[0], found[1]


async def test_an_administrator_puts_a_name_right_and_it_is_found_by_the_new_one(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await site.person("ben", Role.ADMINISTRATOR)
    ben = await site.sign_in("ben")

    answer = await ben.press(f"{PATH}/{ada}/name", first_name="Augusta", last_name="King")

    assert toast(answer) == "The name is Augusta King now."
    assert tree(answer).one(id="panel-title").text == "Augusta King"
    assert await name_of(ada) == ("Augusta", "King")
    assert "ada@example.org" in (await ben.fragment(f"{PATH}?q=king")).text
    assert await told(ada) == ["name_corrected"]


async def test_a_name_that_changes_nothing_is_not_told(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    await olga.submit(f"{PATH}/{ada}/name", first_name="Ada", last_name="")

    assert await told(ada) == []


@ON_SQLITE
async def test_a_name_passes_the_same_rules_as_elsewhere(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    for press in (olga.press, olga.submit):
        answer = await press(f"{PATH}/{ada}/name", first_name="A" * 500, last_name="King")
        assert answer.status_code == 422
        field = tree(answer).one("input", id="panel-first-name")
        assert field["aria-invalid"] == "true"
        assert tree(answer).one("input", id="panel-last-name")["value"] == "King"

    assert await name_of(ada) == ("Ada", "")


@pytest.mark.parametrize("action", ["name", "sessions/{session}/end", "sessions/end-all"])
async def test_nobody_but_the_owner_touches_the_owner(site: Site, action: str) -> None:
    owner = site.ids["olga"]
    await site.person("ben", Role.ADMINISTRATOR)
    olga, ben = await site.sign_in("olga"), await site.sign_in("ben")
    (session,) = await open_sessions(owner)
    path = f"{PATH}/{owner}/{action.format(session=session)}"

    refused = await ben.submit(path, first_name="Eve")
    assert refused.status_code == 409
    assert await open_sessions(owner) == [session]
    assert (await name_of(owner))[0] == "Olga"
    assert f'action="{path}"' not in (await ben.get(f"{PATH}/{owner}")).text

    assert (await olga.submit(path, first_name="Olenka")).status_code == 303


async def test_one_session_of_a_member_is_ended_and_the_others_live_on(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    first, second = await site.sign_in("ada"), await site.sign_in("ada")
    olga = await site.sign_in("olga")
    ids = await open_sessions(ada)

    answer = await olga.press(f"{PATH}/{ada}/sessions/{ids[0]}/end")

    assert toast(answer) == "That session of Ada has ended."
    assert await open_sessions(ada) == ids[1:]
    assert (await first.get("/user/account")).status_code == 303
    assert (await second.get("/user/account")).status_code == 200
    assert await told(ada) == ["member_session_ended"]


async def test_all_sessions_of_a_member_are_ended_without_deactivating_them(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await site.sign_in("ada")
    await site.sign_in("ada")
    olga = await site.sign_in("olga")
    assert "Sign out everywhere" in (await olga.get(f"{PATH}/{ada}")).text

    answer = await olga.submit(f"{PATH}/{ada}/sessions/end-all")

    assert answer.headers["location"] == f"{PATH}/{ada}"
    assert await open_sessions(ada) == []
    assert await site.role_of("ada") is Role.ANNOTATOR
    assert await told(ada) == ["member_sessions_ended"]


async def test_a_session_of_somebody_else_is_not_ended(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")
    (own,) = await open_sessions(site.ids["olga"])

    assert (await olga.submit(f"{PATH}/{ada}/sessions/{own}/end")).status_code == 404
    assert (await olga.submit(f"{PATH}/{ada}/sessions/x/end")).status_code == 404

    assert await open_sessions(site.ids["olga"]) == [own]


@ON_SQLITE
async def test_the_page_of_a_member_has_a_heading_and_a_title(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}/{ada}"))

    assert page.one("h1").text == "Ada"
    assert page.one("title").text == "Ada · Fenwick Herbarium"


@ON_SQLITE
@pytest.mark.parametrize("change", ["name", "end", "sessions/{session}/end", "sessions/end-all"])
async def test_what_the_panel_changes_is_changed_in_the_list_behind_it(site: Site, change: str) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    for _ in range(2):
        await site.sign_in("ada")
    olga = await site.sign_in("olga")
    path = f"{PATH}/{ada}/{change.format(session=(await open_sessions(ada))[0])}"
    panel = await olga.fragment(f"{PATH}/{ada}", **{"HX-Current-URL": f"http://testserver{PATH}?role=AN"})
    hidden = tree(panel).one("form", action=path).all("input", type="hidden")
    sent = {field["name"]: field["value"] for field in hidden}
    assert sent["filter"] == "role=AN"

    answer = await olga.press(path, sent, last_day="2030-12-06", first_name="Augusta")

    row = tree(answer).one("tr", id=f"member-{ada}")
    assert row["hx-swap-oob"] == "true"
    assert ("Augusta" in row.text) == (change == "name")
    assert ("until 6 Dec 2030" in row.text) == (change == "end")
    assert tree(answer).one("input", id="panel-first-name")["name"] == "first_name"


@ON_SQLITE
async def test_no_row_comes_where_no_list_is_behind_the_panel(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")
    panel = await olga.fragment(
        f"{PATH}/{ada}", **{"HX-Current-URL": "http://testserver/organization/activity"}
    )

    answer = await olga.press(f"{PATH}/{ada}/name", first_name="Augusta")

    assert not tree(panel).all("input", name="listed")
    assert not tree(answer).all("tr")


@ON_SQLITE
async def test_who_changes_their_own_name_in_the_panel_gets_a_page_whose_head_has_it(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.press(
        f"{PATH}/{site.ids['olga']}/name", first_name="Olenka", filter="role=OW", listed="yes"
    )

    assert answer.headers["hx-redirect"] == f"{PATH}?role=OW"
