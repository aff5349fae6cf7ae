"""What holds after every try, whatever was raced, and what is looked at once at the end."""

from typing import Final

from db import engine
from db.members.directory import role_counts

# Each finds what must not be; the sentence says what that is.
NEVER: Final = {
    "a session is open of somebody who is shut out": (
        "SELECT s.id FROM session AS s JOIN member AS m ON m.id = s.member_id"
        " WHERE s.ended_at = 0 AND m.role = 'DI'"
    ),
    "a link is open of somebody who is shut out": (
        "SELECT l.id FROM links AS l JOIN member AS m ON m.id = l.subject"
        " WHERE l.ended_at = 0 AND l.purpose IN ('reset', 'address') AND m.role = 'DI'"
    ),
    # One that was asked for by mail ends none that was handed over.
    "two password links of one kind are open for one member": (
        "SELECT l.subject FROM links AS l WHERE l.ended_at = 0 AND l.purpose = 'reset'"
        " GROUP BY l.subject, l.made_by = l.subject HAVING COUNT(*) > 1"
    ),
    "an invitation is open to somebody who is shut out": (
        "SELECT i.id FROM invitation AS i JOIN member AS m ON m.email_key = i.email_key"
        " WHERE i.ended_at = 0 AND m.role = 'DI'"
    ),
    "an invitation is open of somebody who may not invite": (
        "SELECT i.id FROM invitation AS i JOIN member AS m ON m.id = i.invited_by"
        " WHERE i.ended_at = 0 AND m.role NOT IN ('OW', 'AD')"
    ),
    "an invitation has ended and its link is open": (
        "SELECT i.id FROM invitation AS i JOIN links AS l ON l.id = i.link_id"
        " WHERE i.ended_at > 0 AND l.ended_at = 0"
    ),
    "an invitation was accepted and ended otherwise, by what the log tells": (
        "SELECT i.id FROM invitation AS i"
        " JOIN activity AS a ON a.about = 'invitation' AND a.subject_id = i.id"
        " AND a.kind IN ('invitation_voided', 'invitation_revoked')"
        " WHERE i.end_reason = 'accepted' AND NOT EXISTS (SELECT 1 FROM activity AS b"
        " WHERE b.about = 'invitation' AND b.subject_id = i.id"
        " AND b.kind = 'invitation_brought_back' AND b.id > a.id)"
    ),
    "a link was used more often than it may be": (
        "SELECT id FROM links WHERE max_uses > 0 AND uses > max_uses"
    ),
    "somebody has more than a hundred sessions": (
        "SELECT member_id FROM session WHERE ended_at = 0 GROUP BY member_id HAVING COUNT(*) > 100"
    ),
    "a removed member has a name, an address or a password": (
        "SELECT id FROM member WHERE removed_at > 0"
        " AND (email <> '' OR email_key IS NOT NULL OR password_hash <> '' OR role <> 'DI')"
    ),
}
# Columns that hold an id, and where it must be found; 0 is nobody.
KEYS: Final = (
    ("session", "member_id", "member"),
    ("invitation", "link_id", "links"),
    ("invitation", "invited_by", "member"),
    ("invitation", "batch_id", "batch"),
    ("invitation", "member_id", "member"),
    ("access_request", "invitation_id", "invitation"),
    ("member", "link_id", "links"),
    ("member", "invited_by", "member"),
    ("organization", "owner_id", "member"),
)


async def broken() -> list[str]:
    """A sentence for each that doesn't hold now."""
    return [
        *await _one_owner(),
        *await _counts(),
        *[f"{sentence}: {row[0]}" for sentence, sql in NEVER.items() for row in await engine.rows(sql)],
    ]


async def _one_owner() -> list[str]:
    found = await engine.rows(
        "SELECT m.id, o.owner_id, m.removed_at, m.ends_at FROM organization AS o"
        " LEFT JOIN member AS m ON m.role = 'OW'"
    )
    if len(found) == 1 and found[0][0] == found[0][1] and found[0][2:] == (0, 0):
        return []
    return [f"there isn't one active Owner: {found}"]


async def _counts() -> list[str]:
    """Both in one read transaction, since something else may end at any moment."""

    async def both() -> tuple[dict[str, int], dict[str, int]]:
        counted = await engine.rows("SELECT role, COUNT(*) FROM member WHERE removed_at = 0 GROUP BY role")
        return dict(counted), {role.value: n for role, n in (await role_counts.counts()).items() if n}

    counted, summed = await engine.read(both)
    return [] if counted == summed else [f"{counted} members are counted as {summed}"]


async def broken_at_the_end() -> list[str]:
    """The database's own look at itself, and every id that leads to nothing."""
    found = []
    if engine.dialect() == "sqlite":
        found += [
            f"integrity: {row}" for row in await engine.rows("PRAGMA integrity_check") if row != ("ok",)
        ]
        found += [f"foreign key: {row}" for row in await engine.rows("PRAGMA foreign_key_check")]
    for table, column, target in KEYS:
        lost = await engine.rows(
            f"SELECT t.id FROM {table} AS t LEFT JOIN {target} AS x ON x.id = t.{column}"
            f" WHERE t.{column} > 0 AND x.id IS NULL"
        )
        found += [f"{table}.{column} leads to nothing: {lost[:3]}"] if lost else []
    return found
