"""An operation: on the database there is, by the settings there are; a sentence says what it did."""

import argparse
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from settings import Settings

T = TypeVar("T")
Operation = Callable[[argparse.Namespace, "Settings"], Coroutine[Any, Any, str]]


class Stop(Exception):
    """It can't be done; the message is one line for the person at the keyboard."""


def in_database(operation: Operation, *, current: bool = True) -> Callable[[argparse.Namespace], int]:
    """Runs an operation on the database there is, and prints what it did. current: it must be up to date."""

    def run(args: argparse.Namespace) -> int:
        settings = settings_of_environment()

        async def perform() -> str:
            from db.mail import outbox
            from db.schema import migrate

            if settings.mail is not None:
                # What is queued here is sent by the server; if none runs, by the next one.
                from mailer import ehlo_name

                outbox.use(True, ehlo_name(settings.host))
            async with migrate.opened(settings.database_url, current=current):
                return await operation(args, settings)

        show(awaited(perform()))
        return 0

    return run


def awaited(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns. Imports asyncio, half the time of --help, no earlier than here."""
    import asyncio

    return asyncio.run(work)


def settings_of_environment() -> "Settings":
    """The settings, heeded where no server is needed to heed them; what is odd about them is said."""
    from db.activity import lines as activity_lines
    from settings import Settings

    settings = Settings.from_environment()
    activity_lines.use(settings.activity_to_stderr)
    for warning in settings.warnings:
        note(warning)
    return settings


def show(text: str) -> None:
    """Prints what was done, or looked up; names, addresses and files' words can't speak to the terminal."""
    from db.common import invisible

    for line in text.split("\n"):
        print(invisible.for_terminal(line))


def note(text: str) -> None:
    """Says something of it in one line on stderr, as harmless as what is shown."""
    from db.common import invisible

    print("gatehouse:", invisible.for_terminal(text), file=sys.stderr, flush=True)


async def with_key(settings: "Settings") -> "Settings":
    """The settings with the secret key that the database in use belongs to."""
    from db.maintenance import secret_key

    key = await secret_key.agreed(settings.key_file, settings.secret_key, fingerprint_of)
    return replace(settings, secret_key=key)


def fingerprint_of(key: str) -> str:
    from signing import Signer

    return Signer(key).fingerprint()


def number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
