"""The members page looks again by itself: what it is told, and what that costs nobody."""

import pytest

from db import engine
from db.policy import Role
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, out_of_band
from tests.support.pages.site import ON_SQLITE, Site, Visitor

pytestmark = ON_SQLITE


async def asked_by(visitor: Visitor, query: str = "") -> str:
    """The address that this list asks again."""
    note = tree(await visitor.get(f"{PATH}?{query}")).one(id="waiting-note")
    assert note["hx-trigger"] == "every 20s"
    return note["hx-get"]


async def test_nothing_new_is_204(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(await asked_by(olga))

    assert (answer.status_code, answer.content) == (204, b"")


async def test_who_has_come_is_in_the_note_in_the_count_and_read_out(site: Site) -> None:
    olga = await site.sign_in("olga")
    asked = await asked_by(olga)
    await site.person("ada")

    answer = await olga.fragment(asked)
    pieces = tree(answer)

    assert "1 person is waiting for a role." in pieces.one(id="waiting-note").text
    assert pieces.one(id="members-count").text == "2 members, 1 of them waiting"
    assert pieces.one(id="told").text == "1 person is waiting for a role."
    assert pieces.one(id="all-members").text == "2"
    assert out_of_band(answer) == ["all-members", "members-count", "told"]
    assert (await olga.fragment(pieces.one(id="waiting-note")["hx-get"])).status_code == 204


async def test_who_has_got_a_role_elsewhere_is_told_too(site: Site) -> None:
    await site.person("ada")
    olga = await site.sign_in("olga")
    asked = await asked_by(olga, "role=AN")
    await olga.submit(f"{PATH}/{site.ids['ada']}/role", role="AN")

    pieces = tree(await olga.fragment(asked))

    assert pieces.one(id="waiting-note").text == ""
    assert pieces.one(id="members-count").text == "1 of 2 members"
    assert pieces.all(id="told") == []


@pytest.mark.parametrize("change", ["search", "role", "bulk"])
async def test_who_joined_before_an_answer_is_counted_in_the_navigation_by_the_next_look(
    site: Site, change: str
) -> None:
    ada = await site.person("ada", Role.REVIEWER)
    olga = await site.sign_in("olga")
    await site.person("ben")

    if change == "search":
        answer = await olga.fragment(f"{PATH}?q=e")
    elif change == "role":
        answer = await olga.press(f"{PATH}/{ada}/role", role="AN")
    else:
        answer = await olga.press(f"{PATH}/roles", member=[ada], role="AN")
    news = await olga.fragment(tree(answer).one(id="waiting-note")["hx-get"])

    assert tree(news).one(id="all-members").text == "3"
    assert "told" not in out_of_band(news)
    assert (await olga.fragment(tree(news).one(id="waiting-note")["hx-get"])).status_code == 204


async def test_a_search_is_not_made_again(site: Site) -> None:
    olga = await site.sign_in("olga")
    asked = await asked_by(olga, "q=ada")
    await site.person("ada")

    answer = await olga.fragment(asked)

    assert out_of_band(answer) == ["all-members", "told"]


async def test_a_garbled_question_is_answered_in_full(site: Site) -> None:
    await site.person("ada", Role.PENDING)
    olga = await site.sign_in("olga")

    for seen in ("", "x", "." * 50, "9" * 5_000):
        answer = await olga.fragment(f"{PATH}/news?seen={seen}")
        assert "1 person is waiting" in answer.text
    assert (await olga.fragment(f"{PATH}/news?sort=x")).status_code == 422
    assert "<h1>Members</h1>" in (await olga.get(f"{PATH}/news")).text


async def test_to_look_again_is_no_activity_and_keeps_no_session_alive(site: Site) -> None:
    olga = await site.sign_in("olga")
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    await olga.fragment(f"{PATH}/news?seen=x")
    by_looking = site.context.presence.of_session(session_id)
    await olga.fragment(PATH)

    assert by_looking == 0
    assert site.context.presence.of_session(session_id) > 0
