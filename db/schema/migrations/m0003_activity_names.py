"""Names and addresses of removed members, for the activity log."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine

ID = "2026-11-27T12:00:00:000003"
DESCRIPTION = "Names for the log's removals"

TABLE = """CREATE TABLE activity_name (
    id <id>,
    member_id BIGINT NOT NULL,
    about TEXT NOT NULL CHECK (about IN ('member', 'invitation')),
    subject_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    email TEXT NOT NULL,
    removed_at BIGINT NOT NULL,
    UNIQUE (about, subject_id)
)"""

INDEXES = (
    "CREATE INDEX activity_name_by_member ON activity_name (member_id)",
    "CREATE INDEX activity_name_by_time ON activity_name (removed_at)",
)

KEYS = {
    "sqlite": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        for statement in (TABLE, *INDEXES):
            await engine.execute(statement.replace("<id>", KEYS[engine.dialect()]))

    manager.add_raw(make)
    return manager
