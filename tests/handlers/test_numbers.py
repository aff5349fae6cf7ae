"""Numbers from outside: in addresses, queries and forms, and what no database column can hold."""

import base64
import json
from typing import Any, Final
from urllib.parse import quote as quoted

import pytest

from tests.support.pages.site import Site

TOO_LARGE: Final = (str(2**63 - 1), str(2**63), str(2**64), str(10**30), "1" * 5_000)
NOT_WRITTEN_LIKE_THIS: Final = ("-1", "+1", "0", "01", "1_0", "1.0", "1e3", "0x1", "٣", "²", " 1", "1\t", "x")
OURS: Final = {"Sec-Fetch-Site": "same-origin"}
WRONG: Final = (*TOO_LARGE, *NOT_WRITTEN_LIKE_THIS)

PATHS: Final = (
    "/user/account/sessions/{}/end",
    "/organization/members/{}/role",
    "/organization/members/{}/name",
    "/organization/members/{}/sessions/1/end",
    "/organization/members/1/sessions/{}/end",
    "/organization/members/{}/sessions/end-all",
    "/organization/members/{}/end",
    "/organization/members/{}/removal",
    "/organization/members/{}/password-link",
    "/organization/invitations/links/{}",
    "/organization/invitations/{}/role",
    "/organization/invitations/{}/link",
    "/organization/requests/{}/invitation",
    "/organization/requests/{}/dismissal",
    "/organization/requests/{}/reversal",
)
PAGES: Final = (
    "/organization/members/{}",
    "/organization/members/{}/removal",
    "/organization/activity/erasure?member={}",
)
QUERIES: Final = (
    "/organization/members?link={}",
    "/organization/members?after={}",
    "/organization/members?before={}",
    "/organization/members?sort=joined&after={}",
    "/organization/members.csv?link={}",
    "/organization/invitations?batch={}",
    "/organization/invitations?after={}",
    "/organization/invitations?before={}",
    "/organization/invitations?state=asked&after={}",
    "/organization/activity?person={}",
    "/organization/activity?invited={}",
)
# A place in a list: of numbers that are counted from 0, and may begin with it.
PLACES: Final = (
    "/organization/activity?after={}.1",
    "/organization/activity?before=1.{}",
    "/organization/activity/news?top={}.1",
    "/organization/activity/news?top=1.{}",
)
FORMS: Final[tuple[tuple[str, dict[str, str], str], ...]] = (
    ("/organization/members/roles", {"role": "AN"}, "member"),
    ("/organization/members/reversal", {"role": "AN"}, "before"),
    ("/organization/invitations/reversal", {"revoked_at": "1"}, "invitation"),
    ("/organization/invitations/reversal", {"invitation": "1"}, "revoked_at"),
    ("/organization/invitations/several", {"action": "resend"}, "invitation"),
    ("/organization/requests/1/reversal", {}, "dismissed_at"),
    ("/organization/activity/erasure", {}, "member"),
    ("/organization/activity/erasure", {"member": "1"}, "also"),
    ("/organization/ownership", {}, "member"),
)


def cursor(parts: list[Any]) -> str:
    """A place in the list of members, as the server writes it."""
    return base64.urlsafe_b64encode(json.dumps(parts, separators=(",", ":")).encode()).decode().rstrip("=")


async def test_no_number_in_an_address_is_more_than_one(site: Site) -> None:
    olga = await site.sign_in("olga")

    posted = {
        (path, number): (await olga.post(path.format(quoted(number)), headers=OURS)).status_code
        for path in PATHS
        for number in WRONG
    }
    shown = {
        (path, number): (await olga.get(path.format(quoted(number)))).status_code
        for path in PAGES
        for number in WRONG
    }

    assert {asked: status for asked, status in (posted | shown).items() if status not in (404, 422)} == {}


async def test_no_number_of_a_place_in_the_log_is_more_than_one(site: Site) -> None:
    olga = await site.sign_in("olga")

    found = {
        (place, number): (await olga.get(place.format(quoted(number)))).status_code
        for place in PLACES
        for number in (*TOO_LARGE, "-1", "+1", "1_0", "0x1", "1.1", "٣", "²", "1\t1", "x", "")
    }

    assert {asked: status for asked, status in found.items() if status != 422} == {}


@pytest.mark.parametrize("sort", ["joined", "-joined", "activity", "-activity", "role", "name", ""])
async def test_no_number_of_a_place_among_the_members_is_more_than_one(site: Site, sort: str) -> None:
    olga = await site.sign_in("olga")
    numbers: tuple[Any, ...] = (-1, 2**63, 2**64, 10**30, 10**1_000, 1.0, 1.5, "1", True, None, [], {})
    parts = [
        part
        for number in numbers
        for part in (
            [number, 1],
            [1, number],
            [1, 1, number],
            ["a", number],
            ["AN", 1, number],
            ["AN", number, 1],
            ["AN", 1, 1, number],
        )
    ]

    found = {
        (str(part), name): await olga.get("/organization/members", params={"sort": sort, name: cursor(part)})
        for part in parts
        for name in ("after", "before")
    }

    assert {
        asked: answer.status_code for asked, answer in found.items() if answer.status_code not in (200, 422)
    } == {}
    assert {part for (part, _), answer in found.items() if answer.status_code == 200} <= {
        "['1', 1]",
        "['AN', '1', 1]",
    }


async def test_no_number_in_a_query_is_more_than_one(site: Site) -> None:
    olga = await site.sign_in("olga")

    found = {
        (query, number): (await olga.get(query.format(quoted(number)))).status_code
        for query in QUERIES
        for number in WRONG
    }

    # What people type may have blanks around it, and an invitation's place is below 0 once that has ended.
    typed = {
        (f"/organization/activity?{name}={{}}", one)
        for name in ("person", "invited")
        for one in (" 1", "1\t")
    }
    ended = {(f"/organization/invitations?{name}={{}}", "-1") for name in ("after", "before")}
    asked = {("/organization/invitations?state=asked&after={}", "-1")}
    assert {asked for asked, status in found.items() if status != 422} == typed | ended | asked


@pytest.mark.parametrize(("path", "others", "name"), FORMS, ids=str)
async def test_no_number_in_a_form_is_more_than_one(
    site: Site, path: str, others: dict[str, str], name: str
) -> None:
    olga = await site.sign_in("olga")

    found = {
        number: (await olga.submit(path, {**others, name: f"{number}:AN" if name == "before" else number}))
        for number in WRONG
    }

    assert {
        number: answer.status_code for number, answer in found.items() if answer.status_code not in (404, 422)
    } == {}
