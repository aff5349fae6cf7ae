"""What people have asked a server for, what it answered, and whether the database says the same."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from tests.support.engine.small_database import from_outside


class Outcome(Enum):
    """What the person who asked knows: it is done, it isn't, or the answer never came."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass
class Ask:
    """One change that somebody asked for. kind, about, after: what the activity log says of it.

    about: the address of the member or the invited, "" for the organization. value: what was set, where the
    log doesn't hold it.
    """

    kind: str
    about: str = ""
    after: str = ""
    value: str = ""
    outcome: Outcome = Outcome.UNKNOWN


@dataclass
class Notes:
    """Everything asked for, in the order of asking; wrong: answers that should never be given."""

    asked: dict[tuple[str, str], list[Ask]] = field(default_factory=lambda: defaultdict(list))
    wrong: list[str] = field(default_factory=list)
    refusals: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    waits: list[float] = field(default_factory=list)

    def add(self, ask: Ask) -> None:
        self.asked[ask.kind, ask.about].append(ask)

    def of(self, kind: str, about: str) -> list[Ask]:
        return self.asked.get((kind, about), [])

    def count(self, outcome: Outcome) -> int:
        return sum(ask.outcome is outcome for asks in self.asked.values() for ask in asks)

    def done(self, kind: str) -> list[str]:
        """Whom a change of this kind was acknowledged for."""
        return [about for (other, about), asked in self.asked.items() if other == kind and is_done(asked)]

    def kinds(self) -> set[str]:
        return {kind for kind, _ in self.asked}


def fits(asked: Sequence[Ask], logged: Sequence[str]) -> bool:
    """Whether the log tells what was done, in order, of what is unknown any part, and nothing else."""
    places = {0}
    for ask in asked:
        told = set[int]()
        if ask.outcome is not Outcome.REFUSED:
            told = {place + 1 for place in places if logged[place : place + 1] == [ask.after]}
        places = told if ask.outcome is Outcome.DONE else told | places
    return len(logged) in places


def may_be(asked: Sequence[Ask]) -> set[str]:
    """The values that may stand now: the last one done, and those unknown since."""
    values = set[str]()
    for ask in asked:
        if ask.outcome is Outcome.DONE:
            values = {ask.value}
        elif ask.outcome is Outcome.UNKNOWN:
            values.add(ask.value)
    return values


# Each finds rows that only half of a change has left; none may be found.
WHOLE = {
    "members whose role isn't the one that the log tells": """
        SELECT m.id, m.role, a.after FROM member AS m JOIN activity AS a ON a.id = (
            SELECT MAX(id) FROM activity WHERE kind = 'role_changed' AND subject_id = m.id
        ) WHERE m.removed_at = 0 AND m.role <> a.after""",
    "changes of a role that don't begin where the one before ended": """
        SELECT a.id FROM activity AS a JOIN activity AS b ON b.id = (
            SELECT MAX(id) FROM activity
            WHERE kind = 'role_changed' AND subject_id = a.subject_id AND id < a.id
        ) WHERE a.kind = 'role_changed' AND a.before <> b.after""",
    "members without an event": """
        SELECT id FROM member WHERE joined_via = 'link' AND NOT EXISTS (
            SELECT 1 FROM activity WHERE kind = 'registered' AND subject_id = member.id)""",
    "removed members without an event": """
        SELECT id FROM member WHERE removed_at > 0 AND NOT EXISTS (
            SELECT 1 FROM activity WHERE kind = 'removed' AND subject_id = member.id)""",
    "sessions without an event": """
        SELECT member_id FROM session AS s GROUP BY member_id HAVING COUNT(*) <> (
            SELECT COUNT(*) FROM activity WHERE kind IN ('registered', 'signed_in')
            AND subject_id = s.member_id)""",
    "invitations without a link, a mail or an event": """
        SELECT id FROM invitation AS i
        WHERE NOT EXISTS (SELECT 1 FROM links WHERE id = i.link_id AND purpose = 'invitation')
        OR NOT EXISTS (SELECT 1 FROM outbox WHERE invitation_id = i.id)
        OR NOT EXISTS (SELECT 1 FROM activity WHERE kind = 'invitation_made' AND subject_id = i.id)""",
    "links of invitations without one": """
        SELECT id FROM links WHERE purpose = 'invitation'
        AND NOT EXISTS (SELECT 1 FROM invitation WHERE link_id = links.id)""",
    "open invitations whose link has ended": """
        SELECT i.id FROM invitation AS i JOIN links AS l ON l.id = i.link_id
        WHERE (i.ended_at = 0) <> (l.ended_at = 0)""",
    "roles that the role counts disagree with": """
        SELECT role, SUM(n) FROM (
            SELECT role, n FROM role_count
            UNION ALL SELECT role, -1 FROM member WHERE removed_at = 0
        ) AS step GROUP BY role HAVING SUM(n) <> 0""",
}
SQLITE_ITSELF = ("PRAGMA integrity_check", "PRAGMA foreign_key_check")


def broken_in(url: str, notes: Notes) -> list[str]:
    """What the database lacks of what was acknowledged, or has only half, or too much; a sentence each."""
    found = [f"{what}: {rows[:3]}" for what, sql in WHOLE.items() if (rows := from_outside(url, sql))]
    if url.startswith("sqlite:"):
        said = [tuple(row) for sql in SQLITE_ITSELF for row in from_outside(url, sql)]
        found += [f"SQLite finds: {said[:3]}"] if said != [("ok",)] else []
    found += _log(url, notes)
    found += _rows(url, notes)
    return found


def _log(url: str, notes: Notes) -> list[str]:
    logged = defaultdict[tuple[str, str], list[str]](list)
    for kind, about, after in from_outside(
        url,
        """SELECT a.kind, COALESCE(n.email, i.email, m.email, ''), a.after FROM activity AS a
        LEFT JOIN activity_name AS n ON n.about = a.about AND n.subject_id = a.subject_id
        LEFT JOIN invitation AS i ON a.about = 'invitation' AND i.id = a.subject_id
        LEFT JOIN member AS m ON a.about = 'member' AND m.id = a.subject_id
        ORDER BY a.id""",
    ):
        logged[kind, about].append(after)
    kinds = notes.kinds()
    return [
        f"{kind} of {about or 'all'}: asked {_told(notes.of(kind, about))}, logged {logged[kind, about]}"
        for kind, about in {*notes.asked, *(key for key in logged if key[0] in kinds)}
        if not fits(notes.of(kind, about), logged[kind, about])
    ]


def _told(asked: Sequence[Ask]) -> list[str]:
    return [f"{ask.after or ask.value} {ask.outcome.value}".strip() for ask in asked]


def _rows(url: str, notes: Notes) -> list[str]:
    """Who is there, by which name."""
    members = dict(from_outside(url, "SELECT email, first_name FROM member WHERE removed_at = 0"))
    found = []
    for about in {about for kind, about in notes.asked if kind == "registered"}:
        registered, removed = notes.of("registered", about), notes.of("removed", about)
        renamed = [*notes.of("name_changed", about), *notes.of("name_corrected", about)]
        if is_done(removed) and about in members:
            found.append(f"{about} was removed and is there")
        if is_done(registered) and not removed and members.get(about) not in may_be([*registered, *renamed]):
            found.append(
                f"{about} is {members.get(about, 'not there')}: asked {_told([*registered, *renamed])}"
            )
    return found


def is_done(asked: Sequence[Ask]) -> bool:
    return any(ask.outcome is Outcome.DONE for ask in asked)
