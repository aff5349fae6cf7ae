"""What of the directory somebody wants to see: search, roles, order and cursor, as it stands in an address.

The address is the state: a filter is read from a query string, and written as one.
"""

import base64
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from db.common import ids
from db.common.normalization import search_terms
from db.errors import Invalid
from db.policy import Role
from messages import by_field

MAX_SEARCH_CHARACTERS: Final = 200
# Who waits comes first, then by rank; who left comes last.
ROLE_ORDER: Final = (
    Role.PENDING,
    Role.OWNER,
    Role.ADMINISTRATOR,
    Role.MANAGER,
    Role.REVIEWER,
    Role.ANNOTATOR,
    Role.DEACTIVATED,
)
# Somebody deactivated is shown when asked for.
DEFAULT_ROLES: Final = ROLE_ORDER[:-1]
# The order when none is asked for: who waits first, the newest first, then everybody else by joining, the
# newest first. It stands in no address.
DEFAULT_SORT: Final = "-waiting"
NEWEST_FIRST: Final = "-joined"
# The columns to sort by; each has an index (role, column, id).
SORT_COLUMNS: Final = {
    "email": "email_key",
    "name": "sort_key",
    "role": "sort_key",
    "joined": "joined_at",
    "activity": "last_activity_at",
}
SORTS: Final = tuple(f"{sign}{name}" for name in SORT_COLUMNS for sign in ("", "-"))
# The parameters of a list's address; each is given once, but for the roles.
_SINGLE: Final = ("q", "sort", "link", "after", "before")
PARAMETERS: Final = frozenset({"role", *_SINGLE})
_NUMERIC: Final = frozenset({"joined", "activity", "waiting"})
_EVERYBODY: Final = (ROLE_ORDER,)
_BY_RANK: Final = tuple((role,) for role in ROLE_ORDER)
_WAITING_LAST: Final = (ROLE_ORDER[1:], (Role.PENDING,))
_MAX_CURSOR_CHARACTERS: Final = 2_000
_MAX_INTEGER: Final = 2**63 - 1
_write_json: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def column_of(sort: str) -> str:
    """The column that this order goes by, within each of its groups."""
    return SORT_COLUMNS.get(sort.removeprefix("-"), "joined_at")


def groups(sort: str) -> tuple[tuple[Role, ...], ...]:
    """Roles that stand together in this order, ascending; one group when the order doesn't go by roles."""
    return {"role": _BY_RANK, "waiting": _WAITING_LAST}.get(sort.removeprefix("-"), _EVERYBODY)


def is_grouped(sort: str) -> bool:
    """Whether a cursor of this order needs the role."""
    return groups(sort) is not _EVERYBODY


class Cursor(NamedTuple):
    """A position in an order: the value sorted by, then the member's id. role: only in a grouped order.

    passed: how many come before the page that begins here, or, for a page that ends here, before the next
    one, as the page with the link knew it; None when it didn't.
    """

    key: str | int
    id: int
    role: Role | None = None
    passed: int | None = None

    def encode(self) -> str:
        """The cursor as it stands in an address: base64url of a JSON list."""
        parts = [self.key, self.id] if self.role is None else [self.role.value, self.key, self.id]
        parts += [] if self.passed is None else [self.passed]
        return base64.urlsafe_b64encode(_write_json(parts).encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, sort: str) -> "Cursor":
        """Reads a cursor of this order; ValueError for what `encode()` didn't write."""
        if len(text) > _MAX_CURSOR_CHARACTERS or not text.isascii():
            raise ValueError("too long or not ASCII")
        padded = text + "=" * (-len(text) % 4)
        try:
            parts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except RecursionError as error:
            raise ValueError("nested") from error
        cursor = cls._of_parts(parts, sort.removeprefix("-"))
        if cursor.encode() != text:
            raise ValueError("not in its one form")
        return cursor

    @classmethod
    def _of_parts(cls, parts: Any, name: str) -> "Cursor":
        grouped = is_grouped(name)
        if type(parts) is not list or len(parts) - grouped not in (2, 3):
            raise ValueError("not a list of this order's parts")
        role = Role(parts[0]) if grouped else None
        key, member_id, *passed = parts[grouped:]
        if type(key) is not (int if name in _NUMERIC else str):
            raise ValueError("a key of another type")
        if type(member_id) is not int or not 0 < member_id <= _MAX_INTEGER:
            raise ValueError("no id")
        if any(type(number) is not int or not 0 <= number <= _MAX_INTEGER for number in passed):
            raise ValueError("no number of members")
        if type(key) is int and not 0 <= key <= _MAX_INTEGER:
            raise ValueError("no instant")
        if type(key) is str and _has_control_characters(key):
            raise ValueError("control characters")
        return cls(key, member_id, role, *passed)


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """What to show.

    q: as typed. roles: () is everybody but Deactivated. link: the id of the invite link they came by, 0 for
    any way. after, before: cursors, at most one of them.
    """

    q: str = ""
    roles: tuple[Role, ...] = ()
    sort: str = DEFAULT_SORT
    link: int = 0
    after: str = ""
    before: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, list[str]]) -> "MemberFilter":
        """Reads a query string's parameters; unknown and empty ones don't matter.

        Raises Invalid with every error by its field: more than 200 characters, control characters, a role,
        an order or an id that isn't one, a single value given twice, a forged cursor, both cursors.
        """
        errors: dict[str, list[str]] = {}
        single = {name: _single(query, name, errors) for name in _SINGLE}
        if len(single["q"]) > MAX_SEARCH_CHARACTERS:
            errors["q"] = [by_field.SEARCH_AT_MOST.format(most=MAX_SEARCH_CHARACTERS)]
        elif _has_control_characters(single["q"]):
            errors["q"] = [by_field.SEARCH_CONTROL_CHARACTERS]
        roles = _roles([code for code in query.get("role", []) if code], errors)
        sort = single["sort"] or DEFAULT_SORT
        if single["sort"] and sort not in SORTS:
            errors["sort"] = [by_field.SORT_BY.format(columns=", ".join(SORT_COLUMNS))]
        link = ids.parse(single["link"])
        if single["link"] and not link:
            errors["link"] = [by_field.NO_SUCH_LINK]
        if single["after"] and single["before"]:
            errors["before"] = [by_field.AFTER_OR_BEFORE]
        found = cls(single["q"].strip(), roles, sort, link, single["after"], single["before"])
        if "sort" not in errors:
            for name in ("after", "before"):
                if not found._knows(single[name]):
                    errors.setdefault(name, [by_field.NO_PLACE_IN_LIST])
        if errors:
            raise Invalid(errors)
        return found

    @property
    def terms(self) -> tuple[tuple[str, ...], ...]:
        """Of each tuple one must occur in a member's search key; () when nothing is searched for."""
        return search_terms(self.q)

    @property
    def shown_roles(self) -> tuple[Role, ...]:
        """The roles to show, in their order."""
        return self.roles or DEFAULT_ROLES

    @property
    def condition(self) -> str:
        """What a member `m` meets beside the roles and the search, to be put into a WHERE; "" for everybody.

        It becomes part of the statement's text, so it holds whole numbers and words of ours alone.
        """
        conditions = []
        if self.link:
            # That it is above 0 is what its index holds.
            conditions.append(f"m.link_id = {self.link:d} AND m.link_id > 0")
        return "".join(f" AND {one}" for one in conditions)

    @property
    def narrows(self) -> bool:
        """Whether it shows fewer people than a list without any choice."""
        return bool(self.q or self.roles or self.condition)

    @property
    def order(self) -> str:
        """The order in force without a search: members of one link are listed by joining."""
        return NEWEST_FIRST if self.link and not self.sort.endswith("joined") else self.sort

    def cursor(self, sort: str) -> tuple[Cursor | None, bool]:
        """The cursor in this order, and whether to read backwards.

        A cursor of another order is ignored: while somebody pages through a search, its hits may become too
        many to be sorted in the chosen order.
        """
        try:
            return Cursor.decode(self.after or self.before, sort), not self.after
        except ValueError:
            return None, False

    def address(self, **changes: Any) -> str:
        """The query string of this filter with `changes`: only what differs from the default, in one order.

        Cursors are dropped when anything else changes, and one of them replaces the other.
        """
        new = replace(self, **{"after": "", "before": "", **changes}) if changes else self
        pairs = [("q", new.q), *(("role", role.value) for role in _in_order(new.roles))]
        pairs += [("sort", new.sort if new.sort != DEFAULT_SORT else "")]
        pairs += [("link", str(new.link) if new.link else "")]
        pairs += [("after", new.after), ("before", new.before)]
        return urlencode([(name, value) for name, value in pairs if value])

    def _knows(self, cursor: str) -> bool:
        if not cursor:
            return True
        # A search with very many hits is in the order of joining, whatever was asked for; so is who came by
        # one link. Without an order, links from before there was one for who waits are still understood.
        other = self.terms or self.link or self.sort == DEFAULT_SORT
        for sort in (self.sort, NEWEST_FIRST) if other else (self.sort,):
            try:
                Cursor.decode(cursor, sort)
            except ValueError:
                continue
            return True
        return False


def _single(query: Mapping[str, list[str]], name: str, errors: dict[str, list[str]]) -> str:
    values = query.get(name) or [""]
    if len(values) > 1:
        errors[name] = [by_field.GIVE_ONCE]
        return ""
    return values[0]


def _roles(codes: list[str], errors: dict[str, list[str]]) -> tuple[Role, ...]:
    known = {role.value: role for role in Role}
    if any(code not in known for code in codes):
        codes = [role.value for role in ROLE_ORDER]
        errors["role"] = [by_field.ROLE_IS_ONE_OF.format(roles=", ".join(codes))]
        return ()
    return _in_order(known[code] for code in codes)


def _in_order(roles: Iterable[Role]) -> tuple[Role, ...]:
    given = set(roles)
    return tuple(role for role in ROLE_ORDER if role in given)


def _has_control_characters(text: str) -> bool:
    """Control characters, and halves of surrogate pairs, which no database takes."""
    return any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)
