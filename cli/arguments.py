"""The commands and what each takes."""

import argparse
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

from cli import check, database, links, people, serving
from cli.operation import in_database

# The one place that names the version.
PYPROJECT: Final = Path(__file__).resolve().parent.parent / "pyproject.toml"
# Adds a command: its name, what runs it and returns the exit code, and what it does in a few words.
Add = Callable[[str, Callable[[argparse.Namespace], int], str], argparse.ArgumentParser]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong usage is one line, and 1 like every other failure."""
        self.exit(1, f"gatehouse: {message} (see {self.prog} --help)\n")


class _ShowVersion(argparse.Action):
    """Prints the version and exits; the file is read only when somebody asks."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        print(f"{parser.prog} {version()}")
        parser.exit()


def version() -> str:
    """The version of this checkout, like "0.1.0"."""

    return str(tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["version"])


def parser() -> argparse.ArgumentParser:
    """Reads the words of a command; its `run` then does it, and returns the exit code."""
    main = _Parser(prog="gatehouse", description="The members page and front door of an installation.")
    main.add_argument("--version", action=_ShowVersion, nargs=0, help="print the version and exit")
    commands = main.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, action: Callable[[argparse.Namespace], int], about: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")
        command.set_defaults(run=action)
        return command

    _add_server(add)
    _add_people(add)
    _add_keeping(add)
    return main


def _add_server(add: Add) -> None:
    command = add("serve", serving.serve, "migrate the database, then serve it")
    _take_address(command)
    command.add_argument(
        "--workers", type=_workers, default=1, metavar="N", help="processes that serve (default 1)"
    )
    command.add_argument("--debug", action="store_true", help="also serve /styleguide; by one process only")
    _take_address(add("demo", serving.demo, "serve a throw-away database of thirty made-up people"))
    add("migrate", database.migrate, "bring the database to this program's version, make it if there is none")


def _add_people(add: Add) -> None:
    command = add("create-owner", in_database(people.create_owner), "make the first account, which owns all")
    command.add_argument("--email", required=True)
    command.add_argument("--first-name", default="")
    command.add_argument("--last-name", default="")
    command.add_argument("--title", default="", help="of the organization (default Organization)")
    command.epilog = "The password is asked for twice; it comes from standard input when that is no terminal."
    command = add(
        "reset-link", in_database(links.reset_link), "print a link that sets a member's new password"
    )
    command.add_argument("email", metavar="EMAIL")
    _take_address(command)
    command = add("invite-link", in_database(links.invite_link), "print the invite link")
    command.add_argument("--reset", action="store_true", help="end the present one, and make another")
    _take_address(command)
    add("members", in_database(people.list_members), "print all members")
    command = add("role", in_database(people.change_role), "give a member a role")
    command.add_argument("email", metavar="EMAIL")
    command.add_argument("role", metavar="ROLE", help="AD, MA, RE, AN, NO, DI, or the role's name")


def _add_keeping(add: Add) -> None:
    command = add(
        "backup", in_database(database.make_backup, current=False), "write a consistent copy to a file"
    )
    command.add_argument("file", metavar="FILE", type=Path)
    command.add_argument("--force", action="store_true", help="overwrite the file")
    command.epilog = "The server may run. The copy holds no secret key; keep data/secret.key apart from it."
    command = add("restore", database.restore, "bring a backup back; the server is stopped")
    command.add_argument("file", metavar="FILE", type=Path)
    for option, effect in (
        ("--replace", "what is in the database may go"),
        ("--keep-sessions", "people stay signed in"),
        ("--keep-links", "links that were given out work on"),
        ("--send-mail", "mails that were queued go out; otherwise they are held"),
    ):
        command.add_argument(option, action="store_true", help=effect)
    add("rotate-key", in_database(database.rotate_key), "take a new secret key; ends every open link")
    command = add("check", check.check, "tell whether settings, database, disk and mail server are fit")
    command.add_argument("--mail", metavar="ADDRESS", default="", help="send a test mail there, too")


def _take_address(command: argparse.ArgumentParser) -> None:
    host, port = serving.DEFAULT_HOST, serving.DEFAULT_PORT
    command.add_argument("--host", default=host, help=f"network address (default {host})")
    command.add_argument("--port", type=_port, default=port, help=f"default {port}")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError("a port is a number from 0 (any that is free) to 65535")


def _workers(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError("the number of workers is from 1 to 64")
