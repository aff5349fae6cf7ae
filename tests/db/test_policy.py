"""The rules as truth tables: columns are the target's roles OW AD MA RE AN NO DI, + is allowed."""

from collections.abc import Callable

import pytest

from db import policy
from db.common import clock
from db.errors import TooManyTries
from db.policy import Actor, Role, SensitiveChange
from messages import refusals

ROLES = "OW AD MA RE AN NO DI".split()
MINUTE = 60_000

# Whether an actor (row) may change or remove somebody else (column).
TOUCHES = """
    OW . + + + + + +
    AD . + + + + + +
    MA . . . . . . .
    RE . . . . . . .
    AN . . . . . . .
    NO . . . . . . .
    DI . . . . . . .
"""
# Whether an actor (row) may make a password link for somebody else (column); with * not for those who were an
# Administrator lately.
LINKS = """
    OW + + + + + + .
    AD . . * * * * .
    MA . . . . . . .
    RE . . . . . . .
    AN . . . . . . .
    NO . . . . . . .
    DI . . . . . . .
"""
# A role that may be given (column), to whoever may be touched.
GIVEN = "   . + + + + + +"
# What a role (column) means.
ACTIVE = "  + + + + + . ."
SIGNS_IN = "+ + + + + + ."
MANAGES = " + + . . . . ."
OWNS = "    + . . . . . ."


def row(line: str) -> dict[str, bool]:
    return dict(zip(ROLES, (sign == "+" for sign in line.split()), strict=True))


def table(text: str) -> dict[str, dict[str, bool]]:
    lines = [line.split(maxsplit=1) for line in text.strip().splitlines()]
    return {actor: row(line) for actor, line in lines}


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_who_may_change_or_remove_whom(actor: str, target: str) -> None:
    reason = policy.why_untouchable(1, Role(actor), 2, Role(target))

    assert (reason is None) is table(TOUCHES)[actor][target]
    assert reason is None or reason.endswith(".")


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_who_may_give_which_roles_to_whom(actor: str, target: str) -> None:
    reasons = {to: policy.why_not_assigned(1, Role(actor), 2, Role(target), Role(to)) for to in ROLES}

    allowed = {to for to in ROLES if reasons[to] is None}

    assert allowed == {to for to in ROLES if table(TOUCHES)[actor][target] and row(GIVEN)[to]}


@pytest.mark.parametrize("role", ROLES)
def test_nobody_acts_on_themself(role: str) -> None:
    given = [policy.why_not_assigned(1, Role(role), 1, Role(role), Role(to)) for to in ROLES]

    assert policy.why_untouchable(1, Role(role), 1, Role(role)) is not None
    assert None not in given
    assert policy.why_no_password_link(1, Role(role), 1, Role(role), was_administrator=False) is not None


@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_who_may_give_a_last_day_to_whom(actor: str, target: str) -> None:
    reason = policy.why_no_last_day(1, Role(actor), 2, Role(target))

    assert (reason is None) is (table(TOUCHES)[actor][target] and row(SIGNS_IN)[target])
    assert policy.why_no_last_day(1, Role(actor), 1, Role(target)) is not None


@pytest.mark.parametrize("why_not", [policy.why_not_named, policy.why_not_signed_out])
@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_who_may_rename_and_sign_out_whom(
    why_not: Callable[..., str | None], actor: str, target: str
) -> None:
    somebody_else, oneself = (why_not(1, Role(actor), id, Role(target)) for id in (2, 1))

    assert (somebody_else is None) is (row(MANAGES)[actor] and target != "OW")
    assert (oneself is None) is row(MANAGES)[actor]


@pytest.mark.parametrize("lately", [False, True])
@pytest.mark.parametrize("actor", ROLES)
@pytest.mark.parametrize("target", ROLES)
def test_who_may_make_a_password_link_for_whom(actor: str, target: str, lately: bool) -> None:
    reason = policy.why_no_password_link(1, Role(actor), 2, Role(target), was_administrator=lately)

    allowed = LINKS.replace("*", "." if lately else "+")
    assert (reason is None) is table(allowed)[actor][target]
    assert reason is None or reason.endswith(".")


DAY = 24 * 60 * 60 * 1000


def test_who_was_an_administrator_counts_as_one_for_thirty_days() -> None:
    assert not policy.was_administrator(0, 100 * DAY)
    assert policy.was_administrator(100 * DAY, 100 * DAY)
    assert policy.was_administrator(100 * DAY, 130 * DAY - 1)
    assert not policy.was_administrator(100 * DAY, 130 * DAY)
    # A clock that was set back makes nobody more than they are.
    assert policy.was_administrator(100 * DAY, 99 * DAY)


@pytest.mark.parametrize("change", [*SensitiveChange, None])
@pytest.mark.parametrize(
    ("kind", "given_ago", "wanted"),
    [
        ("member", 0, False),
        ("member", 10 * MINUTE - 1, False),
        ("member", 10 * MINUTE, True),
        # The clock was set back: nobody knows how long ago that was.
        ("member", -1, True),
        ("command", 100 * MINUTE, False),
        ("system", 100 * MINUTE, False),
    ],
)
def test_which_changes_want_the_password_and_for_how_long_it_speaks(
    change: SensitiveChange | None, kind: str, given_ago: int, wanted: bool
) -> None:
    now = 1_000 * MINUTE
    actor = Actor(1, Role.OWNER, kind=kind, password_at=now - given_ago)

    assert policy.wants_password(actor, change, now) is (wanted and change is not None)


def test_an_actor_of_whom_nothing_is_known_has_to_give_the_password() -> None:
    assert policy.wants_password(Actor(1, Role.OWNER), SensitiveChange.ENDS_SESSIONS, clock.now())


@pytest.mark.parametrize("role", ROLES)
def test_only_the_role_administrator_is_sensitive_to_give(role: str) -> None:
    change = policy.sensitive_change((Role.ANNOTATOR, Role(role)))

    assert change is (SensitiveChange.GIVES_ADMINISTRATOR if role == "AD" else None)


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_means(role: str) -> None:
    assert policy.is_active(Role(role)) is row(ACTIVE)[role]
    assert policy.may_sign_in(Role(role)) is row(SIGNS_IN)[role]
    assert policy.is_administrator(Role(role)) is row(MANAGES)[role]


@pytest.mark.parametrize("role", ROLES)
def test_which_permissions_a_role_has(role: str) -> None:
    of_administrators = (
        policy.may_manage_members,
        policy.may_invite,
        policy.may_read_activity,
        policy.may_open_organization,
    )
    of_the_owner = (
        policy.may_change_settings,
        policy.may_erase_names,
        policy.may_transfer_ownership,
        policy.may_reset_administrators,
    )
    for permission in of_administrators:
        assert permission(Role(role)) is row(MANAGES)[role]
    for permission in of_the_owner:
        assert permission(Role(role)) is row(OWNS)[role]


def test_a_refusal_names_the_roles_that_may() -> None:
    assert policy.may_invite.why_not == "Only the Owner and Administrators may invite people."
    assert policy.may_change_settings.why_not == "Only the Owner may change the settings."
    assert policy.Permission((Role.OWNER, Role.ADMINISTRATOR, Role.MANAGER), "").who == (
        "the Owner, Administrators and Managers"
    )


def test_what_is_offered_is_what_may_be_given() -> None:
    assert {role.value for role in policy.ASSIGNABLE} == {role for role in ROLES if row(GIVEN)[role]}
    assert {*policy.WORKING, Role.OWNER} == {Role(role) for role in ROLES if row(ACTIVE)[role]}


def test_the_command_line_manages_everybody_but_the_owner() -> None:
    actor = policy.COMMAND_LINE

    touched = [policy.why_untouchable(actor.id, actor.role, 1, Role(role)) is None for role in ROLES]

    assert touched == [role != "OW" for role in ROLES]


def test_whoever_is_no_member_has_no_id_of_one() -> None:
    assert {actor.id for actor in (policy.COMMAND_LINE, policy.SYSTEM, policy.visitor("192.0.2.1"))} == {0}


def test_a_visitor_manages_nobody() -> None:
    actor = policy.visitor("192.0.2.1")

    assert all(policy.why_untouchable(actor.id, actor.role, 1, Role(role)) for role in ROLES)


def test_roles_have_the_words_of_the_interface() -> None:
    words = [(role.value, role.label, role.plural) for role in Role]

    assert words[-2:] == [("NO", "Pending", "Pending"), ("DI", "Deactivated", "Deactivated")]
    assert words[3] == ("RE", "Reviewer", "Reviewers")


def test_what_is_said_of_a_role_is_what_the_rules_let_it_do() -> None:
    said = {role: " ".join(policy.rights(role, "Label Studio")) for role in Role}

    for words, asked in (
        ("Opens Label Studio", policy.is_active),
        ("Manages members", policy.may_manage_members),
        ("Manages invitations", policy.may_invite),
        ("Changes the settings", policy.may_change_settings),
    ):
        assert {role for role in Role if words in said[role]} == {role for role in Role if asked(role)}
    assert all(said.values())
    assert {role for role in Role if "log in" in said[role]} == {Role.DEACTIVATED}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, refusals.TOO_MANY_TRIES_SECONDS.format(1)),
        (1, refusals.TOO_MANY_TRIES_SECONDS.format(1)),
        (59, refusals.TOO_MANY_TRIES_SECONDS.format(59)),
        (60, refusals.TOO_MANY_TRIES_MINUTES.format(1)),
        (61, refusals.TOO_MANY_TRIES_MINUTES.format(2)),
        (120, refusals.TOO_MANY_TRIES_MINUTES.format(2)),
    ],
)
def test_whoever_has_to_wait_is_told_seconds_and_from_a_minute_on_minutes(seconds: int, words: str) -> None:
    assert str(TooManyTries(seconds)) == words
