"""What people see when something breaks: each part breaks one thing, and looks for what was lost or false."""

import importlib
from typing import Final

from tests.trials.sample import Sample

PARTS: Final = (
    "kills",
    "stopped",
    "migrations",
    "writes",
    "starts",
    "mails",
    "descriptors",
    "locked",
    "clock",
)


def run(sample: Sample) -> list[str]:
    """Runs one part after the other; returns what broke in all of them."""
    broken = []
    for part in PARTS:
        broken += importlib.import_module(f"{__name__}.{part}").run(sample)
    return broken
