"""Faults of the machine below: what people see, what is kept, and whether it recovers by itself."""

import importlib
from typing import Final

from tests.trials.sample import Sample

PARTS: Final = ("writes", "locked", "clock")


def run(sample: Sample) -> list[str]:
    """Runs each part; returns what broke, a sentence each."""
    broken = []
    for part in PARTS:
        broken += importlib.import_module(f"{__name__}.{part}").run(sample)
    return broken
