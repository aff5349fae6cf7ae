"""What the Owner settles on the settings page: the table of it, and changing it.

Somebody who saves names only what is to change, so that two who save at once don't take each other's changes
back. What differs is written, and each difference is a row of the activity log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from typing import Any, Final

from db import activity, engine, policy
from db.auth.links import Link
from db.common import clock
from db.common.dates import DAY_MS
from db.errors import Invalid
from db.members import changes
from db.members.changes import Locked
from db.organization import invite_link, invite_link_limits
from db.organization.invite_link_limits import End
from db.organization.setting_kinds import (
    Domains,
    Kind,
    LinkEnd,
    LinkUses,
    NoticeTo,
    SessionDays,
    Switch,
    Title,
    Who,
    kinds_of,
    settled,
)
from db.policy import Actor, Role
from messages import by_field, logbook

# A deactivated person does nothing in the app.
NOTED: Final = tuple(role for role in Role if role is not Role.DEACTIVATED)


@dataclass(frozen=True, slots=True)
class OrganizationSettings:
    """session_age, session_idle: in ms, 0 for as long as the environment allows."""

    title: str = settled(Title("title", "title_changed"))
    link_end: End = settled(LinkEnd("link_end", "link_limits_changed"))
    link_max_uses: int = settled(LinkUses("link_max_uses", "link_limits_changed"))
    link_domains: tuple[str, ...] = settled(Domains("link_domains", "link_limits_changed"))
    notice_waiting: Who = settled(NoticeTo("notice_waiting", "notices_changed", logbook.SOMEBODY_WAITS))
    notice_asked: Who = settled(NoticeTo("notice_asked", "notices_changed", logbook.SOMEBODY_ASKS))
    notice_ending: Who = settled(NoticeTo("notice_ending", "notices_changed", logbook.MEMBERSHIP_ENDS))
    session_age: int = settled(
        SessionDays(
            "session_age",
            "session_ages_changed",
            variable="MAX_SESSION_AGE",
            age=attrgetter("persistent"),
            days=logbook.SESSION_AGE,
            unset=logbook.SESSION_AGE_ALLOWED,
        )
    )
    session_idle: int = settled(
        SessionDays(
            "session_idle",
            "session_ages_changed",
            variable="MAX_TIME_BETWEEN_ACTIVITY",
            age=attrgetter("idle"),
            days=logbook.SESSION_IDLE,
            unset=logbook.SESSION_IDLE_ALLOWED,
        )
    )
    may_ask: bool = settled(Switch("may_ask", "asking_switched"))
    # What the app's own words for a role are, "" for none; in a table of their own.
    notes: Mapping[Role, str] = field(default_factory=dict)


TABLE: Final[Mapping[str, Kind[Any]]] = {kind.name: kind for kind in kinds_of(OrganizationSettings)}
NOTE_INPUTS: Final[Mapping[str, Role]] = {f"note_{role.value}": role for role in NOTED}
# Of the form, in the order of the table.
INPUTS: Final = (*(name for kind in TABLE.values() for name in kind.inputs), *NOTE_INPUTS)
COLUMNS: Final = tuple(name for kind in TABLE.values() for name in kind.columns)
COLUMN_LIST: Final = ", ".join(COLUMNS)


class SettingsChange:
    """What is to change, by name: SettingsChange(title="New"). Everything else stays as it is, and so does
    each role that notes doesn't name.

    Raises TypeError for a name that isn't in the table.
    """

    def __init__(self, *, notes: Mapping[Role, str] | None = None, **values: Any) -> None:
        if unknown := values.keys() - TABLE.keys():
            raise TypeError(f"no settings: {sorted(unknown)}")
        self.values: Final[Mapping[str, Any]] = values
        self.notes: Final[Mapping[Role, str]] = notes or {}

    def from_now(self, now: OrganizationSettings) -> "SettingsChange":
        """The part of it that isn't so already."""
        return SettingsChange(
            notes={role: text for role, text in self.notes.items() if text != now.notes[role]},
            **{name: value for name, value in self.values.items() if value != getattr(now, name)},
        )


async def current() -> OrganizationSettings:
    """All of it, as of one instant."""
    return await engine.read(_current)


async def notes() -> Mapping[Role, str]:
    """What the Owner says of the roles in the app's own words."""
    return await engine.read(_notes)


async def _notes() -> dict[Role, str]:
    return {Role(role): text for role, text in await engine.rows("SELECT role, text FROM role_note")}


async def _current() -> OrganizationSettings:
    (row,) = await engine.rows(f"SELECT {COLUMN_LIST} FROM organization")
    kept = dict(zip(COLUMNS, row, strict=True))
    values = {name: kind.load(*(kept[column] for column in kind.columns)) for name, kind in TABLE.items()}
    said = await _notes()
    return OrganizationSettings(**values, notes={role: said.get(role, "") for role in NOTED})


async def why_not(change: SettingsChange) -> dict[str, list[str]]:
    """What stands against a change today, by input: for a form that is refused for something else already."""

    async def faults() -> dict[str, list[str]]:
        return _faults(change.from_now(await _current()), await invite_link.newest())

    return await engine.read(faults)


def _faults(change: SettingsChange, link: Link) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    end, most = change.values.get("link_end"), change.values.get("link_max_uses")
    now = clock.now()
    if end and end.ends == "on" and end.at <= now:
        faults["link_ends_on"] = [by_field.DAY_OVER]
    if end and end.days and end.of(link.made_at) <= now and not link.invalid_reason(now):
        old = (now - link.made_at) // DAY_MS
        faults["link_days"] = [by_field.LINK_TOO_OLD.format(old)]
    if most and link.uses >= most:
        faults["link_max_uses"] = [by_field.LINK_TOO_USED.format(link.uses)]
    return faults


async def change(actor: Actor, change: SettingsChange) -> OrganizationSettings:
    """Changes what isn't so already, with a row in the log for each difference; returns all of it.

    Raises SignInFirst, NotAllowed unless the actor is the Owner at that moment, and Invalid.
    """
    # The organization's row is the lock: hand-overs and resets take it too, and whoever registers shares it,
    # so that the count of the link stays true.
    return await changes.write(
        actor, policy.may_change_settings, partial(_change, actor, change), organization=True
    )


async def _change(actor: Actor, change: SettingsChange, _: Locked) -> OrganizationSettings:
    before = await _current()
    link, change = await invite_link.newest(), change.from_now(before)
    if faults := _faults(change, link):
        raise Invalid(faults)
    await _write(change)
    if change.values.keys() & {"link_end", "link_max_uses"}:
        await _limit(link)
    after = await _current()
    await _log(actor, before, after)
    return after


async def _write(change: SettingsChange) -> None:
    columns: dict[str, object] = {}
    for name, value in change.values.items():
        columns |= zip(TABLE[name].columns, TABLE[name].store(value), strict=True)
    if columns:
        marks = ", ".join(f"{column} = ?" for column in columns)
        await engine.execute(f"UPDATE organization SET {marks}", *columns.values())
    for role, text in change.notes.items():
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


async def _log(actor: Actor, before: OrganizationSettings, after: OrganizationSettings) -> None:
    """A row for each thing that is another now, in words as they are shown."""
    for name, kind in TABLE.items():
        old, new = getattr(before, name), getattr(after, name)
        was, now = kind.logged(old, new), kind.logged(new, old)
        if was != now:
            await activity.record(actor, kind.event, before=was, after=now)
    for role in NOTED:
        was, now = _note(role, before.notes[role]), _note(role, after.notes[role])
        if was != now:
            await activity.record(actor, "role_note_changed", before=was, after=now)


def _note(role: Role, text: str) -> str:
    words = logbook.ROLE_NOTE if text else logbook.NO_ROLE_NOTE
    return words.format(role=role.label, text=text)
