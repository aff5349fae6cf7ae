"""A role by the drop-down: what is answered, what is refused, and how it is told."""

from collections.abc import Sequence
from typing import Any

import pytest

from db import activity, engine
from db.engine import TookTooLong
from db.members import directory
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, out_of_band, select, toast
from tests.support.pages.site import ON_SQLITE, Site

OUT_OF_BAND = ["members-count", "waiting-note", "role-counts", "toasts"]


async def test_a_role_is_given_as_a_page(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    olga.headers["Referer"] = f"http://testserver{PATH}?role=NO&sort=name"
    answer = await olga.submit(f"{PATH}/{ada}/role", role="AN")
    next_page = await olga.get(answer.headers["location"])

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?role=NO&sort=name")
    assert toast(next_page) == "Ada is Annotator now."
    assert not tree(await olga.get(PATH)).one(id="toasts").text
    assert await site.role_of("ada") is Role.ANNOTATOR


async def test_a_role_is_given_as_a_fragment(site: Site) -> None:
    ada = await site.person("ada")
    await site.person("bob")
    olga = await site.sign_in("olga")

    olga.headers["HX-Current-URL"] = f"http://testserver{PATH}?role=NO"
    answer = await olga.press(f"{PATH}/{ada}/role", role="AN")
    pieces = tree(answer)

    assert answer.status_code == 200
    assert pieces.roots[0]["id"] == f"member-{ada}"
    assert out_of_band(answer) == OUT_OF_BAND
    assert select(answer, ada) == ["AN"]
    assert pieces.one(id="members-count").text == "1 of 3 members"
    assert toast(answer) == "Ada is Annotator now."
    assert await site.role_of("ada") is Role.ANNOTATOR


@ON_SQLITE
@pytest.mark.parametrize("shown", ["", "?role=AN&role=RE", "?q=person"])
async def test_no_list_is_read_to_tell_of_one_changed_row(
    site: Site, monkeypatch: pytest.MonkeyPatch, shown: str
) -> None:
    for number in range(20):
        await site.person(f"person-{number}", Role.ANNOTATOR)
    olga, read, rows = await site.sign_in("olga"), [0], engine.rows
    olga.headers["HX-Current-URL"] = f"http://testserver{PATH}{shown}"

    async def counted(sql: str, *args: object) -> Sequence[tuple[Any, ...]]:
        found = await rows(sql, *args)
        read[0] += len(found) if "domain_shown" in sql else 0
        return found

    monkeypatch.setattr(engine, "rows", counted)
    answer = await olga.press(f"{PATH}/{site.ids['person-7']}/role", role="RE")

    assert out_of_band(answer) == OUT_OF_BAND
    assert read == [1], "the changed row alone"


async def test_the_same_role_again_is_told_and_not_logged(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await olga.press(f"{PATH}/{ada}/role", role="AN")

    assert toast(answer) == "Ada was Annotator already."
    assert not tree(answer).all("form", hx_post=f"{PATH}/{ada}/role", method="post")[1:]
    assert await activity.of_member(ada) == []


# What Administrator ada tries: on whom, which role, the status, and the reason.
REFUSED = [
    ("olga", "AN", 409, "exactly one Owner"),
    ("ada", "MA", 409, "Nobody changes their own role"),
    ("bob", "OW", 409, "never assigned"),
    ("bob", "XX", 422, "one of the roles"),
    ("bob", "", 422, "one of the roles"),
    ("bob", "Annotator", 422, "one of the roles"),
]


async def test_a_refused_change_says_why_and_goes_on_as_a_page(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await site.person("bob")
    administrator = await site.sign_in("ada")

    administrator.headers["Referer"] = f"http://testserver{PATH}?sort=name"
    for name, role, status, reason in REFUSED:
        answer = await administrator.submit(f"{PATH}/{site.ids[name]}/role", role=role)
        assert answer.status_code == status
        assert reason in toast(answer)
        assert select(answer, site.ids["bob"]) == ["NO"]
        assert tree(answer).one("select", name="sort").chosen == ["name"]
    assert await site.role_of("olga") is Role.OWNER


async def test_a_refused_change_snaps_back_and_says_why_as_a_fragment(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await site.person("bob")
    administrator = await site.sign_in("ada")

    for name, role, status, reason in REFUSED:
        answer = await administrator.press(f"{PATH}/{site.ids[name]}/role", role=role)
        assert answer.status_code == status
        assert tree(answer).roots[0]["id"] == f"member-{site.ids[name]}"
        assert select(answer, site.ids[name]) == [{"olga": "OW", "ada": "AD", "bob": "NO"}[name]]
        assert reason in toast(answer)
        assert out_of_band(answer) == OUT_OF_BAND


@ON_SQLITE
@pytest.mark.parametrize("id", ["999", "0", "01", "-1", "+2", "2_0", "２", "1" * 40, "roles", "x", "%00"])
async def test_an_id_that_is_not_there_is_404(site: Site, id: str) -> None:
    olga = await site.sign_in("olga")

    for path in (f"{PATH}/{id}/role", f"{PATH}/{id}/removal", f"{PATH}/{id}/password-link"):
        answers = [await olga.submit(path, role="AN"), await olga.press(path, role="AN")]
        assert [answer.status_code for answer in answers] == [404, 404]
    assert (await olga.get(f"{PATH}/{id}")).status_code in (404, 405)


@ON_SQLITE
async def test_a_role_sent_twice_or_with_others_changes_nothing(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    twice = await olga.submit(f"{PATH}/{ada}/role", {"role": ["AN", "MA"]})
    control = await olga.press(f"{PATH}/{ada}/role", role="AN\0")
    crafted = await olga.submit(f"{PATH}/{ada}/role", role="RE", id="1", member="1", email="x")

    assert (twice.status_code, control.status_code, crafted.status_code) == (422, 422, 303)
    assert await site.role_of("ada") is Role.REVIEWER
    assert await site.role_of("olga") is Role.OWNER


@ON_SQLITE
@pytest.mark.parametrize(
    "address", ["http://[", f"http://testserver{PATH}?sort=x", "about:blank", "x" * 9000]
)
async def test_a_page_that_cannot_be_known_counts_as_unfiltered(site: Site, address: str) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    olga.headers.update({"HX-Current-URL": address, "Referer": address})
    answers = [
        await olga.press(f"{PATH}/{ada}/role", role="AN"),
        await olga.submit(f"{PATH}/{ada}/role", role="MA"),
    ]

    assert tree(answers[0]).one(id="members-count").text == "2 members"
    assert answers[1].headers["location"] == PATH


@ON_SQLITE
async def test_a_change_that_is_done_is_told_even_if_the_list_takes_too_long(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    async def too_long(_: object) -> None:
        raise TookTooLong

    for asked in ("page", "summary"):
        monkeypatch.setattr(directory, asked, too_long)
    one = await olga.press(f"{PATH}/{ada}/role", role="AN")
    several = await olga.press(f"{PATH}/roles", role="MA", member=[str(ada)])

    assert [one.status_code, several.status_code] == [200, 200]
    assert select(one, ada) == ["AN"]
    assert out_of_band(one) == ["toasts"]
    assert toast(several) == "Ada is Manager now."
