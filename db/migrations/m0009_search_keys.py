"""Search keys hold every spelling of a name (db/keys.py): those of everybody here are written anew."""

from collections.abc import Callable, Sequence
from typing import Any

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine, keys

ID = "2026-11-27T12:00:00:000009"
DESCRIPTION = "Search finds every spelling of a name"

BATCH = 2_000


def of_member(email: str, email_key: str, first_name: str, last_name: str) -> tuple[str, str]:
    name_key = keys.name_key(first_name, last_name, email_key)
    return name_key, keys.search_key(first_name, last_name, email, email_key)


def of_invitation(email: str, email_key: str, first_name: str, last_name: str) -> tuple[str]:
    return (keys.search_key(first_name, last_name, email, email_key),)


def of_request(email: str, email_key: str, name: str) -> tuple[str]:
    return (keys.search_key(name, "", email, email_key),)


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
        names = "email, email_key, first_name, last_name"
        await write_anew("member", names, ("name_key", "search_key"), of_member)
        await write_anew("invitation", names, ("search_key",), of_invitation)
        await write_anew("request", "email, email_key, name", ("search_key",), of_request)

    manager.add_raw(make)
    return manager
