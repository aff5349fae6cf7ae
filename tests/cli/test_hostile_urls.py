"""No part of a database's password comes out of any command, however wrong its URL is written."""

import socket
import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from db import engine
from tests.cli.test_cli import Done, run

__all__ = ["run"]

ENCODE = "a character of the password has to be percent-encoded, like %2F for /"
# The pieces of the password; none of them may be seen.
FIRST, LAST = "Plover", "Quetzal"
COMMANDS = (("serve", "--port", "0"), ("migrate",), ("check",), ("backup", "file"), ("members",))
TO_ENCODE = [
    f"postgresql://u:{FIRST}/{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}@{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}#{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}?{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}?{LAST}=1@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}?{LAST}=1&b=@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}%{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}%2{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}[{LAST}@127.0.0.1:1/members",
    f"postgresql://u:[{FIRST}{LAST}]@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}]{LAST}@127.0.0.1:1/members",
    f"postgresql://u:/{FIRST}{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}{LAST}#@127.0.0.1:1/members",
    f"postgresql://u:123/{LAST}@127.0.0.1:1/members",
    f"postgresql://u:123?{LAST}@127.0.0.1:1/members",
    f"postgresql://u:123#{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}@{LAST}/@127.0.0.1:1/members",
    f"postgresql+psycopg2://u:{FIRST}/{LAST}@127.0.0.1:1/members",
    f"postgres://u:{FIRST}:{LAST}",
    f"postgresql://{FIRST}:{LAST}/members",
]
OTHERWISE_WRONG = [
    f"postgresql://u:{FIRST}:{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}&{LAST}=1@127.0.0.1:1/members",
    f"postgresql://u:{FIRST} {LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}\\{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}\uff0f{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}%00{LAST}@127.0.0.1:1/members",
    f"postgresql://u:{FIRST}%2F{LAST}@127.0.0.1:abc/members",
    f"postgresql://u:{FIRST}%2F{LAST}@127.0.0.1:99999/members",
    f"postgresql://u:{FIRST}{LAST}@127.0.0.1:/members",
    f"postgresql://u:{FIRST}{LAST}@[127.0.0.1]:1/members",
    f"postgresql://u:{FIRST}{LAST}@[::1/members",
    f"postgresql://u:{FIRST}{LAST}@127.0.0.1:1/members?sslmode={FIRST}",
    f"postgresql://u:{FIRST}{LAST}@127.0.0.1:1/members?sslrootcert={LAST}",
    f"postgresql://u:{FIRST}{LAST}@127.0.0.1:1/members?port={LAST}",
    f"postgresql://u@127.0.0.1:1/members?password={FIRST}&passfile={LAST}",
    f"postgresql+asyncpg://u:{FIRST}{LAST}@127.0.0.1:1/members",
    f"postgresql:/u:{FIRST}{LAST}@127.0.0.1:1/members",
    f"postgresql:u:{FIRST}{LAST}@127.0.0.1:1/members",
    f"mysql+pymysql://u:{FIRST}{LAST}@127.0.0.1:1/members",
    f"u:{FIRST}{LAST}@127.0.0.1:1/members",
    f"sqlite://u:{FIRST}{LAST}@127.0.0.1/members",
    f"postgresql://u:{FIRST}\n{LAST}@127.0.0.1:1/members",
]


def outcome(run: Callable[..., Done], command: tuple[str, ...], url: str) -> Done:
    """What a command says to a URL, in which no piece of the password is."""
    done = run(*command, DATABASE_URL=url)

    assert done.code == 1
    assert FIRST.lower() not in (done.out + done.err).lower()
    assert LAST.lower() not in (done.out + done.err).lower()
    assert "Traceback" not in done.err
    assert (done.out + done.err).count("\n") == 1 or command == ("check",)
    return done


@pytest.mark.parametrize("url", TO_ENCODE)
def test_a_password_that_ends_too_early_has_to_be_encoded(
    run: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)

    for command in COMMANDS:
        done = outcome(run, command, url)
        assert ENCODE in done.out + done.err


@pytest.mark.parametrize("url", OTHERWISE_WRONG)
def test_no_other_mistake_shows_a_password(
    run: Callable[..., Done], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)

    for command in COMMANDS:
        outcome(run, command, url)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("unable to open /srv/pass-of-ada.db"),
        asyncpg.InvalidPasswordError("pass-of-ada"),
        asyncpg.UndefinedColumnError("pass-of-ada"),
        socket.gaierror(-2, "pass-of-ada"),
        ssl.SSLError(1, "pass-of-ada"),
        ConnectionRefusedError(111, "pass-of-ada"),
        TimeoutError("pass-of-ada"),
        ValueError("invalid literal for int() with base 10: 'pass-of-ada'"),
    ],
)
def test_why_a_driver_failed_is_reported_in_our_words(error: Exception) -> None:
    message = engine.reason(error)

    assert "pass-of-ada" not in message
    assert bool(message) != isinstance(error, ValueError)
