"""How long a change can be undone, and when mail that it causes may leave: only after that time is over."""

from typing import Final

from db.common import clock

UNDO_MS: Final = 60_000
# A margin over UNDO_MS, so that an Undo at the last moment still finds the mail in the queue.
NOT_BEFORE_MS: Final = 65_000


def is_over(changed_at: int) -> bool:
    """Whether it is too late to undo what was changed then (ms)."""
    return clock.now() > changed_at + UNDO_MS
