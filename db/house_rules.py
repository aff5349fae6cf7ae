"""What the Owner has settled on the settings page, and changing it: what differs is written, and told.

Who saves names only what is to change, so that two who save at once don't take each other's changes back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from db import activity, clock, days, engine, invite_link, link_limits, policy
from db.days import DAY_MS
from db.link_limits import End
from db.links import Link
from db.policy import Actor, Invalid, NotAllowed, Role

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


async def _rules(lock: str = "") -> Rules:
    ((title, waiting, asked, ending, age, idle, may_ask),) = await engine.rows(
        "SELECT title, notice_waiting, notice_asked, notice_ending, session_age, session_idle, may_ask"
        f" FROM organization{lock}"
    )
    limits, said = await link_limits.settled(), await _notes()
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
        faults["link_ends_on"] = ["That day is over. Choose today or a later one."]
    now = clock.now()
    if end and end.days and end.of(link.made_at) <= now and not link.dead_because(now):
        old = (now - link.made_at) // DAY_MS
        faults["link_days"] = [
            f"The present link is {old} day{'' if old == 1 else 's'} old, so it would stop working at once."
            " Allow more, or reset the link first: its days begin anew."
        ]
    if most and link.uses >= most:
        people = "1 person has" if link.uses == 1 else f"{link.uses:,} people have"
        faults["link_max_uses"] = [
            f"{people} registered by the present link, so it would stop working at once."
            " Allow more, or reset the link first: the new one counts from 0."
        ]
    return faults


async def change(actor: Actor, wish: Wish) -> Rules:
    """Changes what differs from what is settled, with a row in the log for each; returns all of it.

    Raises NotAllowed unless the actor is the Owner at that moment, and Invalid.
    """
    return await engine.write(_change, actor, wish)


async def _change(actor: Actor, wish: Wish) -> Rules:
    # The organization's row is the lock: hand-overs and resets take it too, and whoever registers shares it,
    # so that the count of the link stays true.
    before = await _rules(engine.for_update())
    found = await engine.rows("SELECT role FROM member WHERE id = ?", actor.id)
    if not any(policy.owns(Role(role)) for (role,) in found):
        raise NotAllowed("Only the Owner changes the settings.")
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
    limits = await link_limits.settled()
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
    who = {"administrators": "Owner and Administrators", "owner": "the Owner", "nobody": "nobody"}
    end = rules.link_end
    return {
        "title": rules.title,
        "link_end": {
            "never": "no end",
            "after": f"{_days(end.days * DAY_MS)} after each reset",
            "on": f"until {days.words(max(end.at - 1, 0))}",
        }[end.ends],
        "link_max_uses": f"{rules.link_max_uses:,} uses" if rules.link_max_uses else "any number of uses",
        "link_domains": _domains(rules.link_domains, other.link_domains),
        "notice_waiting": f"somebody waits: {who[rules.notice_waiting]}",
        "notice_asked": f"somebody asks for access: {who[rules.notice_asked]}",
        "notice_ending": f"a membership is about to end: {who[rules.notice_ending]}",
        "session_age": f"{_days(rules.session_age)} in all",
        "session_idle": f"{_days(rules.session_idle)} unused",
        "may_ask": "on" if rules.may_ask else "off",
        **{role: f"{role.label}: {text or 'nothing'}" for role, text in rules.notes.items()},
    }


def _domains(domains: tuple[str, ...], others: tuple[str, ...]) -> str:
    """Domains for the log; of a long list its beginning, with those first that aren't among the others."""
    if sum(map(len, domains)) > MAX_DOMAIN_CHARACTERS:
        domains = tuple(sorted(domains, key=others.__contains__))
    named = list[str]()
    for domain in domains:
        if sum(map(len, named)) + len(domain) > MAX_DOMAIN_CHARACTERS:
            return f"{', '.join(named)} and {len(domains) - len(named)} more"
        named.append(domain)
    return ", ".join(named) or "any domain"


def _days(ms: int) -> str:
    """A length of time in days; 0 is what the environment allows."""
    number = ms // DAY_MS
    return ("1 day" if number == 1 else f"{number:,} days") if ms else "as long as the environment allows"
