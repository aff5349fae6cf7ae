"""Properties of the rules, of every combination of roles there is: nobody gains by having less."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise, product

import pytest

from db import policy
from db.policy import Role

# Whoever stands further to the right may do what those to the left may. Pending and deactivated: nothing.
RANKS = (
    Role.DEACTIVATED,
    Role.PENDING,
    Role.ANNOTATOR,
    Role.REVIEWER,
    Role.MANAGER,
    Role.ADMINISTRATOR,
    Role.OWNER,
)
Why = Callable[[int, Role, int, Role], str | None]


def giving(to: Role) -> Why:
    """The question whether somebody may be given this role."""

    def why(actor_id: int, actor: Role, member_id: int, has: Role) -> str | None:
        return policy.why_not_assigned(actor_id, actor, member_id, has, to)

    return why


QUESTIONS: dict[str, Why] = {
    "untouchable": policy.why_untouchable,
    "last day": policy.why_no_last_day,
    "name": policy.why_not_named,
    "sessions": policy.why_not_signed_out,
    "password link": partial(policy.why_no_password_link, was_administrator=False),
    "password link, lately an Administrator": partial(policy.why_no_password_link, was_administrator=True),
    **{f"role {to.value}": giving(to) for to in Role},
}
ME, THEM = 1, 2
every_question = pytest.mark.parametrize("why", QUESTIONS.values(), ids=QUESTIONS)


@every_question
def test_whoever_ranks_higher_may_do_at_least_as_much(why: Why) -> None:
    for target, (lower, higher) in product(Role, pairwise(RANKS)):
        if why(ME, lower, THEM, target) is None:
            assert why(ME, higher, THEM, target) is None, (lower, higher, target)


@every_question
def test_whoever_does_not_administer_may_do_nothing_to_anybody(why: Why) -> None:
    for actor, target, them in product(RANKS[:-2], Role, (ME, THEM)):
        assert why(ME, actor, them, target), (actor, target, them)


@every_question
def test_only_the_owner_acts_on_the_owner(why: Why) -> None:
    for actor in RANKS[:-1]:
        assert why(ME, actor, THEM, Role.OWNER), actor


@pytest.mark.parametrize("question", QUESTIONS)
def test_nobody_acts_on_themself_but_for_names_and_sessions(question: str) -> None:
    for role in Role:
        allowed = QUESTIONS[question](ME, role, ME, role) is None
        assert allowed == (question in ("name", "sessions") and policy.may_manage_members(role)), role


def test_whoever_may_be_given_a_role_may_be_changed_and_nothing_makes_an_owner() -> None:
    for actor, target, to, them in product(Role, Role, Role, (ME, THEM)):
        given = policy.why_not_assigned(ME, actor, them, target, to) is None
        assert given == (policy.why_untouchable(ME, actor, them, target) is None and to in policy.ASSIGNABLE)
        assert not (given and Role.OWNER in (to, target))


def test_having_been_an_administrator_lately_opens_nothing() -> None:
    for actor, target, them in product(Role, Role, (ME, THEM)):
        asked = (ME, actor, them, target)
        if policy.why_no_password_link(*asked, was_administrator=True) is None:
            assert policy.why_no_password_link(*asked, was_administrator=False) is None


PERMISSIONS = {name: one for name, one in vars(policy).items() if isinstance(one, policy.Permission)}


@pytest.mark.parametrize("name", PERMISSIONS)
def test_each_permission_grows_with_the_rank(name: str) -> None:
    has = [PERMISSIONS[name](role) for role in RANKS]

    assert has == sorted(has)
    assert not has[0], "the deactivated have none"
    assert has[1] == (name == "may_sign_in"), "who waits is signed in, and that is all"
    assert has[-1]


@pytest.mark.parametrize("name", PERMISSIONS)
def test_each_permission_has_a_sentence_for_those_who_lack_it(name: str) -> None:
    assert "{" not in PERMISSIONS[name].why_not
    assert PERMISSIONS[name].why_not.endswith(".")
