"""The mail worker when it stops, is killed, or can't reach the database: no mail is lost."""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import mailer
from db import engine
from db.common import clock
from db.mail import delivery, outbox
from db.mail.delivery import Mail
from mailer import worker
from tests.support.servers.smtp import ReceivedMail, serving
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import (
    all_marked,
    delivering,
    invited,
    invited_many,
    process,
    row,
    soon,
    states,
    until,
)


async def test_a_stopping_worker_finishes_what_it_is_sending_and_releases_the_rest(olga: int) -> None:
    async with serving() as server:
        server.seconds_per_mail = 0.3
        await invited_many(40, olga)
        task = asyncio.create_task(mail_steps.mail_worker(server.account()).run())
        await soon(lambda: len(server.received) >= 4)

        task.cancel()
        await asyncio.wait([task])

    ((leased,),) = await engine.rows("SELECT COUNT(*) FROM outbox WHERE lease <> ''")
    assert leased == 0
    assert (await states())["sent"] == len(server.received) < 40


async def test_a_worker_that_stops_between_sending_and_marking_still_marks(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery.sent

    async def slowly(mail: Mail, server_reply: str, newest: int = 0) -> None:
        await asyncio.sleep(0.5)
        await sent(mail, server_reply, newest)

    monkeypatch.setattr(delivery, "sent", slowly)
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.1)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()
        await soon(lambda: server.received)

    assert (await row(mail_id))["state"] == "sent"


async def test_a_worker_that_cannot_renew_its_leases_leaves_the_rest_to_others(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> dict[int, int]:
        raise engine.Unavailable("the database is away")

    clock.stop_at(clock.now())
    async with serving() as server:
        server.seconds_per_mail = 0.3
        emails = await invited_many(20, olga)
        with monkeypatch.context() as broken:
            broken.setattr(delivery, "renew", away)
            broken.setattr(worker, "HEARTBEAT_SECONDS", 0.05)
            async with delivering(server.account()):
                await soon(lambda: server.received)
                clock.stop_at(clock.now() + worker.LEASE_MS * 3 // 4)
                await asyncio.sleep(1.5)
                taken_meanwhile = len(server.received)

        async with delivering(server.account()):
            await soon(all_marked)

    assert taken_meanwhile <= 2 * mailer.CONNECTIONS
    assert sorted(mail.recipient for mail in server.received) == sorted(emails)


async def test_a_mail_that_takes_longer_than_a_lease_stays_with_its_worker(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.05)
    clock.stop_at(clock.now())

    async with serving() as server:
        server.hang.add("ada@example.org")
        _, _, mail_id = await invited("ada@example.org", olga)
        async with delivering(server.account(timeout=60)):
            # Until it is under way, a lease that is half over is given up.
            await soon(lambda: server.hanging)
            for _ in range(4):
                clock.stop_at(clock.now() + worker.LEASE_MS * 2 // 3)
                await soon(partial(leased_from, mail_id, clock.now()))
                assert await delivery.claim("another", 9, worker.LEASE_MS) == []


async def leased_from(mail_id: int, instant: int) -> bool:
    """Whether the lease of this mail was renewed at this instant."""
    return bool((await row(mail_id))["leased_until"] == instant + worker.LEASE_MS)


async def test_after_an_outage_of_the_database_other_workers_may_mark_what_they_have_sent(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, fails = delivery.claim, [engine.Unavailable("the database is away")]

    async def away_at_first(*args: Any, **named: Any) -> list[Mail]:
        if fails:
            raise fails.pop()
        return await claim(*args, **named)

    clock.stop_at(clock.now())
    _, _, sent_by_another = await invited("ada@example.org", olga)
    await claim("another", 1, 1)
    clock.stop_at(clock.now() + 1)
    _, _, free = await invited("bea@example.org", olga)
    monkeypatch.setattr(delivery, "claim", away_at_first)
    monkeypatch.setattr(worker, "POLL_SECONDS", 0.05)

    async with serving() as server, delivering(server.account()):
        await until("sent", free)
        assert (await row(sent_by_another))["lease"] == "another"
        clock.stop_at(clock.now() + worker.LEASE_MS)
        await until("sent", sent_by_another)


async def test_a_worker_stops_within_five_seconds_while_the_server_hangs(olga: int) -> None:
    async with serving() as server:
        server.hang.update(await invited_many(10, olga))
        task = asyncio.create_task(mail_steps.mail_worker(server.account(timeout=60)).run())
        await soon(lambda: server.connections == mailer.CONNECTIONS)

        task.cancel()
        begun = time.monotonic()
        await asyncio.wait([task])

    assert time.monotonic() - begun < worker.STOP_SECONDS + worker.LAST_MARKS_SECONDS + 10
    assert await engine.rows("SELECT DISTINCT state, lease, leased_until FROM outbox") == [("queued", "", 0)]


async def test_a_mail_is_sent_once_if_its_worker_is_killed_before_sending(olga: int, database: str) -> None:
    async with serving() as server:
        _, _, mail_id = await invited("ada@example.org", olga)
        server.hang.add("ada@example.org")
        async with process(database, server) as child:
            await soon(lambda: server.connections)
            child.kill()
        leased = await row(mail_id)
        server.hang.clear()

        # It waits for half a minute at most, whatever EMAIL_TIMEOUT is.
        assert leased["leased_until"] <= clock.now() + 30_000
        clock.stop_at(leased["leased_until"])
        async with delivering(server.account()):
            stored = await until("sent", mail_id)

    assert leased["state"] == "queued"
    assert [mail.message["Message-ID"] for mail in server.received] == [stored["message_id"]]


async def test_a_mail_is_sent_again_under_its_message_id_if_its_worker_is_killed_before_marking(
    olga: int, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving() as server:
        _, _, mail_id = await invited("ada@example.org", olga)
        async with process(database, server) as child:
            # The server kills who sent as soon as it has the mail, before it says so.
            monkeypatch.setattr(server, "received", _Trap(child))
            await child.wait()
        taken, server.received = server.received, []
        leased = await row(mail_id)

        clock.stop_at(leased["leased_until"])
        async with delivering(server.account()):
            stored = await until("sent", mail_id)

    assert leased["state"] == "queued"
    (first,), (second,) = taken, server.received
    assert first.message["Message-ID"] == second.message["Message-ID"] == stored["message_id"]
    assert first.text == second.text


class _Trap(list[ReceivedMail]):
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._child = child

    def append(self, mail: ReceivedMail) -> None:
        super().append(mail)
        self._child.kill()


async def test_three_processes_send_a_thousand_mails_once_each(
    olga: int, database: str, record_property: Callable[[str, object], None]
) -> None:
    async with (
        serving() as server,
        process(database, server),
        process(database, server),
        process(database, server),
    ):
        begun = time.monotonic()
        emails = await invited_many(1_000, olga)
        queued_after = time.monotonic() - begun

        await soon(lambda: len(server.received) >= 1_000, 120)
        taken_after = time.monotonic() - begun
        await soon(all_marked)

    record_property("seconds_to_queue_1000", round(queued_after, 2))
    record_property("seconds_to_send_1000", round(taken_after, 2))
    assert sorted(mail.recipient for mail in server.received) == sorted(emails)
    assert await states() == {"sent": 1_000}


async def test_a_sent_mail_is_marked_after_an_outage_of_the_database(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, tries = delivery.sent, 0

    async def away_at_first(mail: Mail, server_reply: str, newest: int = 0) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise engine.Unavailable("the disk is full")
        await sent(mail, server_reply, newest)

    monkeypatch.setattr(delivery, "sent", away_at_first)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        await until("sent", mail_id)

    assert (len(server.received), tries) == (1, 3)


@pytest.mark.parametrize("error", [RuntimeError("no such column"), UnicodeEncodeError("utf-8", "", 0, 1, "")])
async def test_a_mail_whose_reply_cannot_be_stored_is_marked_without_it_and_sent_once(
    error: Exception, olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(mail: Mail, server_reply: str, newest: int = 0) -> None:
        raise error

    monkeypatch.setattr(delivery, "sent", fails)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until("sent", mail_id)

    assert (stored["server_reply"], len(server.received)) == ("", 1)


async def test_a_mail_that_cannot_be_marked_stays_with_its_worker_and_is_sent_once(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_words, wakes = delivery.sent_without_reply, asyncio.Event()

    async def fails(*_: object) -> None:
        raise RuntimeError("no such column")

    async def fails_at_first(mail: Mail) -> None:
        if not wakes.is_set():
            raise RuntimeError("no such column")
        await without_words(mail)

    monkeypatch.setattr(delivery, "sent", fails)
    monkeypatch.setattr(delivery, "sent_without_reply", fails_at_first)
    monkeypatch.setattr(worker, "MARK_RETRY_SECONDS", (0.05,))
    monkeypatch.setattr(worker, "LEASE_MS", 600)
    monkeypatch.setattr(worker, "HEARTBEAT_SECONDS", 0.1)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()
        await soon(lambda: server.received)

        # Longer than its lease would last, were it not renewed.
        for _ in range(10):
            await asyncio.sleep(0.1)
            outbox.wake()
        assert await delivery.claim("another", 9, 600) == []
        wakes.set()
        await until("sent", mail_id)

    assert len(server.received) == 1


async def test_a_stopping_worker_keeps_the_lease_of_a_mail_that_it_could_not_mark(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise RuntimeError("no such column")

    monkeypatch.setattr(delivery, "sent", fails)
    monkeypatch.setattr(delivery, "sent_without_reply", fails)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()
        await soon(lambda: server.received)
        await asyncio.sleep(0.1)

    assert (await row(mail_id))["lease"] != ""
