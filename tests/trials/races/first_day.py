"""Races about who sets the house up. After it a server never asks again whether it is: each try has its own.

Two applications of one process on an empty database stand for the servers.
"""

import random
from collections.abc import Coroutine
from typing import Any, Final

from app import create_app
from db import engine
from db.auth import links
from db.organization import setup
from settings import Settings
from tests.support.concurrency import at_once
from tests.support.pages.changing_requests import NEW_PASSWORD
from tests.support.pages.site import SECRET, Site, someone
from tests.trials.races import invariants

# A part of all tries on one database.
TIMES: Final = 100


async def attempt(rng: random.Random) -> list[str]:
    """Two or three set up by the same link, and perhaps a command: there is one Owner. What is broken."""
    settings = Settings(secret_key=SECRET)
    async with Site.opened(settings, founded=False) as site:
        other = Site(create_app(settings))
        code = await site.setup_code()
        fields = {"title": "Fenwick Herbarium", "first_name": "", "last_name": "", "code": code}
        visitors = [(site, other)[number % 2].visitor(f"192.0.2.{number}") for number in range(3)]
        sent: list[Coroutine[Any, Any, Any]] = [
            visitor.submit("/setup", fields, email=f"racer{number}@example.org", password=NEW_PASSWORD)
            for number, visitor in enumerate(visitors)
        ]
        if rng.random() < 0.5:
            sent.append(setup.found_by_operator("Fenwick Herbarium", someone("olga")))
        answers = await at_once(*sent)
        statuses = [getattr(answer, "status_code", answer) for answer in answers]
        for visitor in visitors:
            await visitor.aclose()
        told = await engine.rows("SELECT 1 FROM activity WHERE kind = 'organization_made'")
        members = await engine.rows("SELECT 1 FROM member")
        open_links = await engine.rows(
            f"SELECT 1 FROM links WHERE purpose = '{links.SETUP}' AND ended_at = 0"
        )
        won = sum(status in (303, True) for status in statuses)
        lost = [status for status in statuses if status not in (303, True, 404, 403, False)]
        wrong = await invariants.broken()
        if (won, len(told), len(members), len(open_links), lost) != (1, 1, 1, 0, []):
            wrong.append(f"{len(members)} Owners, {len(told)} told, {len(open_links)} links open")
    return [f"set_up_at_once ({statuses}): {sentence}" for sentence in wrong]
