"""Who was removed stands beside the log: for as long as the log is kept, or until the Owner erases it."""

from pathlib import Path
from types import ModuleType

import pytest

from db import activity, engine
from db.activity import Event, retention
from db.activity import kept_names as activity_names
from db.common.dates import DAY_MS
from db.errors import NotAllowed, Unknown
from db.maintenance import backup, backup_file, restore
from db.members import removal, roles
from db.policy import Actor, Role
from handlers.organization.wording import event_sentence
from tests.support.pages.site import Site
from tests.support.steps.invitation_steps import accept, invited
from tests.support.steps.member_steps import olga


async def remove(site: Site, name: str, role: Role = Role.ANNOTATOR) -> int:
    member_id = await site.person(name, role)
    await removal.remove(olga(site), member_id=member_id)
    return member_id


async def newest(kind: str) -> Event:
    return (await activity.events(kinds=[kind], limit=1))[0]


async def kept() -> int:
    ((number,),) = await engine.rows("SELECT COUNT(*) FROM activity_name")
    return int(number)


async def test_a_removal_says_whom_it_concerned(site: Site) -> None:
    ada = await remove(site, "ada")

    told = await newest("removed")

    assert (told.subject_name, told.subject_email) == ("Ada", "ada@example.org")
    assert (told.subject_id, told.subject_removed, told.actor_removed) == (ada, ada, 0)


async def test_what_a_removed_member_did_is_still_told_of_them(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    bob = await site.person("bob")
    await roles.change_role(Actor(ada, Role.ADMINISTRATOR), member_id=bob, role=Role.ANNOTATOR)
    await removal.remove(olga(site), member_id=ada)

    told = (await activity.of_member(bob))[0]

    assert (told.actor_name, told.actor_email, told.actor_removed) == ("Ada", "ada@example.org", ada)


async def test_the_invitation_of_a_removed_member_keeps_its_address_in_the_log(site: Site) -> None:
    line = await invited(site, "eve")
    signed_in = await accept(site, line, "Eve")
    await removal.remove(olga(site), member_id=signed_in.member_id)

    told = await newest("invitation_made")

    assert (told.subject_name, told.subject_email) == ("eve@example.org", "eve@example.org")
    assert told.subject_removed == signed_in.member_id


async def test_an_address_that_is_invited_again_is_told_apart_from_the_one_removed(site: Site) -> None:
    first = await invited(site, "eve")
    removed = (await accept(site, first, "Eve")).member_id
    await removal.remove(olga(site), member_id=removed)
    again = (await accept(site, await invited(site, "eve"), "Eve")).member_id

    told = await activity.events(kinds=["accepted_invitation"], limit=2)

    assert [event_sentence(event, "/organization").striptags() for event in told] == [
        "Eve (eve@example.org) accepted an invitation as Annotator",
        f"Eve (eve@example.org, removed, number {removed}) accepted an invitation as Annotator",
    ]
    assert [event.subject_removed for event in told] == [0, removed]
    assert again != removed


async def test_the_owner_erases_a_name_and_the_log_says_so_without_it(site: Site) -> None:
    eve = (await accept(site, await invited(site, "eve"), "Eve")).member_id
    await removal.remove(olga(site), member_id=eve)

    await removal.erase_names(olga(site), member_ids=[eve])

    assert await kept() == 0
    told = [event_sentence(event).striptags() for event in await activity.events(limit=50)]
    assert told[:2] == [
        f"Olga erased the name and address of removed member {eve} from the log",
        f"Olga removed a removed member (number {eve}, name erased)",
    ]
    assert not [sentence for sentence in told if "eve" in sentence.lower()]


async def test_only_the_owner_erases(site: Site) -> None:
    ada = await remove(site, "ada")
    bob = await site.person("bob", Role.ADMINISTRATOR)

    with pytest.raises(NotAllowed):
        await removal.erase_names(Actor(bob, Role.ADMINISTRATOR), member_ids=[ada])

    assert await kept() == 1


async def test_a_name_is_erased_once(site: Site) -> None:
    ada = await remove(site, "ada")
    await removal.erase_names(olga(site), member_ids=[ada])

    with pytest.raises(Unknown):
        await removal.erase_names(olga(site), member_ids=[ada])

    assert len(await activity.events(kinds=["name_erased"], limit=5)) == 1


async def come_and_go(site: Site, name: str) -> int:
    member_id = (await accept(site, await invited(site, name), name.capitalize())).member_id
    await removal.remove(olga(site), member_id=member_id)
    return member_id


async def test_who_came_back_and_was_removed_again_is_erased_in_one_act(site: Site) -> None:
    first, second, other = [await come_and_go(site, name) for name in ("eve", "eve", "adam")]
    kept_of_second = await activity_names.of_member(second)
    assert kept_of_second is not None

    others = await activity_names.same_address(kept_of_second)
    done = await removal.erase_names(olga(site), member_ids=[second, *(one.member_id for one in others)])

    assert ([one.member_id for one in others], done) == ([first], 2)
    told = [event_sentence(event).striptags() for event in await activity.events(limit=50)]
    assert told[:2] == [
        f"Olga erased the name and address of removed member {number} from the log"
        for number in (second, first)
    ]
    assert not [sentence for sentence in told if "eve" in sentence.lower()]
    assert await activity_names.of_member(other) is not None


async def test_names_are_forgotten_with_the_log(site: Site, clock: ModuleType) -> None:
    start = clock.now()
    await remove(site, "ada")
    clock.stop_at(start + 10 * DAY_MS)
    await retention.forget(11)
    before = await kept()
    await retention.forget(9)

    assert (before, await kept()) == (1, 0)


async def test_a_backup_carries_the_names(site: Site, tmp_path: Path) -> None:
    ada = await remove(site, "ada")
    file = tmp_path / "backup.gz"
    await backup.write(file)
    await removal.erase_names(olga(site), member_ids=[ada])

    with backup_file.opened(file) as found:
        await restore.restore(found, fingerprint="f" * 16, options=restore.RestoreOptions(replace=True))

    assert (await newest("removed")).subject_name == "Ada"
