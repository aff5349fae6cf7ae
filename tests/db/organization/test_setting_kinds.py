"""What the table of the Owner's settings promises of every one of them."""

from typing import Any

import pytest

from db.auth.sessions import SessionLimits
from db.common.dates import DAY_MS
from db.organization.invite_link_limits import End
from db.organization.settings import COLUMNS, INPUTS, TABLE, SettingsChange
from db.schema.tables import Organization

SESSION_LIMITS = SessionLimits(persistent=14 * DAY_MS, idle=5 * DAY_MS)
VALUES: list[tuple[str, Any]] = [
    ("title", "Fenwick & Daughters"),
    ("link_end", End()),
    ("link_end", End("after", days=30)),
    ("link_end", End("on", at=20_000 * DAY_MS)),
    ("link_max_uses", 0),
    ("link_max_uses", 10),
    ("link_domains", ()),
    ("link_domains", ("example.org", "*.example.net")),
    ("notice_waiting", "administrators"),
    ("notice_asked", "owner"),
    ("notice_ending", "nobody"),
    ("session_age", 0),
    ("session_age", 14 * DAY_MS),
    ("session_idle", DAY_MS),
    ("may_ask", True),
    ("may_ask", False),
]


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_value_comes_back_from_its_columns_and_from_its_inputs(name: str, value: Any) -> None:
    kind = TABLE[name]

    assert kind.load(*kind.store(value)) == value
    assert kind.parse(dict(zip(kind.inputs, kind.typed(value), strict=True)), SESSION_LIMITS) == value


def test_each_setting_has_columns_and_inputs_of_its_own() -> None:
    columns = {column._meta.name for column in Organization._meta.columns}

    assert set(COLUMNS) <= columns
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert len(set(INPUTS)) == len(INPUTS)


def test_a_change_of_something_that_is_no_setting_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="'titel'"):
        SettingsChange(titel="New")
