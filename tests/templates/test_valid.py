"""Every page and every piece of one is valid HTML, by the checker of the W3C."""

from typing import Any

import httpx
import pytest

from db import engine
from tests.browser.support import everywhere, inviting
from tests.browser.support.everywhere import MEMBERS
from tests.browser.support.inviting import INVITATIONS
from tests.support.pages import html_checker
from tests.support.pages.site import ON_SQLITE, Site, Visitor


@ON_SQLITE
@pytest.mark.parametrize("kind", everywhere.KINDS)
async def test_every_page_and_every_piece_of_one_is_valid(kind: str, database: str) -> None:
    answers: dict[str, str] = {}
    async with everywhere.prepared(kind) as (site, stops):
        visitors = {
            who: await site.sign_in(who) if who else site.visitor("192.0.2.77")
            for who in {stop.who for stop in stops}
        }
        for stop in (stop for stop in stops if stop.act is None):
            page, piece = await both(visitors[stop.who], stop.path, stop.sent)
            assert page.status_code == stop.status, stop.name
            answers |= {stop.name: page.text, f"{stop.name}, piece": piece.text}
        for path, fields in await changes(kind, site):
            piece = await visitors["olga"].press(path, fields)
            assert piece.status_code < 300, path
            answers[f"{path} {fields}"] = piece.text

    assert html_checker.faults({name: text for name, text in answers.items() if text.strip()}) == {}


async def both(visitor: Visitor, path: str, sent: Any) -> tuple[httpx.Response, httpx.Response]:
    """The page, and what htmx gets from the same address."""
    if sent is None:
        return await visitor.get(path), await visitor.fragment(path)
    return await visitor.submit(path, sent), await visitor.press(path, sent)


async def changes(kind: str, site: Site) -> list[tuple[str, dict[str, Any]]]:
    """What olga can change by htmx from a page, with the fields she sends."""
    if kind == "founded":
        ada = site.ids["ada"]
        return [
            (f"{MEMBERS}/{ada}/role", {"role": "RE"}),
            (f"{MEMBERS}/roles", {"role": "MA", "member": ada, "filter": ""}),
            (f"{MEMBERS}/{site.ids['cleo']}/removal", {}),
            ("/organization/invite-link/reset", {"first": "true"}),
        ]
    if kind == "inviting":
        late = await inviting.id_of("late@fenwick.example")
        return [
            (f"{INVITATIONS}/{late}/resend", {}),
            (f"{INVITATIONS}/{late}/role", {"role": "RE"}),
            (f"{INVITATIONS}/several", {"invitation": late, "action": "resend", "filter": ""}),
            (f"{INVITATIONS}/{late}/revocation", {}),
            (INVITATIONS, {"emails": "somebody@new.example", "role": "AN"}),
        ]
    return []


@ON_SQLITE
async def test_the_form_that_asks_for_the_password_anew_is_valid(site: Site) -> None:
    ada, olga = await site.person("ada"), await site.sign_in("olga")
    await engine.write(engine.execute, "UPDATE session SET password_at = 0")
    answers: dict[str, str] = {}
    for password in ({}, {"current_password": "not this one"}):
        page, piece = await both(olga, f"{MEMBERS}/{ada}/role", {"role": "AD", **password})
        answers |= {f"page {password}": page.text, f"piece {password}": piece.text}

    assert html_checker.faults(answers) == {}


def test_the_checker_sees_what_is_wrong() -> None:
    wrong = {
        "Stray end tag": "<p>One<p>Two</div>",
        "must not appear as a descendant of the “button”": "<button><a href='/'>In</a></button>",
        "Duplicate ID": "<tr><td><p id=a><span id=a></span></td></tr>",
        "not allowed as child of": "<ul><p>Alone</p></ul>",
        "Attribute “colour” not allowed": "<p colour=red>",
        "aria-describedby": "<!doctype html><html lang=en><title>Page</title><p aria-describedby=gone>",
    }

    found = html_checker.faults(
        {
            "sound": "<tr><td hx-get='/'>Good</td></tr><p aria-describedby=else>",
            **{text: text for text in wrong.values()},
        }
    )

    assert set(found) == set(wrong.values())
    for fault, text in wrong.items():
        assert any(fault in line for line in found[text]), found[text]
