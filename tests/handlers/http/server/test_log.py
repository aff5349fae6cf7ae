"""The log: a line for each sign-in, change and refusal, and no secret in it or in the database."""

import logging
import re

import pytest

from db import engine
from db.auth import sessions
from db.errors import Busy
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site

pytestmark = ON_SQLITE

TABLES = ("installation", "member", "organization", "session", "links", "rate_limit", "activity")


async def test_each_form_leaves_one_line(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gatehouse")
    token, visitor = await site.invite_token(), site.visitor()

    await visitor.submit(f"/user/login?token={token}", email="olga@example.org", password="guess")
    await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)
    await visitor.submit("/no%0Asuch%7Fpage")
    await visitor.get("/user/account")

    lines = [record.getMessage() for record in caplog.records if record.name == "gatehouse"]
    assert lines == [
        "POST /user/login status=422 member=0 from=192.0.2.1",
        f"POST /user/login status=303 member={site.ids['olga']} from=192.0.2.1",
        "POST /no%0Asuch%7Fpage status=404 member=0 from=192.0.2.1",
    ]


async def test_a_refusal_leaves_one_line_too(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gatehouse")
    ada_id = await site.person("ada")

    await (await site.sign_in("ada")).get("/organization/members?q=olga")

    lines = [record.getMessage() for record in caplog.records if record.name == "gatehouse"]
    assert lines == [f"GET /organization/members status=403 member={ada_id} from=192.0.2.1"]


async def test_a_line_is_short_whatever_address_is_asked_for(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "gatehouse")

    await site.visitor().submit(f"/{'a' * 30_000}")

    (line,) = [record.getMessage() for record in caplog.records if record.name == "gatehouse"]
    assert line == f"POST /{'a' * 199}... status=404 member=0 from=192.0.2.1"


@pytest.mark.parametrize(("fault", "status"), [(Busy(), 503), (RuntimeError("ours"), 500)])
async def test_a_line_about_what_went_wrong_is_short_too(
    site: Site,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    fault: Exception,
    status: int,
) -> None:
    async def current(*_: object) -> None:
        raise fault

    olga = await site.sign_in("olga")
    caplog.set_level(logging.INFO, "gatehouse")
    monkeypatch.setattr(sessions, "current", current)

    answer = await olga.submit(f"/user/account/sessions/{'%00' * 9_000}/end")

    lines = [record.getMessage() for record in caplog.records if record.name == "gatehouse"]
    assert (answer.status_code, len(lines)) == (status, 2)
    assert max(map(len, lines)) < 1_000


async def a_day(site: Site) -> list[str]:
    """Set-up, registration, sign-ins and new passwords; returns every secret that was in use."""
    code, olga, ada = await site.setup_code(), site.visitor(), site.visitor("192.0.2.2")
    form = {"title": "Fenwick", "email": "olga@example.org", "password": "a first secret of olga"}
    await olga.submit(f"/setup?code={code}", form)
    token = await site.invite_token()
    await ada.get(f"/user/signup/?token={token}")
    await ada.submit("/user/signup", email="ada@example.org", password="a first secret of ada", token=token)
    secrets = [cookie.value or "" for browser in (olga, ada) for cookie in browser.cookies.jar]
    await ada.submit("/user/logout")
    for password in ("a wrong secret of ada", "a first secret of ada"):
        await ada.submit("/user/login", email="ada@example.org", password=password)
    change = {"current_password": "a first secret of ada", "password": "a second secret of ada"}
    await ada.submit("/user/account/password", change)
    made = await olga.submit("/organization/members/2/password-link")
    (link,) = re.findall(r"http://testserver/user/password/reset\?token=[\w.-]+", made.text)
    await ada.get(link)
    await ada.submit("/user/password/reset", token=link.partition("=")[2], password="a third secret of ada")
    secrets += [cookie.value or "" for browser in (olga, ada) for cookie in browser.cookies.jar]
    return [code, token, link.partition("=")[2], "secret of", *secrets]


async def test_no_secret_is_written_down(database: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Site.opened(founded=False) as site:
        secrets = await a_day(site)
        stored = str([await engine.rows(f"SELECT * FROM {table}") for table in TABLES])

    # The tests' own client tells where it goes.
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name != "httpx")
    assert len(secrets) >= 8
    assert "password_reset" in stored, "the whole day took place"
    assert not re.findall("|".join(map(re.escape, filter(None, secrets))), stored + logged)
