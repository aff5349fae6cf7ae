"""The mail worker: which mail is sent when, over how many connections, and when all mails wait."""

import asyncio
import logging
import time
from functools import partial

import asyncpg
import pytest

import mailer
from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.mail import outbox
from db.mail.delivery import MINUTE_MS
from mailer import worker
from tests.support.engine.small_database import KILL_CONNECTIONS, from_outside, on_postgres
from tests.support.servers.smtp import serving, silent
from tests.support.steps.mail_steps import (
    all_marked,
    all_postponed,
    delivering,
    invited,
    invited_many,
    row,
    soon,
    states,
    until,
    until_tried,
    waiting_reason,
)


async def test_a_sent_mail_is_marked_with_the_reply_of_the_server(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until("sent", mail_id)

    (received,) = server.received
    assert stored["server_reply"] == "250 2.0.0 Queued as 4F2A"
    assert received.message["Message-ID"] == stored["message_id"]
    assert received.message["Subject"] == "Olga invites you to Fenwick Herbarium"


async def test_a_mail_of_another_process_goes_out_within_seconds_without_being_woken(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        await asyncio.sleep(0.2)
        _, _, mail_id = await invited("ada@example.org", olga)

        await until("sent", mail_id, seconds=worker.POLL_SECONDS + 20)


async def test_a_4xx_is_tried_again_a_minute_later(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        server.refuse["ada@example.org"] = "451 4.7.1 Greylisted,\x07 come back later."
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        postponed = await until_tried(mail_id)
        server.refuse.clear()
        clock.stop_at(postponed["due_at"])
        outbox.wake()
        await until("sent", mail_id)

    assert (postponed["state"], postponed["tries"]) == ("queued", 1)
    assert postponed["due_at"] - postponed["made_at"] >= MINUTE_MS
    assert (
        postponed["server_reply"]
        == "The mail server has not taken it yet: 451 4.7.1 Greylisted, come back later."
    )
    assert len(server.received) == 1


async def test_a_mail_that_hangs_does_not_stop_the_others(olga: int) -> None:
    async with serving() as server, delivering(server.account(timeout=2)):
        server.hang.add("guest0@example.org")
        emails = await invited_many(20, olga)
        ((mail_id,),) = await engine.rows("SELECT id FROM outbox WHERE recipient = 'guest0@example.org'")
        outbox.wake()

        await soon(lambda: len(server.received) >= 19)
        meanwhile = await row(mail_id)
        stored = await until_tried(mail_id)

    assert meanwhile["server_reply"] == ""
    assert (
        stored["server_reply"]
        == "The mail server has not taken it yet: no answer in time, and EMAIL_TIMEOUT is 2 s."
    )
    assert {mail.recipient for mail in server.received} == set(emails) - {"guest0@example.org"}


async def test_all_mails_wait_for_a_minute_if_the_server_hangs_at_every_mail(olga: int) -> None:
    async with serving() as server, delivering(server.account(timeout=1)):
        server.hang.update(await invited_many(30, olga))
        outbox.wake()

        await soon(waiting_reason)
        await soon(all_postponed)

    ((tries, due),) = await engine.rows("SELECT MAX(tries), MIN(due_at) FROM outbox")
    assert (await outbox.progress(1)).waiting == 30
    assert tries == 1
    assert due > clock.now() + MINUTE_MS / 2


async def test_many_mails_share_at_most_four_connections(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        await invited_many(60, olga)
        outbox.wake()

        await soon(lambda: len(server.received) >= 60)

    assert 1 <= server.connections <= mailer.CONNECTIONS


async def test_without_a_server_mails_wait_and_go_out_when_it_is_back(olga: int) -> None:
    async with serving() as gone:
        pass
    await invited_many(30, olga)

    async with delivering(gone.account()):
        await soon(waiting_reason)
    progress = await outbox.progress(1)
    ((due, tries),) = await engine.rows("SELECT MIN(due_at), MAX(tries) FROM outbox")
    async with serving(port=gone.port) as server, delivering(server.account()):
        # A new start: nobody has to wait for the minute to pass.
        await soon(lambda: len(server.received) >= 30)

    assert progress.waiting_reason == (
        f"localhost:{gone.port} can't be reached: it refuses the connection,"
        " look at EMAIL_HOST and EMAIL_PORT."
    )
    assert (progress.waiting, tries) == (30, 1)
    assert due > clock.now() + MINUTE_MS / 2


async def test_a_pause_from_before_the_clock_was_set_back_delays_no_mail(olga: int) -> None:
    async with serving() as gone:
        pass
    clock.move(2 * DAY_MS)
    await invited_many(3, olga)
    async with delivering(gone.account()):
        # All of them, or the worker would note the time ahead once more after the sweep.
        await soon(all_postponed)
        async with serving(port=gone.port) as server:
            clock.move(-2 * DAY_MS)
            await engine.write(outbox.sweep)
            # The pause of a minute that was due when the clock was right.
            clock.move(2 * MINUTE_MS)
            outbox.wake()

            await soon(lambda: len(server.received) == 3)


@on_postgres
async def test_a_mail_that_cannot_be_read_now_is_a_line_in_the_log_and_waits(
    olga: int, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    cut_off = f"{KILL_CONNECTIONS} AND wait_event_type = 'Lock'"
    other = await asyncpg.connect(database)
    try:
        _, _, mail_id = await invited("ada@example.org", olga)
        async with other.transaction():
            await other.execute("LOCK TABLE invitation IN ACCESS EXCLUSIVE MODE")
            async with serving() as server, delivering(server.account()):
                # On a connection of its own: within a transaction these figures stand still.
                await soon(partial(asyncio.to_thread, from_outside, database, cut_off))
                await soon(lambda: f"mail {mail_id} waits for the database" in caplog.text)
    finally:
        await other.close()

    assert (await row(mail_id))["state"] == "queued"
    assert server.received == []
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_silent_server_delays_no_request_and_all_mails_wait_for_a_minute(olga: int) -> None:
    async with silent() as server, delivering(server.account(timeout=4)):
        begun = time.monotonic()
        await invited_many(20, olga)
        outbox.wake()
        queued_after = time.monotonic() - begun

        reason = await soon(waiting_reason)
        await asyncio.sleep(1.5)

    assert queued_after < 4
    assert reason == f"localhost:{server.port} can't be reached: no answer in time, and EMAIL_TIMEOUT is 4 s."
    assert await states() == {"queued": 20}
    assert server.connections == 1


async def test_a_server_that_allows_one_connection_gets_all_mails_over_it(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        server.max_connections, server.seconds_per_mail = 1, 0.05
        await invited_many(20, olga)
        outbox.wake()

        await soon(all_marked)

    assert (len(server.received), server.connections > 1) == (20, True)
    assert await engine.rows("SELECT DISTINCT state, tries FROM outbox") == [("sent", 1)]


async def test_pauses_grow_while_a_server_is_gone(olga: int) -> None:
    async with serving() as gone:
        pass
    clock.stop_at(clock.now())
    _, _, mail_id = await invited("ada@example.org", olga)
    waits = []

    async with delivering(gone.account()):
        for tries in range(1, 5):
            stored = await until_tried(mail_id, tries)
            waits.append((stored["due_at"] - clock.now()) // MINUTE_MS)
            clock.stop_at(stored["due_at"])
            outbox.wake()

    assert waits == [1, 5, 15, 15]
