"""The present filter as CSV."""

import csv
import io

import httpx
import pytest

from db import engine
from db.members import directory, new_member
from db.members.new_member import Person
from db.policy import Role
from handlers.organization import spreadsheet
from tests.bench.support import seed
from tests.support.pages.site import Site, password_hash, someone

PATH = "/organization/members.csv"


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    text = answer.content.decode("utf-8")
    assert text.startswith("\ufeff"), "spreadsheets see by this mark that it is UTF-8"
    return list(csv.DictReader(io.StringIO(text[1:])))


async def test_the_present_filter_comes_in_its_order(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, role in (("cyd", Role.MANAGER), ("ada", Role.PENDING), ("bob", Role.DEACTIVATED)):
        await site.person(name, role, joined_via="link")
    olga = await site.sign_in("olga")
    monkeypatch.setattr(directory, "EXPORT_BATCH", 1)

    answer = await olga.get(f"{PATH}?sort=name&role=MA&role=NO&role=DI")
    by_default = rows(await olga.get(PATH))

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="members.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert [row["email"] for row in rows(answer)] == [f"{name}@example.org" for name in ("ada", "bob", "cyd")]
    assert [row["role"] for row in rows(answer)] == ["Pending", "Deactivated", "Manager"]
    assert [row["first_name"] for row in by_default] == ["Ada", "Cyd", "Olga"]
    assert by_default[0] | {"joined": "", "last_activity": ""} == {
        "email": "ada@example.org",
        "first_name": "Ada",
        "last_name": "",
        "role": "Pending",
        "came_by": "link",
        "invited_by": "",
        "joined": "",
        "last_activity": "",
        "last_day": "",
    }
    assert by_default[0]["joined"].endswith("+00:00")


async def test_all_pages_come_whatever_page_is_shown(site: Site) -> None:
    await engine.write(seed.insert, list(seed.people(1_200, owner=False)))
    olga = await site.sign_in("olga")
    everybody = await directory.page(directory.MemberFilter(sort="name"))

    answer = await olga.get(f"{PATH}?sort=name&after={everybody.older}")

    assert len(rows(answer)) == everybody.total > 1_000


async def test_it_is_sent_while_it_is_read(site: Site) -> None:
    await engine.write(seed.insert, list(seed.people(2_500, owner=False)))
    olga = await site.sign_in("olga")

    answer = await olga.get(PATH)
    pieces = [piece async for piece in spreadsheet.lines([], directory.export(directory.MemberFilter()))]

    assert "content-length" not in answer.headers
    assert b"".join(pieces) == answer.content
    assert [piece.count(b"\r\n") for piece in pieces if piece][:3] == [1, 1_000, 1_000]


@pytest.mark.parametrize("char", ["=", "+", "-", "@", "＝", "＠"])
async def test_no_cell_is_a_formula(site: Site, char: str) -> None:
    ada = someone("ada")
    formula = f'{char}HYPERLINK("https://evil.example")'
    person = Person(ada.address, formula, f'{char}a,"b"', password_hash())
    await engine.write(new_member.insert, person, Role.ANNOTATOR, joined_via="link")
    olga = await site.sign_in("olga")

    row = rows(await olga.get(f"{PATH}?role=AN"))[0]

    assert (row["first_name"], row["last_name"]) == (f"'{formula}", f'\'{char}a,"b"')


async def test_an_address_is_no_formula_either(site: Site) -> None:
    await site.person("=1+1")
    await site.person("-x")
    await site.person("'y")
    olga = await site.sign_in("olga")

    emails = [row["email"] for row in rows(await olga.get(f"{PATH}?role=NO"))]

    assert emails == ["''y@example.org", "'-x@example.org", "'=1+1@example.org"]


async def test_a_wrong_filter_is_422(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?role=XX")

    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")
    assert "A role is one of NO, OW" in answer.text


async def test_a_filter_that_shows_nobody_has_just_the_head(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?role=MA")

    head = "email,first_name,last_name,role,came_by,invited_by,joined,last_activity,last_day"
    assert answer.text == '\ufeff"{}"\r\n'.format(head.replace(",", '","'))
