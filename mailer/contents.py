"""What a mail says, read from the database just before it is sent.

A mail that is no longer relevant by then isn't sent: the invitation was revoked, the link used, the person
removed, or nobody waits any more.
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
class MailContents:
    """What one mail says, by the names that its template uses."""

    # The file of templates/mail, without its suffix.
    template: str
    # The organization's title.
    title: str
    # The recipient's role, or the role that the mail is about.
    role: Role = Role.PENDING
    # Name, or else address, of the person that the mail is about or comes from; and their address.
    other: str = ""
    other_email: str = ""
    # The address that an invitation is for.
    invited: str = ""
    # The link that the button opens; its token is made when the mail is rendered.
    link: Link | None = None
    # How many members wait for a role, or how many access requests are open.
    waiting: int = 0
    # The highest member id among those that `waiting` counts.
    newest: int = 0
    # The mail is about its recipient.
    yours: bool = False
    # End of the membership that the mail is about, in ms; 0 for none.
    ends_at: int = 0
    # Why an access request isn't needed: "member", "asked" (there is one already), or "" where it is.
    known: str = ""
    # What the mail is about, as it is now: an invitation is "open", "ended", "used" (its address has an
    # account), "deactivated" or "removed"; an admin-made link "open", "ended" or "used"; a person who was
    # demoted "open" or "removed".
    state: str = "open"
    # Name of the person who made the change, and when, in ms. "" if the log no longer says who.
    by: str = ""
    at: int = 0
    # How an Administrator lost the role: it was changed, they were removed, or their last day ended.
    # "end_set": they had lost it before, and now got a last day.
    how: Literal["changed", "removed", "ended", "end_set"] = "changed"
    # They had lost the role before this change.
    lately: bool = False

    def template_values(self, app_name: str) -> dict[str, str]:
        """The values for the template, as plain text that isn't escaped for HTML."""
        values = {
            "title": self.title,
            "role": self.role.label,
            "does": phrases.DOES[self.role].format(app=app_name),
            "app_name": app_name,
            "other": self.other,
            "other_email": self.other_email,
            "invited": _with_unicode_domain(self.invited),
            "yours": "yes" if self.yours else "",
            "state": self.state,
            "waiting": str(self.waiting),
            "known": self.known,
            "by": self.by,
            "how": self.how,
            "lately": "yes" if self.lately else "",
        }
        if self.link:
            values["day"] = dates.long_words(self.link.expires_at)
            values["ends"] = f"{values['day']}, {dates.hour(self.link.expires_at)}"
        if self.at:
            values["day"] = dates.long_words(self.at)
        if self.ends_at:
            values["day"] = dates.long_words(self.ends_at - 1)
        return values


class LeaseLost(Exception):
    """This process may not send the mail: it was voided or postponed, or its lease has ended."""


class NoLongerRelevant(Exception):
    """The reason for the mail is gone, so it must not be sent."""


@dataclass(frozen=True, slots=True)
class _Member:
    email: str
    name: str
    role: Role
    confirmed: bool
    ends_at: int

    @property
    def label(self) -> str:
        return self.name or self.email


async def read(mail: Mail) -> MailContents:
    """The contents of a claimed mail, read in one snapshot.

    Raises LeaseLost, NoLongerRelevant and Unavailable.
    """
    return await engine.read(_read, mail)


async def _read(mail: Mail) -> MailContents:
    titles = await engine.rows(
        "SELECT g.title FROM outbox AS o CROSS JOIN organization AS g"
        " WHERE o.id = ? AND o.lease = ? AND o.state = 'queued' AND o.leased_until > ?",
        mail.id,
        mail.lease,
        clock.now(),
    )
    if not titles:
        raise LeaseLost
    return await KINDS[mail.kind](mail, titles[0][0])


async def _invitation(mail: Mail, title: str) -> MailContents:
    rows = await engine.rows(
        "SELECT email, role, invited_by FROM invitation WHERE id = ? AND ended_at = 0", mail.invitation_id
    )
    if not rows:
        raise NoLongerRelevant
    email, role, invited_by = rows[0]
    # An invitation from the command line names nobody.
    inviter = await _member(invited_by) if invited_by else None
    return MailContents(
        mail.kind,
        title,
        role=Role(role),
        other=inviter.label if inviter else "",
        other_email=inviter.email if inviter else "",
        invited=email,
        link=await _link(mail, links.INVITATION),
    )


async def _waiting(mail: Mail, title: str) -> MailContents:
    person = await _member(mail.member_id)
    ((waiting, newest),) = await engine.rows(
        f"SELECT COUNT(*), MAX(id) FROM member WHERE role = {codes(Role.PENDING)} AND removed_at = 0"
    )
    if not waiting or not await notices.is_recipient(mail.member_id, "waiting"):
        raise NoLongerRelevant
    return MailContents("waiting", title, role=person.role, waiting=waiting, newest=newest)


async def _approved(mail: Mail, title: str) -> MailContents:
    person = await _member(mail.member_id)
    if not policy.is_active(person.role):
        raise NoLongerRelevant
    return MailContents("approved", title, role=person.role)


async def _accepted(mail: Mail, title: str) -> MailContents:
    inviter, joined = await _member(mail.member_id), await _member(mail.subject_id)
    if not policy.may_invite(inviter.role):
        raise NoLongerRelevant
    return MailContents("accepted", title, role=joined.role, other=joined.label, other_email=joined.email)


async def _reset(mail: Mail, title: str) -> MailContents:
    person = await _member(mail.member_id)
    return MailContents("reset", title, role=person.role, link=await _link(mail, links.RESET))


async def _admin_reset_link(mail: Mail, title: str) -> MailContents:
    # They are notified whatever has become of the link and the person who made it.
    link = await links.find(mail.link_id, links.RESET)
    works = link and not link.invalid_reason(clock.now())
    state = "open" if works else "used" if link and link.uses else "ended"
    other, other_email = await _name_and_email(mail.subject_id)
    return MailContents(
        "admin_reset_link", title, other=other, other_email=other_email, link=link, state=state
    )


async def _password(mail: Mail, title: str) -> MailContents:
    return MailContents("password", title)


async def _confirm_address(mail: Mail, title: str) -> MailContents:
    person = await _member(mail.member_id)
    if person.confirmed:
        raise NoLongerRelevant
    return MailContents("confirm_address", title, role=person.role, link=await _link(mail, links.ADDRESS))


async def _new_invitation_wanted(mail: Mail, title: str) -> MailContents:
    person = await _member(mail.member_id)
    # An invitation that was resent, replaced or accepted has been dealt with.
    rows = await engine.rows(
        "SELECT i.email, i.ended_at, COALESCE(m.role, '') FROM invitation AS i"
        " LEFT JOIN member AS m ON m.email_key = i.email_key"
        " WHERE i.id = ? AND i.new_wanted_at > 0 AND NOT (i.end_reason = 'accepted' AND i.ended_at > ?)"
        " AND NOT EXISTS (SELECT 1 FROM invitation AS n WHERE n.email_key = i.email_key AND n.email_key <> ''"
        " AND n.id > i.id)",
        mail.invitation_id,
        mail.made_at,
    )
    if not policy.may_invite(person.role) or not rows:
        raise NoLongerRelevant
    email, ended_at, member_role = rows[0]
    if not email:
        state = "removed"
    elif member_role in ("", Role.PENDING.value):
        state = "ended" if ended_at else "open"
    else:
        state = "deactivated" if member_role == Role.DEACTIVATED.value else "used"
    return MailContents("new_invitation_wanted", title, role=person.role, invited=email, state=state)


async def _ownership(mail: Mail, title: str) -> MailContents:
    # The hand-over of that time, whatever has happened to the two since.
    rows = await engine.rows(
        "SELECT a.subject_id, m.role FROM activity AS a JOIN member AS m ON m.id = ?"
        " WHERE a.kind = 'ownership_handed_over' AND a.at <= ?"
        " AND (a.actor_id = ? AND a.subject_id = ? OR a.actor_id = ? AND a.subject_id = ?)"
        " ORDER BY a.at DESC, a.id DESC LIMIT 1",
        mail.member_id,
        mail.made_at,
        *(mail.member_id, mail.subject_id),
        *(mail.subject_id, mail.member_id),
    )
    if not rows:
        raise NoLongerRelevant
    new_owner, role = rows[0]
    other, other_email = await _name_and_email(mail.subject_id)
    return MailContents(
        "ownership",
        title,
        role=Role(role),
        other=other,
        other_email=other_email,
        yours=new_owner == mail.member_id,
    )


async def _lowered(mail: Mail, title: str) -> MailContents:
    yours = mail.member_id == mail.subject_id
    # The mail is sent even if the person was deactivated or removed since. An Undo would have voided it.
    rows = await engine.rows(
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
    # The Owner of that time may no longer be an Administrator.
    if not rows or not (yours or policy.is_administrator((await _member(mail.member_id)).role)):
        raise NoLongerRelevant
    kind, actor_kind, actor_id, before, after, at, removed_at, current_role = rows[0]
    by_last_day = actor_kind == SYSTEM.kind
    if by_last_day:
        actor_id = await _who_set_last_day(mail.subject_id, at)
    if actor_id == mail.member_id:
        # The recipient made this change.
        raise NoLongerRelevant
    other, other_email = await _name_and_email(mail.subject_id)
    last_day = dates.start_of(after) if kind == "end_set" else None
    return MailContents(
        "lowered",
        title,
        role=Role(current_role if last_day else after or Role.DEACTIVATED),
        other=other,
        other_email=other_email,
        yours=yours,
        state="removed" if removed_at else "open",
        by="" if actor_id is None else (await _name_and_email(actor_id))[0],
        at=at,
        how="ended" if by_last_day else "changed" if kind == "role_changed" else kind,
        lately=before != Role.ADMINISTRATOR,
        ends_at=last_day + dates.DAY_MS if last_day else 0,
    )


async def _who_set_last_day(member_id: int, ended_at: int) -> int | None:
    """Id of the member who set the last day with which a membership ended at ended_at (ms).

    0 for the command line, None if the log no longer says.
    """
    rows = await engine.rows(
        "SELECT actor_id FROM activity WHERE subject_id = ? AND subject_id > 0 AND about = 'member'"
        " AND kind = 'end_set' AND at <= ? ORDER BY at DESC, id DESC LIMIT 1",
        member_id,
        ended_at,
    )
    return rows[0][0] if rows else None


async def _name_and_email(member_id: int) -> tuple[str, str]:
    """Name, or else address, and address of a member, even a removed one. 0 stands for the command line."""
    rows = await engine.rows(
        "SELECT first_name, last_name, email FROM member WHERE id = ? AND removed_at = 0", member_id
    )
    for first_name, last_name, email in rows:
        return f"{first_name} {last_name}".strip() or email, email
    if not member_id:
        return phrases.SERVER_KEEPER, ""
    kept = await activity_names.of_member(member_id)
    return (kept.label, kept.email) if kept else (phrases.SOMEBODY_REMOVED, "")


async def _ending(mail: Mail, title: str) -> MailContents:
    # Raises if the recipient is no longer active.
    await _member(mail.member_id)
    ending, yours = await _member(mail.subject_id), mail.member_id == mail.subject_id
    if not ending.ends_at or not (yours or await notices.is_recipient(mail.member_id, "ending")):
        raise NoLongerRelevant
    return MailContents(
        "ending",
        title,
        role=ending.role,
        other=ending.label,
        other_email=ending.email,
        yours=yours,
        ends_at=ending.ends_at,
    )


async def _request(mail: Mail, title: str) -> MailContents:
    if mail.link_id:
        link = await _link(mail, links.ACCESS_REQUEST)
        if not await engine.rows(
            "SELECT 1 FROM access_request WHERE link_id = ? AND ended_at = 0", mail.link_id
        ):
            raise NoLongerRelevant
        return MailContents("request", title, link=link)
    if mail.member_id and not await engine.rows(
        "SELECT 1 FROM member WHERE id = ? AND removed_at = 0", mail.member_id
    ):
        raise NoLongerRelevant
    # A deactivated member gets the same mail: only signing in shows that the account is deactivated.
    return MailContents("request", title, known="member" if mail.member_id else "asked")


async def _requested(mail: Mail, title: str) -> MailContents:
    person, asking = await _member(mail.member_id), await access_request_listing.count()
    if not asking or not await notices.is_recipient(mail.member_id, "asked"):
        raise NoLongerRelevant
    return MailContents("requested", title, role=person.role, waiting=asking)


# Reads a mail's contents, by its kind as the outbox stores it.
KINDS: Final[Mapping[str, Callable[[Mail, str], Awaitable[MailContents]]]] = {
    "invitation": _invitation,
    "reminder": _invitation,
    "waiting": _waiting,
    "approved": _approved,
    "accepted": _accepted,
    "reset": _reset,
    "handed": _admin_reset_link,
    "password": _password,
    "address": _confirm_address,
    "asked": _new_invitation_wanted,
    "ownership": _ownership,
    "lowered": _lowered,
    "ending": _ending,
    "request": _request,
    "requested": _requested,
}


async def _member(member_id: int) -> _Member:
    """An active member. Raises NoLongerRelevant for a removed or deactivated one."""
    rows = await engine.rows(
        "SELECT email, first_name, last_name, role, confirmed_at, ends_at FROM member"
        f" WHERE id = ? AND removed_at = 0 AND role <> {codes(Role.DEACTIVATED)}"
        " AND (ends_at = 0 OR ends_at > ?)",
        member_id,
        clock.now(),
    )
    if not rows:
        raise NoLongerRelevant
    email, first_name, last_name, role, confirmed_at, ends_at = rows[0]
    name = f"{first_name} {last_name}".strip()
    return _Member(email, name, Role(role), bool(confirmed_at), ends_at)


async def _link(mail: Mail, purpose: str) -> Link:
    link = await links.find(mail.link_id, purpose)
    if link is None or link.invalid_reason(clock.now()):
        raise NoLongerRelevant
    return link


def _with_unicode_domain(email: str) -> str:
    """The address, followed by its domain in Unicode if it is an international one.

    The ASCII form comes first, because Unicode letters can be mistaken for others.
    """
    domain = addresses.unicode_domain(email)
    return f"{email} ({domain})" if domain else email
