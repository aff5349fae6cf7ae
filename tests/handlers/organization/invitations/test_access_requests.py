"""Access requests in Organization > Invitations: the list, Invite and Dismiss."""

from types import ModuleType

import httpx
import pytest

from db import engine
from db.members import removal
from db.policy import Role
from settings import Mail, Settings
from tests.support.concurrency import at_once
from tests.support.pages.markup import tree
from tests.support.pages.members_page import out_of_band, toast
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.steps import access_request_steps
from tests.support.steps.access_request_steps import end, id_of, submitted, switch_on
from tests.support.steps.invitation_steps import invite, mails

LIST = "/organization/invitations"
NOWHERE = Mail("127.0.0.1", 9, "", "", False, False, 1.0, "Fenwick Herbarium <members@fenwick.example>")


@pytest.fixture
async def ears(site: Site) -> Site:
    """A site without mail whose Owner lets people ask."""
    await switch_on()
    return site


def names(answer: httpx.Response) -> list[str]:
    """Who stands in the table of requests, [] where there is none."""
    return [
        head.one("strong").text
        for table in tree(answer).all("table", id="requests")
        for head in table.all("th", scope="row")
    ]


def path(access_request_id: int, noun: str) -> str:
    return f"/organization/requests/{access_request_id}/{noun}"


@ON_SQLITE
async def test_requests_stand_above_the_invitations_as_a_page_and_as_a_fragment(ears: Site) -> None:
    access_request_id = await submitted("ada", "I press ferns")
    await invite(ears, "ben@example.org")
    olga = await ears.sign_in("olga")

    for answer in (await olga.get(LIST), await olga.fragment(LIST)):
        row = tree(answer).one("tr", id=f"request-{access_request_id}")
        assert row.one("strong").text == "Ada"
        for text in ("ada@example.org", "I press ferns", "Address not confirmed"):
            assert text in row.text
        assert answer.text.index('id="requests"') < answer.text.index('id="invitations"')
        assert tree(answer).one(id="invitations-count").text == "1 asks, 1 open"
        table = tree(answer).one("table", id="requests")
        assert table.one("caption").text
        assert len(table.all("th", scope="col")) == 4
        assert row.one("select", name="role")["aria-label"] == "Role for Ada"
    assert tree(await olga.get(LIST)).one(id="open-invitations").text == "2"
    for path in ("/", "/organization/members"):
        notes = tree(await olga.get(path)).all("div", class_="note")
        assert "1 person asks to be let in." in "".join(note.text for note in notes)
    pieces = tree(await olga.fragment(LIST)).roots
    assert [piece["id"] for piece in pieces] == ["invitations-list", "told"]


@ON_SQLITE
async def test_the_state_asked_shows_them_alone_and_other_states_do_not(ears: Site) -> None:
    await submitted("ada")
    await submitted("ben")
    await invite(ears, "cleo@example.org")
    olga = await ears.sign_in("olga")

    alone = await olga.get(f"{LIST}?state=asked&q=ben")

    assert names(alone) == ["Ben"]
    assert tree(alone).one("table", id="invitations").all("tr") == []
    assert tree(alone).one("select", name="state").chosen == ["asked"]
    assert names(await olga.get(f"{LIST}?state=open")) == []
    assert "Nobody asks to be let in" in (await olga.get(f"{LIST}?state=asked&q=nobody")).text


@ON_SQLITE
async def test_more_than_fifty_are_turned_page_by_page(ears: Site) -> None:
    for number in range(52):
        await access_request_steps.submit(f"guest{number}")
    olga = await ears.sign_in("olga")

    first = await olga.get(LIST)
    assert len(names(first)) == 50
    more = [link for link in tree(first).all("a") if link.text == "Show all 52 who ask"]
    alone = await olga.get(more[0]["href"])
    following = tree(alone).one("a", rel="next")["href"]

    assert names(await olga.get(following)) == ["Guest1", "Guest0"]
    assert tree(await olga.get(following)).one("nav", class_="pager").one("p").text == "51–52 of 52"


@ON_SQLITE
async def test_inviting_with_mail_as_a_fragment(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        await switch_on()
        access_request_id = await submitted("ada")
        olga = await site.sign_in("olga")

        answer = await olga.press(path(access_request_id, "invitation"), role="RE", filter="")

        assert answer.status_code == 200
        assert toast(answer) == "Ada is invited as Reviewer; the mail is on its way."
        assert names(answer) == []
        assert "ada@example.org" in tree(answer).one("table", id="invitations").text
        assert set(out_of_band(answer)) == {"open-invitations", "toasts"}
        assert await mails("invitation") == ["ada@example.org"]


@ON_SQLITE
async def test_inviting_with_mail_as_a_page(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        await switch_on()
        access_request_id = await submitted("ada")
        olga = await site.sign_in("olga")

        answer = await olga.submit(path(access_request_id, "invitation"), role="RE", filter="state=asked")

        assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}?state=asked")
        assert "Ada is invited as Reviewer" in (await olga.get(f"{LIST}?state=asked")).text


@ON_SQLITE
async def test_inviting_without_mail_leads_to_the_link_to_copy(ears: Site) -> None:
    olga = await ears.sign_in("olga")
    first, second = await submitted("ada"), await submitted("ben")

    page = await olga.submit(path(first, "invitation"), role="AN")
    piece = await olga.press(path(second, "invitation"), role="AN")

    assert (page.status_code, page.headers["location"]) == (303, f"{LIST}?batch=1")
    assert (piece.status_code, piece.headers["hx-redirect"]) == (200, f"{LIST}?batch=2")
    shown = tree(await olga.get(page.headers["location"]))
    (line,) = await engine.rows("SELECT id FROM invitation WHERE batch_id = 1")
    assert "/user/invitation?token=" in shown.one(id=f"link-{line[0]}")["value"]


@ON_SQLITE
async def test_dismissing_as_a_page_and_as_a_fragment(ears: Site) -> None:
    olga = await ears.sign_in("olga")
    first, second = await submitted("ada"), await submitted("ben")

    page = await olga.submit(path(first, "dismissal"), filter="q=a")
    piece = await olga.press(path(second, "dismissal"), filter="")

    assert (page.status_code, page.headers["location"]) == (303, f"{LIST}?q=a")
    assert toast(piece) == "The request of Ben is dismissed."
    assert names(piece) == []
    assert (await end("ada"), await end("ben")) == ("dismissed", "dismissed")
    assert await engine.rows("SELECT 1 FROM invitation") == []


def undo(answer: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where the form in the toast leads, and its fields."""
    form = tree(answer).one(id="toasts").one("form")
    assert (form["hx-post"], form["hx-target"]) == (form["action"], "#invitations-list")
    return form["action"], {field["name"]: field["value"] for field in form.all("input")}


@ON_SQLITE
async def test_dismissing_is_undone_as_a_page_and_as_a_fragment(ears: Site) -> None:
    olga = await ears.sign_in("olga")
    first, second = await submitted("ada"), await submitted("ben")

    page = await olga.get((await olga.submit(path(first, "dismissal"))).headers["location"])
    action, fields = undo(page)
    page = await olga.get((await olga.submit(action, fields)).headers["location"])
    assert toast(page) == "The request of Ada waits for an answer again."
    action, fields = undo(await olga.press(path(second, "dismissal"), filter="state=asked"))
    piece = await olga.press(action, fields, filter="state=asked")

    assert toast(piece) == "The request of Ben waits for an answer again."
    assert names(piece) == ["Ben", "Ada"]
    assert tree(piece).one(id="open-invitations").text == "2"


@ON_SQLITE
async def test_an_undo_that_comes_too_late_is_refused_with_the_true_list(
    ears: Site, clock: ModuleType
) -> None:
    olga = await ears.sign_in("olga")
    await submitted("ben")
    action, fields = undo(await olga.press(path(await submitted("ada"), "dismissal")))
    clock.move(61_000)

    piece, page = await olga.press(action, fields), await olga.submit(action, fields)

    assert (piece.status_code, page.status_code) == (409, 409)
    assert toast(piece) == "Too late to undo."
    assert "Too late to undo." in page.text
    assert names(piece) == ["Ben"]


@ON_SQLITE
@pytest.mark.parametrize("role", ["OW", "NO", "DI", "", "XX"])
async def test_a_role_that_can_t_be_given_is_refused_and_nothing_changes(ears: Site, role: str) -> None:
    access_request_id = await submitted("ada")
    olga = await ears.sign_in("olga")

    page = await olga.submit(path(access_request_id, "invitation"), role=role)
    piece = await olga.press(path(access_request_id, "invitation"), role=role)

    assert (page.status_code, piece.status_code) == (422, 422)
    assert toast(piece) == "Choose one of the roles in the list."
    assert names(piece) == ["Ada"]
    assert await end("ada") == ""


@ON_SQLITE
async def test_what_was_answered_already_is_refused_with_the_reason_as_a_page_and_as_a_fragment(
    ears: Site,
) -> None:
    access_request_id = await submitted("ada")
    olga = await ears.sign_in("olga")
    await olga.submit(path(access_request_id, "dismissal"))

    for noun in ("invitation", "dismissal"):
        page = await olga.submit(path(access_request_id, noun), role="AN")
        piece = await olga.press(path(access_request_id, noun), role="AN")
        assert (page.status_code, piece.status_code) == (409, 409)
        assert "dismissed this request meanwhile" in page.text
        assert toast(piece) == "Somebody else has dismissed this request meanwhile. Nothing was changed."
        assert tree(piece).one(id="invitations-list").tag == "div"


@ON_SQLITE
@pytest.mark.parametrize("access_request_id", ["999", "0", "x", "9" * 40])
async def test_a_request_that_is_not_there_is_404(ears: Site, access_request_id: str) -> None:
    olga = await ears.sign_in("olga")

    for noun in ("invitation", "dismissal"):
        answer = await olga.submit(f"/organization/requests/{access_request_id}/{noun}", role="AN")
        assert answer.status_code == 404


async def test_two_administrators_at_the_same_instant_get_one_yes_and_one_no(ears: Site) -> None:
    await ears.person("alma", Role.ADMINISTRATOR)
    olga, alma = await ears.sign_in("olga"), await ears.sign_in("alma")
    for number in range(5):
        access_request_id = await submitted(f"guest{number}")

        answers = await at_once(
            olga.submit(path(access_request_id, "invitation"), role="AN"),
            alma.submit(path(access_request_id, "invitation" if number % 2 else "dismissal"), role="MA"),
        )

        codes = [answer.status_code for answer in answers if isinstance(answer, httpx.Response)]
        assert sorted(codes) == [303, 409]


@ON_SQLITE
async def test_the_log_tells_whose_request_it_was_while_that_is_kept(ears: Site) -> None:
    await submitted("ada")
    await submitted("ben")
    olga = await ears.sign_in("olga")
    await olga.submit(path(await id_of("ada"), "dismissal"))
    await olga.submit(path(await id_of("ben"), "invitation"), role="AN")

    page = await olga.get(f"/organization/members/{ears.ids['olga']}")
    log = tree(await olga.get("/organization/activity?kind=requests")).text
    await engine.write(removal.forget_access_requests, "ada@example.org")
    later = tree(await olga.get("/organization/activity?kind=requests")).text

    assert "Olga dismissed the request of Ada to be let in (request 1)" in tree(page).text
    assert "dismissed the request of Ada (ada@example.org) to be let in (request 1)" in log
    assert "asked to be let in as Ben (ben@example.org) (request 2)" in log
    assert "dismissed request 1 to be let in" in later
    assert "Ada" not in later
    assert "Olga invited ben@example.org as Annotator" in tree(page).text
