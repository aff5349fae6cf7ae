"""Errors of the database, and the only place that knows those of the drivers.

No message contains words of a driver, a value or a statement. The driver's error is the `__cause__`, which
is only for the log.
"""

import re
import socket
import sqlite3
import ssl
from typing import Any


class DatabaseError(Exception):
    """The database refused or failed to do something."""


class ConstraintViolation(DatabaseError):
    """A constraint refused the transaction; none of it is stored.

    where: names the constraint as well as the driver can. For a NOT NULL, and for a UNIQUE or PRIMARY KEY of
    plain columns, "table.column" or "table.a, table.b". For a CHECK and an index of expressions, its name.
    For a foreign key, its name on PostgreSQL and "" on SQLite, which doesn't say.
    """

    def __init__(self, where: str) -> None:
        super().__init__(f"The change is refused by a constraint: {where or 'a foreign key'}")
        self.where = where


class UniqueViolation(ConstraintViolation):
    """Another row has the same value."""


class Unavailable(DatabaseError):
    """The database is locked, gone, full or unreadable at the moment: try again later (503).

    None of the transaction is stored, unless the connection broke during COMMIT: then it is unknown.
    """


class BeingServed(DatabaseError):
    """The database can't be replaced, because a server is running on it."""


class TookTooLong(DatabaseError):
    """A query reached its time limit and was stopped."""


class Unsupported(DatabaseError):
    """This database can't be used at all. The message says why, in one line. Raised by `start()`."""


class BadQuery(DatabaseError):
    """The database can't understand a statement, or an argument has the wrong type: a bug of ours."""


class EngineUsageError(RuntimeError):
    """The engine was used in a way that it forbids: a bug of ours."""


USE_WRITE = "write only in a function that is passed to db.engine.write()"
A_SERVER_RUNS = "A server is running on this database: stop it first."
TRANSACTION_ENDED_INSIDE = "a transaction is begun and ended by the engine alone"
POOL_IS_CLOSED = "the pool of connections is closed"
BEING_REPLACED = "The database is being replaced at the moment."

NOT_A_URL = (
    "The URL of the database can't be understood: it is written like postgresql://user:password@host/name, "
    "with special characters of the password percent-encoded, like %2F for /."
)
NO_AUTHORITY = (
    "sslmode in the URL of the database asks who vouches for the server: add sslrootcert= and the path of a "
    "file with the certificate of your authority."
)
NO_RIGHT = (
    "The user of the database lacks a right: make it the owner of the database, its schema and its tables."
)

_UNAVAILABLE = "The database can't be used at the moment."
_TOOK_TOO_LONG = "The database took too long to answer."
_BAD_QUERY = "The database doesn't understand a statement or one of its arguments."

# Primary result codes of SQLite (https://www.sqlite.org/rescode.html): PERM, BUSY, LOCKED, NOMEM, READONLY,
# IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOLFS, NOTADB.
_SQLITE_UNAVAILABLE = frozenset({3, 5, 6, 7, 8, 10, 11, 13, 14, 15, 22, 26})
_SQLITE_UNIQUE = frozenset(
    {sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID}
)

# Beginnings of SQLSTATE (PostgreSQL's appendix A): connection exception, idle transaction timeout, invalid
# authorization, invalid database name, transaction rollback, insufficient resources, database not accepting
# connections, lock not available, operator intervention, system error, internal error.
_POSTGRES_UNAVAILABLE = ("08", "25P03", "28", "3D", "40", "53", "55000", "55P03", "57P", "58", "XX")
_UNIQUE, _NOT_NULL, _CANCELLED, _READ_ONLY, _NO_RIGHT = "23505", "23502", "57014", "25006", "42501"


# Why connecting failed, by the beginning of the SQLSTATE. The first match counts.
_UNREACHABLE = (
    ("28", "The database server refuses the user or the password."),
    ("3D", "The server has no database of this name: create it first."),
    ("42501", "The user may not connect to this database."),
    ("53300", "The database server takes no more connections, or not for this user or database."),
    ("55000", "The database takes no connections at the moment."),
    ("57P", "The database server is starting or stopping."),
)


# OpenSSL's codes for a certificate of another host name or IP address.
_WRONG_HOST_CODES = (62, 64)
_WRONG_HOST = "The certificate of the database server is for another name than the URL of the database has."
_UNTRUSTED_CERTIFICATE = (
    "The certificate of the database server has expired, or nobody vouches for it whom sslrootcert names in "
    "the URL of the database."
)
_NO_TLS = "The database server speaks no TLS, which sslmode in the URL of the database asks for."


def unreachable(error: BaseException) -> Unavailable:
    """Why connecting failed. It is always Unavailable, since the cause may be fixed while we run."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Unavailable(_WRONG_HOST if error.verify_code in _WRONG_HOST_CODES else _UNTRUSTED_CERTIFICATE)
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        return Unavailable(_NO_TLS)
    sqlstate = getattr(error, "sqlstate", None) or ""
    return Unavailable(next((why for key, why in _UNREACHABLE if sqlstate.startswith(key)), _UNAVAILABLE))


_SQLITE_REASONS = {
    3: "the right to it is missing",
    5: "another process keeps it locked",
    6: "another process keeps it locked",
    8: "it can't be written",
    10: "the disk can't be read or written",
    11: "the file is damaged",
    13: "the disk is full",
    14: "the file can't be opened",
    26: "the file is no database",
}
_POSTGRES_REASONS = {
    "28P01": "the user or the password is wrong",
    "28000": "the server doesn't let this user in from here",
    "3D000": "the server has no database of that name",
    "53100": "the server's disk is full",
    "53300": "the server takes no more connections",
    "55000": "the database takes no connections",
    "57P03": "the server is starting or stopping",
    "42501": "the user has no right to it",
}


def translate(error: BaseException, *, gone: bool = False) -> DatabaseError | EngineUsageError:
    """Our error for one of sqlite3 or asyncpg.

    gone: whether the connection is closed. asyncpg has the same class for that and for wrong calls.
    """
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(error)
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        return _from_postgres(error, sqlstate)
    if isinstance(error, OverflowError | UnicodeError) or (isinstance(error, ValueError) and not gone):
        return BadQuery(_BAD_QUERY)
    if gone or isinstance(error, OSError | TimeoutError):
        return Unavailable(_UNAVAILABLE)
    return BadQuery(_BAD_QUERY)


def reason(error: BaseException | None) -> str:
    """Why a driver failed, in our words: its own may contain parts of the URL, and so of a password."""
    if isinstance(error, sqlite3.Error):
        code: int = getattr(error, "sqlite_errorcode", 0)
        return _SQLITE_REASONS.get(code & 0xFF, f"error {code} of SQLite")
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        return _POSTGRES_REASONS.get(sqlstate, f"error {sqlstate} of PostgreSQL")
    if isinstance(error, ssl.SSLCertVerificationError) or type(error) is ConnectionError:
        # The message of `unreachable()` says everything.
        return ""
    if isinstance(error, ssl.SSLError):
        return "its TLS isn't accepted"
    if isinstance(error, socket.gaierror):
        return "the name of its host isn't known"
    if isinstance(error, TimeoutError):
        return "it doesn't answer in time"
    if isinstance(error, ConnectionError):
        return "nothing answers at that host and port"
    if isinstance(error, OSError):
        return "it can't be reached"
    return ""


def _from_sqlite(error: sqlite3.Error) -> DatabaseError | EngineUsageError:
    code: int = getattr(error, "sqlite_errorcode", 0)
    if isinstance(error, sqlite3.IntegrityError):
        where = str(error).partition("failed: ")[2]
        if named := re.fullmatch(r"index '(.+)'", where):
            where = named[1]
        return UniqueViolation(where) if code in _SQLITE_UNIQUE else ConstraintViolation(where)
    if code & 0xFF == sqlite3.SQLITE_INTERRUPT:
        return TookTooLong(_TOOK_TOO_LONG)
    if code & 0xFF in _SQLITE_UNAVAILABLE:
        return Unavailable(_UNAVAILABLE)
    return BadQuery(_BAD_QUERY)


def _from_postgres(error: Any, sqlstate: str) -> DatabaseError | EngineUsageError:
    if sqlstate.startswith("23"):
        where = _where_in_postgres(error, sqlstate)
        return UniqueViolation(where) if sqlstate == _UNIQUE else ConstraintViolation(where)
    if sqlstate == _CANCELLED:
        return TookTooLong(_TOOK_TOO_LONG)
    if sqlstate == _READ_ONLY:
        return EngineUsageError(USE_WRITE)
    if sqlstate == _NO_RIGHT:
        return Unavailable(NO_RIGHT)
    if sqlstate.startswith(_POSTGRES_UNAVAILABLE):
        return Unavailable(_UNAVAILABLE)
    return BadQuery(_BAD_QUERY)


def _where_in_postgres(error: Any, sqlstate: str) -> str:
    """SQLite's "table.a, table.b", built from PostgreSQL's detail "Key (a, b)=(…) already exists."

    It reads only what is in the brackets, so the server may use any language.
    """
    if sqlstate == _NOT_NULL:
        return f"{error.table_name}.{error.column_name}"
    if sqlstate == _UNIQUE and (key := re.search(r"\((.+?)\)=\(", error.detail or "")):
        columns = key[1].split(", ")
        if all(re.fullmatch(r"\w+", column) for column in columns):
            return ", ".join(f"{error.table_name}.{column}" for column in columns)
    return error.constraint_name or ""
