"""Where Piccolo looks for the database (`PICCOLO_CONF=db.engine.piccolo_conf`);
`db.engine.use()` puts it here.
"""

import sys
from types import ModuleType
from typing import Any

from piccolo.engine.base import Engine

# Piccolo imports black, which formats the migrations that its command line writes, whenever it looks for the
# database. Nothing here is formatted, and it isn't installed with Gatehouse.
sys.modules.setdefault("black", ModuleType("black"))

DB: Engine | None = None  # type: ignore[type-arg]


def __getattr__(name: str) -> Any:
    """Piccolo's list of apps, which only migrations ask for: its module takes 0.1 s to import."""
    if name != "APP_REGISTRY":
        raise AttributeError(name)
    from piccolo.conf.apps import AppRegistry

    return AppRegistry(apps=["db.schema.piccolo_app"])
