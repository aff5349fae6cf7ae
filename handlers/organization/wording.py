"""The sentences of the organization's pages: what happened, what has just been done, how many there are."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup

from db import days
from db.activity import Event
from db.directory import Filter, Page, Row
from db.invitations import Batch
from db.members import RoleChange
from db.policy import WORKING, Role
from handlers.http import rendering

# Every kind that the log records: {who} acted, {whom} it concerns; {before} and {after} are roles or words.
EVENTS: Final = {
    "organization_made": "{who} set up the organization",
    "restored": "{who} restored a backup",
    "key_rotated": "{who} changed the secret key; links made before are dead",
    "registered": "{whom} registered by {after}",
    "signed_in": "{who} signed in",
    "signed_out": "{who} signed out",
    "sign_in_refused": "A sign-in as {whom} was refused{after}",
    "password_refused": "{who} typed a wrong password{after}",
    "limit_reached": "Too many {after} came from one network; further ones have to wait",
    "password_changed": "{who} changed their password",
    "password_reset": "{whom} set a new password with a link",
    "reset_link_made": "{who} made a password link for {whom}",
    "session_ended": "{who} signed out one of their other sessions",
    "other_sessions_ended": "{who} signed out everywhere else",
    "name_changed": "{who} changed their name",
    "own_notices_switched": "{who} switched notices for themself {after}",
    "confirmation_asked_for": "{who} asked for the mail that confirms their address",
    "address_confirmed": "{who} confirmed their address",
    "reset_asked_for": "Somebody asked for a new password for {whom}",
    "accepted_invitation": "{whom} accepted an invitation as {after}",
    "invitation_made": "{who} invited {whom} as {after}",
    "invitation_role_changed": "{who} changed the role in the invitation of {whom} from {before} to {after}",
    "invitation_resent": "{who} sent the invitation of {whom} again",
    "invitation_revoked": "{who} revoked the invitation of {whom}",
    "invitation_shown": "{who} was shown the invitation link of {whom}",
    "invitation_voided": "The invitation of {whom} became void: {who} took its inviter's right to invite",
    "invitation_reminded": "{who} reminded {whom} of their invitation",
    "invitation_asked_for": "{whom} asked for a new invitation",
    "request_made": "{who} asked to be let in (request {after})",
    "request_left_alone": "{who} asked to be let in with an address that is known here",
    "request_confirmed": "{who} confirmed the address of request {after} to be let in",
    "request_dismissed": "{who} dismissed request {after} to be let in",
    "request_expired": "{who} ended request {after} to be let in, which nobody answered for 90 days",
    "role_changed": "{who} changed the role of {whom} from {before} to {after}",
    "end_set": "{who} set the last day of {whom} to {after}",
    "end_lifted": "{who} lifted the last day of {whom}, which was {before}",
    "ownership_handed_over": "{who} handed ownership over to {whom}",
    "removed": "{who} removed {whom}",
    "invite_link_reset": "{who} reset the invite link",
    "title_changed": "{who} changed the organization's name from {before} to {after}",
    "link_limits_changed": "{who} changed a limit of the invite link from “{before}” to “{after}”",
    "notices_changed": "{who} changed who gets a notice from “{before}” to “{after}”",
    "session_ages_changed": "{who} changed how long sessions last from “{before}” to “{after}”",
    "asking_switched": "{who} switched asking for access {after}",
    "role_note_changed": "{who} changed the words for a role from “{before}” to “{after}”",
}
# Kinds whose before and after are days (ISO).
DAYS: Final = ("end_set", "end_lifted")
# Kinds whose before and after are what somebody typed, or words already, not codes.
TYPED: Final = (
    "organization_made",
    "title_changed",
    "link_limits_changed",
    "notices_changed",
    "session_ages_changed",
    "role_note_changed",
)
WORDS: Final = {
    "link": "the invite link",
    "signup": "the sign-up page",
    "throttled": "; the next try has to wait",
    "deactivated": ": they are deactivated",
}
# What is put otherwise when somebody did it to themself, by an invitation or by handing over.
OWN_EVENTS: Final = {"role_changed": "{who} became {after} and was {before}"}
# How a Pending person is let in: what the page is for, so it has the plainest words.
APPROVED: Final = "{who} gave {whom} the role {after}"
NOBODY: Final = {"command": "The command line", "system": "Gatehouse", "visitor": "A visitor"}

_TURNS: Final = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def event_sentence(event: Event, members: str = "") -> Markup:
    """An event in words, names in <bdi>: they may be written from right to left.

    members: the address below which each member has their own, to make links of the names; "" for none.
    """
    who = _named(event.actor_name, event.actor_id, members) or NOBODY.get(
        event.actor_kind, "A removed member"
    )
    of_member = members if event.about == "member" else ""
    whom = _named(event.subject_name, event.subject_id, of_member) or (
        "a removed member" if event.subject_id else "nobody here"
    )
    before, after = (_word(event.kind, text) for text in (event.before, event.after))
    return Markup(_form(event)).format(who=who, whom=whom, before=before, after=after)


def _form(event: Event) -> str:
    if event.actor_id == event.subject_id and event.kind in OWN_EVENTS:
        return OWN_EVENTS[event.kind]
    gave_access = event.before == Role.PENDING.value and event.after in [role.value for role in WORKING]
    return APPROVED if event.kind == "role_changed" and gave_access else EVENTS[event.kind]


def _word(kind: str, text: str) -> Markup | str:
    if kind in TYPED:
        return _isolated(text)
    if kind in DAYS and (start := days.start_of(text)) is not None:
        return days.words(start)
    return Role(text).label if text in list(Role) else WORDS.get(text, text)


def _named(name: str, member_id: int, members: str) -> Markup | str:
    """The name, as a link to that member if there is an address; "" for nobody."""
    if not name or not members or not member_id:
        return _isolated(name)
    address = f"{members}/{member_id}"
    link = Markup('<a href="{}" hx-get="{}" hx-target="#dialog" hx-swap="innerHTML">{}</a>')
    return link.format(address, address, _isolated(name))


def _isolated(name: str) -> Markup | str:
    return Markup("<bdi>{}</bdi>").format(name) if name else ""


def plain(name: str) -> str:
    """A name for a sentence without markup (toasts): without the signs that turn the rest of it around."""
    return "".join(sign for sign in name if unicodedata.bidirectional(sign) not in _TURNS)


def change_sentence(change: RoleChange) -> str:
    """What the toast says after one drop-down."""
    role = Role(change.row.role)
    tense = "was {} already" if change.before is role else "is {} now"
    return f"{plain(change.row.label)} {tense.format(role.label)}."


def end_sentence(row: Row) -> str:
    """What the toast says after a last day was set or lifted."""
    name = plain(row.label)
    if not row.ends_at:
        return f"{name} has no last day."
    return f"The last day of {name} is {rendering.last_day(row.ends_at)}."


def bulk_sentence(changes: Sequence[RoleChange], role: Role) -> str:
    """What the toast says after a role for several people."""
    changed = sum(change.before is not role for change in changes)
    if len(changes) == 1:
        return change_sentence(changes[0])
    if changed == 0:
        return f"All of them were {role.plural} already."
    if changed == 1:
        return f"1 person is {role.label} now."
    return f"{changed:,} people are {role.plural} now."


def back_sentence(changes: Sequence[RoleChange]) -> str:
    """What the toast says after a change was taken back."""
    if len(changes) == 1:
        return change_sentence(changes[0])
    return f"{len(changes):,} people have the role back that they had before."


def count_sentence(chosen: Filter, page: Page, me_id: int) -> str:
    """What #members-count says; it begins with the number of people the filter shows."""
    everybody = sum(page.counts.values())
    noun = "member" if page.total == 1 else "members"
    if chosen.link and not chosen.q:
        more = "" if page.total_is_exact else "More than "
        order = "oldest first" if page.sorted_by == "joined" else "newest first"
        return f"{more}{page.total:,} {noun} came by this link, {order}"
    if not page.total_is_exact:
        return f"More than {page.total:,} members found; the newest {page.total:,} are listed, newest first"
    if chosen.q:
        return f"{page.total:,} {noun} found, of {everybody:,}"
    if chosen.roles:
        return f"{page.total:,} of {everybody:,} {'member' if everybody == 1 else 'members'}"
    if everybody == 1:
        return "1 member: you" if page.rows and page.rows[0].id == me_id else "1 member"
    waiting, away = page.counts[Role.PENDING], page.counts[Role.DEACTIVATED]
    said = f"{page.total:,} {noun}"
    said += f", {waiting:,} of them waiting" if waiting else ""
    return said + (f". {away:,} deactivated not shown" if away else "")


def batch_sentence(batch: Batch, *, mail: bool) -> str:
    """What a press of "Send invitations" did. mail: whether mail is set up."""
    parts = []
    if batch.invited:
        noun = "1 invitation" if batch.invited == 1 else f"{batch.invited:,} invitations"
        way = "on the way" if mail else "made; hand the links over"
        parts.append(f"{noun} {'is' if batch.invited == 1 else 'are'} {way}")
    if batch.approved:
        parts.append(f"{batch.approved:,} who waited {'has' if batch.approved == 1 else 'have'} the role now")
    if batch.left_alone:
        parts.append(f"{batch.left_alone:,} left alone")
    return ", ".join(parts) + "." if parts else "Nobody had to be invited."
