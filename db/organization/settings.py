"""What the Owner has settled on the settings page, and changing it: what differs is written, and told.

Who saves names only what is to change, so that two who save at once don't take each other's changes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Final, Literal

from db import activity, engine
from db.auth.links import Link
from db.common import clock, dates
from db.common.dates import DAY_MS
from db.errors import Invalid
from db.members import changes
from db.members.changes import Locked
from db.organization import invite_link, invite_link_limits
from db.organization.invite_link_limits import End
from db.policy import SETTLING, Actor, Role
from messages import by_field, logbook

MAX_NOTE_CHARACTERS: Final = 200
# The log's `before` and `after` stand in an index, where PostgreSQL takes 2,704 bytes for all of a row.
MAX_DOMAIN_CHARACTERS: Final = 1_000
Who = Literal["administrators", "owner", "nobody"]
# A deactivated person does nothing in the app.
NOTED: Final = tuple(role for role in Role if role is not Role.DEACTIVATED)


@dataclass(frozen=True, slots=True)
class Rules:
    """session_age, session_idle: in ms, 0 for as long as the environment allows. notes: "" for none."""

    title: str
    link_end: End
    link_max_uses: int
    link_domains: tuple[str, ...]
    notice_waiting: Who
    notice_asked: Who
    notice_ending: Who
    session_age: int
    session_idle: int
    may_ask: bool
    notes: Mapping[Role, str]


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to change; None stays as it is, and so does a role that notes doesn't name."""

    title: str | None = None
    link_end: End | None = None
    link_max_uses: int | None = None
    link_domains: tuple[str, ...] | None = None
    notice_waiting: Who | None = None
    notice_asked: Who | None = None
    notice_ending: Who | None = None
    session_age: int | None = None
    session_idle: int | None = None
    may_ask: bool | None = None
    notes: Mapping[Role, str] = field(default_factory=dict)


async def rules() -> Rules:
    """All of it, as of one instant."""
    return await engine.read(_rules)


async def notes() -> Mapping[Role, str]:
    """What the Owner says of the roles in the app's own words."""
    return await engine.read(_notes)


async def _notes() -> dict[Role, str]:
    return {Role(role): text for role, text in await engine.rows("SELECT role, text FROM role_note")}


async def _rules() -> Rules:
    ((title, waiting, asked, ending, age, idle, may_ask),) = await engine.rows(
        "SELECT title, notice_waiting, notice_asked, notice_ending, session_age, session_idle, may_ask"
        " FROM organization"
    )
    limits, said = await invite_link_limits.settled(), await _notes()
    return Rules(
        title=title,
        link_end=limits.end,
        link_max_uses=limits.max_uses,
        link_domains=limits.domains,
        notice_waiting=waiting,
        notice_asked=asked,
        notice_ending=ending,
        session_age=age,
        session_idle=idle,
        may_ask=bool(may_ask),
        notes={role: said.get(role, "") for role in NOTED},
    )


async def why_not(wish: Wish) -> dict[str, list[str]]:
    """What stands against a wish today, by its field: said together with what else is wrong in a form."""

    async def look() -> dict[str, list[str]]:
        return _faults(_differing(wish, await _rules()), await invite_link.newest())

    return await engine.read(look)


def _differing(wish: Wish, rules: Rules) -> dict[str, Any]:
    """What of a wish isn't so already, by its field; notes only of roles of which something else is said."""
    values = {item.name: getattr(wish, item.name) for item in fields(Wish) if item.name != "notes"}
    found = {name: value for name, value in values.items() if value not in (None, getattr(rules, name))}
    notes = {role: text for role, text in wish.notes.items() if text != rules.notes[role]}
    return {**found, "notes": notes}


def _faults(changed: Mapping[str, Any], link: Link) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    end, most = changed.get("link_end"), changed.get("link_max_uses")
    if end and end.ends == "on" and end.at <= clock.now():
        faults["link_ends_on"] = [by_field.DAY_OVER]
    now = clock.now()
    if end and end.days and end.of(link.made_at) <= now and not link.dead_because(now):
        old = (now - link.made_at) // DAY_MS
        faults["link_days"] = [by_field.LINK_TOO_OLD.format(old)]
    if most and link.uses >= most:
        faults["link_max_uses"] = [by_field.LINK_TOO_USED.format(link.uses)]
    return faults


async def change(actor: Actor, wish: Wish) -> Rules:
    """Changes what differs from what is settled, with a row in the log for each; returns all of it.

    Raises SignInFirst, NotAllowed unless the actor is the Owner at that moment, and Invalid.
    """
    # The organization's row is the lock: hand-overs and resets take it too, and whoever registers shares it,
    # so that the count of the link stays true.
    return await changes.write(actor, SETTLING, partial(_change, actor, wish), organization=True)


async def _change(actor: Actor, wish: Wish, _: Locked) -> Rules:
    before = await _rules()
    link, changed = await invite_link.newest(), _differing(wish, before)
    if faults := _faults(changed, link):
        raise Invalid(faults)
    await _write(changed)
    if changed.keys() & {"link_end", "link_max_uses"}:
        await _limit(link)
    after = await _rules()
    await _tell(actor, before, after)
    return after


async def _write(changed: Mapping[str, Any]) -> None:
    columns: dict[str, str | int] = {}
    for name, value in changed.items():
        if name == "notes":
            await _write_notes(value)
        elif isinstance(value, End):
            columns |= {"link_ends": value.ends, "link_days": value.days, "link_ends_at": value.at}
        elif isinstance(value, tuple):
            columns[name] = " ".join(value)
        else:
            columns[name] = int(value) if isinstance(value, bool) else value
    if columns:
        marks = ", ".join(f"{column} = ?" for column in columns)
        await engine.execute(f"UPDATE organization SET {marks}", *columns.values())


async def _write_notes(said: Mapping[Role, str]) -> None:
    for role, text in said.items():
        await engine.execute("DELETE FROM role_note WHERE role = ?", role.value)
        if text:
            await engine.execute("INSERT INTO role_note (role, text) VALUES (?, ?)", role.value, text)


async def _limit(link: Link) -> None:
    """The present link gets the limits, too; one whose time had run out works again if they let it."""
    limits = await invite_link_limits.settled()
    await engine.execute(
        "UPDATE links SET expires_at = ?, max_uses = ?, ended_at = 0, end_reason = ''"
        " WHERE id = ? AND (ended_at = 0 OR end_reason = 'expired')",
        limits.end.of(link.made_at),
        limits.max_uses,
        link.id,
    )


async def _tell(actor: Actor, before: Rules, after: Rules) -> None:
    """A row for each thing that is another now, in words as they are shown."""
    was, now = _words(before, after), _words(after, before)
    for name in was:
        old, new = was[name], now[name]
        if old == new:
            continue
        if name == "title":
            await activity.record(actor, "title_changed", before=old, after=new)
        elif name.startswith("link_"):
            await activity.record(actor, "link_limits_changed", before=old, after=new)
        elif name.startswith("notice_"):
            await activity.record(actor, "notices_changed", before=old, after=new)
        elif name.startswith("session_"):
            await activity.record(actor, "session_ages_changed", before=old, after=new)
        elif name == "may_ask":
            await activity.record(actor, "asking_switched", before=old, after=new)
        else:
            await activity.record(actor, "role_note_changed", before=old, after=new)


def _words(rules: Rules, other: Rules) -> dict[str, str]:
    uses, age, idle = rules.link_max_uses, rules.session_age // DAY_MS, rules.session_idle // DAY_MS
    return {
        "title": rules.title,
        "link_end": _end(rules.link_end),
        "link_max_uses": logbook.LINK_USES.format(uses) if uses else logbook.LINK_USED_BY_ANY_NUMBER,
        "link_domains": _domains(rules.link_domains, other.link_domains),
        **{
            name: words.format(who=logbook.TOLD[getattr(rules, name)])
            for name, words in logbook.NOTICES.items()
        },
        "session_age": logbook.SESSION_AGE.format(age) if age else logbook.SESSION_AGE_ALLOWED,
        "session_idle": logbook.SESSION_IDLE.format(idle) if idle else logbook.SESSION_IDLE_ALLOWED,
        "may_ask": "on" if rules.may_ask else "off",
        **{role: _note(role, text) for role, text in rules.notes.items()},
    }


def _end(end: End) -> str:
    if end.ends == "never":
        return logbook.LINK_NEVER_ENDS
    if end.ends == "after":
        return logbook.LINK_ENDS_AFTER.format(end.days)
    return logbook.LINK_ENDS_ON.format(day=dates.words(end.at - 1))


def _note(role: Role, text: str) -> str:
    words = logbook.ROLE_NOTE if text else logbook.NO_ROLE_NOTE
    return words.format(role=role.label, text=text)


def _domains(domains: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Domains for the log; of a long list its beginning, with those first that aren't among the others."""
    if sum(map(len, domains)) > MAX_DOMAIN_CHARACTERS:
        domains = tuple(sorted(domains, key=others.__contains__))
    named = list[str]()
    for domain in domains:
        if sum(map(len, named)) + len(domain) > MAX_DOMAIN_CHARACTERS:
            return logbook.DOMAINS_AND_MORE.format(domains=", ".join(named), count=len(domains) - len(named))
        named.append(domain)
    return ", ".join(named) or logbook.ANY_DOMAIN
