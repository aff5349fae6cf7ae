"""Keyset queries of the members: any page of the list costs the same, however long the list is.

An index (role, key, id) holds the members of one role in order. For several roles, a UNION merges a branch
for each and stops when it has enough rows; nothing is sorted or counted. An order by role reads one group of
roles after the other.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, Literal

from db import engine
from db.common.role_codes import codes
from db.members.directory.filters import Cursor, MemberFilter, column_of, groups
from db.policy import Role
from messages import logbook

Dialect = Literal["sqlite", "postgres"]
# The fields of directory.MemberRow, in order. Keyset queries add the sort key at the end.
COLUMNS: Final = f"""m.id, m.email, '' AS domain_shown, m.first_name, m.last_name, m.role, m.joined_via,
    COALESCE((
        SELECT CASE WHEN i.removed_at <> 0 THEN {engine.literal(logbook.REMOVED_INVITER)}
            ELSE COALESCE(NULLIF(TRIM(i.first_name || ' ' || i.last_name), ''), i.email) END
        FROM member AS i WHERE i.id = m.invited_by
    ), '') AS inviter_name,
    m.confirmed_at, m.joined_at, m.last_activity_at, m.ends_at"""


async def query_page(
    filter: MemberFilter,  # noqa: A002
    cursor: Cursor | None,
    backwards: bool,
    limit: int,
) -> list[Any]:
    """Up to `limit` records of the filter's roles after the cursor, or before it, the nearest first."""
    descending = filter.order.startswith("-") is not backwards
    ahead = groups(filter.order)[:: -1 if descending else 1]
    if cursor is not None and cursor.role is not None:
        ahead = ahead[next(at for at, group in enumerate(ahead) if cursor.role in group) :]
    records: list[Any] = []
    for group in ahead:
        roles = tuple(role for role in filter.shown_roles if role in group)
        if roles and len(records) < limit:
            within = cursor if group is ahead[0] else None
            records += await _merged(
                column_of(filter.order), roles, within, descending, limit, filter.condition
            )
    return records[:limit]


async def _merged(
    column: str, roles: tuple[Role, ...], cursor: Cursor | None, descending: bool, limit: int, condition: str
) -> list[Any]:
    """Members of several roles in the order of one column, of those who meet the filter's condition."""
    dialect = engine.dialect()
    sql = statement(dialect, column, roles, cursor is not None, descending, limit, condition)
    return await engine.rows(sql, *arguments(dialect, roles, cursor))


@lru_cache(maxsize=1024)
def statement(
    dialect: Dialect,
    column: str,
    roles: tuple[Role, ...],
    placed: bool,
    descending: bool,
    limit: int,
    condition: str = "",
) -> str:
    """The statement that merges the branches; `arguments` makes its arguments.

    It contains the limit as a number: PostgreSQL would plan a statement with a limit parameter each time.
    """
    direction, sign = ("DESC", "<") if descending else ("ASC", ">")
    if not placed:
        beyond = [""]
    elif dialect == "sqlite":
        # For a row comparison SQLite uses only the first column of the index and would read every row with
        # the same key. So rows with this key and rows beyond it are two branches.
        beyond = [f" AND m.{column} = ? AND m.id {sign} ?", f" AND m.{column} {sign} ?"]
    else:
        beyond = [f" AND (m.{column}, m.id) {sign} (?, ?)"]
    branches = [
        f"SELECT {COLUMNS}, m.{column} AS sort_key FROM member AS m"
        f" WHERE m.role = {codes(role)} AND m.removed_at = 0{condition}{after}"
        for role in roles
        for after in beyond
    ]
    if dialect == "postgres":
        # PostgreSQL merges sorted subqueries; SQLite would sort these, but merges plain branches.
        order = f"ORDER BY m.{column} {direction}, m.id {direction} LIMIT {limit}"
        branches = [
            f"SELECT * FROM ({branch} {order}) AS branch_{number}" for number, branch in enumerate(branches)
        ]
    return f"{' UNION ALL '.join(branches)} ORDER BY sort_key {direction}, id {direction} LIMIT {limit}"


def arguments(dialect: Dialect, roles: Sequence[Role], cursor: Cursor | None) -> tuple[str | int, ...]:
    """The arguments of `statement`."""
    if cursor is None:
        return ()
    of_branch = (cursor.key, cursor.id, cursor.key) if dialect == "sqlite" else (cursor.key, cursor.id)
    return of_branch * len(roles)
