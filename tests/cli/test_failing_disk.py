"""A server or mail worker whose disk fails for a moment or is full, or whose database is locked for a while.

The long trial `faults` has every write fail once, with each error.
"""

import resource
from pathlib import Path

import pytest

from tests.support.pages.site import ON_SQLITE
from tests.support.servers.command import Checkout
from tests.trials.faults import commands, locked, mails, starts, writes
from tests.trials.faults.support.injection import Fault
from tests.trials.faults.support.served import changed, served, state

PAGE = 4096
CHANGES = (
    "/organization/members/{member_id}/role",
    "/organization/invitations",
    "signing in",
    "setting a password by its link",
)


async def test_a_change_for_which_the_disk_has_no_room_is_refused_whole_and_made_when_it_has() -> None:
    async with served(DISABLE_SIGNUP_WITHOUT_LINK="true") as site:
        pid, log = site.server.process.pid, site.checkout.data / "gatehouse.db-wal"
        before_all = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        refused = 0
        for name in CHANGES:
            for pages in (0, 2, 5):
                case = await writes.CASES[name](site)
                before = await state()
                # No file may grow beyond this: for SQLite the same as a disk that has room for so many pages.
                most = log.stat().st_size + pages * PAGE
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, before_all[1]))
                answer = await case.send()
                shown = await case.visitor.get(case.look)
                after = changed(before, await state())
                resource.prlimit(pid, resource.RLIMIT_FSIZE, before_all)

                if answer.status_code == 503:
                    refused += 1
                    assert "nothing was changed" in answer.text
                    assert answer.headers["retry-after"]
                    assert (after, shown.status_code) == ({}, 200), name
                    answer = await case.send()
                assert answer.status_code in writes.DONE, name
                assert changed(before, await state()), name
        assert refused >= len(CHANGES)
        assert " error id=" not in site.server.log


async def test_a_change_waits_for_a_lock_and_pages_do_not() -> None:
    async with served() as site:
        assert await locked.while_locked(site, "BEGIN IMMEDIATE", 1.5) == []


@ON_SQLITE
@pytest.mark.parametrize(
    "fault", [Fault("pwrite64", 1, "ENOSPC"), Fault("fdatasync", 2, "EIO")], ids=["claim", "mark"]
)
async def test_a_mail_whose_worker_can_not_write_goes_out_once(database_url: str, fault: Fault) -> None:
    async with mails.organization(database_url) as owner:
        broken, _ = await mails.sent_despite(fault, owner)

    assert broken == []


async def test_a_mail_whose_post_is_killed_before_it_is_marked_goes_out_twice_at_most(
    database_url: str,
) -> None:
    async with mails.organization(database_url) as owner:
        assert await mails.killed_before_the_mark(owner) == []


@pytest.mark.parametrize(
    "fault", [Fault("pwrite64", 1, "ENOSPC", stays=True), Fault("link", 1, "EIO")], ids=["database", "key"]
)
def test_a_first_start_whose_write_fails_is_refused_and_the_next_one_serves(
    fault: Fault, tmp_path: Path
) -> None:
    wrong, outcome = starts.tried(Checkout(tmp_path / "checkout"), fault)

    assert (wrong, outcome) == ([], starts.REFUSED)


def test_an_owner_who_can_not_be_written_is_made_when_there_is_room(tmp_path: Path) -> None:
    scene = commands.unowned(tmp_path)

    for fault in (Fault("pwrite64", 8, "EIO"), Fault("fdatasync", 1, "ENOSPC", stays=True)):
        assert commands.tried(scene, commands.CREATE_OWNER, fault) == ([], commands.REFUSED)
