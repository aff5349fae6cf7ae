"""/user/password/forgot: the same answer whoever asks."""

from types import ModuleType

import httpx
import pytest

from db import engine
from db.auth import links
from db.policy import Role
from settings import Mail, Settings
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site
from tests.support.steps.invitation_steps import mails

PATH = "/user/password/forgot"
# Nobody listens there: what is queued stays so.
NOWHERE = Mail("127.0.0.1", 9, "", "", False, False, 1.0, "Fenwick Herbarium <members@fenwick.example>")
pytestmark = ON_SQLITE


async def test_known_unknown_and_deactivated_get_the_same_answer(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        await site.person("ada", Role.ANNOTATOR)
        await site.person("dora", Role.DEACTIVATED)
        said = set()
        for number, name in enumerate(("ada", "dora", "nobody")):
            answer = await site.visitor(f"192.0.2.{number}").submit(PATH, email=f"{name}@example.org")
            assert answer.status_code == 200
            said.add(tree(answer).one("main").text.replace(name, "somebody"))

        assert len(said) == 1
        assert "a mail is on its way" in said.pop()
        # As many for each; those to nobody are void when they would be written.
        owed = await engine.rows("SELECT recipient FROM outbox WHERE kind = 'reset' ORDER BY id")
        assert owed == [("ada@example.org",), ("",), ("",)]
        assert (await mails("reset"))[:1] == ["ada@example.org"]


@pytest.mark.parametrize("typed", ["", "ada", "a@b@c", "x" * 3000 + "@example.org"])
async def test_what_is_no_address_is_an_error_of_its_field(database: str, typed: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        answer = await site.visitor().submit(PATH, email=typed)

        assert answer.status_code == 422
        assert read(answer).error_of("email")


async def test_five_an_hour_for_an_account_and_thirty_for_a_network(database: str, clock: ModuleType) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        await site.person("ada", Role.ANNOTATOR)
        answers: list[httpx.Response] = []
        for name in ("ada", "nobody"):
            answers = [
                await site.visitor(f"192.0.2.{number}").submit(PATH, email=f"{name}@example.org")
                for number in range(6)
            ]
            assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0

        other = site.visitor("198.51.100.7")
        codes = [
            (await other.submit(PATH, email=f"n{number}@example.org")).status_code for number in range(31)
        ]
        assert codes == [200] * 30 + [429]
        clock.move(3600 * 1000 + 1)
        assert (await other.submit(PATH, email="ada@example.org")).status_code == 200


async def test_the_link_works_once_and_an_older_one_no_longer(database: str, clock: ModuleType) -> None:
    async with Site.opened(Settings(secret_key=SECRET, mail=NOWHERE)) as site:
        await site.person("ada", Role.ANNOTATOR)
        guest, tokens = site.visitor(), []
        for _ in range(2):
            await guest.submit(PATH, email="ada@example.org")
            link = await engine.read(links.open_one, links.RESET, site.ids["ada"])
            assert link is not None
            tokens.append(site.context.signer.token(links.RESET, link.id, link.nonce))
        sent = {"password": "seven silver herons on the ice"}

        codes = [
            (await guest.submit("/user/password/reset", sent, token=token)).status_code
            for token in (tokens[0], tokens[1], tokens[1])
        ]

        assert codes == [410, 303, 410]
        assert await mails("password") == ["ada@example.org"]
        old = await guest.submit("/user/login", email="ada@example.org", password=PASSWORD)
        assert old.status_code == 422


async def test_without_mail_the_page_says_whom_to_ask(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    guest = site.visitor()

    for answer in (await guest.get(PATH), await guest.submit(PATH, email="ada@example.org")):
        assert answer.status_code == 200
        assert "This installation sends no mail" in answer.text
        assert "Ask the Owner or an Administrator" in tree(answer).text
        assert not tree(answer).all("form", action=PATH)
    assert await engine.rows("SELECT 1 FROM outbox") == []
    assert await engine.rows("SELECT 1 FROM links WHERE purpose = 'reset'") == []
