"""What a mail tells, read from the database at the moment it is written.

A mail whose cause has ended meanwhile isn't written: the invitation was revoked, the link used, the person
removed, nobody waits any more.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from db import engine, policy
from db.activity import kept_names as activity_names
from db.auth import links
from db.auth.links import Link
from db.common import addresses, clock, dates
from db.common.role_codes import codes
from db.invitations import access_request_listing
from db.mail import notices
from db.mail.delivery import Mail
from db.policy import SYSTEM, Role
from messages import phrases


@dataclass(frozen=True, slots=True)
class Letter:
    """The facts of one mail.

    title: of the organization. role: that of whom the mail is for. other: name or address of whoever it tells
    of or comes from, other_email their address. invited: the address an invitation is for. link: what the
    mail's button opens, and until when. waiting: how many wait, newest the id of the last of them. state: of
    the invitation somebody asks about, for what answers them: open, ended, used, deactivated, removed; of a
    password link that was handed over the first three, and the last of who was lowered. yours: it tells of
    the person it is for. ends_at: of a membership, in ms. known: why a request to be let in is needless,
    "member" or "asked", "" when it only has to be confirmed. by: who did what it tells, at: when, in ms.
    how: the role of who was lowered was taken: by a change of it, with the removal, or at the end of the last
    day. lately: the role had been taken before, and now they were shut out, or given a last day ("end_set").
    """

    kind: str
    title: str
    role: Role = Role.PENDING
    other: str = ""
    other_email: str = ""
    invited: str = ""
    link: Link | None = None
    waiting: int = 0
    newest: int = 0
    yours: bool = False
    ends_at: int = 0
    known: str = ""
    state: str = "open"
    by: str = ""
    at: int = 0
    how: Literal["changed", "removed", "ended", "end_set"] = "changed"
    lately: bool = False

    def words(self, app_name: str) -> dict[str, str]:
        """The facts in the words that templates use; none of them is fit for HTML yet."""
        words = {
            "title": self.title,
            "role": self.role.label,
            "does": phrases.DOES[self.role].format(app=app_name),
            "app_name": app_name,
            "other": self.other,
            "other_email": self.other_email,
            "invited": _shown(self.invited),
            "yours": "yes" if self.yours else "",
            "state": self.state,
            "waiting": str(self.waiting),
            "known": self.known,
            "by": self.by,
            "how": self.how,
            "lately": "yes" if self.lately else "",
        }
        if self.link:
            words["day"] = dates.long_words(self.link.expires_at)
            words["ends"] = f"{words['day']}, {dates.hour(self.link.expires_at)}"
        if self.at:
            words["day"] = dates.long_words(self.at)
        if self.ends_at:
            words["day"] = dates.long_words(self.ends_at - 1)
        return words


class LeaseLost(Exception):
    """The mail isn't this process's any more: voided, put off, or its lease has ended."""


class CauseEnded(Exception):
    """There is nothing to tell any more."""


@dataclass(frozen=True, slots=True)
class _Person:
    email: str
    name: str
    role: Role
    confirmed: bool
    ends_at: int

    @property
    def label(self) -> str:
        return self.name or self.email


async def read(mail: Mail) -> Letter:
    """The letter for a claimed mail, all of one instant. Raises LeaseLost, CauseEnded and Unavailable."""
    return await engine.read(_read, mail)


async def _read(mail: Mail) -> Letter:
    found = await engine.rows(
        "SELECT g.title FROM outbox AS o CROSS JOIN organization AS g"
        " WHERE o.id = ? AND o.lease = ? AND o.state = 'queued' AND o.leased_until > ?",
        mail.id,
        mail.lease,
        clock.now(),
    )
    if not found:
        raise LeaseLost
    return await KINDS[mail.kind](mail, found[0][0])


async def _invitation(mail: Mail, title: str) -> Letter:
    found = await engine.rows(
        "SELECT email, role, invited_by FROM invitation WHERE id = ? AND ended_at = 0", mail.invitation_id
    )
    if not found:
        raise CauseEnded
    email, role, invited_by = found[0]
    # The command line invites in the organization's name.
    inviter = await _person(invited_by) if invited_by else None
    return Letter(
        mail.kind,
        title,
        role=Role(role),
        other=inviter.label if inviter else "",
        other_email=inviter.email if inviter else "",
        invited=email,
        link=await _link(mail, links.INVITATION),
    )


async def _waiting(mail: Mail, title: str) -> Letter:
    person = await _person(mail.member_id)
    ((waiting, newest),) = await engine.rows(
        f"SELECT COUNT(*), MAX(id) FROM member WHERE role = {codes(Role.PENDING)} AND removed_at = 0"
    )
    if not waiting or not await notices.gets(mail.member_id, "waiting"):
        raise CauseEnded
    return Letter(mail.kind, title, role=person.role, waiting=waiting, newest=newest)


async def _approved(mail: Mail, title: str) -> Letter:
    person = await _person(mail.member_id)
    if not policy.is_active(person.role):
        raise CauseEnded
    return Letter(mail.kind, title, role=person.role)


async def _accepted(mail: Mail, title: str) -> Letter:
    inviter, joined = await _person(mail.member_id), await _person(mail.subject_id)
    if not policy.may_invite(inviter.role):
        raise CauseEnded
    return Letter(mail.kind, title, role=joined.role, other=joined.label, other_email=joined.email)


async def _reset(mail: Mail, title: str) -> Letter:
    person = await _person(mail.member_id)
    return Letter(mail.kind, title, role=person.role, link=await _link(mail, links.RESET))


async def _handed(mail: Mail, title: str) -> Letter:
    # Whatever became of the link and the person since: they are told that it was made.
    link = await links.find(mail.link_id, links.RESET)
    works = link and not link.invalid_reason(clock.now())
    state = "open" if works else "used" if link and link.uses else "ended"
    other, other_email = await _known(mail.subject_id)
    return Letter(mail.kind, title, other=other, other_email=other_email, link=link, state=state)


async def _password(mail: Mail, title: str) -> Letter:
    return Letter(mail.kind, title)


async def _address(mail: Mail, title: str) -> Letter:
    person = await _person(mail.member_id)
    if person.confirmed:
        raise CauseEnded
    return Letter(mail.kind, title, role=person.role, link=await _link(mail, links.ADDRESS))


async def _asked(mail: Mail, title: str) -> Letter:
    person = await _person(mail.member_id)
    # Sending it again, or a newer one, was the answer; so was being let in.
    found = await engine.rows(
        "SELECT i.email, i.ended_at, COALESCE(m.role, '') FROM invitation AS i"
        " LEFT JOIN member AS m ON m.email_key = i.email_key"
        " WHERE i.id = ? AND i.new_wanted_at > 0 AND NOT (i.end_reason = 'accepted' AND i.ended_at > ?)"
        " AND NOT EXISTS (SELECT 1 FROM invitation AS n WHERE n.email_key = i.email_key AND n.email_key <> ''"
        " AND n.id > i.id)",
        mail.invitation_id,
        mail.made_at,
    )
    if not policy.may_invite(person.role) or not found:
        raise CauseEnded
    email, ended_at, has = found[0]
    if not email:
        state = "removed"
    elif has in ("", Role.PENDING.value):
        state = "ended" if ended_at else "open"
    else:
        state = "deactivated" if has == Role.DEACTIVATED.value else "used"
    return Letter(mail.kind, title, role=person.role, invited=email, state=state)


async def _ownership(mail: Mail, title: str) -> Letter:
    # Of that hand-over, whatever became of either of them since.
    found = await engine.rows(
        "SELECT a.subject_id, m.role FROM activity AS a JOIN member AS m ON m.id = ?"
        " WHERE a.kind = 'ownership_handed_over' AND a.at <= ?"
        " AND (a.actor_id = ? AND a.subject_id = ? OR a.actor_id = ? AND a.subject_id = ?)"
        " ORDER BY a.at DESC, a.id DESC LIMIT 1",
        mail.member_id,
        mail.made_at,
        *(mail.member_id, mail.subject_id),
        *(mail.subject_id, mail.member_id),
    )
    if not found:
        raise CauseEnded
    new_owner, role = found[0]
    other, other_email = await _known(mail.subject_id)
    return Letter(
        mail.kind,
        title,
        role=Role(role),
        other=other,
        other_email=other_email,
        yours=new_owner == mail.member_id,
    )


async def _lowered(mail: Mail, title: str) -> Letter:
    yours = mail.member_id == mail.subject_id
    # Who was shut out or removed by it, or since, is still told, and told of; an Undo has made the mail void.
    found = await engine.rows(
        "SELECT a.kind, a.actor_kind, a.actor_id, a.before, a.after, a.at, m.removed_at, m.role"
        " FROM member AS m JOIN activity AS a"
        " ON a.subject_id = m.id AND a.subject_id > 0 AND a.about = 'member'"
        f" AND (a.kind = 'role_changed' AND (a.before = {codes(Role.ADMINISTRATOR)}"
        f" OR a.after = {codes(Role.DEACTIVATED)})"
        " OR a.kind IN ('removed', 'end_set'))"
        " WHERE m.id = ? AND a.at <= ? ORDER BY a.at DESC, a.id DESC LIMIT 1",
        mail.subject_id,
        mail.made_at,
    )
    # Who was the Owner then may have handed over since.
    if not found or not (yours or policy.is_administrator((await _person(mail.member_id)).role)):
        raise CauseEnded
    kind, actor_kind, actor_id, before, after, at, removed_at, has = found[0]
    by_last_day = actor_kind == SYSTEM.kind
    if by_last_day:
        actor_id = await _set_last_day(mail.subject_id, at)
    if actor_id == mail.member_id:
        # They have set the last day themselves.
        raise CauseEnded
    other, other_email = await _known(mail.subject_id)
    last_day = dates.start_of(after) if kind == "end_set" else None
    return Letter(
        mail.kind,
        title,
        role=Role(has if last_day else after or Role.DEACTIVATED),
        other=other,
        other_email=other_email,
        yours=yours,
        state="removed" if removed_at else "open",
        by="" if actor_id is None else (await _known(actor_id))[0],
        at=at,
        how="ended" if by_last_day else "changed" if kind == "role_changed" else kind,
        lately=before != Role.ADMINISTRATOR,
        ends_at=last_day + dates.DAY_MS if last_day else 0,
    )


async def _set_last_day(member_id: int, ended_at: int) -> int | None:
    """Who gave a membership the last day with which it ended then (ms): 0 for the command line, None for who
    isn't known, where the log has forgotten it."""
    found = await engine.rows(
        "SELECT actor_id FROM activity WHERE subject_id = ? AND subject_id > 0 AND about = 'member'"
        " AND kind = 'end_set' AND at <= ? ORDER BY at DESC, id DESC LIMIT 1",
        member_id,
        ended_at,
    )
    return found[0][0] if found else None


async def _known(member_id: int) -> tuple[str, str]:
    """Name and address of somebody, whatever became of them since; 0 is whoever keeps the server."""
    found = await engine.rows(
        "SELECT first_name, last_name, email FROM member WHERE id = ? AND removed_at = 0", member_id
    )
    for first_name, last_name, email in found:
        return f"{first_name} {last_name}".strip() or email, email
    if not member_id:
        return phrases.SERVER_KEEPER, ""
    kept = await activity_names.of_member(member_id)
    return (kept.label, kept.email) if kept else (phrases.SOMEBODY_REMOVED, "")


async def _ending(mail: Mail, title: str) -> Letter:
    # Whoever it is for may have left before.
    await _person(mail.member_id)
    ending, yours = await _person(mail.subject_id), mail.member_id == mail.subject_id
    if not ending.ends_at or not (yours or await notices.gets(mail.member_id, "ending")):
        raise CauseEnded
    return Letter(
        mail.kind,
        title,
        role=ending.role,
        other=ending.label,
        other_email=ending.email,
        yours=yours,
        ends_at=ending.ends_at,
    )


async def _request(mail: Mail, title: str) -> Letter:
    if mail.link_id:
        link = await _link(mail, links.ACCESS_REQUEST)
        if not await engine.rows(
            "SELECT 1 FROM access_request WHERE link_id = ? AND ended_at = 0", mail.link_id
        ):
            raise CauseEnded
        return Letter(mail.kind, title, link=link)
    if mail.member_id and not await engine.rows(
        "SELECT 1 FROM member WHERE id = ? AND removed_at = 0", mail.member_id
    ):
        raise CauseEnded
    # A deactivated member reads the same: signing in tells them, and nobody else.
    return Letter(mail.kind, title, known="member" if mail.member_id else "asked")


async def _requested(mail: Mail, title: str) -> Letter:
    person, asking = await _person(mail.member_id), await access_request_listing.count()
    if not asking or not await notices.gets(mail.member_id, "asked"):
        raise CauseEnded
    return Letter(mail.kind, title, role=person.role, waiting=asking)


KINDS: Final[Mapping[str, Callable[[Mail, str], Awaitable[Letter]]]] = {
    "invitation": _invitation,
    "reminder": _invitation,
    "waiting": _waiting,
    "approved": _approved,
    "accepted": _accepted,
    "reset": _reset,
    "handed": _handed,
    "password": _password,
    "address": _address,
    "asked": _asked,
    "ownership": _ownership,
    "lowered": _lowered,
    "ending": _ending,
    "request": _request,
    "requested": _requested,
}


async def _person(member_id: int) -> _Person:
    """A member who is neither removed nor deactivated; for others there is nothing to tell."""
    found = await engine.rows(
        "SELECT email, first_name, last_name, role, confirmed_at, ends_at FROM member"
        f" WHERE id = ? AND removed_at = 0 AND role <> {codes(Role.DEACTIVATED)}"
        " AND (ends_at = 0 OR ends_at > ?)",
        member_id,
        clock.now(),
    )
    if not found:
        raise CauseEnded
    email, first_name, last_name, role, confirmed_at, ends_at = found[0]
    name = f"{first_name} {last_name}".strip()
    return _Person(email, name, Role(role), bool(confirmed_at), ends_at)


async def _link(mail: Mail, purpose: str) -> Link:
    link = await links.find(mail.link_id, purpose)
    if link is None or link.invalid_reason(clock.now()):
        raise CauseEnded
    return link


def _shown(email: str) -> str:
    """An international domain as its readers know it stands beside the one that can't be mistaken."""
    domain = addresses.unicode_domain(email)
    return f"{email} ({domain})" if domain else email
