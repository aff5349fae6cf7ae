"""Drafts: what was typed into a form whose session had ended."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine
from db.schema.migrations.m0001_house import KEYS

ID = "2026-11-27T12:00:00:000005"
DESCRIPTION = "Drafts of forms whose session had ended"

STATEMENTS = (
    """CREATE TABLE draft (
        id <id>,
        member_id BIGINT NOT NULL,
        key_hash TEXT NOT NULL UNIQUE,
        page TEXT NOT NULL,
        content TEXT NOT NULL,
        made_at BIGINT NOT NULL
    )""",
    "CREATE INDEX draft_by_member ON draft (member_id, id)",
    "CREATE INDEX draft_by_time ON draft (made_at)",
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        for statement in STATEMENTS:
            await engine.execute(statement.replace("<id>", KEYS[engine.dialect()]))

    manager.add_raw(make)
    return manager
