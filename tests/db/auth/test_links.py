"""Links as rows: what ends them, what brings them back, and who acts by them."""

from types import ModuleType

import pytest

from db import engine
from db.auth import links
from db.common import clock
from db.errors import InvalidLink
from db.members import removal
from db.policy import COMMAND_LINE, Actor, Role
from tests.support.pages.site import Site

DAY = 86_400_000


async def made(purpose: str = links.RESET, **how: int) -> links.Link:
    return await engine.write(links.make, purpose, **how)


async def state(link: links.Link) -> str:
    """Why it doesn't work, "" while it does."""
    found = await engine.read(links.find, link.id, link.purpose)
    assert found is not None
    return found.invalid_reason(clock.now()) or ""


async def refused(link_id: int) -> str:
    with pytest.raises(InvalidLink) as invalid:
        await engine.write(links.use, link_id)
    return invalid.value.reason


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


async def test_a_link_that_works_once_is_used_once(database: str, clock: ModuleType) -> None:
    link, other = await made(), await made()
    clock.stop_at(link.made_at + 7)
    await engine.write(links.consume, link.id)
    clock.move(1)

    with pytest.raises(InvalidLink, match=r"^used$"):
        await engine.write(links.consume, link.id)

    assert (await state(link), await state(other)) == ("used", "")
    counted = await engine.rows("SELECT uses, ended_at FROM links ORDER BY id")
    assert counted == [(1, link.made_at + 7), (0, 0)]


async def test_why_a_link_was_ended_is_said_before_that_its_time_is_over_or_it_is_used_up(
    database: str, clock: ModuleType
) -> None:
    link = await made(max_uses=1, expires_at=clock.now() + DAY)
    await engine.write(links.use, link.id)
    clock.move(DAY)
    assert await state(link) == await refused(link.id) == "expired"

    await engine.write(links.end, links.RESET, "replaced")

    assert await state(link) == await refused(link.id) == "replaced"
    # It is said still, and what ended it is the first.
    assert await engine.write(links.end, links.RESET, "revoked") == 0
    assert await engine.write(links.stamp_expired) == 0
    assert await state(link) == "replaced"


async def test_an_open_link_may_have_expired(database: str, clock: ModuleType) -> None:
    link = await made(subject=1, expires_at=clock.now() + 1)
    clock.move(1)
    assert await engine.read(links.open_one, links.RESET, 1) == link

    await engine.write(links.stamp_expired)

    assert await engine.read(links.open_one, links.RESET, 1) is None
    assert await engine.rows("SELECT ended_at FROM links") == [(clock.now(),)]


async def test_links_that_are_made_together_are_as_different_as_others(database: str) -> None:
    ids = await engine.write(links.make_many, links.INVITATION, 3, 7, 9)

    found = await engine.rows("SELECT id, nonce, expires_at FROM links ORDER BY id")
    assert [(link_id, ends) for link_id, _, ends in found] == [(link_id, 9) for link_id in ids]
    assert len({nonce for _, nonce, _ in found}) == 3
    assert {len(nonce) for _, nonce, _ in found} == {32}


async def test_the_links_of_one_subject_or_of_all_end(database: str, clock: ModuleType) -> None:
    mine, yours, address = await made(subject=1), await made(subject=2), await made(links.ADDRESS, subject=1)

    assert await engine.write(links.end, links.RESET, "reset", subject=1) == 1
    assert [await state(link) for link in (mine, yours, address)] == ["reset", "", ""]
    assert await engine.write(links.end, links.RESET, "revoked") == 1
    assert [await state(link) for link in (mine, yours, address)] == ["reset", "revoked", ""]
    ended = await engine.rows("SELECT ended_at FROM links WHERE purpose = ?", links.RESET)
    assert ended == [(clock.now(),)] * 2


async def test_what_ended_at_one_instant_is_brought_back_and_nothing_else(database: str) -> None:
    mine, yours, address = await made(subject=1), await made(subject=2), await made(links.ADDRESS, subject=1)
    for purpose in (links.RESET, links.ADDRESS):
        assert await engine.write(links.end, purpose, "void", at=5)
    earlier = await made(subject=1)
    await engine.write(links.end, links.RESET, "void", subject=1, at=4)

    await engine.write(links.reopen, [links.RESET], [1], ended_at=5)

    states = [await state(link) for link in (mine, yours, address, earlier)]
    assert states == ["", "void", "void", "void"]


@pytest.mark.parametrize("end", ["expired", "key rotated", "revoked", "used", "used_up"])
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
    elif end == "used_up":
        # Counted, and nobody has ended it.
        await engine.write(links.use, link_id)
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


async def test_who_a_link_is_for_acts_by_it_with_the_role_they_have(site: Site) -> None:
    ada = await site.person("ada", Role.REVIEWER)
    link = await made(subject=ada)

    actor = await engine.write(links.consume_as_member, link, "192.0.2.1")

    assert actor == Actor(ada, Role.REVIEWER, address="192.0.2.1")
    assert await state(link) == "used"


async def test_nobody_who_is_gone_acts_by_a_link(site: Site) -> None:
    ada = await site.person("ada")
    await removal.remove(COMMAND_LINE, member_id=ada)
    link = await made(subject=ada)

    with pytest.raises(InvalidLink) as invalid:
        await engine.write(links.consume_as_member, link, "192.0.2.1")

    assert invalid.value.reason == "void"
    assert await state(link) == ""


async def test_what_ended_long_ago_is_forgotten_however_much_it_is(
    database: str, clock: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "BATCH_ROWS", 2)
    for number in range(5):
        await made(subject=number, expires_at=clock.now() + DAY)
    clock.move(DAY)
    await engine.write(links.stamp_expired)
    clock.move(90 * DAY - 1)
    early = await links.forget()
    clock.move(1)

    assert (early, await links.forget(), await links.forget()) == (0, 5, 0)
    assert await engine.rows("SELECT id FROM links WHERE purpose = 'reset'") == []
