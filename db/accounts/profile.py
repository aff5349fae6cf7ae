"""A member's own names, time zone, theme and notices."""

from dataclasses import dataclass

from db import activity, engine, policy
from db.common import normalization
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor


async def change(actor: Actor, *, first_name: str, last_name: str, time_zone: str, theme: str) -> None:
    """Sets the actor's own names, zone and theme, already checked by the form. Raises SignInFirst."""

    async def write(_: Locked) -> None:
        if await set_name(actor.id, first_name, last_name):
            await activity.record(actor, "name_changed", actor.id)
        await engine.execute(
            "UPDATE member SET time_zone = ?, theme = ? WHERE id = ? AND (time_zone <> ? OR theme <> ?)",
            time_zone,
            theme,
            actor.id,
            time_zone,
            theme,
        )

    await changes.write(actor, policy.may_sign_in, write)


async def set_name(member_id: int, first_name: str, last_name: str) -> bool:
    """Inside a write: a member's name, and what is sorted and searched by. Returns whether that was new."""
    ((email, email_key, *before),) = await engine.rows(
        f"SELECT email, email_key, first_name, last_name FROM member WHERE id = ?{engine.for_update()}",
        member_id,
    )
    if before == [first_name, last_name]:
        return False
    await engine.execute(
        "UPDATE member SET first_name = ?, last_name = ?, sort_key = ?, search_text = ? WHERE id = ?",
        first_name,
        last_name,
        normalization.sort_key(first_name, last_name, email_key),
        normalization.search_text(first_name, last_name, email, email_key),
        member_id,
    )
    return True


@dataclass(frozen=True, slots=True)
class Own:
    """What only its owner sees of an account: is the address confirmed, are notices wanted."""

    confirmed: bool
    wants_notices: bool


async def own(member_id: int) -> Own:
    ((confirmed_at, wants_notices),) = await engine.read(
        engine.rows, "SELECT confirmed_at, wants_notices FROM member WHERE id = ?", member_id
    )
    return Own(confirmed=confirmed_at > 0, wants_notices=wants_notices == 1)


async def change_notices(actor: Actor, *, wanted: bool) -> None:
    """Whether Owner or Administrator want any of the notices (db/mail/notices.py) by mail.

    Raises SignInFirst.
    """

    async def write(_: Locked) -> None:
        changed = await engine.execute(
            "UPDATE member SET wants_notices = ? WHERE id = ? AND wants_notices <> ?",
            int(wanted),
            actor.id,
            int(wanted),
        )
        if changed:
            before, after = ("off", "on") if wanted else ("on", "off")
            await activity.record(actor, "own_notices_switched", actor.id, before=before, after=after)

    await changes.write(actor, policy.may_sign_in, write)
