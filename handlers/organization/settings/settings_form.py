"""The settings form: what is settled as text, and what was typed as a change of it.

A field that wasn't sent stays as it is, and so does one that still says what the page had said (`seen`): two
Owners' tabs don't take each other's changes back.
"""

import hashlib
from typing import Final

from db.auth.sessions import SessionLimits
from db.common import addresses
from db.errors import Invalid
from db.organization import setting_kinds
from db.organization.invite_link_limits import BELOW
from db.organization.setting_kinds import SessionDays
from db.organization.settings import INPUTS, NOTE_INPUTS, TABLE, OrganizationSettings, SettingsChange
from handlers.http.request.forms import Form

FIELDS: Final = (*INPUTS, "seen")
BOXES: Final = frozenset(name for kind in TABLE.values() if kind.is_box for name in kind.inputs)


def filled(settings: OrganizationSettings) -> Form:
    """The form as it is settled."""
    values = {name: settings.notes[role] for name, role in NOTE_INPUTS.items()}
    for name, kind in TABLE.items():
        values |= zip(kind.inputs, kind.typed(getattr(settings, name)), strict=True)
    seen = ".".join(_stamp(values[name]) for name in INPUTS)
    return Form(FIELDS, {name: [value] for name, value in {**values, "seen": seen}.items()})


def _stamp(text: str) -> str:
    """So much of a value that another one is told from it."""
    return hashlib.sha256("\n".join(text.split()).encode()).hexdigest()[:8]


def most_days(session_limits: SessionLimits) -> dict[str, int]:
    """How many whole days the environment allows, by field; 0 for less than one."""
    return {
        name: kind.most_days(session_limits) for name, kind in TABLE.items() if isinstance(kind, SessionDays)
    }


def international(form: Form) -> list[str]:
    """The international domains of the form as their owners write them, A-labels beside them."""
    names = [name.removeprefix(BELOW) for name in form.values["link_domains"].split() if "xn--" in name]
    return [addresses.shown_domain(name) for name in names]


def change_of(form: Form, session_limits: SessionLimits) -> SettingsChange:
    """What is to change; every error of the form is noted in it."""
    changed, values, notes = _changed(form), {}, {}
    for name, kind in TABLE.items():
        if changed.intersection(kind.inputs):
            try:
                values[name] = kind.parse(form.values, session_limits)
            except Invalid as error:
                form.add_errors(error)
    for name in changed.intersection(NOTE_INPUTS):
        try:
            notes[NOTE_INPUTS[name]] = setting_kinds.parse_note(form.values[name], name)
        except Invalid as error:
            form.add_errors(error)
    # What is wrong with a field already is not overwritten by what else stands against its value.
    right = {
        name: value for name, value in values.items() if form.errors.keys().isdisjoint(TABLE[name].inputs)
    }
    return SettingsChange(**right, notes=notes)


def _changed(form: Form) -> set[str]:
    """The inputs that say something else than the page had said."""
    seen = form.values["seen"].split(".")
    if len(seen) != len(INPUTS):
        return {name for name in INPUTS if form.several(name)}
    return {
        name
        for name, stamp in zip(INPUTS, seen, strict=True)
        # A box that isn't ticked isn't sent.
        if (form.several(name) or name in BOXES) and _stamp(form.values[name]) != stamp
    }
