"""Rows that are remembered are the same, byte by byte, as rows that are made anew."""

import pytest
from markupsafe import Markup

from db.members.directory import MemberRow
from db.policy import Role
from handlers.http.auth.identity import Me
from handlers.organization.members import rows
from tests.support.pages.site import ON_SQLITE, Site

PATH = "/organization/members"


def row(**more: object) -> MemberRow:
    fields = {"id": 7, "email": "ada@example.org", "domain_shown": "", "first_name": "Ada", "last_name": ""}
    rest = {
        "role": "AN",
        "joined_via": "link",
        "inviter_name": "",
        "confirmed_at": 0,
        "joined_at": 1,
        "last_activity_at": 1,
        "ends_at": 0,
    }
    return MemberRow(**fields | rest | more)  # type: ignore[arg-type]


def me(id: int, role: Role) -> Me:
    return Me(id, "x@example.org", "X", "X", "", role, "system", "")


@ON_SQLITE
async def test_the_bytes_are_the_same_remembered_and_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in set(Role) - {Role.OWNER}:
        await site.person(role.value.lower(), role)
    query = "?" + "&".join(f"role={role.value}" for role in Role)
    people = [await site.sign_in("olga"), await site.sign_in("ad")]

    remembered = [(await person.get(PATH + query)).content for person in people * 2]
    monkeypatch.setattr(rows, "remember", False)
    anew = [(await person.get(PATH + query)).content for person in people * 2]

    assert remembered == anew
    assert anew[0] != anew[1]


@ON_SQLITE
async def test_a_row_is_made_once_for_all_who_see_the_same(site: Site) -> None:
    templates = site.context.templates
    first = rows.rendered(templates, [row(), row(id=8)], me(1, Role.OWNER), {})
    made = len(rows._memory)

    again = rows.rendered(templates, [row(), row(id=8)], me(1, Role.OWNER), {})

    assert again == first
    assert len(rows._memory) == made


@ON_SQLITE
@pytest.mark.parametrize(
    ("other", "viewer"),
    [
        ({"role": "MA"}, me(1, Role.OWNER)),
        ({"first_name": "Bob"}, me(1, Role.OWNER)),
        ({"last_activity_at": 86_400_000}, me(1, Role.OWNER)),
        ({"ends_at": 86_400_000}, me(1, Role.OWNER)),
        ({"role": "OW"}, me(1, Role.ADMINISTRATOR)),
        ({}, me(7, Role.ADMINISTRATOR)),
    ],
)
async def test_another_row_or_viewer_is_another_markup(
    site: Site, other: dict[str, object], viewer: Me
) -> None:
    usual = rows.rendered(site.context.templates, [row()], me(1, Role.OWNER), {})

    assert rows.rendered(site.context.templates, [row(**other)], viewer, {}) != usual


@pytest.mark.parametrize("field", ["email", "first_name", "inviter_name"])
def test_markup_cannot_stand_for_the_text_it_equals(field: str) -> None:
    for wrong in (Markup("<b>Ada</b>"), True, None):
        with pytest.raises(TypeError):
            row(**{field: wrong})


def test_a_truth_is_no_number() -> None:
    with pytest.raises(TypeError):
        row(id=True)


@ON_SQLITE
async def test_not_more_than_a_limit_is_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "REMEMBERED", 5)
    rows._memory.clear()

    rows.rendered(site.context.templates, [row(id=id) for id in range(1, 9)], me(1, Role.OWNER), {})

    assert [key[1].id for key in rows._memory] == [4, 5, 6, 7, 8]
