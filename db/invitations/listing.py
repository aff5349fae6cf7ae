"""The list of invitations: the open ones first, then those that ended, each the newest first.

Fifty at a time, by state, address, name or inviter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple
from urllib.parse import urlencode

from db import engine
from db.common import clock, ids, normalization
from db.common.role_codes import codes
from db.errors import Invalid
from db.invitations import access_request_listing
from db.members.directory import search
from db.policy import Role
from messages import by_field, logbook

PAGE_SIZE: Final = 50
MAX_SEARCH_CHARACTERS: Final = 200
# Access requests aren't invitations yet: db/invitations/access_request_listing.py lists them.
ASKED: Final = "asked"
STATES: Final = (ASKED, "open", "refused", "accepted", "joined", "expired", "revoked")
JOINED_BY_THEMSELVES: Final = ("link", "signup")
# Who has the address of an open invitation is in without it, unless they have one of these roles or none.
NOT_JOINED: Final = ("", Role.PENDING.value, Role.DEACTIVATED.value)


class Meant(NamedTuple):
    """The role that somebody was invited to, by its code, and who invited them."""

    role: str
    inviter: str


class InvitationRow(NamedTuple):
    """One invitation. Instants are in ms, 0 for not.

    mail: the state of its newest mail: queued, sent, failed, held, void, or "" without a mail.
    server_reply: what the mail server answered. tries: how often it was tried; mail_at: when next.
    holder_…: the member who has the address now, 0 and "" if nobody has, and how they joined.
    seen_at: when the holder was last here, if they have access.
    followed: 1 when a newer invitation went to the address.
    """

    id: int
    email: str
    first_name: str
    last_name: str
    role: str
    inviter: str
    made_at: int
    new_wanted_at: int
    link_revealed_at: int
    link_id: int
    nonce: str
    expires_at: int
    link_ended: str
    ended_at: int
    end_reason: str
    mail: str
    server_reply: str
    tries: int
    mail_at: int
    holder_id: int
    holder_role: str
    seen_at: int
    followed: int
    holder_joined_via: str

    def state(self, now: int) -> str:
        """accepted, revoked, void, joined, expired; while it is open: queued, sent, refused, unsent (a link).

        joined: they have a role without it. Nothing is stored for that, so the invitation is open again when
        the role is undone.
        """
        if self.end_reason:
            return self.end_reason
        if self.holder_role not in NOT_JOINED:
            return "joined"
        if self.link_ended or self.expires_at <= now:
            return "expired"
        return {"queued": "queued", "sent": "sent", "failed": "refused"}.get(self.mail, "unsent")

    @property
    def joined_otherwise(self) -> bool:
        """Whether they registered by the invite link or the sign-up page, and the invitation hasn't ended."""
        return self.holder_joined_via in JOINED_BY_THEMSELVES and not self.end_reason

    @property
    def new_is_wanted(self) -> bool:
        """Whether somebody asks for a new one, and waits for an answer."""
        return self.new_wanted_at > 0 and not self.followed and self.seen_at <= self.new_wanted_at

    @property
    def may_follow(self) -> bool:
        """Whether it ended so that the address can be invited again."""
        ended = self.end_reason in ("revoked", "void") and not self.followed and self.email != ""
        return ended and self.holder_role in ("", Role.PENDING.value)

    def is_open(self, now: int) -> bool:
        """Whether its link can be used."""
        return self.state(now) in ("queued", "sent", "refused", "unsent")


@dataclass(frozen=True, slots=True)
class InvitationFilter:
    """q: part of an address, name or inviter's name. state: one of STATES or "". batch: 0 for all.

    after, before: the id of the invitation next to the page, 0 for none; below 0 when that stands among those
    that have ended, so that it keeps its place if it ends meanwhile.
    """

    q: str = ""
    state: str = ""
    batch: int = 0
    after: int = 0
    before: int = 0

    @classmethod
    def parse(cls, query: Mapping[str, list[str]]) -> "InvitationFilter":
        """Reads a query string's parameters. Raises Invalid with every error by its field."""
        errors: dict[str, list[str]] = {}
        single = {}
        for name in ("q", "state", "batch", "after", "before"):
            values = query.get(name) or [""]
            single[name] = values[0]
            if len(values) > 1:
                errors[name] = [by_field.GIVE_ONCE]
        if len(single["q"]) > MAX_SEARCH_CHARACTERS or any(ord(sign) < 32 for sign in single["q"]):
            errors["q"] = [by_field.SEARCH_PLAIN.format(most=MAX_SEARCH_CHARACTERS)]
        if single["state"] not in ("", *STATES):
            errors["state"] = [by_field.STATE_IS_ONE_OF.format(states=", ".join(STATES))]
        numbers = {}
        for name in ("batch", "after", "before"):
            sign = -1 if name != "batch" and single[name].startswith("-") else 1
            numbers[name] = sign * ids.parse(single[name][1:] if sign < 0 else single[name])
            if single[name] and not numbers[name]:
                errors[name] = [by_field.NO_NUMBER]
        if errors:
            raise Invalid(errors)
        return cls(single["q"].strip(), single["state"], **numbers)

    @property
    def narrows(self) -> bool:
        """Whether it leaves any invitation out."""
        return bool(self.q or self.state or self.batch)

    def address(self, *, after: int = 0, before: int = 0) -> str:
        """The query string of this filter, with a place in it or none."""
        pairs = (
            ("q", self.q),
            ("state", self.state),
            ("batch", self.batch),
            ("after", after),
            ("before", before),
        )
        return urlencode([(name, value) for name, value in pairs if value])


@dataclass(frozen=True, slots=True)
class InvitationPage:
    """newer, older: ids for `before` and `after`, 0 where the list ends. counts: of all, by state.

    offset: how many come before the first row.
    """

    rows: tuple[InvitationRow, ...]
    newer: int
    older: int
    total: int
    offset: int
    counts: Mapping[str, int]


_INVITER: Final = f"""COALESCE(NULLIF(TRIM(b.first_name || ' ' || b.last_name), ''), NULLIF(b.email, ''),
        {engine.literal(logbook.REMOVED_INVITER)})"""
_COLUMNS: Final = f"""i.id, i.email, i.first_name, i.last_name, i.role,
    {_INVITER},
    i.made_at, i.new_wanted_at, i.link_revealed_at, i.link_id, l.nonce, l.expires_at, l.end_reason,
    i.ended_at, i.end_reason,
    COALESCE(o.state, ''), COALESCE(o.server_reply, ''), COALESCE(o.tries, 0),
    CASE WHEN o.done_at > 0 THEN o.done_at ELSE COALESCE(o.due_at, 0) END,
    COALESCE(h.id, 0), COALESCE(h.role, ''),
    CASE WHEN h.role NOT IN ({codes(Role.PENDING, Role.DEACTIVATED)}) THEN h.last_activity_at ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM invitation AS n WHERE n.email_key = i.email_key AND n.email_key <> ''
        AND n.id > i.id) THEN 1 ELSE 0 END,
    COALESCE(h.joined_via, '')"""
_FROM: Final = """FROM invitation AS i JOIN links AS l ON l.id = i.link_id
    LEFT JOIN member AS b ON b.id = i.invited_by LEFT JOIN outbox AS o ON o.id = i.mail_id
    LEFT JOIN member AS h ON h.email_key = i.email_key"""
_JOINED: Final = f"COALESCE(h.role, '') NOT IN ('', {codes(Role.PENDING, Role.DEACTIVATED)})"
_ALIVE: Final = f"i.ended_at = 0 AND l.ended_at = 0 AND l.expires_at > ? AND NOT {_JOINED}"
# Each takes the present instant as often as it has a question mark.
_STATE: Final = {
    "open": _ALIVE,
    "refused": f"{_ALIVE} AND o.state = 'failed'",
    "accepted": "i.end_reason = 'accepted'",
    "joined": f"i.ended_at = 0 AND {_JOINED}",
    "expired": f"i.ended_at = 0 AND (l.ended_at > 0 OR l.expires_at <= ?) AND NOT {_JOINED}",
    "revoked": "i.end_reason IN ('revoked', 'void')",
}


async def page(shown: InvitationFilter) -> InvitationPage:
    """One page. Raises engine.TookTooLong and engine.Unavailable."""
    return await (engine.read_in_background if shown.q else engine.read)(_page, shown)


async def counts() -> Mapping[str, int]:
    """How many invitations are in each state, and how many access requests are open."""
    return await engine.read(_counts)


async def count_open() -> int:
    """How many invitations can be accepted now."""
    ((number,),) = await engine.rows(f"SELECT COUNT(*) {_FROM} WHERE {_ALIVE}", clock.now())
    return int(number)


async def one(invitation_id: int) -> InvitationRow | None:
    """The invitation of this id."""
    found = await engine.rows(f"SELECT {_COLUMNS} {_FROM} WHERE i.id = ?", invitation_id)
    return InvitationRow(*found[0]) if found else None


async def several(invitation_ids: Sequence[int]) -> list[InvitationRow]:
    """These invitations, in order."""
    marks = ", ".join("?" * len(invitation_ids))
    found = await engine.rows(
        f"SELECT {_COLUMNS} {_FROM} WHERE i.id IN ({marks}) ORDER BY i.id", *invitation_ids
    )
    return [InvitationRow(*row) for row in found]


async def meant_for(member_ids: Sequence[int]) -> dict[int, Meant]:
    """Of these members those who wait, came by themselves and are invited: by their id, what was meant."""
    if not member_ids:
        return {}
    marks = ", ".join("?" * len(member_ids))
    joined_via = ", ".join(map(engine.literal, JOINED_BY_THEMSELVES))
    found = await engine.rows(
        f"SELECT m.id, i.role, {_INVITER} FROM member AS m"
        " JOIN invitation AS i ON i.email_key = m.email_key AND i.ended_at = 0"
        f" LEFT JOIN member AS b ON b.id = i.invited_by WHERE m.id IN ({marks})"
        f" AND m.role = {codes(Role.PENDING)} AND m.joined_via IN ({joined_via})",
        *member_ids,
    )
    return {member_id: Meant(role, inviter) for member_id, role, inviter in found}


async def of_batch(batch_id: int) -> list[InvitationRow]:
    """All invitations of one sending, in order."""
    found = await engine.rows(f"SELECT {_COLUMNS} {_FROM} WHERE i.batch_id = ? ORDER BY i.id", batch_id)
    return [InvitationRow(*row) for row in found]


async def _page(shown: InvitationFilter) -> InvitationPage:
    where, args = _where(shown)
    ((total,),) = await engine.rows(f"SELECT COUNT(*) {_FROM} WHERE {where}", *args)
    backwards, place = shown.before != 0, shown.before or shown.after
    found: list[tuple[InvitationRow, bool]] = []
    for ended, group, instants in _groups(shown, backwards, place):
        beyond = (" AND i.id > ?" if backwards else " AND i.id < ?") if place else ""
        records = await engine.rows(
            f"SELECT {_COLUMNS} {_FROM} WHERE {where} AND {group}{beyond}"
            f" ORDER BY i.id {'ASC' if backwards else 'DESC'} LIMIT ?",
            *args,
            *instants,
            *((abs(place),) if place else ()),
            PAGE_SIZE + 1 - len(found),
        )
        found += [(InvitationRow(*record), ended) for record in records]
        # The next group begins at its beginning.
        place = 0
    more = len(found) > PAGE_SIZE
    placed = found[:PAGE_SIZE][:: -1 if backwards else 1]
    newer, older = (more, True) if backwards else (shown.after != 0, more)
    return InvitationPage(
        rows=tuple(line for line, _ in placed),
        newer=_place(placed[0]) if placed and newer else 0,
        older=_place(placed[-1]) if placed and older else 0,
        total=total,
        offset=await _offset(shown, _place(placed[0])) if placed and newer else 0,
        counts=await _counts(),
    )


async def _offset(shown: InvitationFilter, place: int) -> int:
    """How many come before this place."""
    where, args = _where(shown)
    offset, ahead = 0, [abs(place)]
    for _, group, instants in _groups(shown, True, place):
        beyond = " AND i.id > ?" if ahead else ""
        counted = f"SELECT COUNT(*) {_FROM} WHERE {where} AND {group}{beyond}"
        ((number,),) = await engine.rows(counted, *args, *instants, *ahead)
        # All of the group before that comes before it.
        offset, ahead = offset + int(number), []
    return offset


def _place(placed: tuple[InvitationRow, bool]) -> int:
    line, ended = placed
    return -line.id if ended else line.id


def _groups(shown: InvitationFilter, backwards: bool, place: int) -> list[tuple[bool, str, list[int]]]:
    """What is still ahead of a place: whether it has ended, the condition and its instants; one group when
    a state is asked for.
    """
    if shown.state:
        return [(False, "1 = 1", [])]
    now = clock.now()
    groups = [(False, f"({_ALIVE})", [now]), (True, f"NOT ({_ALIVE})", [now])]
    if backwards:
        return groups[:1] if place > 0 else groups[::-1]
    return groups[1:] if place < 0 else groups


async def _counts() -> Mapping[str, int]:
    now = clock.now()
    sums = ", ".join(f"COALESCE(SUM(CASE WHEN {where} THEN 1 ELSE 0 END), 0)" for where in _STATE.values())
    instants = [now for where in _STATE.values() for _ in range(where.count("?"))]
    (found,) = await engine.rows(f"SELECT {sums} {_FROM}", *instants)
    numbers = dict(zip(_STATE, (int(number) for number in found), strict=True))
    return {**numbers, ASKED: await access_request_listing.count()}


def _where(shown: InvitationFilter) -> tuple[str, list[object]]:
    parts, args = ["1 = 0" if shown.state == ASKED else "1 = 1"], list[object]()
    if shown.state in _STATE:
        parts.append(_STATE[shown.state])
        args += [clock.now()] * _STATE[shown.state].count("?")
    if shown.batch:
        parts.append("i.batch_id = ?")
        args.append(shown.batch)
    words = normalization.search_words(shown.q)
    if words:
        condition, looked_for = search.containing(words, "i.search_text", "b.search_text")
        parts.append(condition)
        args += looked_for
    return " AND ".join(parts), args
