"""The trial `scan`: what programs that look for faults find."""

from tests.trials.sample import Sample
from tests.trials.scan import fuzz


def run(sample: Sample) -> list[str]:
    """All of it."""
    return fuzz.run(sample)
