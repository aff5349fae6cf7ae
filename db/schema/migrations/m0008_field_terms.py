"""Tables and columns get the field's usual names (db/schema/renames.py lists them)."""

from typing import Final

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine
from db.schema.renames import FIELD_TERMS

# Written out, since `migrate.known` reads it without importing this file.
ID = "2026-11-28T18:00:00:000008"
DESCRIPTION = "Tables and columns are named as is usual"

# The search index names its column, and nothing renames that: it is made anew.
SEARCH_BEFORE: Final = (
    "DROP TRIGGER member_search_added",
    "DROP TRIGGER member_search_changed",
    "DROP TABLE member_search",
)
SEARCH_AFTER: Final = (
    """CREATE VIRTUAL TABLE member_search USING fts5 (
        search_text, content = 'member', content_rowid = 'id', tokenize = 'trigram case_sensitive 1'
    )""",
    "INSERT INTO member_search (member_search) VALUES ('rebuild')",
    """CREATE TRIGGER member_search_added AFTER INSERT ON member BEGIN
        INSERT INTO member_search (rowid, search_text) VALUES (NEW.id, NEW.search_text);
    END""",
    """CREATE TRIGGER member_search_changed AFTER UPDATE OF search_text ON member
    WHEN OLD.search_text <> NEW.search_text BEGIN
        INSERT INTO member_search (member_search, rowid, search_text)
        VALUES ('delete', OLD.id, OLD.search_text);
        INSERT INTO member_search (rowid, search_text) VALUES (NEW.id, NEW.search_text);
    END""",
)
# On PostgreSQL the bodies of functions are texts, which no renaming reaches. SQLite rewrites its triggers.
COUNTING: Final = (
    "DROP TRIGGER member_added ON member",
    "DROP TRIGGER member_changed ON member",
    "DROP FUNCTION ledger_of_added",
    "DROP FUNCTION ledger_of_changed",
    """CREATE FUNCTION count_added_roles() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO role_count (role, n)
        SELECT role, count(*) FROM added WHERE removed_at = 0 GROUP BY role;
        RETURN NULL;
    END $$""",
    """CREATE FUNCTION count_changed_roles() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO role_count (role, n)
        SELECT role, sum(d) FROM (
            SELECT role, 1 AS d FROM added WHERE removed_at = 0
            UNION ALL SELECT role, -1 FROM gone WHERE removed_at = 0
        ) AS step GROUP BY role HAVING sum(d) <> 0;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER member_added AFTER INSERT ON member REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_added_roles()""",
    """CREATE TRIGGER member_changed AFTER UPDATE ON member
    REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_roles()""",
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        sqlite = engine.dialect() == "sqlite"
        for statement in SEARCH_BEFORE if sqlite else ():
            await engine.execute(statement)
        for table, columns in FIELD_TERMS.columns.items():
            for old, new in columns.items():
                await engine.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
                if not sqlite:
                    await _rename_constraints(table, f"{table}_{old}_", f"{table}_{new}_")
        for old, new in FIELD_TERMS.tables.items():
            await engine.execute(f"ALTER TABLE {old} RENAME TO {new}")
            if sqlite:
                await _rename_indexes(old, new)
            else:
                await _rename_constraints(new, f"{old}_", f"{new}_")
                await _rename_relations(f"{old}_", f"{new}_")
        for statement in SEARCH_AFTER if sqlite else COUNTING:
            await engine.execute(statement)

    manager.add_raw(make)
    return manager


async def _rename_indexes(old: str, new: str) -> None:
    """On SQLite an index can't be renamed: those of this table are made anew."""
    for name, sql in await engine.rows(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql <> ''", new
    ):
        await engine.execute(f"DROP INDEX {name}")
        await engine.execute(sql.replace(f"INDEX {name} ", f"INDEX {name.replace(old, new, 1)} ", 1))


async def _rename_constraints(table: str, old: str, new: str) -> None:
    """On PostgreSQL, those of this table whose names begin with `old`."""
    for (name,) in await engine.rows(
        "SELECT conname::text FROM pg_constraint WHERE conrelid = to_regclass(?) AND starts_with(conname, ?)",
        *(table, old),
    ):
        await engine.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name.replace(old, new, 1)}")


async def _rename_relations(old: str, new: str) -> None:
    """On PostgreSQL, indexes and sequences whose names begin with `old`."""
    for name, kind in await engine.rows(
        "SELECT relname::text, relkind::text FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('i', 'S')"
        " AND starts_with(relname, ?)",
        old,
    ):
        thing = "SEQUENCE" if kind == "S" else "INDEX"
        await engine.execute(f"ALTER {thing} {name} RENAME TO {name.replace(old, new, 1)}")
