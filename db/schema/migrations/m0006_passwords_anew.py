"""When a session's password was given last, until when somebody was an Administrator, and a kind of mail."""

from typing import Final

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine

ID = "2026-11-27T12:00:00:000006"
DESCRIPTION = "Passwords asked for anew"

COLUMNS: Final = (
    "ALTER TABLE session ADD COLUMN password_at BIGINT NOT NULL DEFAULT 0",
    # Every session began with a password, or with choosing one.
    "UPDATE session SET password_at = made_at",
    "ALTER TABLE member ADD COLUMN administrator_until BIGINT NOT NULL DEFAULT 0",
    # Who lost the role before: the log knows. Who has it now has it by role.
    "UPDATE member SET administrator_until = COALESCE((SELECT MAX(a.at) FROM activity AS a"
    " WHERE a.subject_id = member.id AND a.subject_id > 0 AND a.about = 'member'"
    " AND a.kind = 'role_changed' AND a.before IN ('OW', 'AD')), 0)",
)
# A trigger, so that no way of taking the role can leave it out. The instant is the database's own.
ON_SQLITE: Final = (
    """CREATE TRIGGER member_administrator AFTER UPDATE OF role ON member
    WHEN OLD.role IN ('OW', 'AD') AND NEW.role NOT IN ('OW', 'AD') BEGIN
        UPDATE member
        SET administrator_until = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
        WHERE id = NEW.id;
    END""",
)
ON_POSTGRES: Final = (
    """CREATE FUNCTION administrator_was() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.administrator_until := floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER member_administrator BEFORE UPDATE OF role ON member
    FOR EACH ROW WHEN (OLD.role IN ('OW', 'AD') AND NEW.role NOT IN ('OW', 'AD'))
    EXECUTE FUNCTION administrator_was()""",
    "ALTER TABLE outbox DROP CONSTRAINT outbox_kind_check",
    """ALTER TABLE outbox ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
        'invitation', 'reminder', 'waiting', 'approved', 'accepted', 'reset', 'handed', 'password',
        'address', 'asked', 'ownership', 'ending', 'request', 'requested', 'lowered'
    ))""",
)


async def _allow_kind() -> None:
    """SQLite changes no CHECK: the table is made anew. Its ids go on where they were."""
    ((table,),) = await engine.rows("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = 'outbox'")
    indexes = await engine.rows(
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'outbox' AND sql <> ''"
    )
    new = table.replace("TABLE outbox", "TABLE outbox_new", 1).replace(
        "'requested'", "'requested', 'lowered'", 1
    )
    await engine.execute(new)
    await engine.execute(
        "INSERT INTO sqlite_sequence (name, seq)"
        " SELECT 'outbox_new', seq FROM sqlite_sequence WHERE name = 'outbox'"
    )
    await engine.execute("INSERT INTO outbox_new SELECT * FROM outbox")
    await engine.execute("DROP TABLE outbox")
    await engine.execute("ALTER TABLE outbox_new RENAME TO outbox")
    for (index,) in indexes:
        await engine.execute(index)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        sqlite = engine.dialect() == "sqlite"
        for statement in (*COLUMNS, *(ON_SQLITE if sqlite else ON_POSTGRES)):
            await engine.execute(statement)
        if sqlite:
            await _allow_kind()

    manager.add_raw(make)
    return manager
