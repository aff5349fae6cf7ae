"""Piccolo's configuration (`PICCOLO_CONF=db.engine.piccolo_conf`); `db.engine.use()` sets the database."""

import sys
from types import ModuleType
from typing import Any

from piccolo.engine.base import Engine

# Piccolo always imports black, though it needs it only to format migrations that its command line writes. We
# don't use that command, so we don't install black.
sys.modules.setdefault("black", ModuleType("black"))

DB: Engine | None = None  # type: ignore[type-arg]


def __getattr__(name: str) -> Any:
    """Piccolo's list of apps, which only migrations ask for. It imports the tables, which use the engine."""
    if name != "APP_REGISTRY":
        raise AttributeError(name)
    # After the stand-in for black, which it imports.
    from piccolo.conf.apps import AppRegistry

    return AppRegistry(apps=["db.schema.piccolo_app"])
