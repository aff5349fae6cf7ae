"""Whatever stands in a backup in place of something else: it is read, or refused with a sentence."""

import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from db.maintenance import backup, backup_file
from db.maintenance.backup_file import BadBackup
from db.schema import migrate
from db.schema.migrate import TooNew
from db.schema.piccolo_app import APP_CONFIG

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(2**53 - 2, 2**64)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [*backup.TABLES, *backup.EXCLUDED_TABLES, "id", "email", "table", "columns", "\ud800", "\0"]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)
COLUMNS = {
    table._meta.tablename: [column._meta.name for column in table._meta.columns]
    for table in APP_CONFIG.table_classes
}
ROW = {"id": 1, "role": "AN", "text": "Presses ferns"}


def good() -> list[Any]:
    """The header, the tables and one row of a backup."""
    counted = [table for table in backup.TABLES if table not in backup.SINGLE_ROW_TABLES]
    header = {
        "made_at": 1_700_000_000_000,
        "migrations": sorted(migrate.known()),
        "key_fingerprint": "f" * 16,
        "rows": dict.fromkeys(backup.TABLES, 0) | {"role_note": 1},
        "sequences": dict.fromkeys(counted, 0) | {"role_note": 1},
        "members": 0,
        "format": backup.FORMAT,
    }
    lines: list[Any] = [header]
    for table in backup.TABLES:
        lines.append({"table": table, "columns": list(COLUMNS[table])})
        if table == "role_note":
            lines.append([ROW[name] for name in COLUMNS[table]])
    return lines


def read(lines: list[Any]) -> int | str:
    """How many rows are read from a backup of these lines, or the sentence with which it is refused."""
    content = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    closing = backup.checksum_line(hashlib.sha256(content).hexdigest())
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(gzip.compress(content + closing, 1))
        try:
            with backup_file.opened(Path(file.name)) as source:
                return sum(len(batch.rows) for batch in source.batches())
        except (BadBackup, TooNew) as error:
            return str(error)


def replaced(data: st.DataObject, value: Any) -> Any:
    """The value with something else in one place of it, however deep."""
    places = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    if not places or data.draw(st.booleans()):
        return data.draw(ANYTHING)
    place = data.draw(st.sampled_from(list(places)))
    other = value.copy()
    other[place] = replaced(data, value[place])
    return other


def test_what_is_replaced_below_is_good() -> None:
    assert read(good()) == 1


@given(st.data())
def test_anything_in_the_place_of_something_is_read_or_refused(data: st.DataObject) -> None:
    lines = good()
    place = data.draw(st.integers(0, len(lines) - 1))
    lines[place] = replaced(data, lines[place])

    outcome = read(lines)

    assert outcome == 1 or str(outcome).endswith(".")


@given(st.data(), st.integers(0, 13), st.integers(0, 13))
def test_lines_in_another_order_are_read_or_refused(data: st.DataObject, first: int, second: int) -> None:
    lines = good()
    lines[first], lines[second] = lines[second], lines[first]
    del lines[data.draw(st.integers(0, len(lines) - 1)) :: 14]

    outcome = read(lines)

    assert outcome == 1 or str(outcome).endswith(".")
