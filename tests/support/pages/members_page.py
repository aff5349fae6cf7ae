"""What the tests of the members page ask of an answer."""

import httpx

from tests.support.pages.markup import Element, tree

PATH = "/organization/members"


def select(answer: httpx.Response, member_id: int) -> list[str]:
    """The chosen role in somebody's row."""
    return tree(answer).one("tr", id=f"member-{member_id}").one("select", name="role").chosen


def toast(answer: httpx.Response) -> str:
    return tree(answer).one(id="toasts").one("p").text


def out_of_band(answer: httpx.Response) -> list[str]:
    return [piece["id"] for piece in tree(answer).all() if "hx-swap-oob" in piece]


def ids(answer: httpx.Response | Element) -> list[int]:
    """The members in the table, in its order."""
    page = answer if isinstance(answer, Element) else tree(answer)
    rows = page.one("table", id="members").all("tr")
    return [int(row["id"].removeprefix("member-")) for row in rows if "id" in row]
