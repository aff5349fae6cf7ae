"""Invitations by email, and the outbox for every mail that Gatehouse owes somebody."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine

ID = "2026-11-22T12:00:00:000002"
DESCRIPTION = "Invitations and mail"

TABLES = (
    """CREATE TABLE batch (
        id <id>,
        made_at BIGINT NOT NULL,
        made_by BIGINT NOT NULL,
        invited BIGINT NOT NULL,
        approved BIGINT NOT NULL,
        left_alone BIGINT NOT NULL
    )""",
    """CREATE TABLE invitation (
        id <id>,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL,
        first_name TEXT NOT NULL,
        last_name TEXT NOT NULL,
        search_key TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('AD', 'MA', 'RE', 'AN')),
        invited_by BIGINT NOT NULL,
        batch_id BIGINT NOT NULL,
        link_id BIGINT NOT NULL UNIQUE,
        mail_id BIGINT NOT NULL,
        made_at BIGINT NOT NULL,
        shown_at BIGINT NOT NULL,
        asked_at BIGINT NOT NULL,
        reminded_at BIGINT NOT NULL,
        member_id BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        end_reason TEXT NOT NULL CHECK (end_reason IN ('', 'accepted', 'revoked', 'void')),
        CHECK ((ended_at = 0) = (end_reason = '')),
        CHECK ((end_reason = 'accepted') = (member_id <> 0))
    )""",
    """CREATE TABLE request (
        id <id>,
        email TEXT NOT NULL,
        email_key TEXT NOT NULL,
        name TEXT NOT NULL,
        words TEXT NOT NULL,
        search_key TEXT NOT NULL,
        link_id BIGINT NOT NULL,
        made_at BIGINT NOT NULL,
        confirmed_at BIGINT NOT NULL,
        invitation_id BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        end_reason TEXT NOT NULL CHECK (end_reason IN ('', 'invited', 'dismissed', 'joined', 'expired')),
        CHECK ((ended_at = 0) = (end_reason = ''))
    )""",
    """CREATE TABLE upload (
        id <id>,
        made_at BIGINT NOT NULL,
        made_by BIGINT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('AD', 'MA', 'RE', 'AN')),
        content TEXT NOT NULL
    )""",
    """CREATE TABLE outbox (
        id <id>,
        kind TEXT NOT NULL CHECK (kind IN (
            'invitation', 'reminder', 'waiting', 'approved', 'accepted', 'reset', 'handed', 'password',
            'address', 'asked', 'ownership', 'ending', 'request', 'requested'
        )),
        recipient TEXT NOT NULL,
        member_id BIGINT NOT NULL,
        subject_id BIGINT NOT NULL,
        invitation_id BIGINT NOT NULL,
        link_id BIGINT NOT NULL,
        batch_id BIGINT NOT NULL,
        message_id TEXT NOT NULL UNIQUE,
        state TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'void', 'held')),
        tries BIGINT NOT NULL,
        made_at BIGINT NOT NULL,
        due_at BIGINT NOT NULL,
        leased_until BIGINT NOT NULL,
        lease TEXT NOT NULL,
        done_at BIGINT NOT NULL,
        said TEXT NOT NULL
    )""",
)

INDEXES = (
    # One open invitation per address, whoever invites at the same instant.
    "CREATE UNIQUE INDEX invitation_one_open ON invitation (email_key) WHERE ended_at = 0",
    "CREATE INDEX invitation_by_address ON invitation (email_key, id)",
    "CREATE INDEX invitation_by_inviter ON invitation (invited_by) WHERE ended_at = 0",
    "CREATE INDEX invitation_by_batch ON invitation (batch_id, id)",
    "CREATE INDEX invitation_by_state ON invitation (end_reason, id)",
    "CREATE UNIQUE INDEX request_one_open ON request (email_key) WHERE ended_at = 0",
    "CREATE INDEX request_by_address ON request (email_key, ended_at)",
    "CREATE INDEX outbox_by_invitation ON outbox (invitation_id)",
    "CREATE INDEX outbox_due ON outbox (due_at, id) WHERE state = 'queued'",
    "CREATE INDEX outbox_by_batch ON outbox (batch_id, state) WHERE batch_id <> 0",
    # What was done long ago is swept each minute.
    "CREATE INDEX outbox_done ON outbox (done_at) WHERE done_at > 0",
    # "Somebody waits": one queued mail for each Administrator, however many people come meanwhile.
    "CREATE UNIQUE INDEX outbox_one_waiting ON outbox (member_id)"
    " WHERE kind = 'waiting' AND state = 'queued'",
    "CREATE INDEX outbox_waiting ON outbox (member_id, due_at) WHERE kind = 'waiting'",
)

COLUMNS = (
    "ALTER TABLE member ADD COLUMN wants_notices BIGINT NOT NULL DEFAULT 1 CHECK (wants_notices IN (0, 1))",
)

KEYS = {
    "sqlite": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        for statement in (*TABLES, *INDEXES, *COLUMNS):
            await engine.execute(statement.replace("<id>", KEYS[engine.dialect()]))

    manager.add_raw(make)
    return manager
