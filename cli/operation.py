"""Runs an operation on the existing database, and prints the sentence that it returns."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from db.common import invisible
from settings import Settings
from signing import Signer

T = TypeVar("T")
Operation = Callable[[argparse.Namespace, Settings], Coroutine[Any, Any, str]]


class CommandError(Exception):
    """The command can't be done. The message is one line for the person at the keyboard."""


def in_database(operation: Operation, *, current: bool = True) -> Callable[[argparse.Namespace], int]:
    """Runs an operation on the existing database and prints its result. current: refuse an older database."""

    def run(args: argparse.Namespace) -> int:
        settings = settings_of_environment()

        async def perform() -> str:
            from db.mail import outbox
            from db.schema import migrate

            if settings.mail is not None:
                # The server sends what is queued here, now or when it is started.
                from mailer import ehlo_name

                outbox.use(True, ehlo_name(settings.host))
            async with migrate.opened(settings.database_url, current=current):
                return await operation(args, settings)

        show(awaited(perform()))
        return 0

    return run


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine; returns what it returns."""

    return asyncio.run(work)


def settings_of_environment() -> Settings:
    """The settings. Applies those that need no server, and prints their warnings."""
    from db.activity import lines as activity_lines

    settings = Settings.from_environment()
    activity_lines.use(settings.activity_to_stderr)
    for warning in settings.warnings:
        note(warning)
    return settings


def show(text: str) -> None:
    """Prints a result. Names, addresses and text of files can't control the terminal."""

    for line in text.split("\n"):
        print(invisible.for_terminal(line))


def note(text: str) -> None:
    """Says something of it in one line on stderr, as harmless as what is shown."""

    print("gatehouse:", invisible.for_terminal(text), file=sys.stderr, flush=True)


async def with_key(settings: Settings) -> Settings:
    """The settings with the secret key that the database in use belongs to."""
    from db.maintenance import secret_key

    key = await secret_key.key_of_database(settings.key_file, settings.secret_key, fingerprint_of)
    return replace(settings, secret_key=key)


def fingerprint_of(key: str) -> str:

    return Signer(key).fingerprint()


def number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
