"""/organization/invitations: inviting, the preview, the list and what can be done in it."""

import csv
import io
import re
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from db import engine
from db.policy import Role
from settings import Settings
from tests.support.pages.forms import read
from tests.support.pages.markup import Element, tree
from tests.support.pages.members_page import out_of_band, toast
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.servers.smtp import serving, silent
from tests.support.steps.invitation_steps import accept, invite, invited, one, state, token
from tests.support.steps.mail_steps import soon
from tests.support.steps.member_steps import acting

PATH = "/organization/invitations"
pytestmark = ON_SQLITE


@pytest.fixture
async def hanging(database: str) -> AsyncIterator[Site]:
    """A site whose mail server takes connections and never says a word."""
    async with silent() as server:
        settings = Settings(secret_key=SECRET, mail=server.account(timeout=30))
        async with Site.opened(settings) as site:
            yield site


def statuses(answer: httpx.Response | Element) -> list[str]:
    page = answer if isinstance(answer, Element) else tree(answer)
    return [line.text for line in page.one(id="preview").all("li")]


def emails(answer: httpx.Response) -> list[str]:
    return [cell.one("strong").text for cell in tree(answer).one(id="invitations").all("th", scope="row")]


# Inviting


async def test_the_preview_says_what_will_happen_to_each(site: Site) -> None:
    await site.person("ada", Role.REVIEWER)
    await site.person("cleo")
    await site.person("dora", Role.DEACTIVATED)
    olga = await site.sign_in("olga")
    typed = "ada@example.org; cleo@example.org\nDora <dora@example.org>, new@example.org, nobody"

    answer = await olga.press(f"{PATH}/preview", emails=typed, role="MA")

    assert statuses(answer) == [
        "nobody An email address has a name, an @ sign and a domain, like name@example.org.",
        "ada@example.org Is Reviewer here, nothing happens",
        "cleo@example.org Waits, but the address isn't confirmed: is invited as Manager",
        "dora@example.org Dora Deactivated, bring back in the table",
        "new@example.org New, is invited as Manager",
    ]
    assert await engine.rows("SELECT 1 FROM invitation") == []
    page = await olga.submit(f"{PATH}/preview", emails=typed, role="MA")
    assert statuses(page) == statuses(answer)
    assert tree(page).one("textarea", name="emails").text == " ".join(typed.split())


async def test_what_is_read_as_a_name_stands_beside_its_address(site: Site) -> None:
    olga = await site.sign_in("olga")
    typed = "anna, bernd <b@example.org>\nOkafor, Ben, Jr. <ben@example.org>"
    content = f'email\n"{typed.partition(chr(10))[0]}"\n'.encode()

    asked = [await ask(f"{PATH}/preview", emails=typed, role="AN") for ask in (olga.press, olga.submit)]
    file = await olga.post(
        f"{PATH}/import",
        data={"role": "AN"},
        files={"file": ("people.csv", content, "text/csv")},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    sent = await olga.submit(PATH, emails=typed, role="AN")
    told = tree(await olga.get(sent.headers["location"])).one(id="invitations").text

    for answer in asked:
        assert statuses(answer) == [
            "b@example.org bernd anna New, is invited as Annotator",
            "ben@example.org Ben Okafor Jr. New, is invited as Annotator",
        ]
    assert statuses(await olga.get(file.headers["location"])) == [
        "b@example.org bernd anna, line 2 Invited before, once more as Annotator"
    ]
    assert "bernd anna, from Olga" in told
    assert "Ben Okafor Jr., from Olga" in told


async def test_sending_the_others_says_how_many_of_them_are_left_alone(site: Site) -> None:
    olga = await site.sign_in("olga")
    await site.person("ada", Role.MANAGER)
    await site.person("bob", Role.DEACTIVATED)
    typed = "ada@example.org bob@example.org ben@example.org x@"

    page = tree(await olga.submit(PATH, emails=typed, role="RE"))

    assert page.one("button", name="others").text == "Send the other 1"
    assert "Leaves out the one above: 1 invitation, 2 left alone." in page.one(id="preview").text


async def test_a_wrong_one_stands_first_and_the_others_can_be_sent(site: Site) -> None:
    olga = await site.sign_in("olga")
    typed = "ada@example.org, nobody@, ben@example.org"

    answer = await olga.submit(PATH, emails=typed, role="RE")

    assert answer.status_code == 422
    page = tree(answer)
    assert page.one("textarea", name="emails").text == typed
    assert page.one("select", id="role").chosen == ["RE"]
    assert "emails" in read(answer).controls
    assert "“nobody@” isn't an email address. Nothing was sent." in read(answer).error_of("emails")
    assert [line.partition(" ")[0] for line in statuses(page)] == [
        "nobody@",
        "ada@example.org",
        "ben@example.org",
    ]
    assert await engine.rows("SELECT 1 FROM invitation") == []
    button = page.one("button", name="others")
    assert button.text == "Send the other 2"

    answer = await olga.submit(PATH, emails=typed, role="RE", others=button["value"])

    assert answer.status_code == 303
    assert await engine.rows("SELECT email, role FROM invitation ORDER BY id") == [
        ("ada@example.org", "RE"),
        ("ben@example.org", "RE"),
    ]


async def test_the_wrong_ones_are_named_at_the_field(site: Site) -> None:
    olga = await site.sign_in("olga")

    two = await olga.submit(PATH, emails="ada@example.org, ben, cleo@", role="RE")
    many = await olga.submit(PATH, emails="\n".join(f"guest{n}@" for n in range(9)), role="RE")

    assert "“ben”, “cleo@” aren't email addresses. Nothing was sent." in read(two).error_of("emails")
    assert "“guest4@” and 4 more aren't email addresses." in read(many).error_of("emails")


async def test_where_nothing_would_happen_the_others_are_not_offered(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.submit(PATH, emails="olga@example.org, nobody", role="RE"))

    assert page.one(id="preview-title").text == "What will happen: 0 invitations, 1 to put right"
    assert not page.all("button", name="others")


async def test_five_hundred_go_and_one_more_is_refused_by_its_field(site: Site) -> None:
    olga = await site.sign_in("olga")
    many = [f"guest{n}@example.org" for n in range(501)]

    for path in (PATH, f"{PATH}/preview"):
        answer = await olga.submit(path, emails="\n".join(many), role="AN")
        assert answer.status_code == 422
        assert "more than 500 addresses" in read(answer).error_of("emails")
    assert await engine.rows("SELECT 1 FROM invitation") == []

    answer = await olga.submit(PATH, emails="\n".join(many[:500]), role="AN")

    assert answer.headers["location"] == f"{PATH}?batch=1"
    page = tree(await olga.get(answer.headers["location"]))
    assert page.one(id="toasts").one("p").text == "500 invitations are made; hand the links over."


@pytest.mark.parametrize("role", ["OW", "NO", "DI", "", "XX"])
async def test_a_role_that_can_t_be_given_is_an_error_of_its_field(site: Site, role: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.submit(PATH, emails="ada@example.org", role=role)

    assert answer.status_code == 422
    assert read(answer).error_of("role")
    assert await engine.rows("SELECT 1 FROM invitation") == []


async def test_an_empty_list_is_an_error_of_its_field(site: Site) -> None:
    olga = await site.sign_in("olga")

    for path in (PATH, f"{PATH}/preview"):
        answer = await olga.press(path, emails=" \n", role="AN")
        assert answer.status_code == 422


async def test_the_answer_comes_whatever_the_mail_server_does(hanging: Site) -> None:
    olga = await hanging.sign_in("olga")
    typed = " ".join(f"guest{n}@example.org" for n in range(500))
    start = time.perf_counter()

    answer = await olga.submit(PATH, emails=typed, role="AN")

    # A busy machine gets more than the second promised; who waits for the mail server waits for 30.
    assert time.perf_counter() - start < 15
    page = tree(await olga.get(answer.headers["location"]))
    assert page.one(id="toasts").one("p").text == "500 invitations are on the way."
    assert page.one(id="progress").text == "0 sent, 500 waiting"
    assert page.one(id="progress")["hx-get"].startswith(f"{PATH}/progress/1")


async def test_progress_and_the_server_s_words_are_seen_while_it_goes_out(database: str) -> None:
    async with serving() as server:
        server.refuse["ben@example.org"] = "550 5.1.1 No such user here"
        async with Site.opened(Settings(secret_key=SECRET, mail=server.account(host="127.0.0.1"))) as site:
            olga = await site.sign_in("olga")
            await olga.submit(PATH, emails="ada@example.org ben@example.org cleo@example.org", role="AN")

            async def done() -> bool:
                return "waiting" not in (await olga.fragment(f"{PATH}/progress/1")).text

            await soon(done)
            progress = tree(await olga.fragment(f"{PATH}/progress/1")).one(id="progress")
            assert progress.text == "2 sent, 1 refused"
            assert "hx-get" not in progress
            page = tree(await olga.get(PATH))
            row = page.one(id=f"invitation-{(await one('ben@example.org')).id}")
            assert "The mail server says: “550 5.1.1 No such user here”" in row.text
            assert page.one(id="invitations-count").text == "3 open, 1 of them refused"


# The list


async def test_the_list_and_the_members_count_each_other(site: Site) -> None:
    await invite(site, "ada@example.org ben@example.org")
    olga = await site.sign_in("olga")

    for path in (PATH, "/organization/members"):
        text = tree(await olga.get(path)).one("body").text
        assert re.search(r"Members 1\b", text), path
        assert re.search(r"Invitations 2\b", text), path


async def test_it_is_filtered_searched_and_paged(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    await invite(site, " ".join(f"guest{n:02}@example.org" for n in range(60)))
    await invite(site, "50%_off@example.org", by=acting(site, "alma"))
    olga = await site.sign_in("olga")

    first = await olga.get(PATH)
    assert len(emails(first)) == 50
    (older,) = tree(first).all("a", rel="next")
    second = await olga.fragment(older["href"])
    assert emails(second) == [f"guest{n:02}@example.org" for n in reversed(range(11))]
    assert tree(second).roots[0]["id"] == "invitations-list"
    (newer,) = tree(second).all("a", rel="prev")
    assert emails(await olga.get(newer["href"])) == emails(first)
    for query, found in (
        ("q=%25_", 1),
        ("q=alma", 1),
        ("q=GUEST07", 1),
        ("state=expired", 0),
        ("batch=2", 1),
    ):
        answer = await olga.get(f"{PATH}?{query}")
        assert answer.status_code == 200
        assert len(tree(answer).one(id="invitations").all("th", scope="row")) == found, query


@pytest.mark.parametrize(
    "query",
    ["state=asleep", "q=" + "x" * 201, "after=x", "before=--1", "batch=-1", "batch=0", "q=a&q=b", "q=%00"],
)
async def test_wrong_parameters_are_told(site: Site, query: str) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?{query}")

    assert answer.status_code == 422
    assert tree(answer).all(id="filters-error")


@pytest.mark.parametrize(
    ("query", "typed", "shown"),
    [
        ("q=ada&state=asleep", "ada", ["ada"]),
        ("q=ad%00a", "ada", ["ben", "ada"]),
        ("q=a&q=b", "a", ["ben", "ada"]),
    ],
)
async def test_a_wrong_filter_keeps_what_was_typed(
    site: Site, query: str, typed: str, shown: list[str]
) -> None:
    await invite(site, "ada@example.org ben@example.org")
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?{query}")

    assert answer.status_code == 422
    assert tree(answer).one("input", id="search")["value"] == typed
    assert emails(answer) == [f"{name}@example.org" for name in shown]


async def test_the_progress_of_a_sending_as_a_page_is_its_list(site: Site) -> None:
    await invite(site, "ada@example.org")
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}/progress/1")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?batch=1")


# What can be done in it


async def test_the_role_is_changed_as_a_fragment_and_as_a_page(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")

    answer = await olga.press(f"{PATH}/{line.id}/role", role="MA")
    assert (answer.status_code, toast(answer)) == (200, "They are invited as Manager now.")
    assert tree(answer).one("tr", id=f"invitation-{line.id}").one("select", name="role").chosen == ["MA"]
    assert "invitations-count" in out_of_band(answer)

    answer = await olga.submit(f"{PATH}/{line.id}/role", role="RE")
    assert (answer.status_code, answer.headers["location"]) == (303, PATH)
    assert (await one("ada@example.org")).role == "RE"
    for press in (olga.press, olga.submit):
        assert (await press(f"{PATH}/{line.id}/role", role="XX")).status_code == 422
        assert (await press(f"{PATH}/{line.id}/role", role="OW")).status_code == 409
    assert (await one("ada@example.org")).role == "RE"


@pytest.mark.parametrize("action", ["role", "resend", "revocation", "link"])
async def test_what_ended_is_refused_and_what_isn_t_there_is_unknown(site: Site, action: str) -> None:
    line = await invited(site, "ada")
    await accept(site, line)
    olga = await site.sign_in("olga")

    for press in (olga.press, olga.submit):
        assert (await press(f"{PATH}/{line.id}/{action}", role="MA")).status_code == 409
        for unknown in ("999", "0", "-1", "１", "9" * 40, "x"):
            assert (await press(f"{PATH}/{unknown}/{action}", role="MA")).status_code == 404


@pytest.mark.parametrize(
    ("action", "said", "after"),
    [
        ("resend", "It lives on; hand the link over.", "unsent"),
        ("revocation", "The invitation is dead, in every mail where it stands.", "revoked"),
    ],
)
async def test_one_is_resent_or_revoked(site: Site, action: str, said: str, after: str) -> None:
    first, second = await invited(site, "ada"), await invited(site, "ben")
    olga = await site.sign_in("olga")

    answer = await olga.press(f"{PATH}/{first.id}/{action}")
    assert (answer.status_code, toast(answer)) == (200, said)
    assert tree(answer).one("tr")["id"] == f"invitation-{first.id}"
    answer = await olga.submit(f"{PATH}/{second.id}/{action}")

    assert answer.headers["location"] == PATH
    assert [await state(f"{name}@example.org") for name in ("ada", "ben")] == [after, after]


async def test_several_are_resent_or_revoked_all_or_nothing(site: Site) -> None:
    ids = [(await invited(site, name)).id for name in ("ada", "ben", "cleo")]
    olga = await site.sign_in("olga")
    chosen = {"invitation": ids[:2], "filter": "state=open&q=a&evil=x"}

    answer = await olga.submit(f"{PATH}/several", chosen, action="resend")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}?q=a&state=open")
    answer = await olga.press(f"{PATH}/several", chosen, action="revoke")
    assert answer.headers["hx-redirect"] == f"{PATH}?q=a&state=open"
    assert [await state(f"{name}@example.org") for name in ("ada", "ben", "cleo")] == [
        "revoked",
        "revoked",
        "unsent",
    ]

    for wanted, action, status in (
        (ids[1:], "revoke", 409),
        ([ids[2], 999], "revoke", 404),
        (["x"], "revoke", 404),
        ([], "revoke", 409),
        (ids[2:], "sing", 422),
    ):
        answer = await olga.submit(f"{PATH}/several", {"invitation": wanted, "action": action})
        assert answer.status_code == status
    assert await state("cleo@example.org") == "unsent"


async def test_the_link_is_shown_and_no_longer_proves_anything(site: Site) -> None:
    line = await invited(site, "ada", Role.REVIEWER)
    olga = await site.sign_in("olga")
    link = f"http://testserver/user/invitation?token={token(site, line)}"

    for answer in (await olga.press(f"{PATH}/{line.id}/link"), await olga.submit(f"{PATH}/{line.id}/link")):
        assert answer.status_code == 200
        assert tree(answer).one("input", id="copied-link")["value"] == link
        (mailto,) = [each for each in tree(answer).all("a") if each["href"].startswith("mailto:")]
        assert mailto["href"].startswith("mailto:ada%40example.org?subject=")

    assert (await one("ada@example.org")).link_revealed_at > 0


async def test_without_mail_each_link_stands_there_and_all_are_a_file(site: Site) -> None:
    olga = await site.sign_in("olga")
    page = tree(await olga.get("/organization/invite?way=email"))
    assert "Mail isn't set up on this server" in page.one(id="panel-email").text
    answer = await olga.submit(PATH, emails="ada@example.org, ben@example.org", role="MA")
    ada, ben = await one("ada@example.org"), await one("ben@example.org")

    page = tree(await olga.get(answer.headers["location"]))
    shown = [page.one("input", id=f"link-{line.id}")["value"] for line in (ada, ben)]
    assert shown == [f"http://testserver/user/invitation?token={token(site, line)}" for line in (ada, ben)]
    assert len([each for each in page.all("a") if each["href"].startswith("mailto:")]) == 2
    assert not page.all(id="progress")
    actions = [form.attributes.get("action", "") for form in page.all("form")]
    (file,) = [action for action in actions if "/links/" in action]

    await olga.press(f"{PATH}/{ben.id}/revocation")
    answer = await olga.submit(file)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    assert list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))) == [
        ["email", "role", "link"],
        ["ada@example.org", "Manager", shown[0]],
    ]
    assert await engine.rows("SELECT COUNT(*) FROM invitation WHERE link_revealed_at > 0") == [(2,)]
    assert await engine.rows("SELECT 1 FROM outbox") == []
    await olga.press(f"{PATH}/{ada.id}/revocation")
    assert (await olga.submit(file)).status_code == 404


async def test_without_mail_a_link_stands_there_only_for_whom_it_was_noted(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    olga, alma = await site.sign_in("olga"), await site.sign_in("alma")
    path = (await olga.submit(PATH, emails="ada@example.org", role="MA")).headers["location"]
    line = await one("ada@example.org")

    assert "token=" not in (await alma.get(path)).text
    assert token(site, line) in (await alma.press(f"{PATH}/{line.id}/link")).text

    assert token(site, line) in tree(await alma.get(path)).one("input", id=f"link-{line.id}")["value"]
    await olga.submit(f"/organization/members/{site.ids['alma']}/role", role="MA")
    assert await state("ada@example.org") == "void"
    assert "or somebody else who had seen its link" in (await olga.get(path)).text


async def test_a_shown_link_of_who_rises_to_administrator_has_ended(site: Site) -> None:
    line = await invited(site, "ada", Role.MANAGER)
    olga, visitor = await site.sign_in("olga"), site.visitor()
    old = f"/user/invitation?token={token(site, line)}"

    row = await olga.press(f"{PATH}/{line.id}/role", role="AD")

    assert "Somebody had seen their link, so it has ended: press Resend or Copy link." in row.text
    assert (await visitor.get(old)).status_code == 410
    shown = tree(await olga.press(f"{PATH}/{line.id}/link")).one("input", id="copied-link")["value"]
    assert (await visitor.get(shown.removeprefix("http://testserver"))).status_code == 200


async def test_only_administrators_do_any_of_it(site: Site) -> None:
    line = await invited(site, "ada")
    visitors = [await site.sign_in(name) for name in await people(site)]

    for visitor in visitors:
        for path in (PATH, f"{PATH}/progress/1", f"{PATH}/import"):
            assert (await visitor.get(path)).status_code == 403
        for path in (
            "",
            "/preview",
            "/several",
            *(f"/{line.id}/{what}" for what in ("role", "link", "resend")),
        ):
            answer = await visitor.submit(PATH + path, emails="a@example.org", role="MA", action="revoke")
            assert answer.status_code == 403
    alma = await site.sign_in("alma")
    assert (await alma.press(f"{PATH}/{line.id}/revocation")).status_code == 200


async def people(site: Site) -> list[str]:
    await site.person("alma", Role.ADMINISTRATOR)
    for role in (Role.PENDING, Role.ANNOTATOR, Role.REVIEWER, Role.MANAGER):
        await site.person(f"a-{role.value.lower()}", role)
    return [name for name in site.ids if name.startswith("a-")]


async def test_names_and_addresses_are_escaped(site: Site) -> None:
    olga = await site.sign_in("olga")
    typed = '"<b>Ada</b>" <ada@example.org>, <script>alert(1)</script>'

    answer = await olga.submit(PATH, emails=typed, role="AN")

    assert answer.status_code == 422
    assert "<script>alert" not in answer.text
    assert "<b>Ada" not in answer.text


async def test_the_count_is_of_the_filter_and_stays_so_when_a_row_changes(site: Site) -> None:
    await invite(site, "ada@example.org, ben@example.org, cyd@example.org")
    olga = await site.sign_in("olga")
    ada = await one("ada@example.org")
    await olga.submit(f"{PATH}/{ada.id}/revocation")

    found = {
        query: tree(await olga.get(f"{PATH}?{query}")).one(id="invitations-count").text
        for query in ("", "state=open", "q=ada", "state=asked", "q=nobody&state=open")
    }
    here = {"HX-Current-URL": f"http://testserver{PATH}?state=open"}
    ben = await one("ben@example.org")
    headers = {"HX-Request": "true", "Sec-Fetch-Site": "same-origin", **here}
    row = await olga.post(f"{PATH}/{ben.id}/role", data={"role": "RE"}, headers=headers)

    assert found == {
        "": "2 open, 1 revoked",
        "state=open": "2 of 3 invitations",
        "q=ada": "1 of 3 invitations",
        "state=asked": "0 of 0 requests",
        "q=nobody&state=open": "0 of 3 invitations",
    }
    assert row.status_code == 200
    assert tree(row).all(id="invitations-count") == []


async def test_a_search_that_is_typed_on_takes_the_place_of_the_one_before(site: Site) -> None:
    olga = await site.sign_in("olga")

    found = {}
    for here, asked in (("", "q=a"), ("?q=a", "q=ad"), ("?q=a", "q=ad&state=open"), ("?q=a", "")):
        address = {"HX-Current-URL": f"http://testserver{PATH}{here}"}
        answer = await olga.fragment(f"{PATH}?{asked}", **address)
        found[asked] = [name for name in ("hx-push-url", "hx-replace-url") if name in answer.headers]

    assert found == {
        "q=a": ["hx-push-url"],
        "q=ad": ["hx-replace-url"],
        "q=ad&state=open": ["hx-push-url"],
        "": ["hx-push-url"],
    }


async def test_what_copying_a_link_costs_is_said_beside_it(site: Site) -> None:
    await invite(site, "ada@example.org")
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))
    (copy,) = [button for button in page.all("button") if button.text.startswith("Copy link")]

    assert "prove" in page.one(id=copy["aria-describedby"]).text


async def test_a_fourth_mail_within_the_hour_is_refused_in_words(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")
    path = f"/organization/invitations/{line.id}"
    for _ in range(3):
        assert (await olga.press(f"{path}/resend")).status_code == 200

    sentence = "The invitation of ada@example.org was sent again three times within an hour."
    row, page = await olga.press(f"{path}/resend"), await olga.submit(f"{path}/resend")
    several = await olga.submit("/organization/invitations/several", action="resend", invitation=str(line.id))
    form = await olga.submit("/organization/invitations", emails="ada@example.org", role="RE")

    for answer in (row, page, several, form):
        assert answer.status_code == 409
        assert sentence in answer.text
    assert tree(form).one("textarea", name="emails").text == "ada@example.org"
    assert (await olga.press(f"{path}/link")).status_code == 200


async def test_others_are_invited_where_one_was_written_to_too_often(site: Site) -> None:
    line = await invited(site, "ada")
    olga = await site.sign_in("olga")
    for _ in range(3):
        await olga.press(f"/organization/invitations/{line.id}/resend")

    typed = {"emails": "ben@example.org, ada@example.org", "role": "RE"}
    preview = tree(await olga.press("/organization/invitations/preview", typed))
    answer = await olga.submit("/organization/invitations", typed)

    assert preview.one(id="preview-title").text == "What will happen: 1 invitation"
    assert "three times within the hour, nothing happens" in preview.text
    assert answer.status_code == 303
    assert (await one("ben@example.org")).role == "RE"
    assert (await one("ada@example.org")).role == "AN"
