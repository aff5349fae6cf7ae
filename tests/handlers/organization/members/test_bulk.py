"""A role for several people, and what changes by several people at once."""

import httpx
import pytest

from db import engine
from db.members import roles
from db.policy import Role
from tests.bench.support import seed
from tests.support.concurrency import at_once
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, out_of_band, select, toast
from tests.support.pages.site import ON_SQLITE, Site, Visitor
from tests.support.steps.member_steps import add
from tests.support.steps.member_steps import olga as the_owner

# Several


async def bulk(visitor: Visitor, ids: list[int], role: str, *, htmx: bool, shown: str = "") -> httpx.Response:
    send = visitor.press if htmx else visitor.submit
    return await send(f"{PATH}/roles", {"member": [str(id) for id in ids], "role": role, "filter": shown})


async def test_several_get_a_role_as_a_page(site: Site) -> None:
    ids = [await site.person(name) for name in ("ada", "bob", "cyd")]
    olga = await site.sign_in("olga")

    answer = await bulk(olga, [*ids, ids[0]], "RE", htmx=False, shown="role=NO&sort=name")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?role=NO&sort=name")
    assert toast(await olga.get(PATH)) == "3 people are Reviewers now."
    assert {await site.role_of(name) for name in site.ids} == {Role.OWNER, Role.REVIEWER}


async def test_several_get_a_role_as_a_fragment(site: Site) -> None:
    ids = [await site.person(name) for name in ("ada", "bob", "cyd")]
    olga = await site.sign_in("olga")

    answer = await bulk(olga, ids[:2], "DI", htmx=True, shown="role=NO")
    pieces = tree(answer)

    assert answer.status_code == 200
    assert pieces.roots[0]["id"] == "directory"
    assert len(out_of_band(answer)) <= 4
    assert pieces.one(id="members-count").text == "1 of 4 members"
    assert toast(answer) == "2 people are Deactivated now."


# All of the list


async def ask_for_all(visitor: Visitor, role: str, shown: str, *, htmx: bool) -> httpx.Response:
    send = visitor.press if htmx else visitor.submit
    return await send(f"{PATH}/roles", {"all": "1", "role": role, "filter": shown})


def named(answer: httpx.Response) -> list[int]:
    return [int(field["value"]) for field in tree(answer).one(id="everybody").all("input", name="member")]


def sent_by(answer: httpx.Response) -> dict[str, list[str]]:
    """What the form of the question sends."""
    fields: dict[str, list[str]] = {}
    for field in tree(answer).one(id="everybody").one("form").all("input"):
        fields.setdefault(field["name"], []).append(field["value"])
    return fields


@pytest.mark.parametrize("htmx", [False, True])
async def test_all_of_a_list_get_a_role_after_a_question_with_their_number(site: Site, htmx: bool) -> None:
    annotators = [await site.person(f"ann{number}", Role.ANNOTATOR) for number in range(60)]
    await site.person("rita", Role.REVIEWER)
    olga = await site.sign_in("olga")

    asked = await ask_for_all(olga, "MA", "role=AN&q=ann", htmx=htmx)
    question = tree(asked).one(id="everybody")
    nothing_yet = await site.role_of("ann0")
    fields = {"member": [str(id) for id in named(asked)], "role": "MA", "filter": "role=AN&q=ann"}
    done = await olga.submit(f"{PATH}/roles", fields)

    assert (asked.status_code, nothing_yet) == (200, Role.ANNOTATOR)
    assert asked.headers.get("hx-retarget") == ("#dialog" if htmx else None)
    assert question.one(id="everybody-ask").text == "Give 60 people the role Manager?"
    assert sorted(named(asked)) == annotators
    assert question.one("input", name="filter")["value"] == "q=ann&role=AN"
    assert done.status_code == 303
    assert {await site.role_of(f"ann{number}") for number in range(60)} == {Role.MANAGER}
    assert await site.role_of("rita") is Role.REVIEWER


@ON_SQLITE
async def test_all_of_a_list_leaves_out_oneself_and_the_owner(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    ada = await site.person("ada", Role.ANNOTATOR)
    alma = await site.sign_in("alma")

    asked = await ask_for_all(alma, "DI", "", htmx=True)

    assert named(asked) == [ada]
    said = tree(asked).one(id="everybody").text
    assert "has 3 people, on all its pages." in said
    assert "You and the Owner can't be changed here" in said


@ON_SQLITE
async def test_all_of_a_list_are_at_most_500(site: Site) -> None:
    await engine.write(seed.insert, [seed.row(1, "AN", f"a{number}@example.org") for number in range(501)])
    olga = await site.sign_in("olga")

    most = await ask_for_all(olga, "MA", "q=a5", htmx=True)
    refused = await ask_for_all(olga, "MA", "", htmx=True)
    page = tree(await olga.get(PATH))

    assert len(named(most)) == 12
    assert refused.status_code == 409
    assert "At most 500 people can get a role at once." in refused.text
    assert page.all(id="all-found") == []


@ON_SQLITE
async def test_all_of_nobody_is_an_error(site: Site) -> None:
    olga = await site.sign_in("olga")

    assert (await ask_for_all(olga, "MA", "", htmx=True)).status_code == 422


@ON_SQLITE
@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(
    "shown",
    [
        "role=BOGUS",
        "role=NO&role=BOGUS",
        "link=abc",
        "link=999",
        "q=a&q=b",
        "role=NO&sort=bogus",
        f"q={'a' * 300}",
        "q=a%FF",
        "rolle=NO",
        "?role=NO",
        "role",
        "&".join(["role=NO"] * 101),
    ],
)
async def test_all_of_a_list_that_cannot_be_read_is_nobody(site: Site, shown: str, htmx: bool) -> None:
    await site.person("ada")
    olga = await site.sign_in("olga")

    answer = await ask_for_all(olga, "DI", shown, htmx=htmx)

    assert answer.status_code == 422
    assert tree(answer).all(id="everybody") == []
    assert toast(answer)


@ON_SQLITE
@pytest.mark.parametrize(
    ("before", "role", "question", "button"),
    [
        (["AN"], "MA", "Give 1 person the role Manager?", "Change 1 person"),
        (["AN", "MA"], "MA", "Give 1 person the role Manager?", "Change 1 person"),
        (["AN", "NO", "MA"], "MA", "Give 2 people the role Manager?", "Change 2 people"),
        (["AN", "DI"], "DI", "Deactivate 1 person?", "Deactivate 1 person"),
        (["AN", "NO"], "DI", "Deactivate 2 people?", "Deactivate 2 people"),
    ],
)
async def test_the_question_counts_those_who_would_change(
    site: Site, before: list[str], role: str, question: str, button: str
) -> None:
    ids = [await site.person(f"p{number}", Role(code)) for number, code in enumerate(before)]
    olga = await site.sign_in("olga")

    asked = await ask_for_all(olga, role, "q=p&role=AN&role=MA&role=NO&role=DI", htmx=True)

    dialog = tree(asked).one(id="everybody")
    assert dialog.one(id="everybody-ask").text == question
    assert dialog.one("form").one("button").text == button
    assert sorted(named(asked)) == [id for id, code in zip(ids, before, strict=True) if code != role]
    assert ("Who has this role already isn't counted." in dialog.text) is (role in before)


@ON_SQLITE
@pytest.mark.parametrize(
    ("shown", "sentence"),
    [
        ("", "You and the Owner can't be changed here"),
        ("q=owner", "The Owner can't be changed here"),
        ("q=alma", "You can't be changed here"),
    ],
)
async def test_the_question_says_who_is_left_out(site: Site, shown: str, sentence: str) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    await site.person("ownerson")
    await site.person("almaria")
    await engine.write(
        engine.execute, "UPDATE member SET search_text = search_text || ' owner' WHERE role = 'OW'"
    )
    alma = await site.sign_in("alma")

    assert sentence in tree(await ask_for_all(alma, "AN", shown, htmx=True)).one(id="everybody").text


@ON_SQLITE
@pytest.mark.parametrize("htmx", [False, True])
async def test_nothing_is_asked_when_all_have_the_role_already(site: Site, htmx: bool) -> None:
    for name in ("ada", "bob"):
        await site.person(name, Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await ask_for_all(olga, "AN", "role=AN", htmx=htmx)
    shown = answer if htmx else await olga.get(PATH)

    assert answer.status_code == (200 if htmx else 303)
    assert toast(shown) == "All of them were Annotators already."


@ON_SQLITE
@pytest.mark.parametrize("htmx", [False, True])
async def test_ownership_is_refused_before_any_question(site: Site, htmx: bool) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    answer = await ask_for_all(olga, "OW", "role=AN", htmx=htmx)

    assert answer.status_code == 409
    assert toast(answer) == "Owner is never assigned: the Owner hands ownership over."


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("htmx", [False, True])
async def test_what_was_decided_after_the_question_stands(site: Site, htmx: bool, count: int) -> None:
    names = [f"p{number}" for number in range(count)]
    first, *_ = [await site.person(name) for name in names]
    olga = await site.sign_in("olga")
    asked = await ask_for_all(olga, "AN", "role=NO", htmx=htmx)
    fields = sent_by(asked)
    await roles.change_role(the_owner(site), member_id=first, role=Role.DEACTIVATED)

    answer = await (olga.press if htmx else olga.submit)(f"{PATH}/roles", fields)

    assert answer.status_code == 409
    assert toast(answer) == (
        "Nothing was changed, because of P0:"
        " Their role was changed after you were asked. Look at the list again."
    )
    assert [await site.role_of(name) for name in names] == [Role.DEACTIVATED, *[Role.PENDING] * (count - 1)]


@ON_SQLITE
async def test_as_many_as_a_question_may_name_are_changed(site: Site) -> None:
    await engine.write(seed.insert, [seed.row(1, "AN", f"a{number}@example.org") for number in range(500)])
    olga = await site.sign_in("olga")
    asked = await ask_for_all(olga, "MA", "", htmx=True)

    answer = await olga.press(f"{PATH}/roles", sent_by(asked))

    assert toast(answer) == "500 people are Managers now."


@ON_SQLITE
@pytest.mark.parametrize("before", ["17", "17:ZZ", "17:NO 17:NO", "17:NO  18:NO", ":"])
async def test_who_had_which_role_must_be_readable(site: Site, before: str) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    answer = await olga.press(f"{PATH}/roles", member=str(ada), role="AN", before=before)

    assert answer.status_code == 422
    assert await site.role_of("ada") is Role.PENDING


# Several, in words


@ON_SQLITE
@pytest.mark.parametrize(
    ("before", "role", "sentence"),
    [
        (["NO", "NO"], "AN", "2 people are Annotators now."),
        (["NO", "AN"], "AN", "1 person is Annotator now."),
        (["AN", "AN"], "AN", "All of them were Annotators already."),
        (["AN", "MA"], "NO", "2 people are Pending now."),
        (["NO"], "AD", "P0 is Administrator now."),
        (["AD"], "AD", "P0 was Administrator already."),
    ],
)
async def test_the_sentence_for_several(site: Site, before: list[str], role: str, sentence: str) -> None:
    ids = [await site.person(f"p{number}", Role(code)) for number, code in enumerate(before)]
    olga = await site.sign_in("olga")

    assert toast(await bulk(olga, ids, role, htmx=True)) == sentence


@pytest.mark.parametrize("case", ["the Owner", "themself", "ownership", "nobody", "no role"])
async def test_several_are_changed_all_or_not_at_all(site: Site, case: str) -> None:
    ids = {
        name: await site.person(name, Role(code))
        for name, code in (("ada", "AD"), ("bob", "NO"), ("cyd", "MA"))
    }
    administrator = await site.sign_in("ada")
    others = {"the Owner": [site.ids["olga"]], "themself": [ids["ada"]]}.get(case, [])
    wanted = [] if case == "nobody" else [ids["bob"], *others, ids["cyd"]]
    role = {"ownership": "OW", "no role": "ZZ"}.get(case, "RE")
    status = 422 if case in ("nobody", "no role") else 409

    page = await bulk(administrator, wanted, role, htmx=False)
    fragment = await bulk(administrator, wanted, role, htmx=True)

    assert (page.status_code, fragment.status_code) == (status, status)
    assert fragment.headers["hx-reswap"] == "none"
    assert toast(page) == toast(fragment)
    assert select(page, ids["cyd"]) == ["MA"]
    assert [await site.role_of(name) for name in ("bob", "cyd")] == [Role.PENDING, Role.MANAGER]


@ON_SQLITE
async def test_an_unknown_id_among_several_changes_nobody(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    for strange in ("999", "x", "-1", "１"):
        answer = await olga.press(f"{PATH}/roles", {"member": [str(ada), strange], "role": "AN"})
        assert answer.status_code == 404
    assert await site.role_of("ada") is Role.PENDING


async def test_as_many_as_a_form_may_hold_are_changed_at_once(site: Site) -> None:
    ids = await add([f"p{number}" for number in range(990)])
    olga = await site.sign_in("olga")

    answer = await bulk(olga, ids, "DI", htmx=True)

    assert toast(answer) == "990 people are Deactivated now."
    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'DI'") == [(990,)]


# At once, over HTTP


async def test_two_administrators_who_act_at_the_same_instant_get_an_answer_each(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.person(name, Role.ADMINISTRATOR)
    ada, bob = await site.sign_in("ada"), await site.sign_in("bob")

    answers = await at_once(
        ada.press(f"{PATH}/{site.ids['bob']}/role", role="DI"),
        bob.press(f"{PATH}/{site.ids['ada']}/role", role="DI"),
        ada.press(f"{PATH}/{site.ids['olga']}/role", role="DI"),
        bob.press(f"{PATH}/{site.ids['olga']}/removal"),
    )

    codes = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
    assert codes.count(200) == 1
    assert sorted({await site.role_of("ada"), await site.role_of("bob")}) == [
        Role.ADMINISTRATOR,
        Role.DEACTIVATED,
    ]
    assert set(codes) <= {200, 401, 403, 409}
    assert await site.role_of("olga") is Role.OWNER


@pytest.mark.parametrize("end", ["role", "removal"])
async def test_who_is_deactivated_or_removed_is_out_with_the_next_request(site: Site, end: str) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    olga, hers = await site.sign_in("olga"), await site.sign_in("ada")
    assert (await hers.get(PATH)).status_code == 200

    await olga.submit(f"{PATH}/{ada}/{end}", role="DI")
    page, fragment = await hers.get(f"{PATH}?role=NO"), await hers.press(f"{PATH}/{ada}/role", role="AD")

    assert (page.status_code, page.headers["location"]) == (
        303,
        "/user/login?next=/organization/members%3Frole%3DNO",
    )
    assert fragment.status_code == 401
    assert fragment.headers["hx-redirect"].startswith("/user/login")


async def test_who_loses_the_role_of_administrator_is_refused_with_the_next_request(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    olga, hers = await site.sign_in("olga"), await site.sign_in("ada")
    await olga.submit(f"{PATH}/{ada}/role", role="MA")

    answers = [await hers.get(PATH), await hers.press(f"{PATH}/{site.ids['olga']}/role", role="AN")]

    assert [answer.status_code for answer in answers] == [403, 403]


async def test_counts_are_right_after_every_kind_of_change(site: Site) -> None:
    ids = [await site.person(f"p{number}") for number in range(6)]
    olga = await site.sign_in("olga")

    await bulk(olga, ids[:4], "AN", htmx=True)
    await olga.press(f"{PATH}/{ids[0]}/role", role="DI")
    await olga.press(f"{PATH}/{ids[1]}/removal")
    await olga.press(f"{PATH}/{ids[4]}/removal")
    boxes = tree(await olga.get(PATH)).one(id="role-counts").all("label")

    assert " ".join(box.one("data").text for box in boxes) == "1 1 0 0 0 2 1"
    await roles.change_role(the_owner(site), member_id=ids[0], role=Role.PENDING)
    assert tree(await olga.get(PATH)).one(id="waiting-note").text.startswith("2 people")
