"""When each member and session was last active: kept in memory, written once a minute."""

import asyncio

from db import engine
from db.common import clock


class Presence:
    """Last activity, kept in memory and written once a minute, so that a GET never waits for the disk."""

    def __init__(self) -> None:
        self._sessions: dict[int, int] = {}
        self._members: dict[int, int] = {}
        self._flushing = asyncio.Lock()

    def seen(self, session_id: int, member_id: int) -> None:
        """Notes a request; polls of the waiting page aren't told."""
        self._sessions[session_id] = self._members[member_id] = clock.now()

    def of_session(self, session_id: int) -> int:
        """The last request of this session that isn't written yet, in ms; 0 when there is none."""
        return self._sessions.get(session_id, 0)

    async def flush(self) -> None:
        """Writes what was noted, in id order; on failure everything stays noted for the next time."""
        async with self._flushing:
            sessions, members = sorted(self._sessions.items()), sorted(self._members.items())
            if not sessions:
                return
            await engine.write(self._write, sessions, members)
            # Only what was written is forgotten: somebody may have come meanwhile.
            for noted, written in ((self._sessions, sessions), (self._members, members)):
                for key, at in written:
                    if noted.get(key) == at:
                        del noted[key]

    async def _write(self, sessions: list[tuple[int, int]], members: list[tuple[int, int]]) -> None:
        # Members first, as every change locks them: the other order deadlocks with a deactivation.
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
