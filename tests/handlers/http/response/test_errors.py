"""Error pages: an honest text, an id that leads to the log, and no details of the error."""

import errno
import html
import logging
import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from litestar.exceptions import InternalServerException

from db import engine
from db.auth import fair_queue, sessions
from db.errors import Busy, Invalid, InvalidLink, NotAllowed, Refused, TooManyTries, Unknown
from messages import refusals
from tests.support.engine.small_database import KILL_CONNECTIONS, from_outside, on_postgres
from tests.support.pages.forms import read
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site


async def test_a_fault_is_told_with_an_id_as_a_page(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    await engine.write(engine.execute, "DROP TABLE rate_limit")

    answer = await site.visitor().submit("/user/login", email="olga@example.org", password=PASSWORD)

    assert answer.status_code == 500
    (error_id,) = re.findall(r"<code>([0-9a-f]{8})</code>", answer.text)
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert f"id={error_id} path=/user/login" in record.getMessage()
    assert not re.search(r"rate_limit|SELECT|sqlite|asyncpg|Traceback", answer.text)
    assert PASSWORD not in caplog.text


async def test_a_fault_is_told_as_a_fragment(site: Site) -> None:
    await engine.write(engine.execute, "DROP TABLE rate_limit")

    answer = await site.visitor().press("/user/login", email="olga@example.org", password=PASSWORD)

    assert (answer.status_code, answer.headers["hx-reswap"]) == (500, "none")
    assert 'id="toasts"' in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@ON_SQLITE
async def test_even_a_fault_of_the_page_about_faults_is_answered(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.context.templates.globals.clear()

    answer = await site.visitor().get("/user/login")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "Traceback" not in answer.text
    assert "the error page itself failed" in caplog.text


ERRORS: list[tuple[Exception, int, str]] = [
    (Refused("They are the Owner."), 409, "They are the Owner."),
    (NotAllowed("For Administrators alone."), 403, "For Administrators alone."),
    (Unknown("There is no such person."), 404, "There is no such person."),
    (Invalid({"": ["Choose one."]}), 422, "Choose one."),
    (InvalidLink(), 410, refusals.PAGES[410][0]),
    (TooManyTries(7), 429, refusals.PAGES[429][0]),
    (Busy(), 503, refusals.PAGES[503][0]),
    (engine.Unavailable("disk is full"), 503, refusals.PAGES[503][0]),
    (engine.TookTooLong("canceled"), 503, refusals.SEARCH_TOOK_TOO_LONG),
    (OSError(errno.EMFILE, "a secret"), 503, refusals.PAGES[503][0]),
    (OSError(errno.ENFILE, "a secret"), 503, refusals.PAGES[503][0]),
    (OSError(errno.EIO, "a secret"), 500, refusals.PAGES[500][0]),
    (InternalServerException("a secret"), 500, refusals.PAGES[500][0]),
    (ValueError("a secret"), 500, refusals.PAGES[500][0]),
]
WAITS = {429: "7", 503: "5"}


@ON_SQLITE
@pytest.mark.parametrize(("error", "status", "sentence"), ERRORS, ids=lambda value: type(value).__name__)
async def test_each_error_of_the_domain_has_its_status_and_its_words(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, sentence: str
) -> None:
    async def fail(*_: object) -> None:
        raise error

    olga = await site.sign_in("olga")
    monkeypatch.setattr(sessions, "current", fail)

    page, fragment = await olga.get("/user/account"), await olga.fragment("/user/account")

    for answer in (page, fragment):
        assert answer.status_code == status
        assert answer.headers.get("retry-after") == WAITS.get(status)
        assert sentence in html.unescape(answer.text)
        assert not re.search("a secret|disk is full|canceled", answer.text)
    assert ("</html>" in page.text, "</html>" in fragment.text) == (True, False)
    assert fragment.headers["hx-reswap"] == "none"
    assert ("<code>" in page.text) is (status == 500), "an id to find in the log"


@on_postgres
async def test_a_database_that_is_gone_is_told_and_comes_back_by_itself(
    site: Site, database: str, postgres_server: str
) -> None:
    visitor, olga = site.visitor(), await site.sign_in("olga")
    name = database.partition("?")[0].rpartition("/")[2]
    from_outside(database, KILL_CONNECTIONS)
    from_outside(postgres_server, f'ALTER DATABASE "{name}" RENAME TO "{name}_away"')

    answers = [
        await olga.get("/user/account"),
        await visitor.get("/user/login"),
        await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD),
        await visitor.get("/health"),
    ]
    fragment = await olga.fragment("/organization/members")
    from_outside(postgres_server, f'ALTER DATABASE "{name}_away" RENAME TO "{name}"')

    assert [answer.status_code for answer in (*answers, fragment)] == [503] * 5
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert "Just a moment" in answers[0].text
    assert (await olga.get("/user/account")).status_code == 200
    assert (await visitor.get("/health")).status_code == 200


@ON_SQLITE
async def test_health_says_unavailable_whatever_the_database_fails_with(site: Site) -> None:
    assert (await site.visitor().get("/health")).json() == {"status": "ok"}
    await engine.write(engine.execute, "DROP TABLE installation")

    answer = await site.visitor().get("/health")

    assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})


@ON_SQLITE
async def test_before_set_up_a_broken_database_is_told_too(database: str) -> None:
    async with Site.opened(founded=False) as site:
        await engine.write(engine.execute, "DROP TABLE organization")

        answers = [await site.visitor().get(path) for path in ("/", "/no/such/page", "/health")]

        assert [answer.status_code for answer in answers] == [500, 503, 200]
        assert all("x-content-type-options" in answer.headers for answer in answers)


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a page: for the database the same as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@ON_SQLITE
async def test_a_full_disk_refuses_changes_while_looking_goes_on(site: Site) -> None:
    visitor, olga = site.visitor(), await site.sign_in("olga")
    fields = {"email": "ada@example.org", "password": PASSWORD}

    with full_disk():
        refused = await visitor.submit("/user/signup", fields)
        looked = [await olga.get(path) for path in ("/user/account", "/organization/members")]
    done = await visitor.submit("/user/signup", fields)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert "nothing was changed" in refused.text
    assert [answer.status_code for answer in looked] == [200, 200]
    assert done.status_code == 303


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file can be opened beside those that are."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull, "rb") as file:
        next_one = file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@ON_SQLITE
async def test_no_page_needs_a_file_descriptor_for_its_templates(site: Site) -> None:
    visitor, olga = site.visitor(), await site.sign_in("olga")

    with no_descriptors():
        pages = [await visitor.get("/user/login"), await olga.get("/user/account")]

    assert [page.status_code for page in pages] == [200, 200]


@ON_SQLITE
async def test_without_file_descriptors_the_log_has_one_line(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def opening(*_: object) -> None:
        os.close(os.open(os.devnull, os.O_RDONLY))

    olga = await site.sign_in("olga")
    monkeypatch.setattr(sessions, "current", opening)

    with no_descriptors():
        answer = await olga.get("/user/account")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert [record.getMessage() for record in caplog.records] == [
        "unavailable path=/user/account reason='Too many files are open: raise the limit of open files"
        " (ulimit -n).'"
    ]


@ON_SQLITE
async def test_a_full_disk_does_not_stop_an_ended_session_from_ending(site: Site) -> None:
    olga = await site.sign_in("olga")
    await engine.write(engine.execute, "UPDATE session SET made_at = 1, expires_at = 2")

    with full_disk():
        answer = await olga.get("/user/account")

    assert answer.status_code == 303


@ON_SQLITE
async def test_more_sign_ins_than_can_be_queued_are_told_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor, fields = site.visitor(), {"email": "olga@example.org", "password": "x"}
    monkeypatch.setattr(fair_queue, "MAX_WAITING", 0)

    busy = [await visitor.submit("/user/login", fields) for _ in range(6)]
    counted = await engine.rows("SELECT SUM(tries) FROM rate_limit")
    monkeypatch.undo()

    assert {(answer.status_code, answer.headers["retry-after"]) for answer in busy} == {(503, "5")}
    assert counted == [(0,)], "what nobody looked at isn't counted"
    assert (await visitor.submit("/user/login", fields)).status_code == 422


@ON_SQLITE
async def test_an_unknown_address_leads_back_to_the_start(site: Site) -> None:
    for path in (
        "/nothing",
        "/user",
        "/organization/nothing",
        "/static/nothing.css",
        "/user/login/more",
        "/%00",
    ):
        answer = await site.visitor().get(path)
        assert answer.status_code == 404, path
        assert "/" in read(answer).addresses

    fragment = await site.visitor().fragment("/nothing")
    assert (fragment.status_code, fragment.headers["hx-reswap"]) == (404, "none")
