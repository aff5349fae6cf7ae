"""The members page: the table, with the names that scripts and tests rely on."""

import pytest

from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, ids, out_of_band
from tests.support.pages.site import ON_SQLITE, Site


async def test_the_table_has_the_names_that_scripts_rely_on_as_a_page(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await olga.get(PATH)
    page = tree(answer)

    assert answer.status_code == 200
    assert answer.headers["vary"] == "HX-Request, Accept-Encoding"
    assert ids(page) == [ada, site.ids["olga"]]
    assert page.one(id="members-count").text == "2 members"
    assert page.one(id="filters").tag == "form"
    assert page.one(id="toasts")["role"] == "status"
    assert page.one(id="invite-members").text == "Invite Members"


async def test_the_list_alone_comes_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?role=NO&q=")
    pieces = tree(answer).roots

    assert answer.status_code == 200
    assert answer.headers["vary"] == "HX-Request, Accept-Encoding"
    assert answer.headers["hx-push-url"] == f"{PATH}?role=NO"
    assert [piece["id"] for piece in pieces] == [
        "directory",
        "waiting-note",
        "role-counts",
        "roles-chosen",
        "told",
    ]
    assert ids(pieces[0]) == [ada]
    # Out of band are the others, and nothing within the list: it would be taken out of it.
    assert out_of_band(answer) == [piece["id"] for piece in pieces[1:]]


@ON_SQLITE
@pytest.mark.parametrize("header", ["HX-Boosted", "HX-History-Restore-Request"])
async def test_a_boosted_link_and_a_restored_history_get_the_page(site: Site, header: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(PATH, **{header: "true"})

    assert answer.text.startswith("<!doctype html>")


async def test_every_row_has_its_drop_down_and_says_why_it_is_fixed(site: Site) -> None:
    for role in (Role.ADMINISTRATOR, Role.PENDING, Role.DEACTIVATED):
        await site.person(role.value.lower(), role)
    administrator = await site.sign_in("ad")

    page = tree(await administrator.get(f"{PATH}?role=OW&role=AD&role=NO&role=DI"))
    rows = {row["id"]: row for row in page.all("tr") if "id" in row}
    selects = {name: rows[f"member-{id}"].one("select", name="role") for name, id in site.ids.items()}

    assert {name: select.chosen for name, select in selects.items()} == {
        name: [{"olga": "OW"}.get(name, name.upper())] for name in site.ids
    }
    assert {name for name, select in selects.items() if "disabled" in select} == {"olga", "ad"}
    assert page.one(id=selects["olga"]["aria-describedby"]).text == "Only the Owner can hand this over."
    assert page.one(id=selects["ad"]["aria-describedby"]).text.startswith("That is you.")
    codes = [option["value"] for option in selects["no"].all("option")]
    assert codes == ["NO", "AD", "MA", "RE", "AN", "DI"]


@ON_SQLITE
async def test_a_row_saves_by_htmx_and_with_a_button(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    form = tree(await olga.get(PATH)).one("tr", id=f"member-{ada}").one("form")
    select = form.one("select")

    assert (form["method"], form["action"]) == ("post", f"{PATH}/{ada}/role")
    assert form.one("button").text == "Save role of Ada"
    assert select["hx-post"] == form["action"]
    assert (select["hx-target"], select["hx-swap"]) == (f"#member-{ada}", "outerHTML")


async def test_a_table_of_one_shows_how_the_others_come_in(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))
    link = page.one(id="first-link")

    assert page.one(id="members-count").text == "1 member: you"
    assert link["value"] == f"http://testserver/user/signup?token={await site.invite_token()}"
    assert page.one("button", data_copy="first-link").text == "Copy link"
    assert not page.all(id="bulk") + page.all(id="select-all")
    assert not tree(await olga.get(f"{PATH}?role=OW")).all(id="first")
    await site.person("ada")
    assert not tree(await olga.get(PATH)).all(id="first")


async def test_the_note_tells_who_waits_and_leads_to_them(site: Site) -> None:
    olga = await site.sign_in("olga")
    quiet = tree(await olga.get(PATH)).one(id="waiting-note")
    for name in ("ada", "bob"):
        await site.person(name)

    note = tree(await olga.get(PATH)).one(id="waiting-note")
    there = await olga.get(note.one("a")["href"])

    assert quiet.text == ""
    assert note.text.startswith("2 people are waiting for a role.")
    assert ids(there) == [site.ids["bob"], site.ids["ada"]]
    assert tree(there).one(id="waiting-note").one("a").text == "Show everybody"


@ON_SQLITE
async def test_the_organization_leads_to_its_members(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get("/organization")
    by_htmx = await olga.fragment("/organization")

    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert (by_htmx.status_code, by_htmx.headers["hx-redirect"]) == (200, PATH)
    assert tree(await olga.get(PATH)).one("a", href="/organization").text == "Organization"
