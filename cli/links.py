"""Prints links to pass on."""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cli.operation import CommandError, number, with_key
from cli.serving import address_of
from db.common import clock
from db.policy import COMMAND_LINE
from settings import Settings
from signing import Signer

if TYPE_CHECKING:
    from db.auth.links import Link
    from db.organization.invite_link_limits import Limits


async def reset_link(args: argparse.Namespace, settings: Settings) -> str:
    """Makes a link that sets a new password, also for the Owner."""
    from db.accounts import password
    from db.members import new_member

    signer = Signer((await with_key(settings)).secret_key)
    link = await password.make_reset_link(COMMAND_LINE, member_id=await new_member.id_of(args.email))
    token = signer.token(link.purpose, link.id, link.nonce)
    url = _printed(args, settings, "/user/password/reset", token)
    return f"For 24 hours and once, {args.email} can set a new password here: {url}"


async def invite_link(args: argparse.Namespace, settings: Settings) -> str:
    """The current invite link, or a new one."""
    from db.organization import invite_link, setup

    if not (await setup.site()).exists:
        raise CommandError(
            "Nobody owns the organization yet: open the set-up link, or `gatehouse create-owner`."
        )
    signer = Signer((await with_key(settings)).secret_key)
    link = await (invite_link.reset(COMMAND_LINE) if args.reset else invite_link.present())
    token = signer.token(link.purpose, link.id, link.nonce)
    url = _printed(args, settings, "/user/signup", token)
    subject = "The old invite link is dead; the new one" if args.reset else "The invite link"
    return f"{subject} ({_limits(link, await invite_link.limits())}): {url}"


def _limits(link: "Link", limits: "Limits") -> str:
    """The limits of a link, or that it has stopped working."""

    at = datetime.fromtimestamp(link.expires_at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    reason = link.invalid_reason(clock.now())
    if reason == "expired":
        return f"it stopped working on {at}" if link.expires_at else "it has stopped working"
    uses = f"{link.uses} of {link.max_uses} uses" if link.max_uses else f"used {number(link.uses, 'time')}"
    if reason:
        return f"it is used up, {uses}"
    ends = f"works until {at}" if link.expires_at else "works until it is reset"
    return ", ".join([ends, uses, *([f"for addresses {limits.where}"] if limits.domains else [])])


def _printed(args: argparse.Namespace, settings: Settings, path: str, token: str) -> str:
    return f"{settings.host or address_of(args.host, args.port)}{path}?token={token}"
