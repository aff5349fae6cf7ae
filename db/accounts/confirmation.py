"""Confirming an address by a link that was mailed to it."""

from typing import Final

from db import activity, engine, policy
from db.auth import links
from db.auth.links import Link
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import InvalidLink, Refused
from db.mail import outbox
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor
from messages import refusals

LIFE_MS: Final = 7 * DAY_MS


async def ask(member_id: int, email: str) -> None:
    """Inside a write: mails the link, if mail is set up; an older one ends."""
    if not outbox.set_up():
        return
    await links.end(links.ADDRESS, "replaced", subject=member_id)
    link = await links.make(links.ADDRESS, subject=member_id, expires_at=clock.now() + LIFE_MS, max_uses=1)
    await outbox.queue("address", recipient=email, member_id=member_id, link_id=link.id)


async def ask_again(actor: Actor) -> None:
    """Mails it once more to whoever asks for their own address. Raises SignInFirst, and Refused if there is
    nothing to confirm."""
    if not outbox.set_up():
        raise Refused(refusals.NO_MAIL)

    async def write(_: Locked) -> None:
        found = await engine.rows(
            f"SELECT email, confirmed_at FROM member WHERE id = ? AND removed_at = 0{engine.for_update()}",
            actor.id,
        )
        if not found or found[0][1]:
            raise Refused(refusals.CONFIRMED_ALREADY)
        await ask(actor.id, found[0][0])
        await activity.record(actor, "confirmation_asked_for", actor.id)

    await changes.write(actor, policy.may_sign_in, write)
    outbox.wake()


async def find(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.ADDRESS)


async def confirm(actor: Actor, link: Link) -> None:
    """Confirms the actor's own address by a link, which ends.

    Raises SignInFirst, NotAllowed, and InvalidLink when it was used meanwhile or is somebody else's.
    """

    async def write(_: Locked) -> None:
        if link.subject != actor.id:
            raise InvalidLink("void")
        await links.consume(link.id)
        await engine.execute(
            "UPDATE member SET confirmed_at = ? WHERE id = ? AND confirmed_at = 0", clock.now(), link.subject
        )
        await activity.record(actor, "address_confirmed", link.subject)

    await changes.write(actor, policy.may_sign_in, write)
