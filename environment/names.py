"""Names that were meant to be ours: a misspelt setting is silently none at all."""

from collections.abc import Iterable
from typing import Final

PREFIX: Final = "LABEL_STUDIO_"
# A name with more wrong, missing or extra letters belongs to another program.
MAX_EDITS: Final = 2
# Label Studio's own names that look like a misspelt one of ours (label_studio/core/settings/base.py).
NOT_OURS: Final = frozenset({"LABEL_STUDIO_PORT"})


def misspelt(present: Iterable[str], known: Iterable[str]) -> list[str]:
    """A sentence for each name in `present` that nearly is LABEL_STUDIO_ with a known name behind it."""
    ours = sorted(PREFIX + name for name in known)
    sentences = []
    for name in sorted(set(present) - set(ours) - NOT_OURS):
        if name.upper().startswith(PREFIX[:5]):
            edits, nearest = min((edits_between(name.upper(), other), other) for other in ours)
            if edits <= MAX_EDITS:
                sentences.append(f"{name} is no setting and is ignored: did you mean {nearest}?")
    return sentences


def edits_between(one: str, other: str) -> int:
    """How many letters have to be changed, added or left out to make one of the other (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], number
        for place, wanted in enumerate(other, 1):
            diagonal, row[place] = (
                row[place],
                min(row[place] + 1, row[place - 1] + 1, diagonal + (letter != wanted)),
            )
    return row[-1]
