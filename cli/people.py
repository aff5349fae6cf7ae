"""Members: makes the first Owner, lists everybody, changes roles."""

import argparse
import getpass
import sys
import unicodedata
from datetime import UTC, datetime

from cli.operation import CommandError
from db.common import invisible
from db.policy import ASSIGNABLE, COMMAND_LINE, Role
from settings import Settings


async def create_owner(args: argparse.Namespace, settings: Settings) -> str:
    """Makes the organization and its Owner. The password is no argument, since others could see it."""
    from db.organization import setup

    owned = CommandError("Somebody owns the organization already; nothing was changed.")
    if (await setup.site()).exists:
        raise owned
    made = await setup.make_owner(
        args.email,
        _password(),
        names=settings.names,
        title=args.title,
        first_name=args.first_name,
        last_name=args.last_name,
    )
    if not made:
        raise owned
    return f"{args.email} is the Owner of {args.title or setup.TITLE!r} now."


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")

    password = getpass.getpass("Password: ")
    if getpass.getpass("Once more: ") != password:
        raise CommandError("The two passwords differ; nothing was changed.")
    return password


async def list_members(_: argparse.Namespace, __: Settings) -> str:
    """A table of all members, Deactivated ones too, in the order in which they joined."""
    from db.members import directory

    table = [("id", "address", "name", "role", "last activity (UTC)")]
    async for rows in directory.export(directory.MemberFilter(roles=tuple(Role), sort="joined")):
        for row in rows:
            seen = datetime.fromtimestamp(row.last_activity_at / 1000, UTC).strftime("%Y-%m-%d %H:%M")
            named = invisible.for_terminal(row.name)
            table.append((str(row.id), row.email, named, Role(row.role).label, seen))
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(
            text + " " * (width - _width(text)) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in table
    )


def _width(text: str) -> int:
    """The width of a text in terminal columns: two for a Chinese character, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


async def change_role(args: argparse.Namespace, settings: Settings) -> str:
    """Changes a member's role, by the rules for Administrators."""
    from db.members import new_member, roles

    role = _role(args.role)
    change = await roles.change_role(COMMAND_LINE, member_id=await new_member.id_of(args.email), role=role)
    if change.before is role:
        return f"{change.row.email} was {role.label} already."
    return f"{change.row.email} is {role.label} now, and was {change.before.label}."


def _role(text: str) -> Role:

    words = {word.casefold(): role for role in Role for word in (role.value, role.label)}
    words["not activated"] = Role.PENDING
    if text.casefold() not in words:
        known = ", ".join(f"{role.value} ({role.label})" for role in ASSIGNABLE)
        raise CommandError(f"{text!r} is no role; there are {known}.")
    return words[text.casefold()]
