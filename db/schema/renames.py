"""What tables and columns were called before a migration renamed them; older backups name them so."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Renames:
    """What one migration renamed, each old name with its new one. columns: by the table's old name."""

    migration: str
    tables: dict[str, str] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)

    def table_before(self, name: str) -> str:
        """What this table was called before, the same if it was not renamed."""
        return _old_of(self.tables, name)

    def column_before(self, table: str, name: str) -> str:
        """What this column was called before. table: its new name."""
        return _old_of(self.columns.get(self.table_before(table), {}), name)


def _old_of(renamed: dict[str, str], name: str) -> str:
    return next((old for old, new in renamed.items() if new == name), name)


FIELD_TERMS: Final = Renames(
    migration="2026-11-28T18:00:00:000008",
    tables={
        "role_ledger": "role_count",
        "throttle": "rate_limit",
        "invitation_shown": "invitation_link_viewer",
        "request": "access_request",
    },
    columns={
        "member": {
            "name_key": "sort_key",
            "search_key": "search_text",
            "came_by": "joined_via",
            "end_told_at": "end_notified_at",
            "handed_at": "reset_link_made_at",
        },
        "session": {"kept": "persistent"},
        "batch": {"left_alone": "skipped"},
        "invitation": {
            "search_key": "search_text",
            "shown_at": "link_revealed_at",
            "asked_at": "new_wanted_at",
        },
        "invitation_shown": {"shown_at": "viewed_at"},
        "request": {"words": "message", "search_key": "search_text"},
        "outbox": {"said": "server_reply"},
    },
)


def table_at(migrations: Collection[str], table: str) -> str:
    """What a database with these migrations calls this table of today."""
    return table if FIELD_TERMS.migration in migrations else FIELD_TERMS.table_before(table)


def column_at(migrations: Collection[str], table: str, column: str) -> str:
    """What a database with these migrations calls this column of today. table: its name of today."""
    return column if FIELD_TERMS.migration in migrations else FIELD_TERMS.column_before(table, column)
