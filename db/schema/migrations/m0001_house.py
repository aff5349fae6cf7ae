"""The first house: organization, members, sessions, links, throttle, activity.

The rules that must hold whatever the program does stand here as constraints.
"""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from db import engine

ID = "2026-11-22T12:00:00:000001"
DESCRIPTION = "The first house"

ROLES = "'OW', 'AD', 'MA', 'RE', 'AN', 'NO', 'DI'"

# {id}: a key that is never used twice. {opens}: the FK is checked at COMMIT, so hand-over can pass through.
TABLES = (
    """CREATE TABLE installation (
        id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        key_fingerprint TEXT NOT NULL,
        made_at BIGINT NOT NULL
    )""",
    f"""CREATE TABLE member (
        id <id>,
        email TEXT NOT NULL,
        email_key TEXT UNIQUE,
        first_name TEXT NOT NULL,
        last_name TEXT NOT NULL,
        name_key TEXT NOT NULL,
        search_key TEXT NOT NULL,
        password_hash TEXT NOT NULL,
        password_generation BIGINT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ({ROLES})),
        came_by TEXT NOT NULL CHECK (came_by IN ('setup', 'link', 'signup', 'invitation', 'command')),
        link_id BIGINT NOT NULL,
        invited_by BIGINT NOT NULL,
        confirmed_at BIGINT NOT NULL,
        joined_at BIGINT NOT NULL,
        last_activity_at BIGINT NOT NULL,
        time_zone TEXT NOT NULL,
        theme TEXT NOT NULL CHECK (theme IN ('system', 'light', 'dark')),
        removed_at BIGINT NOT NULL,
        ends_at BIGINT NOT NULL DEFAULT 0,
        end_told_at BIGINT NOT NULL DEFAULT 0,
        handed_at BIGINT NOT NULL DEFAULT 0,
        UNIQUE (id, role),
        CHECK ((removed_at = 0) = (email_key IS NOT NULL)),
        CHECK (removed_at = 0 OR role = 'DI'),
        CHECK (ends_at = 0 OR role <> 'OW')
    )""",
    """CREATE TABLE organization (
        id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        title TEXT NOT NULL,
        made_at BIGINT NOT NULL,
        owner_id BIGINT NOT NULL,
        owner_role TEXT NOT NULL CHECK (owner_role = 'OW'),
        link_ends TEXT NOT NULL DEFAULT 'never' CHECK (link_ends IN ('never', 'after', 'on')),
        link_days BIGINT NOT NULL DEFAULT 0 CHECK (link_days >= 0),
        link_ends_at BIGINT NOT NULL DEFAULT 0,
        link_max_uses BIGINT NOT NULL DEFAULT 0 CHECK (link_max_uses >= 0),
        link_domains TEXT NOT NULL DEFAULT '',
        notice_waiting TEXT NOT NULL DEFAULT 'administrators'
            CHECK (notice_waiting IN ('administrators', 'owner', 'nobody')),
        notice_asked TEXT NOT NULL DEFAULT 'administrators'
            CHECK (notice_asked IN ('administrators', 'owner', 'nobody')),
        notice_ending TEXT NOT NULL DEFAULT 'administrators'
            CHECK (notice_ending IN ('administrators', 'owner', 'nobody')),
        session_age BIGINT NOT NULL DEFAULT 0 CHECK (session_age >= 0),
        session_idle BIGINT NOT NULL DEFAULT 0 CHECK (session_idle >= 0),
        may_ask BIGINT NOT NULL DEFAULT 0 CHECK (may_ask IN (0, 1)),
        FOREIGN KEY (owner_id, owner_role) REFERENCES member (id, role) DEFERRABLE INITIALLY DEFERRED
    )""",
    """CREATE TABLE role_note (
        id <id>,
        role TEXT NOT NULL UNIQUE CHECK (role IN ('OW', 'AD', 'MA', 'RE', 'AN', 'NO')),
        text TEXT NOT NULL
    )""",
    f"""CREATE TABLE role_ledger (
        id <id>,
        role TEXT NOT NULL CHECK (role IN ({ROLES})),
        n BIGINT NOT NULL
    )""",
    """CREATE TABLE session (
        id <id>,
        member_id BIGINT NOT NULL REFERENCES member (id),
        token_hash TEXT NOT NULL UNIQUE,
        gate_hash TEXT UNIQUE,
        kept BIGINT NOT NULL CHECK (kept IN (0, 1)),
        made_at BIGINT NOT NULL,
        used_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        end_reason TEXT NOT NULL,
        address TEXT NOT NULL,
        device TEXT NOT NULL
    )""",
    """CREATE TABLE links (
        id <id>,
        purpose TEXT NOT NULL CHECK (purpose IN (
            'setup', 'invite', 'invitation', 'reset', 'address', 'request'
        )),
        subject BIGINT NOT NULL,
        nonce TEXT NOT NULL,
        made_at BIGINT NOT NULL,
        made_by BIGINT NOT NULL,
        expires_at BIGINT NOT NULL,
        ended_at BIGINT NOT NULL,
        end_reason TEXT NOT NULL,
        uses BIGINT NOT NULL,
        max_uses BIGINT NOT NULL,
        CHECK (max_uses = 0 OR uses <= max_uses),
        CHECK ((ended_at = 0) = (end_reason = ''))
    )""",
    """CREATE TABLE throttle (
        key TEXT NOT NULL PRIMARY KEY,
        tries BIGINT NOT NULL,
        last_at BIGINT NOT NULL,
        ends_at BIGINT NOT NULL
    )""",
    """CREATE TABLE activity (
        id <id>,
        at BIGINT NOT NULL,
        actor_kind TEXT NOT NULL CHECK (actor_kind IN ('member', 'command', 'system', 'visitor')),
        actor_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        about TEXT NOT NULL CHECK (about IN ('', 'member', 'invitation', 'link', 'request')),
        subject_id BIGINT NOT NULL,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        address TEXT NOT NULL,
        CHECK ((about = '') = (subject_id = 0))
    )""",
    """CREATE TABLE activity_mark (
        id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
        at BIGINT NOT NULL
    )""",
)

INDEXES = (
    "CREATE UNIQUE INDEX member_one_owner ON member (role) WHERE role = 'OW'",
    "CREATE INDEX member_by_email ON member (role, email_key, id) WHERE removed_at = 0",
    "CREATE INDEX member_by_name ON member (role, name_key, id) WHERE removed_at = 0",
    "CREATE INDEX member_by_joined ON member (role, joined_at, id) WHERE removed_at = 0",
    "CREATE INDEX member_by_activity ON member (role, last_activity_at, id) WHERE removed_at = 0",
    "CREATE INDEX member_by_link ON member (link_id, role, joined_at, id)"
    " WHERE link_id > 0 AND removed_at = 0",
    "CREATE INDEX member_by_end ON member (ends_at, id) WHERE ends_at > 0 AND role <> 'DI'",
    "CREATE INDEX session_open ON session (member_id, id) WHERE ended_at = 0",
    "CREATE INDEX session_by_end ON session (expires_at)",
    "CREATE UNIQUE INDEX links_one_invite_link ON links (purpose) WHERE purpose = 'invite' AND ended_at = 0",
    "CREATE UNIQUE INDEX links_one_setup ON links (purpose) WHERE purpose = 'setup' AND ended_at = 0",
    "CREATE INDEX links_invite ON links (id) WHERE purpose = 'invite'",
    "CREATE INDEX links_open ON links (purpose, subject) WHERE ended_at = 0",
    "CREATE INDEX throttle_by_end ON throttle (ends_at)",
    # Each filter of the log walks one of these in the order of time, and looks at nothing but the index until
    # it has a page. before, after and subject_id are what the drawing above the log counts.
    "CREATE INDEX activity_by_time ON activity (at, id)",
    "CREATE INDEX activity_by_kind ON activity (kind, at, id, before, after, subject_id)",
    "CREATE INDEX activity_by_actor ON activity (actor_id, kind, at, id) WHERE actor_id > 0",
    "CREATE INDEX activity_by_subject ON activity (subject_id, about, kind, at, id) WHERE subject_id > 0",
)

# The number of members by role is a sum over a ledger that triggers write: exact, and no hot row.
SQLITE_ONLY = (
    """CREATE TRIGGER member_added AFTER INSERT ON member WHEN NEW.removed_at = 0 BEGIN
        INSERT INTO role_ledger (role, n) VALUES (NEW.role, 1);
    END""",
    """CREATE TRIGGER member_changed AFTER UPDATE OF role, removed_at ON member
    WHEN OLD.role <> NEW.role OR OLD.removed_at <> NEW.removed_at BEGIN
        INSERT INTO role_ledger (role, n) SELECT OLD.role, -1 WHERE OLD.removed_at = 0;
        INSERT INTO role_ledger (role, n) SELECT NEW.role, 1 WHERE NEW.removed_at = 0;
    END""",
    # Substring search: trigrams of the folded name and address, kept in step by triggers.
    """CREATE VIRTUAL TABLE member_search USING fts5 (
        search_key, content = 'member', content_rowid = 'id', tokenize = 'trigram case_sensitive 1'
    )""",
    """CREATE TRIGGER member_search_added AFTER INSERT ON member BEGIN
        INSERT INTO member_search (rowid, search_key) VALUES (NEW.id, NEW.search_key);
    END""",
    """CREATE TRIGGER member_search_changed AFTER UPDATE OF search_key ON member
    WHEN OLD.search_key <> NEW.search_key BEGIN
        INSERT INTO member_search (member_search, rowid, search_key)
        VALUES ('delete', OLD.id, OLD.search_key);
        INSERT INTO member_search (rowid, search_key) VALUES (NEW.id, NEW.search_key);
    END""",
    # The log is append-only: nothing changes a row, and only what is older than the retention's mark goes.
    # The mark moves forward alone. INSERT OR REPLACE would delete without asking, so it is refused as well.
    """CREATE TRIGGER activity_unchanged BEFORE UPDATE ON activity BEGIN
        SELECT RAISE(ABORT, 'activity is append-only');
    END""",
    """CREATE TRIGGER activity_not_replaced BEFORE INSERT ON activity
    WHEN EXISTS (SELECT 1 FROM activity WHERE id = NEW.id) BEGIN
        SELECT RAISE(ABORT, 'activity is append-only');
    END""",
    """CREATE TRIGGER activity_kept BEFORE DELETE ON activity
    WHEN OLD.at >= COALESCE((SELECT at FROM activity_mark), 0) BEGIN
        SELECT RAISE(ABORT, 'activity is append-only');
    END""",
    """CREATE TRIGGER activity_mark_forward BEFORE UPDATE ON activity_mark WHEN NEW.at < OLD.at BEGIN
        SELECT RAISE(ABORT, 'the mark only moves forward');
    END""",
    """CREATE TRIGGER activity_mark_not_replaced BEFORE INSERT ON activity_mark
    WHEN NEW.at < COALESCE((SELECT at FROM activity_mark), 0) BEGIN
        SELECT RAISE(ABORT, 'the mark only moves forward');
    END""",
    """CREATE TRIGGER activity_mark_kept BEFORE DELETE ON activity_mark BEGIN
        SELECT RAISE(ABORT, 'the mark only moves forward');
    END""",
)

POSTGRES_ONLY = (
    """CREATE FUNCTION ledger_of_added() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO role_ledger (role, n)
        SELECT role, count(*) FROM added WHERE removed_at = 0 GROUP BY role;
        RETURN NULL;
    END $$""",
    """CREATE FUNCTION ledger_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO role_ledger (role, n)
        SELECT role, sum(d) FROM (
            SELECT role, 1 AS d FROM added WHERE removed_at = 0
            UNION ALL SELECT role, -1 FROM gone WHERE removed_at = 0
        ) AS step GROUP BY role HAVING sum(d) <> 0;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER member_added AFTER INSERT ON member REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_of_added()""",
    """CREATE TRIGGER member_changed AFTER UPDATE ON member
    REFERENCING OLD TABLE AS gone NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_of_changed()""",
    # The log is append-only: nothing changes a row, and only what is older than the retention's mark goes.
    # The mark moves forward alone. The errors are of the class of constraints.
    """CREATE FUNCTION activity_refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'activity is append-only' USING ERRCODE = 'check_violation';
    END $$""",
    """CREATE FUNCTION activity_keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF OLD.at >= COALESCE((SELECT at FROM activity_mark), 0) THEN
            RAISE EXCEPTION 'activity is append-only' USING ERRCODE = 'check_violation';
        END IF;
        RETURN OLD;
    END $$""",
    """CREATE FUNCTION activity_mark_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.at < OLD.at THEN
            RAISE EXCEPTION 'the mark only moves forward' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER activity_unchanged BEFORE UPDATE OR TRUNCATE ON activity
    FOR EACH STATEMENT EXECUTE FUNCTION activity_refuses()""",
    """CREATE TRIGGER activity_kept BEFORE DELETE ON activity
    FOR EACH ROW EXECUTE FUNCTION activity_keeps()""",
    """CREATE TRIGGER activity_mark_forward BEFORE UPDATE ON activity_mark
    FOR EACH ROW EXECUTE FUNCTION activity_mark_moves()""",
    """CREATE TRIGGER activity_mark_kept BEFORE DELETE OR TRUNCATE ON activity_mark
    FOR EACH STATEMENT EXECUTE FUNCTION activity_refuses()""",
    # Addresses and folded names sort by bytes on both databases, so pages and cursors agree.
    'ALTER TABLE member ALTER COLUMN email_key TYPE TEXT COLLATE "C"',
    'ALTER TABLE member ALTER COLUMN name_key TYPE TEXT COLLATE "C"',
    'ALTER TABLE member ALTER COLUMN search_key TYPE TEXT COLLATE "C"',
    # Trigram search needs an extension that not every server has; without it the same search scans.
    """DO $$ BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm;
        CREATE INDEX member_by_trigram ON member USING gin (search_key gin_trgm_ops);
    EXCEPTION WHEN OTHERS THEN
        RAISE NOTICE 'pg_trgm is not available: search scans';
    END $$""",
)

KEYS = {
    "sqlite": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}


async def forwards() -> MigrationManager:
    manager = MigrationManager(migration_id=ID, app_name="gatehouse", description=DESCRIPTION)

    async def make() -> None:
        dialect = engine.dialect()
        own = SQLITE_ONLY if dialect == "sqlite" else POSTGRES_ONLY
        for statement in (*TABLES, *INDEXES, *own):
            await engine.execute(statement.replace("<id>", KEYS[dialect]))

    manager.add_raw(make)
    return manager
