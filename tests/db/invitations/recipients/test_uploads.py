"""A list read from a file lives for an hour, for whoever uploaded it."""

import time
from types import ModuleType

import pytest

from db import engine
from db.errors import Invalid, Unknown
from db.invitations import creation
from db.invitations.creation import Batch
from db.invitations.recipients import csv_import, uploads
from db.invitations.recipients.address_list import AddressList
from db.policy import Actor, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import Site
from tests.support.steps.member_steps import acting, olga

HOUR_MS = 3600 * 1000
FILE = b"""email,role,first_name,last_name
ada@example.org,Reviewer,Ada,Lund
nobody,,,
ben@example.org,Emperor,,
cleo@example.org,,,
"""


async def test_a_list_comes_back_as_it_was_read(site: Site) -> None:
    listed = csv_import.parse(FILE)

    upload_id = await uploads.keep(olga(site), listed, Role.MANAGER)
    back, role = await uploads.find(olga(site), upload_id)

    assert role is Role.MANAGER
    assert back.entries == listed.entries
    assert [entry.line for entry in back.wrong] == [3, 4]


async def test_it_belongs_to_whoever_uploaded_it(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    upload_id = await uploads.keep(acting(site, "alma"), csv_import.parse(FILE), Role.MANAGER)

    for actor, wanted in ((olga(site), upload_id), (acting(site, "alma"), upload_id + 1)):
        with pytest.raises(Unknown):
            await uploads.find(actor, wanted)
    await uploads.find(acting(site, "alma"), upload_id)


async def test_it_lives_an_hour(site: Site, clock: ModuleType) -> None:
    upload_id = await uploads.keep(olga(site), csv_import.parse(FILE), Role.MANAGER)
    clock.move(HOUR_MS - 1)
    await engine.write(uploads.sweep)
    await uploads.find(olga(site), upload_id)

    clock.move(1)
    # Also before the sweeper comes by.
    with pytest.raises(Unknown):
        await uploads.find(olga(site), upload_id)
    assert await engine.write(uploads.sweep) == 1
    assert await engine.rows("SELECT 1 FROM upload") == []


async def test_the_oldest_makes_room_for_a_sixth_of_the_same_member(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    hers = await uploads.keep(acting(site, "alma"), csv_import.parse(FILE), Role.MANAGER)
    first, *others = [await uploads.keep(olga(site), csv_import.parse(FILE), Role.MANAGER) for _ in range(6)]

    with pytest.raises(Unknown):
        await uploads.find(olga(site), first)
    for upload_id in others:
        await uploads.find(olga(site), upload_id)
    await uploads.find(acting(site, "alma"), hers)


async def test_two_who_send_it_at_the_same_instant_invite_once(posting: Site) -> None:
    for _ in range(5):
        listed = csv_import.parse(FILE)
        upload_id = await uploads.keep(olga(posting), listed, Role.MANAGER)
        ((before,),) = await engine.rows("SELECT COUNT(*) FROM batch")

        answers = await at_once(*(send(posting, listed, upload_id) for _ in range(2)))

        assert sorted(type(answer).__name__ for answer in answers) == ["Batch", "Unknown"]
        assert await engine.rows("SELECT COUNT(*) FROM batch") == [(before + 1,)]
        with pytest.raises(Unknown):
            await uploads.find(olga(posting), upload_id)


async def test_what_was_not_sent_is_still_there(site: Site) -> None:
    listed = csv_import.parse(FILE)
    upload_id = await uploads.keep(olga(site), listed, Role.MANAGER)
    await site.person("alma", Role.ADMINISTRATOR)

    with pytest.raises(Invalid):
        await send(site, listed, upload_id, skip_invalid=False)
    with pytest.raises(Unknown):
        await send(site, listed, upload_id, by=acting(site, "alma"))

    await uploads.find(olga(site), upload_id)
    assert await engine.rows("SELECT 1 FROM invitation") == []


async def send(
    site: Site, listed: AddressList, upload_id: int, *, by: Actor | None = None, skip_invalid: bool = True
) -> Batch:
    return await creation.invite(
        by or olga(site), listed, role=Role.MANAGER, days=7, skip_invalid=skip_invalid, upload_id=upload_id
    )


async def test_ten_thousand_rows_are_invited_within_ten_seconds(posting: Site) -> None:
    rows = "".join(f"guest{n}@example.org,RE,Guest,Number {n}\n" for n in range(10_000))
    # Our own work: how long the database and a busy machine take is another matter.
    start = time.process_time()

    listed = csv_import.parse(b"email,role,first_name,last_name\n" + rows.encode())
    upload_id = await uploads.keep(olga(posting), listed, Role.ANNOTATOR)
    back, role = await uploads.find(olga(posting), upload_id)
    preview = await creation.preview(back, role)
    batch = await creation.invite(olga(posting), back, role=role, days=7)

    assert preview.mails == batch.invited == 10_000
    assert await engine.rows("SELECT COUNT(*) FROM outbox WHERE state = 'queued'") == [(10_000,)]
    assert time.process_time() - start < 10
