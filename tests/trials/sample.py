"""How much of a long trial is tried: a part that fits into half an hour, or with FULL=1 everything."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """Draws the same parts again for the same seed; `left_out` says what wasn't drawn, a sentence each."""

    seed: int
    full: bool
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """By FULL (any text but 0) and SEED (a whole number; one is drawn without it)."""
        seed = environment.get("SEED")
        return cls(
            int(seed) if seed else random.SystemRandom().randrange(1_000_000),
            environment.get("FULL", "0") not in ("", "0"),
        )

    def __str__(self) -> str:
        how_much = "everything" if self.full else "a sample; FULL=1 for everything"
        return f"SEED={self.seed}, {how_much}"

    def draw(self, what: str, cases: Sequence[T], at_most: int) -> list[T]:
        """At most so many of the cases, in their order, each as likely as the others.

        `what` names them in the sentence about those left out, in the plural.
        """
        if self.full or len(cases) <= at_most:
            return list(cases)
        self.left_out.append(f"Left out {len(cases) - at_most:,} of {len(cases):,} {what}.")
        chosen = random.Random(f"{self.seed} {what}").sample(range(len(cases)), at_most)
        return [cases[index] for index in sorted(chosen)]

    def times(self, what: str, everything: int, at_most: int) -> int:
        """How often to repeat something: all the times, or at most so many."""
        return len(self.draw(what, range(everything), at_most))
