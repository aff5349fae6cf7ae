"""What PostgreSQL needs to be used: checks of the URL and the database, each with a sentence."""

import os
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from db.engine.errors import NOT_A_URL, Unavailable, Unsupported
from db.engine.postgres_connection import Connection

OLDEST: Final = 12
# A URL without a path may name its database by one of these parameters.
NAMES: Final = frozenset({"dbname", "database", "service"})
# Parameters of a URL that name files for TLS.
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
# Unknown setting, invalid value, no right to set it, not to be set while the server runs.
SETTING_REFUSED: Final = frozenset({"42704", "22023", "42501", "55P02"})

# The schema is NULL if the user may use none of the search path.
_FACTS: Final = """
    SELECT current_setting('server_encoding'), pg_is_in_recovery(), current_schema(),
        has_schema_privilege(current_schema(), 'CREATE'),
        EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'migration')
"""


def refuse_url(url: str) -> None:
    """Raises Unsupported for a URL without a database, for which the driver would use the user's name.

    Also for a URL with a file that can't be read, which the driver reports as a missing server.
    """
    try:
        parts = urlsplit(url)
        parameters = dict(parse_qsl(parts.query))
    except ValueError:
        raise Unsupported(NOT_A_URL) from None
    # If the path is only a slash, the name is empty and parameters don't count.
    if not parts.path.strip("/") and (parts.path or not parameters.keys() & NAMES):
        raise Unsupported(
            "The URL of the database names no database: it ends in its name, like "
            "postgresql://user:password@host/gatehouse."
        )
    for name in FILES:
        if name in parameters and not os.access(parameters[name], os.R_OK):
            raise Unsupported(
                f"The file that {name} names in the URL of the database isn't there, or may not be read."
            )


def refused_setting(url: str, error: BaseException) -> Unsupported | None:
    """The error for a parameter of the URL that the driver sent as a setting and the server refused."""
    message = str(error)
    refused = (name for name, _ in parse_qsl(urlsplit(url).query) if f'"{name}"' in message)
    if getattr(error, "sqlstate", None) in SETTING_REFUSED and (name := next(refused, None)):
        return Unsupported(
            f"The URL of the database sets {name}, which PostgreSQL doesn't take: correct it or leave it out."
        )
    return None


async def refuse_database(connection: Connection) -> None:
    """Raises Unsupported, or Unavailable for a standby, which may become the primary."""
    version = connection.get_server_version()
    if version.major < OLDEST:
        raise Unsupported(f"This is PostgreSQL {version.major}, and Gatehouse needs {OLDEST} or newer.")
    ((encoding, standby, schema, may_create, has_tables),) = await connection.fetch(_FACTS)
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
