"""The invite link: one at a time, made anew by Reset alone, within the limits that the Owner has settled."""

from functools import partial

from db import activity, engine, policy
from db.auth import links
from db.auth.links import Link
from db.common import clock, dates
from db.errors import Refused
from db.members import changes
from db.members.changes import Locked
from db.organization import invite_link_limits
from db.organization.invite_link_limits import Limits
from db.policy import Actor
from messages import refusals


async def present() -> Link:
    """The link that works now, or did until its time ran out."""
    return await engine.read(newest)


async def newest() -> Link:
    """The same, inside a read or write."""
    link = await links.newest(links.INVITE)
    if link is None:
        raise RuntimeError("an organization always has an invite link")
    return link


async def limits() -> Limits:
    """What holds for the present link and for every later one."""
    return await engine.read(invite_link_limits.settled)


async def find(link_id: int) -> Link | None:
    """The invite link of this id, open or ended."""
    return await engine.read(links.find, link_id, links.INVITE)


async def reset(actor: Actor) -> Link:
    """Ends the present link at once and makes a new one. Raises SignInFirst and NotAllowed.

    Refused when every link ends on a day that is over: the new one would be invalid, like the present one.
    """
    # The organization's row is the lock: two resets at once make two links, one after the other.
    return await changes.write(actor, policy.may_invite, partial(_reset, actor), organization=True)


async def _reset(actor: Actor, _: Locked) -> Link:
    end = (await invite_link_limits.settled()).end
    if end.ends == "on" and end.at <= clock.now():
        raise Refused(refusals.LINKS_ENDED.format(day=dates.words(end.at - 1)))
    await links.end(links.INVITE, "reset")
    link = await invite_link_limits.make(actor.id)
    await activity.record(actor, "invite_link_reset")
    return link
