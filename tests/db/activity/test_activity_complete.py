"""What must be told of as well: refusals, ends that follow from other changes, what is shown or asked for."""

from types import ModuleType

from db import activity, engine
from db.accounts import confirmation, profile, sign_in
from db.accounts.sign_in import WrongPassword
from db.auth import rate_limits
from db.auth.client import Browser
from db.errors import TooManyTries
from db.invitations import acceptance, management
from db.members import roles
from db.policy import Actor, Role
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps.invitation_steps import accept, invited, kinds, mailed
from tests.support.steps.member_steps import BROWSER, acting, olga

DAY = 24 * 3600 * 1000


async def told(kind: str) -> list[tuple[object, ...]]:
    """Who did it, to whom, before and after, and from where: of each event of this kind."""
    return await engine.rows(
        "SELECT actor_kind, actor_id, subject_id, before, after, address FROM activity"
        " WHERE kind = ? ORDER BY id",
        kind,
    )


async def guess(site: Site, email: str, password: str = "wrong") -> type[Exception] | None:
    browser = Browser("192.0.2.9", "192.0.2.9")
    try:
        await sign_in.sign_in(
            email,
            password,
            persistent=False,
            throttle=site.context.throttle,
            session_limits=site.context.session_limits,
            browser=browser,
        )
    except (WrongPassword, TooManyTries, sign_in.IsDeactivated) as error:
        return type(error)
    return None


async def test_the_try_that_makes_others_wait_says_so_and_those_write_nothing(
    site: Site, clock: ModuleType
) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)

    answers = [await guess(site, "ada@example.org", PASSWORD if n > 5 else "wrong") for n in range(50)]

    assert answers == [WrongPassword] * 5 + [TooManyTries] * 45
    refused = ("visitor", 0, ada, "")
    assert await told("sign_in_refused") == [
        *[(*refused, "", "192.0.2.9")] * 4,
        (*refused, "throttled", "192.0.2.9"),
    ]


async def test_a_refusal_of_somebody_unknown_and_of_somebody_deactivated(site: Site) -> None:
    ada = await site.person("ada", Role.DEACTIVATED)

    await guess(site, "nobody@example.org")
    await guess(site, "ada@example.org", PASSWORD)

    assert await told("sign_in_refused") == [
        ("visitor", 0, 0, "", "", "192.0.2.9"),
        ("visitor", 0, ada, "", "deactivated", "192.0.2.9"),
    ]


async def test_a_limit_of_a_network_is_told_once_in_its_window(site: Site, clock: ModuleType) -> None:
    limits = site.context.throttle.sign_up("192.0.2.0", with_link=False)
    for _ in range(2):
        for number in range(40):
            try:
                used_up = await rate_limits.count(limits)
                assert used_up is (number == 29)
            except TooManyTries:
                assert number >= 30
        clock.move(rate_limits.WINDOW_MS)

    assert await told("limit_reached") == [("visitor", 0, 0, "", "sign-ups", "192.0.2.0")] * 2


async def test_notices_and_the_mail_that_confirms_an_address(posting: Site) -> None:
    ada = await posting.person("ada")
    actor = Actor(ada, Role.PENDING, address="192.0.2.5")

    for wanted in (False, False, True):
        await profile.change_notices(actor, wanted=wanted)
    await confirmation.ask_again(actor)

    assert await told("own_notices_switched") == [
        ("member", ada, ada, "on", "off", "192.0.2.5"),
        ("member", ada, ada, "off", "on", "192.0.2.5"),
    ]
    assert await told("confirmation_asked_for") == [("member", ada, ada, "", "", "192.0.2.5")]


async def test_invitations_that_end_with_their_inviter_or_their_invited_are_told(posting: Site) -> None:
    bob = await posting.person("bob", Role.ADMINISTRATOR)
    line = await invited(posting, "eve", by=acting(posting, "bob"))
    other = await invited(posting, "cyd")
    cyd = await posting.person("cyd", Role.ANNOTATOR)

    await roles.change_role(olga(posting), member_id=bob, role=Role.MANAGER)
    await roles.change_role(olga(posting), member_id=cyd, role=Role.DEACTIVATED)

    owner = posting.ids["olga"]
    assert await told("invitation_voided") == [("member", owner, line.id, "", "", "")]
    assert await told("invitation_revoked") == [("member", owner, other.id, "", "", "")]


async def test_each_time_a_link_is_shown_is_told(posting: Site) -> None:
    line = await invited(posting, "eve")

    for _ in range(2):
        await management.mark_link_revealed(olga(posting), [line.id])

    assert await kinds(line.id) == ["invitation_made", "invitation_shown", "invitation_shown"]


async def test_what_the_system_does_is_told_as_the_system_s(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "eve")
    await mailed(line)
    clock.move(5 * DAY + 1)

    await engine.write(management.remind)

    assert await told("invitation_reminded") == [("system", 0, line.id, "", "", "")]


async def test_somebody_who_waited_and_accepts_is_approved_and_does_not_join_again(posting: Site) -> None:
    line = await invited(posting, "ada", Role.MANAGER)
    await mailed(line)
    ada = await posting.person("ada")

    await accept(posting, line, "Ada")

    assert [(event.kind, event.before, event.after) for event in await activity.of_member(ada)] == [
        ("accepted_invitation", "NO", "MA"),
        ("role_changed", "NO", "MA"),
    ]


async def test_asking_for_a_new_invitation_tells_from_where(posting: Site, clock: ModuleType) -> None:
    line = await invited(posting, "eve")
    clock.move(8 * DAY)
    found = await acceptance.find(line.link_id)
    assert found is not None

    await management.note_new_invitation_wanted(found, address=BROWSER.address)

    assert await told("invitation_asked_for") == [("visitor", 0, line.id, "", "", BROWSER.address)]
