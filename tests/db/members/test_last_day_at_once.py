"""The end of memberships when several processes, or people, act at the same instant."""

from types import ModuleType

import pytest

from db import engine
from db.common.dates import DAY_MS
from db.errors import DomainError, Refused
from db.mail import outbox
from db.members import last_day, roles
from db.policy import Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, add, hand_over, olga, owners


async def ending(site: Site, clock: ModuleType, count: int = 20) -> list[int]:
    """So many annotators whose last day is today."""
    ids = await add([f"ada{number}" for number in range(count)])
    await roles.change_roles(olga(site), member_ids=ids, role=Role.ANNOTATOR)
    for member_id in ids:
        await last_day.set_last_day(olga(site), member_id=member_id, day=last_day.earliest())
    return ids


async def test_of_several_processes_each_membership_is_ended_by_one(site: Site, clock: ModuleType) -> None:
    ids = await ending(site, clock)
    clock.move(DAY_MS)

    ended = await at_once(*(last_day.end_due() for _ in range(6)))

    assert ended == [None] * 6
    told = await engine.rows("SELECT subject_id FROM activity WHERE actor_kind = 'system' ORDER BY 1")
    assert [subject for (subject,) in told] == ids


async def test_of_several_processes_one_tells_each_end(site: Site, clock: ModuleType) -> None:
    await ending(site, clock)
    outbox.use(True)

    ended = await at_once(*(engine.write(last_day.tell_due) for _ in range(6)))
    outbox.use(False)

    assert not [one for one in ended if isinstance(one, BaseException)]
    assert await engine.rows("SELECT COUNT(*), COUNT(DISTINCT recipient) FROM outbox") == [(40, 21)]


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.DEACTIVATED])
async def test_a_role_at_the_instant_of_the_end_counts_after_it(
    site: Site, clock: ModuleType, role: Role
) -> None:
    ids = await ending(site, clock)
    clock.move(DAY_MS)

    ended = await at_once(
        roles.change_roles(olga(site), member_ids=ids, role=role),
        last_day.end_due(),
        *(roles.change_role(olga(site), member_id=member_id, role=role) for member_id in ids[:5]),
        last_day.end_due(),
    )

    assert not [one for one in ended if isinstance(one, BaseException)]
    assert await engine.rows("SELECT role, COUNT(*) FROM member WHERE role <> 'OW' GROUP BY role") == [
        (role.value, 20)
    ]
    # Whoever came back had been out before: no session of the time before is worth anything.
    ((out,),) = await engine.rows("SELECT COUNT(*) FROM activity WHERE actor_kind = 'system'")
    assert out == 20


async def test_a_hand_over_and_a_last_day_at_once_leave_an_owner_without_an_end(site: Site) -> None:
    await site.person("bob", Role.ADMINISTRATOR)
    ada = await site.person("ada", Role.MANAGER)

    bob, day = acting(site, "bob"), last_day.earliest()
    ended = await at_once(
        hand_over(site, "ada"), *(last_day.set_last_day(bob, member_id=ada, day=day) for _ in range(3))
    )

    assert {type(one) for one in ended if isinstance(one, BaseException)} <= {Refused}
    assert await owners() == [ada] * 2
    assert await engine.rows("SELECT ends_at FROM member WHERE id = ?", ada) == [(0,)]


async def test_a_hand_over_to_somebody_whose_end_comes_at_that_instant_leaves_one_owner(
    site: Site, clock: ModuleType
) -> None:
    ada = await site.person("ada", Role.MANAGER)
    await last_day.set_last_day(olga(site), member_id=ada, day=last_day.earliest())
    clock.move(DAY_MS)

    ended = await at_once(last_day.end_due(), hand_over(site, "ada"), last_day.end_due())

    assert [type(one) for one in ended if isinstance(one, DomainError)] == [Refused]
    assert await owners() == [site.ids["olga"]] * 2
    assert await site.role_of("ada") is Role.DEACTIVATED
