"""How many examples a property is tried with, and what several properties are tried with."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Text as it may come out of a form, a file or a header: any character but halves of pairs.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def fewer(by: int) -> settings:
    """So many times fewer than the profile asks for: of what takes longer, or keeps one database for all."""
    return settings(
        max_examples=max(1, settings().max_examples // by),
        suppress_health_check=[*settings().suppress_health_check, HealthCheck.function_scoped_fixture],
    )
