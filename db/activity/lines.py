"""Each event of the activity log as one line of JSON on stderr, for who collects logs (ACTIVITY_TO_STDERR).

A line is written once the event's change is committed, and never for one that wasn't. At most once: a process
may die in between. The ids show what a collector lacks, and docs/operate.md says how to fill it in.
"""

import contextlib
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from db import engine

# Of the table, and what each is called in a line.
COLUMNS: Final = "id, at, actor_kind, actor_id, kind, about, subject_id, before, after, address"
NAMES: Final = (
    "id",
    "at",
    "actor_kind",
    "actor_id",
    "action",
    "target_kind",
    "target_id",
    "before",
    "after",
    "address",
)


class _Switch:
    on = False


def use(on: bool) -> None:
    """Whether this process writes lines."""
    _Switch.on = on


async def tell(rows: Sequence[tuple[Any, ...]]) -> None:
    """Inside the write that recorded these events of one actor, by COLUMNS: writes them when it is over."""
    if not _Switch.on or not rows:
        return
    actor_id = rows[0][3]
    found = await engine.rows("SELECT email FROM member WHERE id = ?", actor_id) if actor_id else []
    email = found[0][0] if found else ""
    engine.on_commit(partial(_write, [_line(row, email) for row in rows]))


def _line(row: tuple[Any, ...], actor_email: str) -> str:
    """Plain ASCII, so that nothing that was typed begins a line or speaks to a terminal."""
    event = dict(zip(NAMES, row, strict=True))
    at = datetime.fromtimestamp(event["at"] / 1000, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"log": "activity", **event, "at": at, "actor_email": actor_email})


def _write(lines: list[str]) -> None:
    # What nobody takes must not make a change fail that is committed.
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
