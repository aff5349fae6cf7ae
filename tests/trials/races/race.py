"""What a race is: who takes part, what each must have told the log, and the rule that holds afterwards."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from db import engine

if TYPE_CHECKING:
    from tests.trials.races.arena import Arena

# Whoever acts isn't known before: a visitor, or somebody who becomes a member by it.
ANYBODY: Final = -1
# What follows from other changes, as often as there is something that ends with them.
FOLLOWS: Final = frozenset({"invitation_revoked", "invitation_voided"})


class Answer(NamedTuple):
    """What came back. leads_to: the address that it leads to, "" for none."""

    status: int
    leads_to: str = ""
    body: str = ""

    @property
    def done(self) -> bool:
        """Whether it says that what was asked for is done."""
        return self.status in (200, 303) and "/user/login?next=" not in self.leads_to


class Event(NamedTuple):
    """A row of the log. The ids of two that concern the same locked row are in the order of the commits."""

    id: int
    actor_kind: str
    actor_id: int
    kind: str
    about: str
    subject_id: int
    before: str
    after: str


@dataclass(frozen=True)
class Contestant:
    """Somebody at the barrier.

    go: what they do, once it opens. by: the member who acts. tells: the kinds of the events that the log has
    of it, each as often as it stands here, if it was done, and otherwise none; None to be left to the rule.
    """

    name: str
    go: Callable[[], Awaitable[Answer]]
    by: int = ANYBODY
    tells: Sequence[str] | None = ()


@dataclass(frozen=True)
class Ended:
    """How a try ended: the answers in the order of the contestants, and what the log tells, oldest first."""

    answers: list[tuple[str, Answer]]
    events: list[Event]
    seconds: float

    def done(self, *names: str) -> int:
        """How many contestants of these names have done it; of all without a name."""
        return sum(answer.done for name, answer in self.answers if not names or name in names)

    def statuses(self, name: str = "") -> list[int]:
        return [answer.status for named, answer in self.answers if name in ("", named)]

    def one(self, kind: str) -> Event | None:
        """The one event of this kind, if there is one. Raises ValueError for several."""
        events = self.told(kind)
        if not events:
            return None
        (event,) = events
        return event

    def told(self, *kinds: str, by: int | None = None, about: int | None = None) -> list[Event]:
        """The events of these kinds, of all without one; by: whoever acted; about: whom it concerned."""
        return [
            event
            for event in self.events
            if (not kinds or event.kind in kinds)
            and (by is None or event.actor_id == by)
            and (about is None or event.subject_id == about)
        ]

    def only_before(self, by: int, end: Event | None, *kinds: str) -> list[str]:
        """Broken unless whoever lost the right by this event did nothing after it."""
        late = [event for event in self.told(*kinds, by=by) if end and event.id > end.id]
        return [f"{event.kind} was done after {end.kind if end else ''}" for event in late]


Rule = Callable[[Ended], Awaitable[Iterable[str]]]


@dataclass(frozen=True)
class Race:
    """One try. rule: what is broken, a sentence each. aside: kinds of events that count only where a
    contestant tells of them."""

    contestants: list[Contestant]
    rule: Rule
    aside: frozenset[str] = FOLLOWS


Kind = Callable[["Arena"], Awaitable[Race]]


@dataclass(frozen=True)
class Named:
    """A kind of race. times: its part of all tries on one database."""

    name: str
    prepare: Kind
    times: int


@dataclass
class Kinds:
    """All kinds of races, by name; each module adds its own: `@kinds.add(100)`."""

    known: dict[str, Named] = field(default_factory=dict)

    def add(self, times: int) -> Callable[[Kind], Kind]:
        def note(prepare: Kind) -> Kind:
            name = getattr(prepare, "__name__", "")
            self.known[name] = Named(name, prepare, times)
            return prepare

        return note

    def drawn(self, seed: str, chosen: Iterable[str]) -> Iterable[tuple[Named, random.Random]]:
        """The kinds of these names, in an order that mixes them, each with the chance of its own try."""
        order = list(chosen)
        random.Random(seed).shuffle(order)
        for number, name in enumerate(order):
            yield self.known[name], random.Random(f"{seed} {name} {number}")


kinds: Final = Kinds()


def untold(race: Race, ended: Ended) -> list[str]:
    """Broken unless each change has its events in the log, and the log tells of nothing else."""
    if any(contestant.tells is None for contestant in race.contestants):
        return []
    members = {contestant.by for contestant in race.contestants}
    tells = {(contestant.by, kind) for contestant in race.contestants for kind in contestant.tells or ()}
    wanted, found = Counter[tuple[int, str]](), Counter[tuple[int, str]]()
    for contestant, (_, answer) in zip(race.contestants, ended.answers, strict=True):
        if answer.done:
            wanted.update((contestant.by, kind) for kind in contestant.tells or ())
    for event in ended.events:
        place = (event.actor_id if event.actor_id in members else ANYBODY, event.kind)
        if event.actor_kind != "system" and (place in tells or event.kind not in race.aside):
            found[place] += 1
    if wanted == found:
        return []
    return [f"the log lacks {dict(wanted - found)} and tells {dict(found - wanted)} of nothing"]


async def nothing(_: Ended) -> list[str]:
    """A rule that asks no more than what holds after every try."""
    return []


async def newest_event() -> int:
    ((newest,),) = await engine.rows("SELECT COALESCE(MAX(id), 0) FROM activity")
    return int(newest)


async def events_since(mark: int) -> list[Event]:
    found = await engine.rows(
        "SELECT id, actor_kind, actor_id, kind, about, subject_id, before, after FROM activity"
        " WHERE id > ? ORDER BY id",
        mark,
    )
    return [Event(*row) for row in found]
