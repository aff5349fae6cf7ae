"""Links as rows: what ends them, what brings them back, and who acts by them."""

from types import ModuleType

import pytest

from db import clock, engine, links, members
from db.policy import COMMAND_LINE, DeadLink
from tests.site import Site

DAY = 86_400_000


async def made(purpose: str = links.RESET, **how: int) -> links.Link:
    return await engine.write(links.make, purpose, **how)


async def state(link: links.Link) -> str:
    """Why it doesn't work, "" while it does."""
    found = await engine.read(links.find, link.id, link.purpose)
    assert found is not None
    return found.dead_because(clock.now()) or ""


async def refused(link_id: int) -> str:
    with pytest.raises(DeadLink) as dead:
        await engine.write(links.use, link_id)
    return dead.value.reason


async def test_a_link_is_found_by_its_purpose_alone(database: str) -> None:
    link = await made()

    assert await engine.read(links.find, link.id, links.RESET) == link
    assert await engine.read(links.find, link.id, links.SETUP) is None


async def test_the_newest_open_link_of_a_subject_is_found(database: str) -> None:
    old, new, other = await made(subject=1), await made(subject=1), await made(subject=2)

    assert await engine.read(links.open_one, links.RESET, 1) == new
    assert await engine.read(links.newest, links.RESET) == other
    await engine.write(links.consume, new.id)
    assert await engine.read(links.open_one, links.RESET, 1) == old
    assert await engine.read(links.open_one, links.SETUP, 1) is None


async def test_a_budget_is_never_exceeded_and_the_reason_is_told(database: str, clock: ModuleType) -> None:
    twice = await made(max_uses=2, expires_at=clock.now() + DAY)

    for _ in range(2):
        assert await state(twice) == ""
        await engine.write(links.use, twice.id)

    assert await state(twice) == await refused(twice.id) == "used_up"
    assert await refused(twice.id + 1) == "unknown"


async def test_a_link_ends_at_its_very_end(database: str, clock: ModuleType) -> None:
    link = await made(expires_at=clock.now() + DAY)
    clock.move(DAY - 1)
    assert await state(link) == ""
    await engine.write(links.use, link.id)
    assert await engine.write(links.stamp_expired) == 0

    clock.move(1)

    assert await state(link) == await refused(link.id) == "expired"
    assert await engine.write(links.stamp_expired) == 1
    clock.move(-DAY)
    assert await state(link) == await refused(link.id) == "expired"


async def test_a_link_without_an_end_lasts(database: str, clock: ModuleType) -> None:
    link = await made()
    clock.move(1_000 * DAY)

    assert await engine.write(links.stamp_expired) == 0
    assert await state(link) == ""


async def test_a_link_that_works_once_is_used_once(database: str) -> None:
    link, other = await made(), await made()
    await engine.write(links.consume, link.id)

    with pytest.raises(DeadLink):
        await engine.write(links.consume, link.id)

    assert (await state(link), await state(other)) == ("used", "")


async def test_the_links_of_one_subject_or_of_all_end(database: str, clock: ModuleType) -> None:
    mine, yours, address = await made(subject=1), await made(subject=2), await made(links.ADDRESS, subject=1)

    assert await engine.write(links.end, links.RESET, "reset", subject=1) == 1
    assert [await state(link) for link in (mine, yours, address)] == ["reset", "", ""]
    assert await engine.write(links.end, links.RESET, "revoked") == 1
    assert [await state(link) for link in (mine, yours, address)] == ["reset", "revoked", ""]


async def test_what_ended_at_one_instant_is_brought_back_and_nothing_else(database: str) -> None:
    mine, yours, address = await made(subject=1), await made(subject=2), await made(links.ADDRESS, subject=1)
    for purpose in (links.RESET, links.ADDRESS):
        assert await engine.write(links.end, purpose, "void", at=5)
    earlier = await made(subject=1)
    await engine.write(links.end, links.RESET, "void", subject=1, at=4)

    await engine.write(links.bring_back, [links.RESET], [1], ended_at=5)

    states = [await state(link) for link in (mine, yours, address, earlier)]
    assert states == ["", "void", "void", "void"]


@pytest.mark.parametrize("end", ["expired", "key rotated", "revoked", "used"])
async def test_only_what_was_not_used_and_not_revoked_is_extended(
    database: str, clock: ModuleType, end: str
) -> None:
    (link_id,) = await engine.write(links.make_many, links.INVITATION, 1, 7, clock.now() + 1)
    (left_alone,) = await engine.write(links.make_many, links.INVITATION, 1, 7, clock.now() + 1)
    link = await engine.read(links.find, link_id, links.INVITATION)
    assert link is not None
    assert (link.uses, link.max_uses, link.made_by, link.made_at) == (0, 1, 7, clock.now())
    if end == "used":
        await engine.write(links.consume, link_id)
    else:
        await engine.write(links.end, links.INVITATION, end)

    await engine.write(links.extend, [link_id], clock.now() + DAY)

    extended = await engine.read(links.find, link_id, links.INVITATION)
    assert extended is not None
    if end in ("expired", "key rotated"):
        assert await state(extended) == ""
        assert extended.expires_at == clock.now() + DAY
    else:
        assert await state(extended) == end
        assert extended.expires_at == clock.now() + 1
    other = await engine.read(links.find, left_alone, links.INVITATION)
    assert other is not None
    assert other.expires_at == clock.now() + 1


async def test_nobody_who_is_gone_acts_by_a_link(site: Site) -> None:
    ada = await site.person("ada")
    await members.remove(COMMAND_LINE, member_id=ada)
    link = await made(subject=ada)

    with pytest.raises(DeadLink) as dead:
        await engine.write(links.consume_as_member, link, "192.0.2.1")

    assert dead.value.reason == "void"
    assert await state(link) == ""
