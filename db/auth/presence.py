"""When each member and session was last active: held in memory, written once a minute."""

import asyncio

from db import engine
from db.common import clock


class Presence:
    """Last activity, held in memory and written once a minute, so that a GET never waits for the disk."""

    def __init__(self) -> None:
        self._sessions: dict[int, int] = {}
        self._members: dict[int, int] = {}
        self._flushing = asyncio.Lock()

    def seen(self, session_id: int, member_id: int) -> None:
        """Records a request. The waiting page's polls aren't recorded."""
        self._sessions[session_id] = self._members[member_id] = clock.now()

    def of_session(self, session_id: int) -> int:
        """When this session's last request was that isn't written yet, in ms; 0 for none."""
        return self._sessions.get(session_id, 0)

    async def flush(self) -> None:
        """Writes what was recorded, in id order.

        If that fails, everything stays recorded for the next time.
        """
        async with self._flushing:
            sessions, members = sorted(self._sessions.items()), sorted(self._members.items())
            if not sessions:
                return
            await engine.write(self._write, sessions, members)
            # Only what was written is dropped: newer requests may have come meanwhile.
            for noted, written in ((self._sessions, sessions), (self._members, members)):
                for key, at in written:
                    if noted.get(key) == at:
                        del noted[key]

    async def _write(self, sessions: list[tuple[int, int]], members: list[tuple[int, int]]) -> None:
        # Members first, the order in which every change takes its locks: otherwise this could deadlock with a
        # deactivation.
        for member_id, at in members:
            await engine.execute(
                "UPDATE member SET last_activity_at = ? WHERE id = ? AND last_activity_at < ?",
                at,
                member_id,
                at,
            )
        for session_id, at in sessions:
            await engine.execute(
                "UPDATE session SET used_at = ? WHERE id = ? AND used_at < ?", at, session_id, at
            )
