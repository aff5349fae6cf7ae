"""Who was shown which invitation's link, which ends with their right to invite."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine
from db.common import clock
from db.schema.migrations.m0001_house import KEYS

ID = "2026-11-28T12:00:00:000007"
DESCRIPTION = "Who was shown an invitation's link"

TABLES = (
    """CREATE TABLE invitation_shown (
        id <id>,
        invitation_id BIGINT NOT NULL REFERENCES invitation (id) ON DELETE CASCADE,
        member_id BIGINT NOT NULL REFERENCES member (id) ON DELETE CASCADE,
        shown_at BIGINT NOT NULL,
        UNIQUE (invitation_id, member_id)
    )""",
    "CREATE INDEX invitation_shown_by_member ON invitation_shown (member_id)",
    # When all of a member's sessions end, those that ran out before are no longer theirs either.
    "CREATE INDEX session_expired ON session (member_id) WHERE end_reason = 'expired'",
)
# The log knows to whom a link was shown that also went by mail.
FROM_THE_LOG = (
    "INSERT INTO invitation_shown (invitation_id, member_id, shown_at)"
    " SELECT i.id, m.id, MIN(a.at) FROM invitation AS i"
    " JOIN activity AS a ON a.subject_id = i.id AND a.subject_id > 0 AND a.about = 'invitation'"
    " AND a.kind = 'invitation_shown' JOIN member AS m ON m.id = a.actor_id"
    " WHERE i.ended_at = 0 AND i.shown_at > 0 GROUP BY i.id, m.id"
)
# Without mail every link stood on a page that all who administered could open, and nothing noted who did.
FROM_THE_PAGE = (
    "INSERT INTO invitation_shown (invitation_id, member_id, shown_at)"
    " SELECT i.id, m.id, i.shown_at FROM invitation AS i JOIN batch AS b ON b.id = i.batch_id"
    " JOIN member AS m ON m.role IN ('OW', 'AD') OR m.id IN (i.invited_by, b.made_by)"
    " WHERE i.ended_at = 0 AND i.shown_at > 0 AND NOT EXISTS (SELECT 1 FROM invitation_shown AS s"
    " WHERE s.invitation_id = i.id AND s.shown_at <= i.shown_at)"
    " ON CONFLICT DO NOTHING"
)
# Whoever saw one and administers no more has a living link until now.
OUTLIVED = (
    "ended_at = 0 AND id IN (SELECT s.invitation_id FROM invitation_shown AS s"
    " JOIN member AS m ON m.id = s.member_id WHERE m.role NOT IN ('OW', 'AD'))"
)


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        for statement in TABLES:
            await engine.execute(statement.replace("<id>", KEYS[engine.dialect()]))
        await engine.execute(FROM_THE_LOG)
        await engine.execute(FROM_THE_PAGE)
        now = clock.now()
        await engine.execute(
            "INSERT INTO activity (at, actor_kind, actor_id, kind, about, subject_id, before, after, address)"
            " SELECT ?, 'system', 0, 'invitation_voided', 'invitation', id, '', '', '' FROM invitation"
            f" WHERE {OUTLIVED} ORDER BY id",
            now,
        )
        await engine.execute(
            "UPDATE links SET ended_at = ?, end_reason = 'void' WHERE ended_at = 0"
            f" AND id IN (SELECT link_id FROM invitation WHERE {OUTLIVED})",
            now,
        )
        await engine.execute(
            "UPDATE outbox SET state = 'void', done_at = ? WHERE state = 'queued'"
            f" AND invitation_id IN (SELECT id FROM invitation WHERE {OUTLIVED})",
            now,
        )
        await engine.execute(f"UPDATE invitation SET ended_at = ?, end_reason = 'void' WHERE {OUTLIVED}", now)

    manager.add_raw(make)
    return manager
