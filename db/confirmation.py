"""Confirming an address by a link that was mailed to it."""

from typing import Final

from db import activity, clock, engine, links, outbox
from db.days import DAY_MS
from db.links import Link
from db.policy import Actor, Refused
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
    """Mails it once more to whoever asks for their own address. Raises Refused if there is none to do."""
    if not outbox.set_up():
        raise Refused(refusals.NO_MAIL)

    async def write() -> None:
        found = await engine.rows(
            f"SELECT email, confirmed_at FROM member WHERE id = ? AND removed_at = 0{engine.for_update()}",
            actor.id,
        )
        if not found or found[0][1]:
            raise Refused(refusals.CONFIRMED_ALREADY)
        await ask(actor.id, found[0][0])
        await activity.record(actor, "confirmation_asked_for", actor.id)

    await engine.write(write)
    outbox.wake()


async def find(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.ADDRESS)


async def confirm(link: Link, address: str) -> None:
    """Confirms by a link, which ends. Raises DeadLink when it was used meanwhile. address: of the network."""

    async def write() -> None:
        actor = await links.consume_as_member(link, address)
        await engine.execute(
            "UPDATE member SET confirmed_at = ? WHERE id = ? AND confirmed_at = 0", clock.now(), link.subject
        )
        await activity.record(actor, "address_confirmed", link.subject)

    await engine.write(write)
