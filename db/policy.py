"""Who may do what to whom: pure rules.

The domain asks them on rows it has locked; handlers and templates ask the same ones, so that a button and the
server never disagree.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from db.errors import PasswordWanted
from messages import phrases, refusals


class Role(StrEnum):
    """A member's role; the codes are those of Label Studio's API."""

    OWNER = "OW"
    ADMINISTRATOR = "AD"
    MANAGER = "MA"
    REVIEWER = "RE"
    ANNOTATOR = "AN"
    PENDING = "NO"
    DEACTIVATED = "DI"

    @property
    def label(self) -> str:
        """The word the interface uses."""
        return phrases.ROLES[self]

    @property
    def plural(self) -> str:
        """The word for several of them."""
        return phrases.ROLES_OF_SEVERAL[self]


# The order of the drop-down. Ownership is handed over, never assigned.
ASSIGNABLE = (
    Role.PENDING,
    Role.ADMINISTRATOR,
    Role.MANAGER,
    Role.REVIEWER,
    Role.ANNOTATOR,
    Role.DEACTIVATED,
)
# What an invitation, and the bar for several people, may give.
WORKING = (Role.ANNOTATOR, Role.REVIEWER, Role.MANAGER, Role.ADMINISTRATOR)
# So long a password that was given speaks for whoever sits there.
PASSWORD_MS: Final = 10 * 60 * 1000
# So long whoever was an Administrator is treated as one where their password is concerned.
STILL_ADMINISTRATOR_MS: Final = 30 * 24 * 60 * 60 * 1000


class SensitiveChange(StrEnum):
    """What wants the password anew: it would let whoever finds a browser open rise, enter or shut out."""

    GIVES_ADMINISTRATOR = "gives-administrator"
    MAKES_PASSWORD_LINK = "makes-password-link"
    ENDS_SESSIONS = "ends-sessions"


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The session that somebody acts by. ends_at: when its time is over, in ms.

    token_hash: another one after a new password, though it is the same session.
    """

    id: int
    token_hash: str = field(repr=False)
    ends_at: int


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a member, the command line, or the system itself.

    id: the member's id, 0 for anybody who is none. kind: member, command, system or visitor.
    address: the network address the action came from, "" when there is none. session: what they are signed
    in by, without which nothing is changed from a browser; None for whoever acts without one. password_at:
    when a member gave their password last, in ms; 0 for not known.
    """

    id: int
    role: Role
    kind: str = "member"
    address: str = ""
    session: SessionKey | None = None
    password_at: int = 0


# Whoever may run commands on the server may do what an Administrator may, to anybody but the Owner.
COMMAND_LINE = Actor(id=0, role=Role.ADMINISTRATOR, kind="command")
SYSTEM = Actor(id=0, role=Role.ADMINISTRATOR, kind="system")


def visitor(address: str) -> Actor:
    """Somebody who isn't signed in, at this network address."""
    return Actor(id=0, role=Role.PENDING, kind="visitor", address=address)


@dataclass(frozen=True, slots=True)
class Permission:
    """What some roles may do. Called with a role: whether that role may.

    refusal: what the others read; {who} stands for the roles that may.
    """

    roles: tuple[Role, ...]
    refusal: str

    def __call__(self, role: Role) -> bool:
        return role in self.roles

    @property
    def who(self) -> str:
        """The roles in words, such as "the Owner and Administrators"."""
        *others, last = (phrases.THE_OWNER if role is Role.OWNER else role.plural for role in self.roles)
        return phrases.AND_THE_LAST.format(others=", ".join(others), last=last) if others else last

    @property
    def why_not(self) -> str:
        """Why somebody with another role may not."""
        return self.refusal.format(who=self.who)


OWNER: Final = (Role.OWNER,)
ADMINISTRATORS: Final = (Role.OWNER, Role.ADMINISTRATOR)

# Who may do what. Guards of the addresses, the domain, SQL and templates all ask these, and so do the
# sentences about them: to change who may do something, change its roles here.
may_sign_in = Permission(
    tuple(role for role in Role if role is not Role.DEACTIVATED), refusals.ACCOUNT_DEACTIVATED
)
may_manage_members = Permission(ADMINISTRATORS, refusals.MANAGE_MEMBERS)
may_invite = Permission(ADMINISTRATORS, refusals.INVITE_PEOPLE)
may_read_activity = Permission(ADMINISTRATORS, refusals.READ_ACTIVITY)
may_change_settings = Permission(OWNER, refusals.CHANGE_SETTINGS)
may_erase_names = Permission(OWNER, refusals.ERASE_NAMES)
may_transfer_ownership = Permission(OWNER, refusals.SOMEBODY_ELSE_OWNS)
# Makes a password link for somebody who is an Administrator, or was one lately.
may_reset_administrators = Permission(OWNER, refusals.OWNER_MAKES_LINK)

_SECTIONS = (may_manage_members, may_invite, may_read_activity, may_change_settings)
# Sees the menu of the organization: whatever part of it is open to them.
may_open_organization = Permission(
    tuple(role for role in Role if any(may(role) for may in _SECTIONS)), refusals.OPEN_ORGANIZATION
)


def is_active(role: Role) -> bool:
    """Has access to the app behind the gate."""
    return role not in (Role.PENDING, Role.DEACTIVATED)


def is_administrator(role: Role) -> bool:
    """The Owner is one, too: they hear when the role is taken from one, and their passwords are protected."""
    return role in ADMINISTRATORS


def has_ended(ends_at: int, now: int) -> bool:
    """Whether a membership is over: from its very end on. Both in ms; ends_at 0 for no end."""
    return 0 < ends_at <= now


def waits(role: Role) -> bool:
    """Can sign in, and sees only the waiting page and the own account."""
    return may_sign_in(role) and not is_active(role)


# What each role may do here, in words; the page of roles asks the same questions as everything else.
RIGHTS: tuple[tuple[Callable[[Role], bool], str], ...] = (
    (is_active, phrases.OPENS_APP),
    (may_manage_members, phrases.MANAGES_MEMBERS),
    (may_invite, phrases.MANAGES_INVITATIONS),
    (may_change_settings, phrases.CHANGES_SETTINGS),
    (waits, phrases.WAITS),
    (lambda role: not may_sign_in(role), phrases.SHUT_OUT),
)


def rights(role: Role, app_name: str) -> list[str]:
    """What somebody with this role may do here, a phrase each."""
    return [words.format(app=app_name) for asked, words in RIGHTS if asked(role)]


def why_untouchable(actor_id: int, actor_role: Role, target_id: int, target_role: Role) -> str | None:
    """Why this member can't be changed or removed by this actor; None when they can."""
    if not may_manage_members(actor_role):
        return may_manage_members.why_not
    if actor_id == target_id:
        return refusals.NOT_ONESELF
    if target_role is Role.OWNER:
        return refusals.NOT_THE_OWNER
    return None


def why_not_assigned(
    actor_id: int, actor_role: Role, target_id: int, target_role: Role, role: Role
) -> str | None:
    """Why this role can't be given to this member by this actor; None when it can."""
    reason = why_untouchable(actor_id, actor_role, target_id, target_role)
    if reason is None and role not in ASSIGNABLE:
        reason = refusals.NEVER_ASSIGNED.format(role=role.label)
    return reason


def why_no_last_day(actor_id: int, actor_role: Role, target_id: int, target_role: Role) -> str | None:
    """Why this actor can't give this member a last day, or take it away; None when they can."""
    reason = why_untouchable(actor_id, actor_role, target_id, target_role)
    if reason is None and target_role is Role.DEACTIVATED:
        reason = refusals.NO_LAST_DAY
    return reason


def why_not_named(actor_id: int, actor_role: Role, target_id: int, target_role: Role) -> str | None:
    """Why this actor can't put this member's name right; None when they can."""
    if not may_manage_members(actor_role):
        return may_manage_members.why_not
    if target_role is Role.OWNER and actor_id != target_id:
        return refusals.OWNER_NAMES_THEMSELF
    return None


def why_not_signed_out(actor_id: int, actor_role: Role, target_id: int, target_role: Role) -> str | None:
    """Why this actor can't end this member's sessions; None when they can."""
    if not may_manage_members(actor_role):
        return may_manage_members.why_not
    if target_role is Role.OWNER and actor_id != target_id:
        return refusals.OWNER_SIGNS_OUT_THEMSELF
    return None


def was_administrator(administrator_until: int, now: int) -> bool:
    """Whether somebody who is none counts as an Administrator still, where their password is concerned.

    administrator_until: when they were one last, 0 for never. Both in ms.
    """
    return administrator_until > 0 and now < administrator_until + STILL_ADMINISTRATOR_MS


def why_no_password_link(
    actor_id: int, actor_role: Role, target_id: int, target_role: Role, *, was_administrator: bool
) -> str | None:
    """Why this actor can't make a password link for this member; None when they can.

    was_administrator: of the member, lately. Otherwise an Administrator could lower another, take their
    account by such a link, and raise it again.
    """
    if not may_manage_members(actor_role):
        return may_manage_members.why_not
    if actor_id == target_id:
        return refusals.NO_LINK_FOR_ONESELF
    if target_role is Role.DEACTIVATED:
        return refusals.NO_LINK_FOR_DEACTIVATED
    if target_role is Role.OWNER:
        return None if may_reset_administrators(actor_role) else refusals.NO_LINK_FOR_OWNER
    if (is_administrator(target_role) or was_administrator) and not may_reset_administrators(actor_role):
        return may_reset_administrators.why_not
    return None


def sensitive_change(given: Iterable[Role]) -> SensitiveChange | None:
    """What of it wants the password, when somebody gets one of these roles or is invited to it."""
    return SensitiveChange.GIVES_ADMINISTRATOR if Role.ADMINISTRATOR in given else None


def wants_password(actor: Actor, change: SensitiveChange | None, now: int) -> bool:
    """Whether this actor has to give their password before this change. None: any other change. now: ms."""
    lately = 0 <= now - actor.password_at < PASSWORD_MS
    return change is not None and actor.kind == "member" and not lately


def require_password(actor: Actor, change: SensitiveChange | None, now: int) -> None:
    """Asked by the domain, when nothing else speaks against the change. Raises PasswordWanted."""
    if wants_password(actor, change, now):
        raise PasswordWanted
