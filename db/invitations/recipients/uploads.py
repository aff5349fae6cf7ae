"""A list read from a file, kept for an hour between preview and "Send", for the member who uploaded it."""

import json
from typing import Final

from db import engine, policy
from db.auth.fair_queue import LISTS, Requester
from db.common import clock
from db.errors import Unknown
from db.invitations.recipients import address_list
from db.invitations.recipients.address_list import AddressList, Entry, Repeat
from db.members import changes
from db.members.changes import Locked
from db.policy import Actor, Role
from messages import refusals

KEPT_MS: Final = 3600 * 1000
# As many as one may have open in tabs. Each takes megabytes, and a hundred can be sent in 15 minutes.
MAX_PER_MEMBER: Final = 5


async def keep(actor: Actor, listed: AddressList, role: Role) -> int:
    """Stores a list; returns its id. The oldest makes room for a sixth. Raises SignInFirst and NotAllowed."""
    kept = {
        "rows": [
            [e.typed, e.first_name, e.last_name, e.role.value if e.role else "", e.line, e.why]
            for e in listed.entries
        ],
        "repeats": [[r.email, r.line, r.first_line, r.role.value if r.role else ""] for r in listed.repeats],
        "repeated": listed.repeated,
        "ignored": listed.ignored,
        "headed": listed.headed,
        "encoding": listed.encoding,
    }

    async def write(_: Locked) -> int:
        ((upload_id,),) = await engine.rows(
            "INSERT INTO upload (made_at, made_by, role, content) VALUES (?, ?, ?, ?) RETURNING id",
            clock.now(),
            actor.id,
            role.value,
            json.dumps(kept, ensure_ascii=False),
        )
        await engine.execute(
            "DELETE FROM upload WHERE made_by = ? AND id NOT IN"
            " (SELECT id FROM upload WHERE made_by = ? ORDER BY id DESC LIMIT ?)",
            actor.id,
            actor.id,
            MAX_PER_MEMBER,
        )
        return int(upload_id)

    return await changes.write(actor, policy.may_invite, write)


async def find(actor: Actor, upload_id: int) -> tuple[AddressList, Role]:
    """The list of this id, only for the member who uploaded it. Raises Unknown once it is gone."""
    found = await engine.read(
        engine.rows,
        "SELECT role, content FROM upload WHERE id = ? AND made_by = ? AND made_at > ?",
        upload_id,
        actor.id,
        clock.now() - KEPT_MS,
    )
    if not found:
        raise Unknown(refusals.FILE_GONE)
    role, content = found[0]
    # Ten thousand rows take a second: other people's pages don't wait for it.
    return await LISTS.do(Requester(account=str(actor.id)), _listed, content), Role(role)


def _listed(content: str) -> AddressList:
    kept = json.loads(content)
    if not isinstance(kept, dict):
        # Kept by the release before, in the last hour.
        raise Unknown(refusals.FILE_GONE)
    entries = []
    for typed, first_name, last_name, role, line, why in kept["rows"]:
        address = None if why else address_list.entry(typed).address
        entries.append(Entry(typed, address, why, first_name, last_name, Role(role) if role else None, line))
    repeats = tuple(
        Repeat(email, line, first_line, Role(role) if role else None)
        for email, line, first_line, role in kept["repeats"]
    )
    return AddressList(
        tuple(entries),
        kept["repeated"],
        repeats,
        tuple(kept["ignored"]),
        kept["headed"],
        kept["encoding"],
    )


async def take(actor: Actor, upload_id: int) -> None:
    """Inside the write that sends a list: it is gone with that, so that it is sent once.

    Raises Unknown when somebody was faster, or its hour is over.
    """
    taken = await engine.rows(
        "DELETE FROM upload WHERE id = ? AND made_by = ? AND made_at > ? RETURNING id",
        upload_id,
        actor.id,
        clock.now() - KEPT_MS,
    )
    if not taken:
        raise Unknown(refusals.FILE_GONE)


async def sweep() -> int:
    """Inside a write: deletes lists older than an hour."""
    return await engine.execute("DELETE FROM upload WHERE made_at <= ?", clock.now() - KEPT_MS)
