"""/user/access-request: requesting access; every visitor gets the same answer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import httpx
import pytest

from db import engine
from db.organization import invite_link
from db.policy import COMMAND_LINE, Role
from settings import Mail, Settings
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site, Visitor
from tests.support.steps import invitation_steps
from tests.support.steps.access_request_steps import id_of, link_of, listed, switch_on
from tests.support.steps.invitation_steps import mails
from tests.support.steps.member_steps import olga

PATH = "/user/access-request"
CONFIRMATION = f"{PATH}/confirmation"
# Nobody listens there: what is queued stays so.
NOWHERE = Mail("127.0.0.1", 9, "", "", False, False, 1.0, "Fenwick Herbarium <members@fenwick.example>")
pytestmark = ON_SQLITE


@asynccontextmanager
async def closed(*, mail: bool = False, may_ask: bool = True) -> AsyncIterator[Site]:
    """A site whose registration is closed."""
    settings = Settings(secret_key=SECRET, closed=True, mail=NOWHERE if mail else None)
    async with Site.opened(settings) as site:
        if may_ask:
            await switch_on()
        yield site


async def ask(visitor: Visitor, who: str = "ada", **more: str) -> httpx.Response:
    sent = {"name": who.capitalize(), "email": f"{who}@example.org", "words": "I press ferns", **more}
    return await visitor.submit(PATH, sent)


async def token_of(site: Site, name: str) -> str:
    link = await link_of(name)
    return site.context.signer.token("request", link.id, link.nonce)


# Where it is offered


@pytest.mark.parametrize("page", ["/user/signup", "/user/signup?token=forged", "/user/login"])
async def test_pages_lead_to_it_only_where_the_owner_switched_it_on(database: str, page: str) -> None:
    async with closed(may_ask=False) as site:
        guest = site.visitor()
        assert not tree(await guest.get(page)).all("a", href=PATH)

        await switch_on()

        assert tree(await guest.get(page)).one("a", href=PATH).text.lower() == "ask for access"


async def test_where_registration_is_open_or_nobody_may_ask_there_is_nothing(site: Site) -> None:
    guest = site.visitor()
    for change in ("UPDATE organization SET may_ask = 0", "UPDATE organization SET may_ask = 1"):
        await engine.write(engine.execute, change)

        for answer in (await guest.get(PATH), await ask(guest)):
            assert answer.status_code == 404
        assert not tree(await guest.get("/user/signup?token=forged")).all("a", href=PATH)
    assert await engine.rows("SELECT 1 FROM access_request") == []


async def test_closed_without_the_owner_s_word_there_is_nothing(database: str) -> None:
    async with closed(may_ask=False) as site:
        codes = [(await site.visitor().get(PATH)).status_code, (await ask(site.visitor())).status_code]

        assert codes == [404, 404]


async def test_who_is_signed_in_is_told_so(database: str) -> None:
    async with closed() as site:
        await site.person("ada", Role.ANNOTATOR)
        ada = await site.sign_in("ada")

        page, answer = await ada.get(PATH), await ask(ada)

        assert (page.status_code, answer.status_code) == (200, 409)
        assert tree(page).one("h1").text == tree(answer).one("h1").text == "You are signed in already"
        assert await engine.rows("SELECT 1 FROM access_request") == []


# Asking


async def test_a_request_is_noted_and_thanked_for(database: str) -> None:
    async with closed() as site:
        answer = await ask(site.visitor(), "ada")

        assert answer.status_code == 200
        assert tree(answer).one("h1").text == "Thank you, Ada"
        assert await listed() == ["Ada"]


async def test_every_error_stands_by_its_field_and_nothing_typed_is_lost(database: str) -> None:
    async with closed() as site:
        sent = {"name": " ", "email": "ada@", "words": "x" * 201}
        answer = await site.visitor().submit(PATH, sent)

        assert answer.status_code == 422
        page = read(answer)
        assert page.error_of("name") == "Enter your name, so that they know who asks."
        assert "@ sign" in page.error_of("email")
        assert page.error_of("words").endswith("Use at most 200 characters; this has 201.")
        assert tree(answer).one("input", name="email")["value"] == "ada@"
        assert tree(answer).one("input", name="words")["value"] == "x" * 201
        assert await engine.rows("SELECT 1 FROM access_request") == []


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", "A\x00da"), ("words", "two\nlines"), ("name", "x" * 101), ("words", "\x1b[2J")],
)
async def test_what_can_not_be_typed_is_an_error_of_its_field(database: str, field: str, value: str) -> None:
    async with closed() as site:
        answer = await ask(site.visitor(), **{field: value})

        assert answer.status_code == 422
        assert read(answer).error_of(field)


async def test_whoever_is_known_gets_the_same_answer_byte_for_byte(database: str) -> None:
    async with closed(mail=True) as site:
        for name, role in (("xmem", Role.ANNOTATOR), ("xpen", Role.PENDING), ("xdea", Role.DEACTIVATED)):
            await site.person(name, role)
        await invitation_steps.invite(site, "xinv@example.org")
        await _asked_and_dismissed(site)
        said = set()
        for number, name in enumerate(("xnew", "xmem", "xpen", "xdea", "xinv", "xdis", "xnew")):
            answer = await ask(site.visitor(f"198.51.100.{number}"), name)
            assert answer.status_code == 200
            text = answer.text.replace(name, "any").replace(name.capitalize(), "Any")
            said.add(json.dumps([text, sorted(answer.headers)]))

        assert len(said) == 1
        assert await listed() == []


async def _asked_and_dismissed(site: Site) -> None:
    guest = site.visitor("203.0.113.1")
    await ask(guest, "xdis")
    await guest.submit(CONFIRMATION, token=await token_of(site, "xdis"))
    admin = await site.sign_in("olga")
    await admin.submit(f"/organization/requests/{await id_of('xdis')}/dismissal")


async def test_five_an_hour_for_an_address_and_thirty_for_a_network(database: str, clock: ModuleType) -> None:
    async with closed() as site:
        await site.person("cleo", Role.ANNOTATOR)
        for name in ("ada", "cleo"):
            answers = [await ask(site.visitor(f"192.0.2.{number}"), name) for number in range(6)]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]
            assert int(answers[-1].headers["retry-after"]) > 0
            assert tree(answers[-1]).one("input", name="words")["value"] == "I press ferns"

        other = site.visitor("198.51.100.7")
        codes = [(await ask(other, f"n{number}")).status_code for number in range(31)]
        assert codes == [200] * 30 + [429]
        clock.move(3600 * 1000 + 1)
        assert (await ask(other, "ada")).status_code == 200


async def test_when_too_many_are_open_the_form_says_try_later(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.invitations.access_requests.MAX_OPEN", 1)
    async with closed() as site:
        await ask(site.visitor(), "ada")

        answer = await ask(site.visitor(), "ben")

        assert answer.status_code == 409
        assert "Try again tomorrow" in tree(answer).one(id="form-error").text
        assert tree(answer).one("input", name="email")["value"] == "ben@example.org"


async def test_what_was_typed_is_text_wherever_it_is_shown(database: str) -> None:
    async with closed(mail=True) as site:
        evil = '<img src=x onerror="alert(1)">'
        guest = site.visitor()
        thanks = await ask(guest, "ada", name=evil, words=evil)
        token = await token_of(site, "ada")
        page = await guest.get(f"{CONFIRMATION}?token={token}")
        await guest.submit(CONFIRMATION, token=token)
        listed_page = await (await site.sign_in("olga")).get("/organization/invitations")

        for answer in (thanks, page, listed_page):
            assert "<img" not in answer.text
            assert evil in tree(answer).one("main").text


# Confirming


async def test_looking_confirms_nothing_and_the_button_does(database: str) -> None:
    async with closed(mail=True) as site:
        guest = site.visitor()
        await ask(guest, "ada")
        token = await token_of(site, "ada")
        assert (await guest.head(f"{CONFIRMATION}?token={token}")).status_code == 200
        page = await guest.get(f"{CONFIRMATION}?token={token}")
        assert "I press ferns" in tree(page).one("dl").text
        assert await listed() == []

        answer = await guest.submit(CONFIRMATION, token=token)

        assert tree(answer).one("h1").text == "Your request is with them"
        assert await listed() == ["Ada"]
        assert await mails("requested") == ["olga@example.org"]
        assert (await guest.submit(CONFIRMATION, token=token)).status_code == 410


@pytest.mark.parametrize(
    "kind", ["forged", "expired", "invited", "member", "switched off", "of another purpose"]
)
async def test_a_dead_link_confirms_nothing(database: str, clock: ModuleType, kind: str) -> None:
    async with closed(mail=True) as site:
        guest = site.visitor()
        await ask(guest, "ada")
        token = await token_of(site, "ada")
        if kind == "forged":
            token = token[:-1] + ("A" if token[-1] != "A" else "B")
        elif kind == "expired":
            clock.move(24 * 3600 * 1000)
        elif kind == "invited":
            await invitation_steps.invite(site, "ada@example.org", by=olga(site))
        elif kind == "member":
            await site.person("ada")
        elif kind == "switched off":
            await engine.write(engine.execute, "UPDATE organization SET may_ask = 0")
        else:
            link = await invite_link.reset(COMMAND_LINE)
            token = site.context.signer.token("invite", link.id, link.nonce)

        codes = [
            (await guest.get(f"{CONFIRMATION}?token={token}")).status_code,
            (await guest.submit(CONFIRMATION, token=token)).status_code,
        ]

        assert codes == [410, 410]
        assert await engine.rows("SELECT 1 FROM access_request WHERE confirmed_at > 0") == []


async def test_nobody_turns_the_words_around_in_which_they_ask(database: str) -> None:
    async with closed() as site:
        answer = await ask(site.visitor(), words="please\u202e let me in\u200b")

        assert answer.status_code == 200
        assert await engine.rows("SELECT message FROM access_request") == [("please let me in",)]
