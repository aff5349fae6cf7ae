"""How long a change can be undone, and when mail that it causes may leave: only after that time is over."""

from typing import Final

UNDO_MS: Final = 60_000
# A margin over UNDO_MS, so that an Undo at the last moment still finds the mail in the queue.
NOT_BEFORE_MS: Final = 65_000
