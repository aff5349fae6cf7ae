"""How long a change can be undone. Mail that a change causes isn't sent before that time is over."""

from typing import Final

from db.common import clock

UNDO_MS: Final = 60_000
# Longer than UNDO_MS, so that an Undo at the last moment still finds the mail in the queue.
NOT_BEFORE_MS: Final = 65_000


def is_over(changed_at: int) -> bool:
    """Whether it is too late to undo a change made at this instant (ms)."""
    return clock.now() > changed_at + UNDO_MS
