"""What people call themselves and type is shown as text, whatever it looks like."""

import pytest

from db import engine
from db.accounts import profile
from db.common import addresses
from db.members import new_member
from db.members.new_member import Person
from db.policy import Actor, Role
from tests.support.pages.markup import Element, tree
from tests.support.pages.site import ON_SQLITE, Site, password_hash

pytestmark = ON_SQLITE
PATH = "/organization/members"
SCRIPT = """<script>alert(1)</script>"'><img src=x onerror=alert(1)>&amp;"""
OVERRIDE = "\u202eadA"


async def somebody(site: Site, first_name: str, email: str = "ada@example.org") -> int:
    person = Person(addresses.parse(email), first_name, "", password_hash())
    site.ids["ada"] = await engine.write(new_member.insert, person, Role.ADMINISTRATOR, joined_via="link")
    return site.ids["ada"]


def scripts(page: Element) -> list[Element]:
    """Scripts without an address of ours, pictures, and attributes that are scripts."""
    return [
        element
        for element in page.all()
        if element.tag == "img"
        or (element.tag == "script" and not element["src"].startswith("/static/"))
        or any(name.startswith("on") for name in element.attributes)
    ]


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        (SCRIPT, SCRIPT),
        ("O'Brien", "O'Brien"),
        # What turns the text around it isn't shown.
        (OVERRIDE, "adA"),
        ("Ada\u2029", "Ada"),
        ("\u200fعدا\u200f", "عدا"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ],
)
async def test_a_name_is_shown_as_it_is_on_every_page(site: Site, name: str, seen: str) -> None:
    ada = await somebody(site, name)
    await profile.change(
        Actor(ada, Role.ADMINISTRATOR), first_name=name, last_name="<b>", time_zone="", theme="system"
    )
    olga = await site.sign_in("olga")

    for path in (PATH, f"{PATH}/{ada}", f"{PATH}/{ada}/removal", "/organization/ownership"):
        page = tree(await olga.get(path))
        shown = f"{seen} <b>"
        assert scripts(page) == []
        assert shown in page.text, path
        if path != "/organization/ownership":
            assert shown in [bdi.text for bdi in page.all("bdi")], path


async def test_a_toast_is_not_turned_around_by_a_name(site: Site) -> None:
    ada = await somebody(site, OVERRIDE)
    olga = await site.sign_in("olga")

    given = await olga.press(f"{PATH}/{ada}/role", role="AN")
    await olga.submit(f"{PATH}/{ada}/removal")
    removed = await olga.get(PATH)

    assert tree(given).one(id="toasts").one("p").text == "adA is Annotator now."
    assert tree(removed).one(id="toasts").one("p").text == "adA is removed."


async def test_a_name_of_two_lines_is_refused(site: Site) -> None:
    await somebody(site, "Ada")
    ada = await site.sign_in("ada")

    answer = await ada.submit("/user/account", first_name="Ada\nOlga", last_name="King")

    assert answer.status_code == 422
    assert await engine.rows("SELECT 1 FROM member WHERE first_name LIKE '%Olga%' AND role <> 'OW'") == []


async def test_a_title_and_a_search_are_text_too(site: Site) -> None:
    await engine.write(engine.execute, "UPDATE organization SET title = ?", SCRIPT)
    olga = await site.sign_in("olga")

    answer = await olga.get(PATH, params={"q": SCRIPT})
    page = tree(answer)

    assert scripts(page) == []
    assert page.one("input", name="q")["value"] == SCRIPT
    assert page.one("h2").text == f"Nobody found for “{SCRIPT}”"
    assert page.one("caption").text == f"Members of {SCRIPT}: none found"
    assert page.one("a", class_="brand").one("bdi").text == SCRIPT


async def test_a_long_address_stands_whole_in_one_text_node(site: Site) -> None:
    domain = ".".join(["d" * 61] * 3)
    email = f"{'a' * (250 - len(domain) - 5)}@{domain}.org"
    ada = await somebody(site, "", email)
    bob = await somebody(site, "Bob", f"b{email[1:]}")
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))

    assert len(email) == 250
    assert email in page.one("tr", id=f"member-{ada}").strings()
    assert f"b{email[1:]}" in page.one("tr", id=f"member-{bob}").strings()
    assert email in tree(await olga.get(f"{PATH}/{ada}")).strings()


async def test_an_international_domain_is_shown_with_its_code_beside_it(site: Site) -> None:
    ada = await somebody(site, "Ada", "ada@münchen.example")
    olga = await site.sign_in("olga")

    row = tree(await olga.get(PATH)).one("tr", id=f"member-{ada}")

    assert "ada@xn--mnchen-3ya.example" in row.strings()
    assert "münchen.example" in row.strings()


@pytest.mark.parametrize("path", [f"{PATH}?q=", "/organization/activity?who="])
async def test_what_nobody_sees_in_a_search_is_named_where_nothing_is_found(site: Site, path: str) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{path}olg\u3164a"))

    assert "Nobody found for “olg[U+3164]a”" in page.text


async def test_what_nobody_sees_in_a_domain_is_named(site: Site) -> None:
    olga = await site.sign_in("olga")
    domains = "exa\u200bmple"

    answer = await olga.submit(
        "/organization/settings", title="Herbarium", link_ends="never", link_domains=domains
    )

    assert "“exa[U+200B]mple”" in tree(answer).text
