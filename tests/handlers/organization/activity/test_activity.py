"""The activity page: what happened in plain sentences, its filter, its news, and its CSV."""

import csv
import io
import re
from types import ModuleType

import httpx
import pytest

from db import activity, engine
from db.accounts import profile
from db.activity import listing as activity_listing
from db.activity import retention
from db.invitations import management
from db.members import removal, roles
from db.policy import COMMAND_LINE, SYSTEM, Actor, Role
from settings import Settings
from tests.support.pages.markup import Element, tree
from tests.support.pages.site import ON_SQLITE, SECRET, Site
from tests.support.steps.invitation_steps import invite, one
from tests.support.steps.member_steps import olga as as_olga

PATH = "/organization/activity"
NEWS = f"{PATH}/news"


def sentences(answer: httpx.Response | Element) -> list[str]:
    """What the rows say, without the addresses beside the names."""
    return [re.sub(r" \([a-z]+@example\.org\)", "", said) for said in with_addresses(answer)]


def with_addresses(answer: httpx.Response | Element) -> list[str]:
    page = answer if isinstance(answer, Element) else tree(answer)
    return [row.one("th").text for row in page.one(id="events").one("tbody").all("tr")]


async def happen(kind: str, number: int = 1, subject: int = 0) -> None:
    await engine.write(activity.record_many, SYSTEM, kind, [(subject, "", "")] * number)


async def let_in(site: Site, name: str) -> None:
    await roles.change_role(as_olga(site), member_id=site.ids[name], role=Role.ANNOTATOR)


async def test_it_tells_what_happened_newest_first_as_a_page(site: Site) -> None:
    await site.person("ada")
    await let_in(site, "ada")
    await roles.change_role(COMMAND_LINE, member_id=site.ids["ada"], role=Role.MANAGER)
    olga = await site.sign_in("olga")

    answer = await olga.get(PATH)
    page = tree(answer)

    assert sentences(page)[:2] == [
        "The command line changed the role of Ada from Annotator to Manager",
        "Olga gave Ada the role Annotator",
    ]
    assert answer.headers["vary"] == "HX-Request, Accept-Encoding"
    assert page.one("a", aria_current="page").text == "Activity"
    assert all(len(row.all("time", data_time="minute")) == 1 for row in page.one(id="events").all("tr")[1:])


async def test_the_same_list_as_a_fragment(site: Site) -> None:
    await site.person("ada")
    await let_in(site, "ada")
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?kind=roles&who=&person=&from=&to=")

    assert [root["id"] for root in tree(answer).roots] == ["log", "told"]
    assert answer.headers["hx-push-url"] == f"{PATH}?kind=roles"
    assert sentences(answer) == ["Olga gave Ada the role Annotator"]


async def test_a_sign_in_and_its_refusals_are_told_with_the_network_address(
    site: Site, clock: ModuleType
) -> None:
    await site.person("ada", Role.DEACTIVATED)
    visitor, olga = site.visitor("198.51.100.7"), await site.sign_in("olga")
    for password in ("wrong", "four purple lanterns by the sea"):
        await visitor.submit("/user/login", email="ada@example.org", password=password)

    page = tree(await olga.get(f"{PATH}?kind=sign-ins"))

    assert sentences(page) == [
        "A sign-in as Ada was refused: they are deactivated",
        "A sign-in as Ada was refused",
    ]
    assert page.one(id="events").all("tr")[1].all("td")[1].text == "198.51.100.7"


async def test_names_lead_to_the_people_who_still_exist(site: Site) -> None:
    await site.person("ada")
    await site.person("bob")
    await let_in(site, "ada")
    await removal.remove(as_olga(site), member_id=site.ids["bob"])
    olga = await site.sign_in("olga")

    rows = tree(await olga.get(PATH)).one(id="events").all("th", scope="row")

    assert [link["href"] for link in rows[0].all("a")] == [
        f"/organization/members/{site.ids['olga']}",
        f"{PATH}?person={site.ids['bob']}",
        f"{PATH}/erasure?member={site.ids['bob']}",
    ]
    assert [link.one("bdi").text for link in rows[1].all("a")] == ["Olga", "Ada"]


async def test_a_person_is_chosen_by_name_or_address_or_by_their_id(site: Site) -> None:
    for name in ("ada", "adam", "bob"):
        await site.person(name)
        await let_in(site, name)
    olga = await site.sign_in("olga")

    by_name = await olga.fragment(f"{PATH}?who=bob")
    by_address = await olga.fragment(f"{PATH}?who=ADA@example.org&kind=roles")
    by_id = await olga.get(f"{PATH}?person={site.ids['bob']}")

    assert sentences(by_name) == sentences(by_id) == ["Olga gave Bob the role Annotator"]
    assert by_name.headers["hx-push-url"] == f"{PATH}?person={site.ids['bob']}"
    assert by_address.headers["hx-push-url"] == f"{PATH}?person={site.ids['ada']}&kind=roles"
    assert tree(by_id).one("input", name="who")["value"] == "Bob"
    assert tree(by_id).one("input", name="person")["value"] == str(site.ids["bob"])


async def test_of_several_people_the_page_asks_which_one(site: Site) -> None:
    for name in ("ada", "adam"):
        await site.person(name, Role.DEACTIVATED)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?who=ad&kind=roles"))

    links = [link["href"] for link in page.one("div", class_="nobody").all("a")]
    assert links == [f"{PATH}?person={site.ids[name]}&kind=roles" for name in ("adam", "ada")]
    assert page.one("input", name="who")["value"] == "ad"


async def test_another_name_in_the_field_looks_for_somebody_else_and_none_for_everybody(site: Site) -> None:
    for name in ("ada", "bob"):
        await site.person(name)
        await let_in(site, name)
    olga = await site.sign_in("olga")
    chosen = f"{PATH}?person={site.ids['ada']}"

    same, other = await olga.get(f"{chosen}&who=Ada"), await olga.get(f"{chosen}&who=Bob")
    cleared, nobody = await olga.fragment(f"{chosen}&who="), await olga.get(f"{chosen}&who=zoe%26co")

    assert sentences(same) == ["Olga gave Ada the role Annotator"]
    assert sentences(other) == ["Olga gave Bob the role Annotator"]
    assert cleared.headers["hx-push-url"] == PATH
    assert "Nobody found for “zoe&co”" in [head.text for head in tree(nobody).all("h2")]


async def test_a_removed_person_is_still_filtered_by(site: Site) -> None:
    ada = await site.person("ada")
    await removal.remove(as_olga(site), member_id=ada)
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?person={ada}"))

    assert with_addresses(page) == [
        f"Olga (olga@example.org) removed Ada (ada@example.org, removed, number {ada}) Erase the name"
        f" of removed member {ada}"
    ]
    assert page.one(id="log-about").text == "By and about Ada, newest first"


async def test_a_removed_person_is_found_by_name_until_the_owner_erases_it(site: Site) -> None:
    ada = await site.person("ada")
    await removal.remove(as_olga(site), member_id=ada)
    olga = await site.sign_in("olga")

    found = [await olga.get(f"{PATH}?who={text}") for text in ("ada", "ADA@example.org", "Ád")]
    await removal.erase_names(as_olga(site), member_ids=[ada])
    erased = await olga.get(f"{PATH}?who=ada")

    for page in found:
        assert tree(page).one("input", name="who")["value"] == "Ada"
        assert sentences(page)[0].startswith("Olga removed Ada")
    assert "Nobody found for “ada”" in [head.text for head in tree(erased).all("h2")]


async def test_somebody_who_was_only_invited_is_found_with_all_of_their_invitations(site: Site) -> None:
    await invite(site, "Zoë Müller <zoe@example.org>, zack@example.org")
    first = await one("zoe@example.org")
    await management.revoke(as_olga(site), invitation_ids=[first.id])
    await invite(site, "zoe@example.org", Role.REVIEWER)
    newest = await one("zoe@example.org")
    olga = await site.sign_in("olga")

    by_address = await olga.fragment(f"{PATH}?who=zoe@example.org")
    by_name, several = await olga.get(f"{PATH}?who=mueller"), await olga.get(f"{PATH}?who=z")
    since = tree(by_address).one(id="news")["hx-get"]
    exported = await olga.get(f"{PATH}.csv?invited={newest.id}")

    said = [
        "Olga invited zoe@example.org as Reviewer",
        "Olga revoked the invitation of zoe@example.org",
        "Olga invited zoe@example.org as Annotator",
    ]
    assert sentences(by_address) == said
    assert by_address.headers["hx-push-url"] == f"{PATH}?invited={newest.id}"
    assert sentences(by_name) == said
    assert tree(by_name).one("input", name="who")["value"] == "Zoë Müller"
    links = [link["href"] for link in tree(several).one("div", class_="nobody").all("a")]
    assert links == [f"{PATH}?invited={number}" for number in (newest.id, first.id + 1)]
    assert f"invited={newest.id}" in since
    assert len(exported.text.splitlines()) == 4


async def test_who_has_come_by_an_invitation_is_found_once(site: Site) -> None:
    await invite(site, "ada@example.org")
    await site.person("ada")
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{PATH}?who=ada")

    assert answer.headers["hx-push-url"] == f"{PATH}?person={site.ids['ada']}"


async def test_without_a_zone_days_are_those_of_utc_and_both_included(site: Site, clock: ModuleType) -> None:
    olga = await site.sign_in("olga")
    for at in (1_767_225_599_999, 1_767_225_600_000, 1_767_311_999_999, 1_767_312_000_000):
        clock.stop_at(at)
        await happen("restored")

    whole = await activity_listing.page(
        activity_listing.EventFilter.parse({"from": ["2026-01-01"], "to": ["2026-01-01"]}, {})
    )
    clock.go_on()
    page = tree(await olga.get(f"{PATH}?from=2026-01-01&to=2026-01-01"))

    assert [event.at for event in whole.events] == [1_767_311_999_999, 1_767_225_600_000]
    assert len(sentences(page)) == 2
    assert page.one("input", name="from")["value"] == "2026-01-01"
    assert "UTC" in page.one(id="search-help").text


@ON_SQLITE
@pytest.mark.parametrize(
    ("query", "field", "kept"),
    [
        ("from=yesterday", "from", "yesterday"),
        ("to=2026-02-30", "to", "2026-02-30"),
        ("from=2026-02-02&to=2026-02-01", "to", "2026-02-01"),
        ("kind=salary", "kind", None),
        (f"who={'x' * 201}", "who", "x" * 200),
    ],
)
async def test_a_wrong_field_is_422_by_its_field_with_what_was_typed(
    site: Site, query: str, field: str, kept: str | None
) -> None:
    olga = await site.sign_in("olga")

    for answer in (await olga.get(f"{PATH}?{query}"), await olga.fragment(f"{PATH}?{query}")):
        control = tree(answer).one(name=field)
        assert answer.status_code == 422
        assert control["aria-invalid"] == "true"
        assert tree(answer).one(id=control["aria-describedby"]).text
        assert kept is None or control["value"] == kept
        assert "hx-push-url" not in answer.headers


@ON_SQLITE
async def test_every_error_is_said_at_once_and_the_rest_of_the_filter_holds(site: Site) -> None:
    await site.person("ada")
    await let_in(site, "ada")
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?from=x&to=y&kind=roles&after=forged"))

    assert all(page.one(id=f"{field}-error").text for field in ("from", "to", "after"))
    assert page.one("select", name="kind").chosen == ["roles"]
    assert sentences(page) == ["Olga gave Ada the role Annotator"]


async def test_paging_forth_and_back_keeps_the_filter(site: Site, clock: ModuleType) -> None:
    await happen("restored", 120)
    await happen("key_rotated", 3)
    olga = await site.sign_in("olga")

    first = tree(await olga.get(f"{PATH}?kind=restored"))
    second = tree(await olga.get(first.one("a", rel="next")["href"]))
    third = tree(await olga.get(second.one("a", rel="next")["href"]))
    back = tree(await olga.get(third.one("a", rel="prev")["href"]))

    assert [len(sentences(page)) for page in (first, second, third, back)] == [50, 50, 20, 50]
    ids = [
        [row["id"] for row in page.one(id="events").all("tr")[1:]] for page in (first, second, third, back)
    ]
    assert len({*ids[0], *ids[1], *ids[2]}) == 120
    assert ids[3] == ids[1]
    assert "hx-trigger" in first.one(id="news")
    assert "hx-trigger" not in second.one(id="news")


async def test_a_filter_that_shows_nothing_says_so(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(f"{PATH}?kind=key_rotated"))

    assert "Nothing like that happened" in [head.text for head in page.all("h2")]
    assert page.all(id="events") == []


async def test_the_page_asks_what_is_new_and_is_told_how_many(site: Site) -> None:
    olga = await site.sign_in("olga")
    asks = tree(await olga.get(f"{PATH}?kind=restored")).one(id="news")["hx-get"]

    nothing = await olga.fragment(asks)
    await happen("key_rotated")
    of_another_kind = await olga.fragment(asks)
    await happen("restored", 3)
    three = await olga.fragment(asks)
    told_already = await olga.fragment(f"{asks}&seen=3")

    assert [answer.status_code for answer in (nothing, of_another_kind, told_already)] == [204] * 3
    assert tree(three).one("a").text == "3 new events"
    assert tree(three).one("a")["hx-get"] == f"{PATH}?kind=restored"


async def test_above_ninety_nine_news_are_that_or_more(site: Site) -> None:
    await happen("restored", 120)
    olga = await site.sign_in("olga")

    answer = await olga.fragment(f"{NEWS}?top=0.0")

    assert tree(answer).one("a").text == "99 or more new events"


async def test_to_ask_for_news_is_no_activity_and_keeps_no_session_alive(site: Site) -> None:
    olga = await site.sign_in("olga")
    ((session_id,),) = await engine.rows("SELECT id FROM session")

    await olga.fragment(NEWS)
    by_asking = site.context.presence.of_session(session_id)
    await olga.fragment(PATH)

    assert by_asking == 0
    assert site.context.presence.of_session(session_id) > 0


@ON_SQLITE
@pytest.mark.parametrize("query", ["top=x", "top=1", "top=0.0&kind=x", f"top={'9' * 30}.1"])
async def test_a_wrong_question_for_news_is_422(site: Site, query: str) -> None:
    olga = await site.sign_in("olga")

    assert (await olga.fragment(f"{NEWS}?{query}")).status_code == 422


async def test_the_drawing_s_numbers_stand_in_a_table_as_well(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    await let_in(site, "ada")
    olga = await site.sign_in("olga")
    await site.visitor().submit(
        "/user/login", email="ada@example.org", password="four purple lanterns by the sea"
    )

    section = tree(await olga.get(PATH)).one("section", class_="pulse")

    rows = section.one("table").one("tbody").all("tr")
    assert len(rows) == 30
    assert [cell.text for cell in rows[0].all("td")] == ["1", "1", "1"]
    assert [figure.one("strong").text for figure in section.all("figure")] == ["1", "1", "1"]
    assert [len(drawing.all("rect")) for drawing in section.all("svg", aria_hidden="true")] == [1, 1, 1]


async def test_the_page_says_how_long_the_log_is_kept(site: Site, clock: ModuleType) -> None:
    olga = await site.sign_in("olga")
    before = (await olga.get(PATH)).text
    await happen("restored")
    clock.move(24 * 3600 * 1000 * 3)
    await retention.forget(2)
    after = (await (await site.sign_in("olga")).get(PATH)).text

    assert "The log is kept for 400 days" in before
    assert "is gone." not in before
    assert "is gone." in after


@ON_SQLITE
async def test_below_a_sub_path_every_address_carries_it(database: str) -> None:
    settings = Settings(secret_key=SECRET, host="http://testserver/members")
    async with Site.opened(settings) as site:
        olga = await site.sign_in("olga")

        page = tree(await olga.get(f"/members{PATH}?kind=house"))

    leading = [e[name] for e in page.one("main").all() for name in ("href", "action", "hx-get") if name in e]
    assert leading
    assert all(address.startswith(("/members/", "#")) for address in leading)


async def test_the_present_filter_comes_as_csv(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_listing, "EXPORT_BATCH", 2)
    ada = await site.person("ada")
    await let_in(site, "ada")
    await happen("restored", 5)
    olga = await site.sign_in("olga", "198.51.100.7")

    answer = await olga.get(f"{PATH}.csv?kind=roles")
    everything = list(
        csv.DictReader(io.StringIO((await olga.get(f"{PATH}.csv")).text.removeprefix("\ufeff")))
    )
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))

    assert answer.headers["content-disposition"] == 'attachment; filename="activity.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "content-length" not in answer.headers
    assert len(everything) == 7
    assert rows[0].pop("time").endswith("+00:00")
    assert rows == [
        {
            "event": "Olga gave Ada the role Annotator",
            "kind": "role_changed",
            "actor_kind": "member",
            "actor": "Olga",
            "actor_id": str(site.ids["olga"]),
            "about": "member",
            "subject": "Ada",
            "subject_id": str(ada),
            "before": "NO",
            "after": "AN",
            "network_address": "",
            "actor_email": "olga@example.org",
            "subject_email": "ada@example.org",
            "id": everything[-2]["id"],
        }
    ]
    ids = [int(row["id"]) for row in everything]
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("char", ["=", "+", "-", "@"])
async def test_no_cell_of_the_csv_is_a_formula(site: Site, char: str) -> None:
    ada = await site.person("ada")
    await engine.write(engine.execute, "UPDATE member SET first_name = ? WHERE id = ?", f"{char}1+1", ada)
    await roles.change_role(as_olga(site), member_id=ada, role=Role.MANAGER)
    await happen("invitation_made")
    await happen("password_reset", subject=ada)
    olga = await site.sign_in("olga")

    text = (await olga.get(f"{PATH}.csv?person={ada}")).text.removeprefix("\ufeff")

    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert f"'{char}1+1" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


@ON_SQLITE
async def test_a_wrong_filter_of_the_csv_is_422(site: Site) -> None:
    olga = await site.sign_in("olga")

    assert (await olga.get(f"{PATH}.csv?from=x")).status_code == 422


async def test_a_member_s_panel_leads_to_all_of_theirs(site: Site) -> None:
    ada = await site.person("ada")
    olga = await site.sign_in("olga")

    links = [link["href"] for link in tree(await olga.fragment(f"/organization/members/{ada}")).all("a")]

    assert f"{PATH}?person={ada}" in links


async def test_two_people_of_one_name_are_told_apart_by_their_addresses(site: Site) -> None:
    for name in ("ada", "eve"):
        await site.person(name)
        actor = Actor(site.ids[name], Role.PENDING)
        await profile.change(actor, first_name="Ada", last_name="King", time_zone="", theme="system")
    olga = await site.sign_in("olga")

    assert with_addresses(await olga.get(f"{PATH}?kind=name_changed")) == [
        "Ada King (eve@example.org) changed their name",
        "Ada King (ada@example.org) changed their name",
    ]


async def test_the_owner_erases_a_removed_members_name_after_a_question(site: Site) -> None:
    ada = await site.person("ada")
    await removal.remove(as_olga(site), member_id=ada)
    olga = await site.sign_in("olga")

    question = tree(await olga.get(f"{PATH}/erasure?member={ada}"))
    fields = {field["name"]: field["value"] for field in question.one(id="erasure").all("input")}
    erased = await olga.submit(f"{PATH}/erasure", fields)
    page = await olga.get(erased.headers["location"])

    assert "Ada (ada@example.org)" in question.one(id="erasure").text
    assert fields == {"member": str(ada)}
    assert sentences(page)[0] == f"Olga erased the name and address of removed member {ada} from the log"
    assert "ada@example.org" not in page.text
    assert (await olga.get(f"{PATH}/erasure?member={ada}")).status_code == 404


async def test_the_question_offers_what_is_kept_of_the_same_address(site: Site) -> None:
    gone = []
    for name in ("ada", "eve", "ada", "ada"):
        gone.append(await site.person(name))
        await removal.remove(as_olga(site), member_id=gone[-1])
    olga = await site.sign_in("olga")

    question = tree(await olga.get(f"{PATH}/erasure?member={gone[0]}")).one(id="erasure")
    offered = question.all("input", name="also")
    assert [(box["value"], "checked" in box) for box in offered] == [
        (str(gone[3]), True),
        (str(gone[2]), True),
    ]
    assert f"Ada, number {gone[2]}, removed on" in question.one("fieldset").text
    erased = await olga.submit(f"{PATH}/erasure", {"member": str(gone[0]), "also": [str(gone[2])]})
    page = await olga.get(erased.headers["location"])

    assert "The names and addresses of 2 removed members are erased" in page.text
    left = tree(await olga.get(f"{PATH}/erasure?member={gone[3]}")).one(id="erasure")
    assert not left.all("input", name="also")
    assert not left.all("fieldset")


async def test_administrators_are_not_offered_to_erase_names(site: Site) -> None:
    ada = await site.person("ada")
    await site.person("ben", Role.ADMINISTRATOR)
    await removal.remove(as_olga(site), member_id=ada)
    ben = await site.sign_in("ben")

    assert "erasure" not in (await ben.get(PATH)).text
    assert (await ben.submit(f"{PATH}/erasure", member=str(ada))).status_code == 403


@pytest.mark.parametrize("way", ["the account", "the browser"])
async def test_days_are_those_of_the_readers_own_time_zone(site: Site, clock: ModuleType, way: str) -> None:
    """The 1 July of New York begins at 4:00 UTC, its 8 March 2026 has 23 hours."""
    olga = await site.sign_in("olga")
    for at in (1_782_878_399_999, 1_782_878_400_000, 1_782_964_799_999, 1_782_964_800_000):
        clock.stop_at(at)
        await happen("restored")
    clock.go_on()
    zone = "&zone=America/New_York"
    if way == "the account":
        await engine.write(engine.execute, "UPDATE member SET time_zone = 'America/New_York'")
        zone = "&zone=Europe/Prague"
    days = f"kind=restored&from=2026-07-01&to=2026-07-01{zone}"

    page, file = tree(await olga.get(f"{PATH}?{days}")), await olga.get(f"{PATH}.csv?{days}")

    assert len(sentences(page)) == 2
    assert len(file.text.strip().splitlines()) == 3
    assert page.one("input", name="zone")["value"] == "America/New_York"
    assert "From and To are days of America/New_York" in page.one(id="search-help").text


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    shown = activity_listing.EventFilter(first="2026-03-08", last="2026-03-08", zone="America/New_York")
    nowhere = activity_listing.EventFilter(first="2026-03-08", last="9999-12-31", zone="Nowhere/../x")

    assert shown.until - shown.since == 23 * 3600 * 1000
    assert nowhere.since == 1_772_928_000_000
    assert activity_listing.EventFilter(last="9999-12-31", zone="America/New_York").until > 0
