"""The activity log: one row for each change, written in the change's own transaction, and never updated.

A row never holds a token, a password, a link, a name or an address. Names are read from where they are
stored: from the member, the invitation, the access request as long as it exists, or, for removed members,
from db/activity/kept_names.py, where they can be erased. `before` and `after` hold role codes or short words;
the page makes the sentence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from db import engine
from db.activity import lines as activity_lines
from db.common import clock
from db.policy import Actor

# What subject_id refers to, by the prefix of the kind; otherwise to a member.
ABOUT: Final = {"invitation_": "invitation", "invite_link_": "link", "request_": "request"}


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the log, with the names of the actor and the subject ("" for nobody).

    about: what subject_id refers to: member, invitation, link, request or "". at: ms. actor_removed,
    subject_removed: the id of a removed member whose name is kept, 0 for a member who isn't removed.
    """

    id: int
    at: int
    actor_kind: str
    actor_id: int
    actor_name: str
    kind: str
    subject_id: int
    subject_name: str
    before: str
    after: str
    address: str
    about: str = "member"
    actor_email: str = ""
    subject_email: str = ""
    actor_removed: int = 0
    subject_removed: int = 0


class Cursor(NamedTuple):
    """A position in the log, which is ordered by time, then by id."""

    at: int
    id: int


async def record(actor: Actor, kind: str, subject_id: int = 0, *, before: str = "", after: str = "") -> None:
    """Adds a row. Call it inside the engine.write of the change that it records."""
    await record_many(actor, kind, [(subject_id, before, after)])


async def record_many(actor: Actor, kind: str, rows: Sequence[tuple[int, str, str]], *, at: int = 0) -> None:
    """Inside a write: adds rows of one kind. rows: (subject_id, before, after). at: ms, 0 for now."""
    about = next((about for beginning, about in ABOUT.items() if kind.startswith(beginning)), "member")
    for some in engine.chunks(rows):
        values: list[object] = []
        for subject_id, before, after in some:
            values += [at or clock.now(), actor.kind, actor.id, kind, about if subject_id else "", subject_id]
            values += [before, after, actor.address]
        marks = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?)"] * len(some))
        recorded = await engine.rows(
            "INSERT INTO activity (at, actor_kind, actor_id, kind, about, subject_id, before, after, address)"
            f" VALUES {marks} RETURNING {activity_lines.COLUMNS}",
            *values,
        )
        await activity_lines.tell(sorted(recorded))


async def newest_role_changes(member_ids: Sequence[int]) -> dict[int, tuple[int, str]]:
    """By member: when their role changed last, in ms, and the code of the role before that.

    Members whose role never changed are left out.
    """
    marks = ", ".join("?" * len(member_ids))
    # SQLite and PostgreSQL both find the newest of a member at the end of the index by subject.
    found = await engine.rows(
        "SELECT m.id, a.at, a.before FROM member AS m JOIN activity AS a ON a.id = (SELECT n.id"
        " FROM activity AS n WHERE n.subject_id = m.id AND n.subject_id > 0 AND n.about = 'member'"
        f" AND n.kind = 'role_changed' ORDER BY n.at DESC, n.id DESC LIMIT 1) WHERE m.id IN ({marks})",
        *member_ids,
    )
    return {member_id: (at, before) for member_id, at, before in found}


async def of_member(member_id: int, limit: int = 20) -> list[Event]:
    """The newest events that this member caused or that concern them, up to `limit`."""
    return await events(person=member_id, limit=limit)


async def events(
    *,
    person: int = 0,
    invited: int = 0,
    kinds: Sequence[str] = (),
    since: int = 0,
    until: int = 0,
    cursor: Cursor | None = None,
    backwards: bool = False,
    limit: int,
) -> list[Event]:
    """Up to `limit` events after the cursor, the newest first; backwards: before it, the oldest first.

    person: who acted or whom it concerned, 0 for anybody; invited: an invitation, for all that were made to
    its address. kinds: () for all. since, until: ms, the latter excluded, 0 for no end.
    """
    found, args = await _union((person, invited), kinds, since, until, cursor, backwards, limit)
    order = "ASC" if backwards else "DESC"
    rows = await engine.rows(
        f"SELECT {_COLUMNS} FROM ({found}) AS found JOIN activity AS a ON a.id = found.id {_NAMES}"
        f" ORDER BY a.at {order}, a.id {order} LIMIT ?",
        *args,
        limit,
    )
    return [Event(*row) for row in rows]


async def count_newer(
    cursor: Cursor,
    most: int,
    *,
    person: int = 0,
    invited: int = 0,
    kinds: Sequence[str] = (),
    since: int = 0,
    until: int = 0,
) -> int:
    """How many events came after the cursor, counted up to `most`. The other parameters as above."""
    found, args = await _union((person, invited), kinds, since, until, cursor, True, most)
    ((number,),) = await engine.rows(f"SELECT COUNT(*) FROM ({found}) AS found", *args)
    return min(int(number), most)


async def _union(
    whom: tuple[int, int],
    kinds: Sequence[str],
    since: int,
    until: int,
    cursor: Cursor | None,
    backwards: bool,
    limit: int,
) -> tuple[str, list[object]]:
    """The statement that finds events, and its arguments: a UNION with a branch for each index range.

    An OR in place of the branches would read the whole log. Each branch gives its nearest rows. An event in
    which a member acts on themself is in two branches, hence UNION without ALL.
    """
    between, ends = _bounds(since, until, cursor, backwards)
    order = "ASC" if backwards else "DESC"
    branches, args = list[str](), list[object]()
    for where, values in await _branches(*whom, kinds):
        branches.append(
            f"SELECT id, at FROM (SELECT a.id, a.at FROM activity AS a WHERE {where}{between}"
            f" ORDER BY a.at {order}, a.id {order} LIMIT ?) AS branch_{len(branches)}"
        )
        args += [*values, *ends, limit]
    return " UNION ".join(branches), args


async def _branches(person: int, invited: int, kinds: Sequence[str]) -> list[tuple[str, list[object]]]:
    """A condition for each branch. Each is a prefix of an index, so that only wanted rows are read."""
    if not person and not invited:
        return [("a.kind = ?", [kind]) for kind in kinds] or [("a.id > 0", [])]
    about = [(_BY_MEMBER, person), (_OF_MEMBER, person)] if person else []
    about += [(_OF_INVITATION, each) for each in await _of_one_address(invited)]
    branches = list[tuple[str, list[object]]]()
    for where, number in about:
        for kind in kinds or await _kinds(where, number):
            branches.append((f"{where} AND a.kind = ?", [number, kind]))
    return branches or [("a.id < 0", [])]


_BY_MEMBER: Final = "a.actor_id = ? AND a.actor_id > 0"
_OF_MEMBER: Final = "a.subject_id = ? AND a.subject_id > 0 AND a.about = 'member'"
_OF_INVITATION: Final = "a.subject_id = ? AND a.subject_id > 0 AND a.about = 'invitation'"
# Each kind of event of each invitation is a branch, and a statement can only have so many.
MAX_INVITATIONS: Final = 20


async def _of_one_address(invitation_id: int) -> list[int]:
    """The newest invitations to the same address, this one included."""
    if not invitation_id:
        return []
    found = await engine.rows(
        "SELECT o.id FROM invitation AS i JOIN invitation AS o"
        " ON o.id = i.id OR (o.email_key = i.email_key AND o.email_key <> '')"
        " WHERE i.id = ? ORDER BY o.id DESC LIMIT ?",
        invitation_id,
        MAX_INVITATIONS,
    )
    return [found_id for (found_id,) in found]


async def _kinds(where: str, person: int) -> list[str]:
    """The kinds of a person's events, by a skip scan: one index lookup for each kind."""
    first = f"SELECT MIN(a.kind) AS kind FROM activity AS a WHERE {where}"
    found = await engine.rows(
        f"WITH RECURSIVE skip_scan AS ({first} UNION ALL"
        f" SELECT (SELECT MIN(a.kind) FROM activity AS a WHERE {where} AND a.kind > skip_scan.kind)"
        " FROM skip_scan WHERE skip_scan.kind IS NOT NULL) SELECT kind FROM skip_scan WHERE kind IS NOT NULL",
        person,
        person,
    )
    return [kind for (kind,) in found]


def _bounds(since: int, until: int, cursor: Cursor | None, backwards: bool) -> tuple[str, list[object]]:
    parts, args = list[str](), list[object]()
    for sign, instant in ((">=", since), ("<", until)):
        if instant:
            parts.append(f" AND a.at {sign} ?")
            args.append(instant)
    if cursor is not None:
        # The index finds the millisecond; ids order events within it. The plus signs keep SQLite from
        # scanning twice for the OR.
        sign = ">" if backwards else "<"
        parts.append(f" AND a.at {sign}= ? AND (+a.at {sign} ? OR +a.id {sign} ?)")
        args += [cursor.at, cursor.at, cursor.id]
    return "".join(parts), args


# The kinds of events whose `after` is the id of an access request.
_OF_REQUESTS = ", ".join(
    f"'request_{what}'" for what in ("made", "confirmed", "dismissed", "brought_back", "expired")
)
_NAME = "COALESCE(NULLIF(TRIM({t}.first_name || ' ' || {t}.last_name), ''), NULLIF({t}.email, '')"
_KEPT = "NULLIF({t}.name, ''), NULLIF({t}.email, ''), '')"
_COLUMNS = (
    "a.id, a.at, a.actor_kind, a.actor_id, "
    + f"{_NAME.format(t='actor')}, {_KEPT.format(t='actor_was')} AS actor_name,"
    + " a.kind, a.subject_id, CASE WHEN a.about = 'invitation'"
    + " THEN COALESCE(NULLIF(invited.email, ''), NULLIF(subject_was.email, ''), '')"
    + " WHEN asking.id IS NOT NULL THEN COALESCE(NULLIF(asking.name, ''), asking.email)"
    + f" ELSE {_NAME.format(t='subject')}, {_KEPT.format(t='subject_was')} END AS subject_name,"
    " a.before, a.after, a.address, a.about,"
    " COALESCE(NULLIF(actor.email, ''), actor_was.email, '') AS actor_email,"
    " COALESCE(NULLIF(subject.email, ''), NULLIF(invited.email, ''), asking.email, subject_was.email, '')"
    " AS subject_email,"
    " COALESCE(actor_was.member_id, 0), COALESCE(subject_was.member_id, 0)"
)
_NAMES = (
    "LEFT JOIN member AS actor ON actor.id = a.actor_id"
    " LEFT JOIN activity_name AS actor_was"
    " ON actor_was.about = 'member' AND actor_was.subject_id = a.actor_id"
    " LEFT JOIN member AS subject ON subject.id = a.subject_id AND a.about = 'member'"
    " LEFT JOIN invitation AS invited ON invited.id = a.subject_id AND a.about = 'invitation'"
    " LEFT JOIN activity_name AS subject_was"
    " ON subject_was.about = a.about AND subject_was.subject_id = a.subject_id"
    # Perhaps a stranger typed an address that nobody confirmed: it isn't shown here either.
    f" LEFT JOIN access_request AS asking ON asking.id = CASE WHEN a.kind IN ({_OF_REQUESTS})"
    " THEN CAST(a.after AS BIGINT) END AND (asking.confirmed_at > 0 OR asking.link_id = 0)"
)
