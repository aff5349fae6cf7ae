"""The settings form: its fields, what is settled as text, and what was typed as a wish.

A field that wasn't sent stays as it is, and so does one that still says what the page had said (`seen`): two
Owners' tabs don't take each other's changes back.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from db.auth.sessions import Ages
from db.common import addresses, dates, visible
from db.common.dates import DAY_MS
from db.organization import invite_link_limits
from db.organization.invite_link_limits import BELOW, MAX_DOMAINS, End, NotADomain
from db.organization.settings import MAX_NOTE_CHARACTERS, NOTED, Rules, Wish
from db.policy import Role
from handlers.http.request.forms import Form
from messages import by_field

NOTICES: Final = ("notice_waiting", "notice_asked", "notice_ending")
NOTES: Final[Mapping[str, Role]] = {f"note_{role.value}": role for role in NOTED}
END: Final = ("link_ends", "link_days", "link_ends_on")
# What is compared with what the page had said.
COMPARED: Final = (
    "title",
    *END,
    "link_max_uses",
    "link_domains",
    *NOTICES,
    "session_age",
    "session_idle",
    "may_ask",
    *NOTES,
)
FIELDS: Final = (*COMPARED, "seen")
AGES: Final = {"session_age": "MAX_SESSION_AGE", "session_idle": "MAX_TIME_BETWEEN_ACTIVITY"}
OFFERED_DAYS: Final = 14
MAX_DAYS: Final = 3_650
MAX_USES: Final = 1_000_000
DOMAINS_NAMED: Final = 5
# Its end is the next day, which must be one, too.
_LAST_DAY: Final = "9999-12-31"


def filled(rules: Rules) -> Form:
    """The form as it is settled."""
    end = rules.link_end
    values = {
        "title": rules.title,
        "link_ends": end.ends,
        "link_days": str(end.days or OFFERED_DAYS),
        "link_ends_on": dates.iso(end.at - 1) if end.at else "",
        "link_max_uses": _number(rules.link_max_uses),
        "link_domains": "\n".join(rules.link_domains),
        **{name: getattr(rules, name) for name in NOTICES},
        **{name: _number(getattr(rules, name) // DAY_MS) for name in AGES},
        "may_ask": "true" if rules.may_ask else "",
        **{name: rules.notes[role] for name, role in NOTES.items()},
    }
    seen = ".".join(_stamp(values[name]) for name in COMPARED)
    return Form(FIELDS, {name: [value] for name, value in {**values, "seen": seen}.items()})


def _number(number: int) -> str:
    return str(number) if number else ""


def _stamp(text: str) -> str:
    """So much of a value that another one is told from it."""
    return hashlib.sha256("\n".join(text.split()).encode()).hexdigest()[:8]


def most_days(ages: Ages) -> dict[str, int]:
    """How many whole days the environment allows, by field; 0 for less than one."""
    return {"session_age": ages.kept // DAY_MS, "session_idle": ages.idle // DAY_MS}


def international(form: Form) -> list[str]:
    """The international domains of the form as their owners write them, A-labels beside them."""
    names = [name.removeprefix(BELOW) for name in form.values["link_domains"].split() if "xn--" in name]
    return [addresses.shown_domain(name) for name in names]


def wish(form: Form, ages: Ages) -> Wish:
    """What is to change; every error of the form is noted in it."""
    changed = _changed(form)
    values: dict[str, Any] = {}
    if "title" in changed:
        values["title"] = form.title()
    if changed & set(END):
        values["link_end"] = _end(form)
    if "link_max_uses" in changed:
        wrong = by_field.WHOLE_USES.format(most=MAX_USES)
        values["link_max_uses"] = _whole(form, "link_max_uses", MAX_USES, wrong)
    if "link_domains" in changed:
        values["link_domains"] = _domains(form)
    for name in changed & set(NOTICES):
        values[name] = form.values[name]
        if form.values[name] not in ("administrators", "owner", "nobody"):
            form.add_error(name, by_field.ONE_OF_THREE)
    for name in changed & set(AGES):
        most = most_days(ages)[name]
        values[name] = _whole(form, name, most, _too_long(name, most)) * DAY_MS
    if "may_ask" in changed:
        values["may_ask"] = bool(form.values["may_ask"])
    notes = {role: _note(form, name) for name, role in NOTES.items() if name in changed}
    return Wish(**{name: value for name, value in values.items() if name not in form.errors}, notes=notes)


def _changed(form: Form) -> set[str]:
    seen = form.values["seen"].split(".")
    if len(seen) != len(COMPARED):
        return {name for name in COMPARED if form.several(name)}
    return {
        name
        for name, stamp in zip(COMPARED, seen, strict=True)
        # A box that isn't ticked isn't sent.
        if (form.several(name) or name == "may_ask") and _stamp(form.values[name]) != stamp
    }


def _end(form: Form) -> End | None:
    ends = form.values["link_ends"]
    if ends == "never":
        return End()
    if ends == "after":
        wrong = by_field.WHOLE_LINK_DAYS.format(most=MAX_DAYS)
        return End("after", days=_whole(form, "link_days", MAX_DAYS, wrong, least=1))
    if ends != "on":
        form.add_error("link_ends", by_field.ONE_OF_THREE)
        return None
    typed = form.values["link_ends_on"].strip()
    start = dates.start_of(typed)
    if start is None or typed == _LAST_DAY:
        form.add_error("link_ends_on", by_field.CHOOSE_A_DAY)
        return None
    # The whole of that day counts.
    return End("on", at=start + DAY_MS)


def _whole(form: Form, name: str, most: int, wrong: str, least: int = 0) -> int:
    """A whole number from 1 to `most`; nothing typed is 0, unless there must be something."""
    text = form.values[name].strip()
    if not text and not least:
        return 0
    if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
        return int(text)
    form.add_error(name, wrong)
    return 0


def _too_long(name: str, most: int) -> str:
    words = by_field.WHOLE_SESSION_DAYS if most else by_field.LESS_THAN_A_DAY
    return words.format(most=most, setting=AGES[name])


def _domains(form: Form) -> tuple[str, ...]:
    typed = [text for text in map(visible.trimmed, re.split(r"[\s,;]+", form.values["link_domains"])) if text]
    domains: dict[str, None] = {}
    wrong: list[str] = []
    for text in typed:
        try:
            domains[invite_link_limits.parse_domain(text)] = None
        except NotADomain:
            wrong.append(text)
    if wrong:
        form.add_error("link_domains", _no_domains(wrong))
    if len(domains) > MAX_DOMAINS:
        form.add_error("link_domains", by_field.TOO_MANY_DOMAINS.format(most=MAX_DOMAINS, count=len(domains)))
    return tuple(domains)


def _no_domains(wrong: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    named = ", ".join(
        by_field.QUOTED.format(text=visible.quotable(text[:60])) for text in wrong[:DOMAINS_NAMED]
    )
    if len(wrong) > DOMAINS_NAMED:
        return by_field.NO_DOMAIN_AND_MORE.format(domains=named, count=len(wrong) - DOMAINS_NAMED)
    return by_field.NO_DOMAIN.format(len(wrong), domains=named)


def _note(form: Form, name: str) -> str:
    text = visible.name(form.values[name])
    if len(text) > MAX_NOTE_CHARACTERS:
        form.add_error(name, by_field.AT_MOST.format(most=MAX_NOTE_CHARACTERS, count=len(text)))
    return text
