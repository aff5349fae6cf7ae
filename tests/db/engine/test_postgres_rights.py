"""The rights that docs/deploy.md gives the user who serves are enough, and change nothing but data."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import asyncpg
import pytest

import app
from db import activity, engine
from db.activity import retention
from db.auth import links, rate_limits
from db.common.dates import DAY_MS
from db.members import last_day
from db.members.directory import role_counts
from db.policy import SYSTEM, Role
from db.schema import migrate
from settings import Settings
from tests.db.engine.test_postgres_connecting import PASSWORD, as_role
from tests.support.engine.small_database import from_outside, on_postgres
from tests.support.pages.site import SECRET, Site
from tests.support.servers.postgres import run_apart

pytestmark = [on_postgres, pytest.mark.usefixtures("database_kind")]

DEPLOY = Path(__file__).parents[3] / "docs" / "deploy.md"
PAGES = [
    "/",
    "/user/account",
    "/organization/members",
    "/organization/members.csv",
    "/organization/invite",
    "/organization/invitations",
    "/organization/activity",
    "/organization/settings",
    "/organization/invitations/import",
]
FORBIDDEN = [
    "DROP TRIGGER activity_kept ON activity",
    "ALTER TABLE activity DISABLE TRIGGER ALL",
    "TRUNCATE activity",
    "UPDATE activity SET at = 0",
    "DELETE FROM migration",
    "DROP TABLE member",
    "CREATE TABLE mine (id BIGINT)",
    "ALTER TABLE member ADD COLUMN mine BIGINT",
]


def statements() -> list[str]:
    """The SQL of the section in the docs."""
    section = DEPLOY.read_text("utf-8").partition("### With the least rights")[2].partition("\n### ")[0]
    blocks = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def serving(postgres_server: str, empty_database_url: str) -> Iterator[str]:
    """The url with which a database that its owner has migrated is served."""
    role = f"gatehouse_test_{uuid4().hex}"
    from_outside(postgres_server, f"CREATE ROLE \"{role}\" LOGIN PASSWORD '{PASSWORD}'")
    before, *after = [re.sub(r"\bgatehouse\b", f'"{role}"', line) for line in statements()]
    # PostgreSQL before 15 lets everybody make tables there.
    from_outside(empty_database_url, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    from_outside(empty_database_url, before)
    assert run_apart(migrate.migrate(empty_database_url))
    for statement in after:
        from_outside(empty_database_url, statement)
    yield as_role(empty_database_url, role)
    from_outside(empty_database_url, f'DROP OWNED BY "{role}"')
    from_outside(postgres_server, f'DROP ROLE "{role}"')


@pytest.fixture
async def site(serving: str) -> AsyncIterator[Site]:
    engine.use(serving)
    await engine.start()
    try:
        async with Site.opened(Settings(secret_key=SECRET)) as opened:
            yield opened
    finally:
        await engine.stop()


async def test_a_day_at_the_desk_needs_no_more_rights(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    bob = await site.person("bob")
    olga = await site.sign_in("olga")
    got = {page: (await olga.get(page)).status_code for page in PAGES}

    posts = [
        ("/organization/invitations", {"emails": "cy@example.org", "role": "AN"}),
        (f"/organization/members/{bob}/role", {"role": "AN"}),
        (f"/organization/members/{ada}/end", {"last_day": ""}),
        (f"/organization/members/{ada}/name", {"first_name": "Ada", "last_name": "Lovelace"}),
        (f"/organization/members/{ada}/sessions/end-all", {}),
        (f"/organization/members/{bob}/removal", {}),
        ("/organization/invite-link/reset", {}),
        ("/user/account", {"first_name": "Olga", "last_name": "", "time_zone": "", "theme": "dark"}),
        ("/user/logout", {}),
    ]
    posted = {path: (await olga.submit(path, fields)).status_code for path, fields in posts}

    assert {page: status for page, status in got.items() if status not in (200, 303)} == {}
    assert {path: status for path, status in posted.items() if status != 303} == {}


async def test_what_the_server_does_by_itself_needs_no_more_rights(site: Site, clock: ModuleType) -> None:
    await engine.write(activity.record, SYSTEM, "restored")
    clock.move(3 * DAY_MS)

    for chore in (
        engine.write(app._sweep, site.context),
        rate_limits.sweep(),
        links.forget(),
        last_day.end_due(),
        role_counts.compact(),
        site.context.presence.flush(),
    ):
        await chore

    assert await retention.forget(2) > 0


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_it_is_no_right_to_change_the_log_or_the_tables(site: Site, statement: str) -> None:
    await engine.write(activity.record, SYSTEM, "restored")

    with pytest.raises(engine.Unavailable, match="lacks a right") as refused:
        await engine.write(engine.execute, statement)

    assert isinstance(refused.value.__cause__, asyncpg.InsufficientPrivilegeError)
