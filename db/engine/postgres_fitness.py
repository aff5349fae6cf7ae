"""Refuses a database on PostgreSQL that could be connected to but not used, each with a sentence."""

import os
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from db.engine.errors import NOT_A_URL, Unavailable, Unsupported
from db.engine.postgres_connection import LoneConnection

OLDEST: Final = 12
# A URL without a name may still name its database so.
NAMES: Final = frozenset({"dbname", "database", "service"})
# Files of this machine that a URL may name, for TLS.
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# No such setting; a value that it can't have; not to be set by this user, or while the server runs.
SETTING_REFUSED: Final = frozenset({"42704", "22023", "42501", "55P02"})

# A schema is None where the search path leads to none that the user may look into.
_LOOK: Final = """
    SELECT current_setting('server_encoding'), pg_is_in_recovery(), current_schema(),
        has_schema_privilege(current_schema(), 'CREATE'),
        EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migration')
"""


def refuse_url(url: str) -> None:
    """Raises Unsupported for a URL that names no database: the driver would take one with the user's name.

    So it does for one that names a file that can't be read, which the driver takes for a missing server.
    """
    try:
        parts = urlsplit(url)
        named = dict(parse_qsl(parts.query))
    except ValueError:
        raise Unsupported(NOT_A_URL) from None
    # A path that is only a slash names it empty, and what comes after counts no more.
    if not parts.path.strip("/") and (parts.path or not named.keys() & NAMES):
        raise Unsupported(
            "The URL of the database names no database: it ends in its name, like "
            "postgresql://user:password@host/gatehouse."
        )
    for name in FILES:
        if name in named and not os.access(named[name], os.R_OK):
            raise Unsupported(
                f"The file that {name} names in the URL of the database isn't there, or may not be read."
            )


def refused_setting(url: str, error: BaseException) -> Unsupported | None:
    """The driver sends what it doesn't know in a URL to the server, as a setting of the session."""
    said = str(error)
    named = (name for name, _ in parse_qsl(urlsplit(url).query) if f'"{name}"' in said)
    if getattr(error, "sqlstate", None) in SETTING_REFUSED and (name := next(named, None)):
        return Unsupported(
            f"The URL of the database sets {name}, which PostgreSQL doesn't take: correct it or leave it out."
        )
    return None


async def refuse_database(connection: LoneConnection) -> None:
    """Raises Unsupported, or Unavailable for a standby, which may become a primary."""
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise Unsupported(f"This is PostgreSQL {version.major}, and Gatehouse needs {OLDEST} or newer.")
    ((encoding, standby, schema, may_create, has_tables),) = await connection.fetch(_LOOK)
    if encoding != "UTF8":
        raise Unsupported(
            f"The database keeps text in {encoding}, which can't hold every name: make one in UTF-8, "
            "like createdb --encoding=UTF8 --template=template0 gatehouse."
        )
    if standby:
        raise Unavailable("The database server is a standby, where nothing can be changed: name the primary.")
    if schema is None:
        raise Unsupported(
            "The user of the database has no schema to keep tables in: GRANT USAGE, CREATE ON SCHEMA public "
            "to it, or make it the owner of the database."
        )
    if not may_create and not has_tables:
        raise Unsupported(
            f"The user of the database may not make tables in its schema {schema}: GRANT CREATE ON SCHEMA "
            f"{schema} to it, or make it the owner of the database."
        )
