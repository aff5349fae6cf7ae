"""The first run."""

import asyncio
from collections.abc import AsyncIterator
from types import ModuleType

import pytest

from db import engine
from db.organization import setup
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, someone

FORM = {
    "title": "Fenwick Herbarium",
    "first_name": "Olga",
    "last_name": "Fenwick",
    "email": "olga@example.org",
    "password": PASSWORD,
}


@pytest.fixture
async def empty(database: str) -> AsyncIterator[Site]:
    """A site that nobody owns yet."""
    async with Site.opened(founded=False) as opened:
        yield opened


async def owners() -> int:
    return len(await engine.rows("SELECT 1 FROM member WHERE role = 'OW'"))


async def test_the_code_makes_an_owner_as_a_page(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    form = await visitor.get("/setup", params={"code": code})

    answer = await visitor.submit("/setup", FORM, code=read(form).controls["code"]["value"])

    assert (form.status_code, answer.status_code) == (200, 303)
    assert await engine.rows("SELECT title FROM organization") == [("Fenwick Herbarium",)]
    assert "as Owner at <bdi>Fenwick Herbarium</bdi>" in (await visitor.get("/")).text


async def test_the_code_makes_an_owner_as_a_fragment(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()

    answer = await visitor.press("/setup", FORM, code=code)

    assert (answer.status_code, answer.text) == (200, "")
    assert (await visitor.get(answer.headers["hx-redirect"])).status_code == 200


@ON_SQLITE
async def test_the_code_may_stand_in_the_address(empty: Site) -> None:
    answer = await empty.visitor().submit(f"/setup?code={await empty.setup_code()}", FORM)

    assert answer.status_code == 303


async def test_of_twenty_at_the_same_instant_one_becomes_the_owner(empty: Site) -> None:
    code = await empty.setup_code()
    visitors = [empty.visitor(f"192.0.2.{number}") for number in range(20)]

    answers = await asyncio.gather(
        *(
            visitor.submit("/setup", FORM, email=f"o{number}@example.org", code=code)
            for number, visitor in enumerate(visitors)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [303] + [404] * 19
    assert await owners() == 1
    assert await engine.rows("SELECT COUNT(*) FROM member") == [(1,)]


@ON_SQLITE
async def test_a_wrong_or_missing_code_is_refused(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    forged = code[:-1] + ("A" if code[-1] != "A" else "B")

    for wrong in ("", "1", forged, f"99{code}"):
        shown = await visitor.get("/setup", params={"code": wrong} if wrong else None)
        sent = await visitor.submit("/setup", FORM, code=wrong)
        pressed = await visitor.press("/setup", FORM, code=wrong)
        assert [shown.status_code, sent.status_code, pressed.status_code] == [403] * 3, wrong

    assert await owners() == 0


@ON_SQLITE
async def test_thirty_wrong_codes_close_the_door_for_a_while(empty: Site, clock: ModuleType) -> None:
    visitor = empty.visitor()
    for _ in range(30):
        assert (await visitor.get("/setup?code=1.x")).status_code == 403

    answer = await visitor.get("/setup?code=1.x")

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "900")
    assert (await empty.visitor("192.0.2.2").get("/setup?code=1.x")).status_code == 403


@ON_SQLITE
async def test_every_error_is_told_at_its_field_and_what_was_typed_is_kept(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    typed = {**FORM, "title": "  ", "email": "nobody", "password": "short", "first_name": "O" * 101}

    answer = await visitor.submit("/setup", typed, code=code)
    long = await visitor.submit("/setup", FORM, code=code, title="T" * 101)

    assert answer.status_code == 422
    assert wrong_fields(answer) == {"title", "email", "password", "first_name"}
    assert read(answer).controls["email"]["value"] == "nobody"
    assert read(answer).controls["password"].get("value", "") == ""
    assert read(answer).controls["code"]["value"] == code
    assert "at most 100 characters; this has 101" in read(long).error_of("title")


@ON_SQLITE
async def test_an_error_leaves_the_code_alive(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    await visitor.submit("/setup", FORM, code=code, password="fenwickherbarium")

    answer = await visitor.submit("/setup", FORM, code=code)

    assert answer.status_code == 303


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/user/login",
        "/user/signup",
        "/user/signup/?token=1.x",
        "/user/password/reset?token=1.x",
        "/user/account",
        "/organization",
        "/organization/members",
        "/no/such/page",
        "/user/logout",
        "/organization/members.csv",
    ],
)
@ON_SQLITE
async def test_before_it_every_address_says_that_nothing_is_set_up(empty: Site, path: str) -> None:
    visitor = empty.visitor()

    shown, sent = await visitor.get(path), await visitor.submit(path, FORM)

    assert [shown.status_code, sent.status_code] == [503, 503]
    assert "Not set up yet" in shown.text
    assert shown.headers["retry-after"] == "60"
    assert await engine.rows("SELECT 1 FROM member") == []


@ON_SQLITE
async def test_before_it_health_and_files_answer(empty: Site) -> None:
    visitor = empty.visitor()

    assert (await visitor.get("/health")).status_code == 200
    assert (await visitor.get(empty.context.static.address("css/app.css"))).status_code == 200


async def test_after_it_the_address_is_gone_for_ever(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    await visitor.submit("/setup", FORM, code=code)

    answers = [
        await visitor.get("/setup", params={"code": code}),
        await empty.visitor().get("/setup"),
        await empty.visitor().submit("/setup", FORM, code=code),
        await empty.visitor().press("/setup", FORM, code=code),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert await owners() == 1


@ON_SQLITE
async def test_an_owner_made_by_another_process_opens_the_house(empty: Site) -> None:
    code, visitor = await empty.setup_code(), empty.visitor()
    assert (await visitor.get("/user/login")).status_code == 503

    await setup.found_by_operator("Fenwick Herbarium", someone("olga"))

    assert (await visitor.get("/user/login")).status_code == 200
    assert (await visitor.get("/setup", params={"code": code})).status_code == 404
    assert await setup.open_link() is None
