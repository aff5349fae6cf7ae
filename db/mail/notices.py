"""Who gets a notice by mail: as the Owner has settled it, and only those who want notices at all."""

from typing import Final, Literal

from db import engine

# waiting: somebody waits for a role; asked: somebody asks for access; ending: a membership is about to end.
Notice = Literal["waiting", "asked", "ending"]

# Conditions on `member AS m`, one for each notice; to be put into a WHERE.
GETS: Final[dict[Notice, str]] = {
    notice: "m.removed_at = 0 AND m.wants_notices = 1 AND m.role IN ('OW', 'AD') AND EXISTS ("
    f"SELECT 1 FROM organization AS o WHERE o.notice_{notice} = 'administrators'"
    f" OR (o.notice_{notice} = 'owner' AND o.owner_id = m.id))"
    for notice in ("waiting", "asked", "ending")
}


async def recipients(notice: Notice) -> list[tuple[int, str]]:
    """Inside a read or write: id and address of everybody who gets this notice now, in the order of ids."""
    found = await engine.rows(f"SELECT m.id, m.email FROM member AS m WHERE {GETS[notice]} ORDER BY m.id")
    return [(member_id, email) for member_id, email in found]


async def gets(member_id: int, notice: Notice) -> bool:
    """Inside a read or write: whether this member gets it; asked again when a mail is written."""
    return bool(await engine.rows(f"SELECT 1 FROM member AS m WHERE m.id = ? AND {GETS[notice]}", member_id))
