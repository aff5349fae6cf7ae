"""Which members are shown, in which order, and where in it: all of it stands in the address."""

import httpx
import pytest

from db import engine
from db.members import new_member
from db.organization import invite_link
from db.policy import COMMAND_LINE, Role
from tests.bench.support import seed
from tests.support.pages.markup import tree
from tests.support.pages.members_page import PATH, ids
from tests.support.pages.site import ON_SQLITE, Site, someone
from tests.support.steps.member_steps import register


async def crowd(site: Site, number: int, role: Role = Role.ANNOTATOR) -> None:
    """Registers p000@example.org and so on, in this order."""

    async def change() -> None:
        for count in range(number):
            await new_member.insert(someone(f"p{count:03}"), role, joined_via="link")

    await engine.write(change)


def count(answer: httpx.Response) -> int:
    """The number that #members-count begins with."""
    return int(tree(answer).one(id="members-count").text.split()[0].replace(",", ""))


def pager(answer: httpx.Response) -> dict[str, str]:
    """Where Previous and Next lead, as far as they lead anywhere."""
    links = tree(answer).one("nav", class_="pager").all("a")
    return {link.text: link["href"] for link in links if "href" in link}


async def test_the_deactivated_are_shown_when_asked_for(site: Site) -> None:
    ada = await site.person("ada", Role.DEACTIVATED)
    olga = await site.sign_in("olga")

    without, only = await olga.get(PATH), await olga.get(f"{PATH}?role=DI")

    assert ids(without) == [site.ids["olga"]]
    assert tree(without).one(id="members-count").text == "1 member. 1 deactivated not shown"
    assert ids(only) == [ada]


async def test_several_roles_are_ticked_counted_and_kept_in_the_address(site: Site) -> None:
    for number, role in enumerate(
        (Role.PENDING, Role.PENDING, Role.MANAGER, Role.REVIEWER, Role.DEACTIVATED)
    ):
        await site.person(f"p{number}", role)
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?role=MA&role=NO")
    boxes = tree(answer).one(id="role-counts").all("label")

    assert [box.text for box in boxes][:2] == ["Pending 2", "Owner 1"]
    assert [box.one("data").text for box in boxes] == ["2", "1", "0", "1", "1", "0", "1"]
    assert [box.one("input")["value"] for box in boxes if "checked" in box.one("input")] == ["NO", "MA"]
    assert tree(answer).one(id="roles-chosen").text == "Pending, Manager"
    assert tree(answer).one(id="members-count").text == "3 of 6 members"
    assert answer.text == (await olga.get(f"{PATH}?role=MA&role=NO")).text


@ON_SQLITE
@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("email", "abco"),
        ("-email", "ocba"),
        ("name", "abco"),
        ("role", "boca"),
        ("joined", "ocab"),
        ("-joined", "baco"),
        ("activity", "cabo"),
        ("-activity", "obac"),
        ("-name", "ocba"),
    ],
)
async def test_each_order_is_kept_in_the_address_and_marked(site: Site, sort: str, order: str) -> None:
    for name, role in (("c", Role.MANAGER), ("a", Role.ANNOTATOR), ("b", Role.PENDING)):
        await site.person(name, role)
    await engine.write(
        engine.execute, "UPDATE member SET last_activity_at = id + CASE id WHEN 1 THEN 90 ELSE 0 END"
    )
    olga = await site.sign_in("olga")
    # The Owner is active by asking; here the order counts as it was.
    site.context.presence.seen = lambda *_: None  # type: ignore[method-assign]

    page = tree(await olga.get(f"{PATH}?sort={sort}"))
    names = {id: name[0] for name, id in site.ids.items()}

    assert "".join(names[id] for id in ids(page)) == order
    assert page.one("select", name="sort").chosen == [sort]
    marked = [head["aria-sort"] for head in page.all("th") if "aria-sort" in head]
    assert marked == ["descending" if sort.startswith("-") else "ascending"]


@ON_SQLITE
async def test_without_an_order_who_waits_stands_first_and_no_column_is_marked(site: Site) -> None:
    for name, role in (("a", Role.PENDING), ("b", Role.ANNOTATOR), ("c", Role.PENDING), ("d", Role.MANAGER)):
        await site.person(name, role)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(PATH))

    assert ids(page) == [site.ids[name] for name in ("c", "a", "d", "b", "olga")]
    assert [head for head in page.all("th") if "aria-sort" in head] == []
    # What could be sorted by says so before it is.
    assert [head.text for head in page.all("th") if head.all("svg")] == [
        "Name and address",
        "Role",
        "Joined",
        "Last activity",
    ]
    assert page.one("select", name="sort").chosen == [""]


@ON_SQLITE
async def test_the_heads_of_columns_sort_keep_the_filter_and_turn_round(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga = await site.sign_in("olga")

    plain: dict[str, str] = {}
    turned: dict[str, str] = {}
    for query, found in (("q=a&role=AN", plain), ("q=a&role=AN&sort=name", turned)):
        for link in tree(await olga.get(f"{PATH}?{query}")).one("table", id="members").one("thead").all("a"):
            assert link["href"] == link["hx-get"]
            found[link.text] = link["href"].removeprefix(f"{PATH}?q=a&role=AN&sort=")
    newest = tree(await olga.get(f"{PATH}?sort=-joined")).one("a", id="sort-joined")["href"]

    assert plain == {
        "Name and address": "name",
        "Role": "role",
        "Joined": "-joined",
        "Last activity": "-activity",
    }
    assert turned == plain | {"Name and address": "-name"}
    assert newest == f"{PATH}?sort=joined"


@ON_SQLITE
async def test_the_pager_says_which_of_how_many(site: Site) -> None:
    await crowd(site, 120)
    olga = await site.sign_in("olga")

    said, answer = [], await olga.get(PATH)
    for way in ("Next", "Next", "Previous", ""):
        said.append(tree(answer).one(id="range").text)
        answer = await olga.get(pager(answer)[way]) if way else answer
    found = await olga.get(f"{PATH}?q=example&sort=name")

    assert said == ["1–50 of 121", "51–100 of 121", "101–121 of 121", "51–100 of 121"]
    assert tree(found).one(id="range").text == "1–50 of 121"


@ON_SQLITE
@pytest.mark.parametrize(
    ("here", "asked", "header"),
    [
        ("", "q=a", "hx-push-url"),
        ("q=a", "q=ad", "hx-replace-url"),
        ("q=a&after=x", "q=ad", "hx-push-url"),
        ("q=a&role=NO&sort=name", "q=ad&role=NO&sort=name", "hx-replace-url"),
        ("q=a&role=NO", "q=ad", "hx-push-url"),
        ("q=a", "q=a&sort=name", "hx-push-url"),
        ("q=a", "", "hx-push-url"),
    ],
)
async def test_a_search_that_is_typed_on_takes_the_place_of_the_one_before(
    site: Site, here: str, asked: str, header: str
) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?{asked}", **{"HX-Current-URL": f"http://testserver{PATH}?{here}"})

    assert [name for name in ("hx-push-url", "hx-replace-url") if name in answer.headers] == [header]
    assert answer.headers[header] == (f"{PATH}?{asked}" if asked else PATH)


async def test_paging_forth_and_back_keeps_the_filter(site: Site) -> None:
    await crowd(site, 120)
    await site.person("waiting")
    olga = await site.sign_in("olga")

    first = await olga.get(f"{PATH}?role=AN&sort=email&q=p")
    second = await olga.get(pager(first)["Next"])
    third = await olga.get(pager(second)["Next"])
    back = await olga.get(pager(third)["Previous"])

    assert [len(ids(answer)) for answer in (first, second, third)] == [50, 50, 20]
    assert len({*ids(first), *ids(second), *ids(third)}) == 120
    assert ids(back) == ids(second)
    assert [count(answer) for answer in (first, back)] == [120, 120]
    assert [*pager(first), *pager(third)] == ["Next", "Previous"]
    assert pager(third)["Previous"].startswith(f"{PATH}?q=p&role=AN&sort=email&before=")


async def test_a_search_keeps_what_was_typed_and_says_when_nobody_is_found(site: Site) -> None:
    await site.person("ada")
    olga = await site.sign_in("olga")

    found, nobody = await olga.get(f"{PATH}?q=ADA+exam"), await olga.get(f"{PATH}?q=zoe%26co&role=AN")

    assert ids(found) == [site.ids["ada"]]
    assert tree(found).one("input", name="q")["value"] == "ADA exam"
    assert tree(found).one(id="members-count").text == "1 member found, of 2"
    assert ids(nobody) == []
    assert tree(nobody).one("h2").text == "Nobody found for “zoe&co”"
    assert "Only Annotator was searched" in tree(nobody).one("div", class_="nobody").text


WRONG = {
    f"q={'x' * 201}": "q",
    "q=a%00b": "q",
    "q=a%0Ab": "q",
    "q=a&q=b": "q",
    "role=XX": "role",
    "role=ow": "role",
    "sort=salary": "sort",
    "sort=name&sort=email": "sort",
    "after=forged": "after",
    "after=WzEsMV0&sort=name": "after",
    "after=WzEsMV0&before=WzEsMV0": "before",
    "before=%F0%9F%92%A9": "before",
}


@ON_SQLITE
@pytest.mark.parametrize("query", WRONG)
async def test_a_wrong_filter_is_422_with_the_reason_and_what_was_typed_as_a_page(
    site: Site, query: str
) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?role=OW&{query}" if WRONG[query] != "role" else f"{PATH}?{query}")
    page = tree(answer)

    assert answer.status_code == 422
    assert page.one(id=f"{WRONG[query]}-error").text
    assert ids(page) == [site.ids["olga"]]
    if WRONG[query] in ("q", "sort"):
        assert page.one(name=WRONG[query])["aria-describedby"] == f"{WRONG[query]}-error"
    if WRONG[query] == "q":
        assert page.one(name="q")["value"] in ("x" * 201, "ab", "a")
    if WRONG[query] != "role":
        assert page.one("input", name="role", value="OW").attributes.get("checked") == ""


@ON_SQLITE
async def test_every_error_of_a_filter_is_said_at_once(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?q={'x' * 201}&role=XX&sort=salary"))

    assert all(page.one(id=f"{field}-error").text for field in ("q", "role", "sort"))


@ON_SQLITE
async def test_a_wrong_filter_leaves_the_list_as_it_is_as_a_fragment(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?q={'x' * 201}")

    assert answer.status_code == 422
    assert answer.headers["hx-reswap"] == "none"
    assert "hx-push-url" not in answer.headers
    assert tree(answer).one(id="toasts").text == "Search for at most 200 characters."


@ON_SQLITE
async def test_unknown_parameters_and_empty_ones_do_not_matter(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?utm=x&role=&sort=&after=&q=&role=NO&role=NO")

    assert answer.headers["hx-push-url"] == f"{PATH}?role=NO"


async def test_a_thousand_hits_are_the_newest_and_the_page_says_so(site: Site) -> None:
    people = list(seed.people(1_300, owner=False))
    await engine.write(seed.insert, people)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?q=example&sort=name"))

    assert page.one(id="members-count").text.startswith("More than 1,000 members found; the newest 1,000")
    assert [head.text for head in page.all("th") if "aria-sort" in head] == ["Joined"]


async def came_by_links(site: Site) -> list[int]:
    """Five people by the first invite link, three by the second; returns the ids of the links."""
    links = []
    for number in (5, 3):
        link = await invite_link.present()
        links.append(link.id)
        for count in range(number):
            await register(site, f"p{link.id}-{count}", link.id)
        await invite_link.reset(COMMAND_LINE)
    return links


async def test_who_came_by_a_link_is_shown_with_a_way_back_as_a_page(site: Site) -> None:
    _, second = await came_by_links(site)
    olga = await site.sign_in("olga")

    answer = await olga.get(f"{PATH}?link={second}&sort=name")
    page = tree(answer)

    assert len(ids(answer)) == 3
    assert page.one(id="members-count").text == "3 members came by this link, newest first"
    assert page.one(id="came-by").text.startswith("Came by the invite link of ")
    assert page.one(id="came-by").one("a").text == "Show everybody"
    assert page.one(id="came-by").one("a")["href"] == f"{PATH}?sort=name"
    assert page.one(id="filters").one("input", name="link")["value"] == str(second)
    assert page.one("a", href=f"{PATH}.csv?sort=name&link={second}").text == "Export as CSV"
    assert page.one("form", id="bulk").one("input", name="filter")["value"] == f"sort=name&link={second}"


async def test_who_came_by_a_link_is_shown_with_a_way_back_as_a_fragment(site: Site) -> None:
    first, _ = await came_by_links(site)
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?link={first}&role=NO&q=p")

    assert answer.headers["hx-push-url"] == f"{PATH}?q=p&role=NO&link={first}"
    assert len(ids(answer)) == 5
    assert tree(answer).one(id="came-by").one("a").text == "Whichever way they came"


async def test_a_link_is_kept_while_paging_and_in_the_export(site: Site) -> None:
    link = await invite_link.present()

    async def change() -> None:
        for count in range(60):
            await new_member.insert(
                someone(f"p{count:02}"), Role.ANNOTATOR, joined_via="link", link_id=link.id
            )

    await engine.write(change)
    olga = await site.sign_in("olga")

    first = await olga.get(f"{PATH}?link={link.id}&sort=name")
    second = await olga.get(pager(first)["Next"])
    exported = await olga.get(f"{PATH}.csv?link={link.id}")

    assert f"link={link.id}" in pager(first)["Next"]
    assert (len(ids(first)), len(ids(second))) == (50, 10)
    assert count(second) == 60
    assert len(exported.text.splitlines()) == 61


@ON_SQLITE
@pytest.mark.parametrize("link", ["0", "x", "99999", "1_0", "9" * 30])
async def test_a_link_that_never_was_is_422(site: Site, link: str) -> None:
    olga = await site.sign_in("olga")

    answers = [
        await olga.get(f"{PATH}?link={link}&q=olga"),
        await olga.fragment(f"{PATH}?link={link}"),
        await olga.get(f"{PATH}.csv?link={link}"),
    ]

    assert [answer.status_code for answer in answers] == [422] * 3
    assert "There is no such invite link" in answers[0].text
    assert tree(answers[0]).one("input", name="q")["value"] == "olga"
    assert ids(answers[0]) == [site.ids["olga"]]
