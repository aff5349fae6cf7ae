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
    """Makes the list of apps when a migration asks for it, since its module takes 0.1 s to import."""
    if name != "APP_REGISTRY":
        raise AttributeError(name)
    from piccolo.conf.apps import AppRegistry

    return AppRegistry(apps=["db.schema.piccolo_app"])
