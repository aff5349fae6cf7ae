"""A list read from a file, kept between its preview and "Send" for an hour, for whoever uploaded it."""

import asyncio
import json
from typing import Final

from db import address_list, clock, engine
from db.address_list import AddressList, Entry
from db.policy import Actor, Role, Unknown
from messages import refusals

KEPT_MS: Final = 3600 * 1000


async def keep(actor: Actor, listed: AddressList, role: Role) -> int:
    """Stores a list; returns its id."""
    rows = [
        [e.typed, e.first_name, e.last_name, e.role.value if e.role else "", e.line, e.why]
        for e in listed.entries
    ]

    async def write() -> int:
        ((upload_id,),) = await engine.rows(
            "INSERT INTO upload (made_at, made_by, role, content) VALUES (?, ?, ?, ?) RETURNING id",
            clock.now(),
            actor.id,
            role.value,
            json.dumps(rows, ensure_ascii=False),
        )
        return int(upload_id)

    return await engine.write(write)


async def find(actor: Actor, upload_id: int) -> tuple[AddressList, Role]:
    """The list of this id, only for whoever uploaded it. Raises Unknown once it is gone."""
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
    return await asyncio.to_thread(_listed, content), Role(role)


def _listed(content: str) -> AddressList:
    entries = []
    for typed, first_name, last_name, role, line, why in json.loads(content):
        address = None if why else address_list.entry(typed).address
        entries.append(Entry(typed, address, why, first_name, last_name, Role(role) if role else None, line))
    return AddressList(tuple(entries))


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
