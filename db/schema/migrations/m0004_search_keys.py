"""Search keys hold every spelling of a name (db/common/normalization.py); those already stored are rewritten.

And a search within a role has an index that holds its members alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine
from db.common import normalization
from db.policy import Role

ID = "2026-11-27T12:00:00:000004"
DESCRIPTION = "Search finds every spelling of a name"

BATCH = 2_000
# A search within roles begins with their members, or on PostgreSQL with the trigrams of their members alone.
INDEXES = {
    "sqlite": ("CREATE INDEX member_search_by_role ON member (role, id, search_key) WHERE removed_at = 0",),
    "postgres": tuple(
        f"""DO $$ BEGIN
                CREATE INDEX member_by_trigram_{role.value.lower()} ON member
                USING gin (search_key gin_trgm_ops) WHERE role = '{role.value}' AND removed_at = 0;
            EXCEPTION WHEN undefined_object THEN
                RAISE NOTICE 'pg_trgm is not available: search scans';
            END $$"""
        for role in Role
    ),
}


def of_member(email: str, email_key: str, first_name: str, last_name: str) -> tuple[str, str]:
    sort_key = normalization.sort_key(first_name, last_name, email_key)
    return sort_key, normalization.search_text(first_name, last_name, email, email_key)


def of_invitation(email: str, email_key: str, first_name: str, last_name: str) -> tuple[str]:
    return (normalization.search_text(first_name, last_name, email, email_key),)


def of_request(email: str, email_key: str, name: str) -> tuple[str]:
    return (normalization.search_text(name, "", email, email_key),)


async def write_anew(
    table: str, columns: str, written: Sequence[str], keys_of: Callable[..., tuple[str, ...]]
) -> None:
    """Computes the keys of every row that has an address, and writes those that differ.

    columns: what `keys_of` takes. written: the columns it gives.
    """
    after, width = 0, len(columns.split(", "))
    while found := await engine.rows(
        f"SELECT id, {columns}, {', '.join(written)} FROM {table}"
        " WHERE id > ? AND email_key <> '' ORDER BY id LIMIT ?",
        after,
        BATCH,
    ):
        changed = [
            (row[0], *new)
            for row in found
            if (new := keys_of(*row[1 : width + 1])) != tuple(row[width + 1 :])
        ]
        if changed:
            await write(table, written, changed)
        after = found[-1][0]


async def write(table: str, written: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    marks = f"(CAST(? AS BIGINT){', CAST(? AS TEXT)' * len(written)})"
    new = ", ".join(f"{name} = given.column{place}" for place, name in enumerate(written, 2))
    await engine.execute(
        f"UPDATE {table} SET {new} FROM (VALUES {', '.join([marks] * len(rows))}) AS given"
        f" WHERE {table}.id = given.column1",
        *(value for row in rows for value in row),
    )


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        await engine.execute("DROP INDEX IF EXISTS member_by_trigram")
        names = "email, email_key, first_name, last_name"
        await write_anew("member", names, ("name_key", "search_key"), of_member)
        await write_anew("invitation", names, ("search_key",), of_invitation)
        await write_anew("request", "email, email_key, name", ("search_key",), of_request)
        for statement in INDEXES[engine.dialect()]:
            await engine.execute(statement)

    manager.add_raw(make)
    return manager
