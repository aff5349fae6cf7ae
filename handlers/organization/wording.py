"""The sentences of the organization's pages: events, toasts and counts."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from db.activity import Event
from db.common import dates
from db.invitations.creation import Batch
from db.members.directory import MemberFilter, MemberRow, MemberSummary
from db.members.roles import RoleChange
from db.policy import WORKING, Role
from handlers.http.response import rendering
from messages import logbook, phrases, toasts

# Kinds of events whose before and after are days (ISO).
DAYS: Final = ("end_set", "end_lifted")
# Kinds of events whose before and after are plain text, not codes.
TYPED: Final = (
    "organization_made",
    "title_changed",
    "link_limits_changed",
    "notices_changed",
    "session_ages_changed",
    "role_note_changed",
)
_TURNS: Final = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def event_sentence(event: Event, organization: str = "") -> Markup:
    """An event in words. Names are in <bdi>, since they may be written from right to left.

    organization: the address of the organization's pages, for links on the names and addresses beside them;
    "" for names alone.
    """
    who = _person(event.actor_name, event.actor_email, event.actor_id, event.actor_removed, organization)
    if not who:
        removed = logbook.REMOVED_ACTOR.format(number=event.actor_id)
        who = logbook.ACTORS.get(event.actor_kind, removed)
    before, after = (_word(event.kind, text) for text in (event.before, event.after))
    return Markup(_form(event)).format(who=who, whom=_whom(event, organization), before=before, after=after)


def _whom(event: Event, organization: str) -> Markup | str:
    number = event.subject_id if event.about == "member" else 0
    whom = _person(event.subject_name, event.subject_email, number, event.subject_removed, organization)
    if whom or not event.subject_id:
        return whom or logbook.NOBODY
    removed = logbook.REMOVED_INVITED if event.about == "invitation" else logbook.REMOVED
    return removed.format(number=event.subject_id)


def _form(event: Event) -> str:
    if event.subject_name and event.kind in logbook.REQUESTS:
        return logbook.REQUESTS[event.kind]
    if event.kind != "role_changed":
        return logbook.EVENTS_WITH.get((event.kind, event.after)) or logbook.EVENTS[event.kind]
    if event.actor_id == event.subject_id:
        return logbook.OWN_ROLE_CHANGED
    gave_access = event.before == Role.PENDING.value and event.after in [role.value for role in WORKING]
    return logbook.APPROVED if gave_access else logbook.EVENTS[event.kind]


def _word(kind: str, text: str) -> Markup | str:
    if kind in TYPED:
        return _isolated(text)
    if kind in DAYS and (start := dates.start_of(text)) is not None:
        return dates.words(start)
    return Role(text).label if text in list(Role) else text


def _person(name: str, email: str, member_id: int, removed: int, organization: str) -> Markup | str:
    """The name; with `organization` as a link to the person's page, with their address or number beside it.

    member_id: 0 for an invitation. removed: the former id of a removed member, 0 for anybody else.
    """
    if not name or not organization:
        return _isolated(name)
    removed_words = logbook.WAS_REMOVED.format(number=removed)
    beside = [Markup("<bdi>{}</bdi>").format(email)] if email and email != name else []
    beside += [escape(removed_words)] if removed else []
    words = Markup(' <span class="soft">({})</span>').format(Markup(", ").join(beside)) if beside else ""
    return _linked(name, member_id, removed, organization) + words


def _linked(name: str, member_id: int, removed: int, organization: str) -> Markup:
    if removed:
        address = f"{organization}/activity?person={removed}"
        return Markup('<a href="{}">{}</a>').format(address, _isolated(name))
    if not member_id:
        return Markup(_isolated(name))
    address = f"{organization}/members/{member_id}"
    link = Markup('<a href="{}" hx-get="{}" hx-target="#dialog" hx-swap="innerHTML">{}</a>')
    return link.format(address, address, _isolated(name))


def _isolated(name: str) -> Markup | str:
    return Markup("<bdi>{}</bdi>").format(name) if name else ""


def plain(name: str) -> str:
    """A name for a sentence without markup (toasts), without characters that change the direction of text."""
    return "".join(char for char in name if unicodedata.bidirectional(char) not in _TURNS)


def change_sentence(change: RoleChange) -> str:
    """The toast after a role was chosen for one member."""
    role = Role(change.row.role)
    sentence = toasts.WAS_ROLE_ALREADY if change.before is role else toasts.IS_ROLE_NOW
    return sentence.format(name=plain(change.row.label), role=role.label)


def end_sentence(row: MemberRow) -> str:
    """The toast after a last day was set or cleared."""
    name = plain(row.label)
    if not row.ends_at:
        return toasts.NO_LAST_DAY.format(name=name)
    return toasts.LAST_DAY.format(name=name, day=rendering.last_day(row.ends_at))


def bulk_sentence(changes: Sequence[RoleChange], role: Role) -> str:
    """The toast after a role was chosen for several members."""
    changed = sum(change.before is not role for change in changes)
    if len(changes) == 1:
        return change_sentence(changes[0])
    if changed == 0:
        return toasts.ALL_WERE_ROLE.format(roles=role.plural)
    return toasts.ARE_ROLE_NOW.format(changed, role=role.label, roles=role.plural)


def bulk_question(count: int, role: Role) -> tuple[str, str]:
    """The question before everybody in a list gets a role, and the text of its button."""
    asks = (phrases.GIVE_ROLE_ASK, phrases.GIVE_ROLE)
    if role is Role.DEACTIVATED:
        asks = (phrases.DEACTIVATE_ASK, phrases.DEACTIVATE)
    question, button = (sentence.format(count, role=role.label) for sentence in asks)
    return question, button


def back_sentence(changes: Sequence[RoleChange]) -> str:
    """The toast after a change was undone."""
    if len(changes) == 1:
        return change_sentence(changes[0])
    return toasts.ROLES_TAKEN_BACK.format(count=len(changes))


def count_sentence(chosen: MemberFilter, page: MemberSummary) -> str:
    """The text of #members-count. It begins with the number of people that the filter shows."""
    everybody = sum(page.counts.values())
    if chosen.link and not chosen.q:
        return _came_sentence(page)
    if not page.total_is_exact:
        return phrases.MORE_MEMBERS_FOUND.format(count=page.total)
    if chosen.q:
        return phrases.MEMBERS_FOUND.format(page.total, everybody=everybody)
    if chosen.narrows:
        return phrases.MEMBERS_OF_ALL.format(everybody, shown=page.total)
    if everybody == 1:
        return phrases.ONLY_YOU
    waiting, away = page.counts[Role.PENDING], page.counts[Role.DEACTIVATED]
    if waiting and away:
        return phrases.MEMBERS_SOME_WAITING_SOME_AWAY.format(page.total, waiting=waiting, away=away)
    if waiting:
        return phrases.MEMBERS_SOME_WAITING.format(page.total, waiting=waiting)
    if away:
        return phrases.MEMBERS_SOME_AWAY.format(page.total, away=away)
    return phrases.MEMBERS.format(page.total)


def _came_sentence(page: MemberSummary) -> str:
    oldest_first = page.sorted_by == "joined"
    if page.total_is_exact:
        sentence = phrases.CAME_BY_LINK_OLDEST if oldest_first else phrases.CAME_BY_LINK_NEWEST
        return sentence.format(page.total)
    more = phrases.MORE_CAME_BY_LINK_OLDEST if oldest_first else phrases.MORE_CAME_BY_LINK_NEWEST
    return more.format(count=page.total)


def batch_sentence(batch: Batch, *, mail: bool) -> str:
    """The toast after "Send invitations". mail: whether mail is set up."""
    invited = toasts.INVITATIONS_MAILED if mail else toasts.INVITATIONS_MADE
    counted = (
        (invited, batch.invited),
        (toasts.ROLES_GIVEN, batch.approved),
        (toasts.LEFT_ALONE, batch.left_alone),
    )
    sentences = [sentence.format(number) for sentence, number in counted if number]
    return " ".join(sentences) or toasts.NOBODY_INVITED
