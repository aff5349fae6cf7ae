"""Mail as it goes out: handed to a real SMTP server, and kept when that fails."""

import asyncio
import base64
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import asyncpg
import pytest
import uvloop

import mailer
import settings
from db import engine
from db.auth import links
from db.common import clock
from db.common.dates import DAY_MS
from db.mail import delivery, outbox
from db.mail.delivery import MINUTE_MS, Mail, ServerUnavailable
from mailer import smtp, worker
from tests.support.engine.small_database import KILL_CONNECTIONS, from_outside, on_postgres
from tests.support.servers.smtp import PASSWORD, USER, Certificates, ReceivedMail, scripted, serving, silent
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import (
    delivering,
    founded,
    invited,
    invited_many,
    process,
    queued,
    row,
    soon,
    states,
    until,
    until_tried,
)


@pytest.fixture
async def olga(database: str) -> AsyncIterator[int]:
    """The Owner's id; mail is set up."""
    yield await founded()
    clock.go_on()
    outbox.use(False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


# What the server says


async def test_a_mail_is_taken_and_marked_with_the_words_of_the_server(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until("sent", mail_id)

    (taken,) = server.received
    assert found["server_reply"] == "250 2.0.0 Queued as 4F2A"
    assert taken.message["Message-ID"] == found["message_id"]
    assert taken.message["Subject"] == "Olga invites you to Fenwick Herbarium"


async def test_a_mail_of_another_process_goes_out_within_seconds_without_being_woken(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        await asyncio.sleep(0.2)
        _, _, mail_id = await invited("ada@example.org", olga)

        await until("sent", mail_id, seconds=worker.POLL_SECONDS + 20)


async def test_a_refused_address_is_refused_for_good_in_the_words_of_the_server(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        server.refuse["ada@example.org"] = "550 5.1.1 <ada@example.org>: nobody of that name here"
        _, _, mail_id = await invited("ada@example.org", olga)
        _, _, other_id = await invited("bea@example.org", olga)
        outbox.wake()

        found = await until("failed", mail_id)
        await until("sent", other_id)

    assert found["server_reply"] == "550 5.1.1 <ada@example.org>: nobody of that name here"


@pytest.mark.parametrize("step", ["sender", "mail"])
async def test_a_5xx_at_any_step_is_for_good(step: str, olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        if step == "sender":
            server.refuse_sender = "553 5.7.1 Not your address"
        else:
            server.refuse_data["ada@example.org"] = "554 5.7.1 Looks like spam"
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until("failed", mail_id)

    assert found["server_reply"] in ("553 5.7.1 Not your address", "554 5.7.1 Looks like spam")


async def test_a_4xx_is_tried_again_a_minute_later(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        server.refuse["ada@example.org"] = "451 4.7.1 Greylisted,\x07 come back later."
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        put_off = await until_tried(mail_id)
        server.refuse.clear()
        clock.stop_at(put_off["due_at"])
        outbox.wake()
        await until("sent", mail_id)

    assert (put_off["state"], put_off["tries"]) == ("queued", 1)
    assert put_off["due_at"] - put_off["made_at"] >= MINUTE_MS
    assert put_off["server_reply"] == (
        "The mail server has not taken it yet: 451 4.7.1 Greylisted, come back later."
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
        found = await until_tried(mail_id)

    assert meanwhile["server_reply"] == ""
    assert (
        found["server_reply"]
        == "The mail server has not taken it yet: no answer in time, and EMAIL_TIMEOUT is 2 s."
    )
    assert {mail.recipient for mail in server.received} == set(emails) - {"guest0@example.org"}


async def test_a_server_that_hangs_at_every_mail_is_left_alone_for_a_minute(olga: int) -> None:
    async with serving() as server, delivering(server.account(timeout=1)):
        server.hang.update(await invited_many(30, olga))
        outbox.wake()

        await soon(trouble)
        await soon(all_put_off)

    ((tries, due),) = await engine.rows("SELECT MAX(tries), MIN(due_at) FROM outbox")
    assert (await outbox.progress(1)).waiting == 30
    assert tries == 1
    assert due > clock.now() + MINUTE_MS / 2


async def test_a_line_cut_after_the_mail_was_taken_brings_it_again_under_the_same_message_id(
    olga: int,
) -> None:
    async with serving() as server, delivering(server.account()):
        server.drop.add("ada@example.org")
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        put_off = await until_tried(mail_id)
        server.drop.clear()
        clock.stop_at(put_off["due_at"])
        outbox.wake()
        found = await until("sent", mail_id)

    assert put_off["server_reply"] == "The mail server has not taken it yet: it closed the connection."
    assert [mail.message["Message-ID"] for mail in server.received] == [found["message_id"]] * 2


async def test_an_address_that_no_server_could_take_is_refused_before_it_is_sent(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        mail_id = await queued("password", "a b@example.org", member_id=olga)
        outbox.wake()

        found = await until("failed", mail_id)

    assert found["server_reply"].startswith("No mail can be written to a b@example.org")
    assert server.received == []


async def test_a_mail_that_no_header_can_hold_has_failed_for_good_and_delays_nobody(olga: int) -> None:
    """Addresses like these may stand in an older database, as the recipient's or as that for the answer."""
    email = "=?utf-8?q?a?=@example.org"
    await engine.write(engine.execute, "UPDATE member SET email = ? WHERE id = ?", email, olga)
    to_them = await queued("password", email, member_id=olga)
    _, _, of_theirs = await invited("ada@example.org", olga)
    link = await mail_steps.link_for(links.RESET, olga)
    other = await queued("reset", "ben@example.org", member_id=olga, link_id=link.id)

    async with serving() as server, delivering(server.account()):
        await until("sent", other)
        failed = await until("failed", to_them)
        invitation = await until("failed", of_theirs)

    assert failed["server_reply"].startswith(f"No mail can be written to {email}")
    assert invitation["server_reply"].startswith("No mail can be written to ada@example.org")
    assert (failed["tries"], invitation["tries"]) == (1, 1)


async def test_what_cannot_be_written_waits_and_stops_nobody(
    olga: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(mailer.PATHS, "reset")
    link = await mail_steps.link_for(links.RESET, olga)
    broken_id = await queued("reset", "olga@example.org", member_id=olga, link_id=link.id)
    _, _, mail_id = await invited("ada@example.org", olga)

    async with serving() as server, delivering(server.account()):
        await until("sent", mail_id)
        found = await until_tried(broken_id)

    assert (found["state"], found["server_reply"]) == (
        "queued",
        "Gatehouse could not write this mail; its log says why.",
    )
    assert f"mail {broken_id} (reset) can't be written" in caplog.text


async def test_a_mail_whose_cause_has_ended_does_not_go_out(olga: int) -> None:
    gone, _, mail_id = await invited("ada@example.org", olga)
    _, _, other_id = await invited("bea@example.org", olga)
    await engine.write(
        engine.execute, "UPDATE invitation SET ended_at = 1, end_reason = 'revoked' WHERE id = ?", gone
    )

    async with serving() as server, delivering(server.account()):
        await until("sent", other_id)
        await until("void", mail_id)

    assert [mail.recipient for mail in server.received] == ["bea@example.org"]


# The server as a whole


async def trouble() -> str:
    """What is said of the mails of the first batch that wait."""
    return (await outbox.progress(1)).waiting_reason


async def all_put_off() -> bool:
    return not await engine.rows("SELECT 1 FROM outbox WHERE server_reply = '' OR lease <> '' LIMIT 1")


async def all_marked() -> bool:
    return "queued" not in await states()


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
        await soon(trouble)
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


async def test_trouble_from_before_the_clock_was_set_back_keeps_no_mail(olga: int) -> None:
    async with serving() as gone:
        pass
    clock.move(2 * DAY_MS)
    await invited_many(3, olga)
    async with delivering(gone.account()):
        # All of them, or the worker would note the time ahead once more after the sweep.
        await soon(all_put_off)
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


async def test_a_server_that_says_nothing_stops_no_request_and_is_left_alone_for_a_minute(olga: int) -> None:
    async with silent() as server, delivering(server.account(timeout=4)):
        begun = time.monotonic()
        await invited_many(20, olga)
        outbox.wake()
        queued_after = time.monotonic() - begun

        said = await soon(trouble)
        await asyncio.sleep(1.5)

    assert queued_after < 4
    assert said == f"localhost:{server.port} can't be reached: no answer in time, and EMAIL_TIMEOUT is 4 s."
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
            found = await until_tried(mail_id, tries)
            waits.append((found["due_at"] - clock.now()) // MINUTE_MS)
            clock.stop_at(found["due_at"])
            outbox.wake()

    assert waits == [1, 5, 15, 15]


async def test_sign_in(olga: int) -> None:
    async with serving(auth=True) as server:
        account = server.account(user=USER, password=PASSWORD)
        async with delivering(account):
            _, _, mail_id = await invited("ada@example.org", olga)
            outbox.wake()

            await until("sent", mail_id)

    assert server.signed_in == [USER]


async def test_a_sign_in_that_is_refused_keeps_all_mails_and_says_so_without_the_password(olga: int) -> None:
    async with serving(auth=True) as server:
        account = server.account(user=USER, password="hunter2 hunter2")
        async with delivering(account):
            _, _, mail_id = await invited("ada@example.org", olga)
            outbox.wake()

            found = await until_tried(mail_id)

    assert found["state"] == "queued"
    assert found["server_reply"] == (
        f"localhost:{server.port} doesn't let mail-user sign in: 535 5.7.8 Sign-in … is wrong."
    )


async def test_a_server_that_wants_a_sign_in_before_mail_keeps_all_mails(olga: int) -> None:
    async with serving(auth=True) as server, delivering(server.account()):
        await invited_many(3, olga)
        outbox.wake()

        await soon(trouble)
        progress = await outbox.progress(1)

    assert (progress.waiting, progress.refused) == (3, 0)
    assert "takes no mail: 530" in progress.waiting_reason


# TLS


async def test_starttls_with_a_certificate_of_a_trusted_authority(
    olga: int, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    async with serving(starttls=certificates.server(), auth=True) as server:
        account = server.account(use_tls=True, user=USER, password=PASSWORD)
        async with delivering(account):
            _, _, mail_id = await invited("ada@example.org", olga)
            outbox.wake()

            await until("sent", mail_id)

    assert server.signed_in == [USER]


async def test_tls_from_the_first_byte(olga: int, certificates: Certificates) -> None:
    async with (
        serving(tls=certificates.server()) as server,
        delivering(server.account(use_ssl=True), tls=certificates.trusting()),
    ):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        await until("sent", mail_id)

    assert len(server.received) == 1


@pytest.mark.parametrize("how", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_keeps_all_mails_and_says_so(
    how: str, olga: int, certificates: Certificates
) -> None:
    async with (
        serving(**{how: certificates.self_signed()}) as server,  # type: ignore[arg-type]
        delivering(server.account(use_tls=how == "starttls", use_ssl=how == "tls")),
    ):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until_tried(mail_id)

    assert found["state"] == "queued"
    assert "its certificate is self-signed" in found["server_reply"]
    assert server.received == []


# Starts, ends and crashes


async def test_who_stops_finishes_what_is_under_way_and_gives_the_rest_back(olga: int) -> None:
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


async def test_who_stops_between_sending_and_marking_still_marks(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = delivery.sent

    async def slowly(mail: Mail, said: str, newest: int = 0) -> None:
        await asyncio.sleep(0.5)
        await sent(mail, said, newest)

    monkeypatch.setattr(delivery, "sent", slowly)
    monkeypatch.setattr(worker, "STOP_SECONDS", 0.1)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()
        await soon(lambda: server.received)

    assert (await row(mail_id))["state"] == "sent"


async def test_who_cannot_renew_leases_leaves_the_rest_to_whoever_claims_it_next(
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


async def test_what_takes_longer_than_a_lease_stays_with_who_sends_it(
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


async def test_after_the_database_was_away_others_may_mark_what_they_have_sent(
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


async def test_who_stops_while_the_server_hangs_stops_within_five_seconds(olga: int) -> None:
    async with serving() as server:
        server.hang.update(await invited_many(10, olga))
        task = asyncio.create_task(mail_steps.mail_worker(server.account(timeout=60)).run())
        await soon(lambda: server.connections == mailer.CONNECTIONS)

        task.cancel()
        begun = time.monotonic()
        await asyncio.wait([task])

    assert time.monotonic() - begun < worker.STOP_SECONDS + worker.LAST_MARKS_SECONDS + 10
    assert await engine.rows("SELECT DISTINCT state, lease, leased_until FROM outbox") == [("queued", "", 0)]


async def test_killed_between_commit_and_sending_the_mail_goes_out_once(olga: int, database: str) -> None:
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
            found = await until("sent", mail_id)

    assert leased["state"] == "queued"
    assert [mail.message["Message-ID"] for mail in server.received] == [found["message_id"]]


async def test_killed_between_sending_and_marking_the_mail_comes_again_under_its_message_id(
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
            found = await until("sent", mail_id)

    assert leased["state"] == "queued"
    (first,), (second,) = taken, server.received
    assert first.message["Message-ID"] == second.message["Message-ID"] == found["message_id"]
    assert first.text == second.text


class _Trap(list[ReceivedMail]):
    def __init__(self, child: asyncio.subprocess.Process) -> None:
        super().__init__()
        self._child = child

    def append(self, mail: ReceivedMail) -> None:
        super().append(mail)
        self._child.kill()


async def test_a_thousand_mails_over_three_processes_go_out_once_each(
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


async def test_a_mail_that_was_sent_is_marked_although_the_database_was_away(
    olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, tries = delivery.sent, 0

    async def away_at_first(mail: Mail, said: str, newest: int = 0) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise engine.Unavailable("the disk is full")
        await sent(mail, said, newest)

    monkeypatch.setattr(delivery, "sent", away_at_first)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        await until("sent", mail_id)

    assert (len(server.received), tries) == (1, 3)


@pytest.mark.parametrize(
    "trouble", [RuntimeError("no such column"), UnicodeEncodeError("utf-8", "", 0, 1, "")]
)
async def test_a_mail_whose_answer_cannot_be_noted_is_marked_without_it_and_sent_once(
    trouble: Exception, olga: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(mail: Mail, said: str, newest: int = 0) -> None:
        raise trouble

    monkeypatch.setattr(delivery, "sent", fails)
    async with serving() as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until("sent", mail_id)

    assert (found["server_reply"], len(server.received)) == ("", 1)


async def test_a_mail_that_cannot_be_marked_at_all_stays_with_its_process_and_is_sent_once(
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


async def test_who_stops_with_a_mail_that_could_not_be_marked_does_not_give_it_back(
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


# What the server says in bytes that are no UTF-8


async def test_undecodable_bytes_in_the_servers_yes_become_replacement_characters(olga: int) -> None:
    async with scripted(taken=b"250 \xfc\r\n") as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until("sent", mail_id)

    assert (found["server_reply"], len(server.received)) == ("250 \ufffd", 1)


@pytest.mark.parametrize(
    ("step", "answer", "said"),
    [
        ("taken", b"550 Empf\xe4nger\r\n", "550 Empf\ufffdnger"),
        ("rcpt", b"550-Empf\xe4nger\r\n550 nicht hier\x00\r\n", "550 Empf\ufffdnger nicht hier"),
        ("mail", b"553 Absender \xed\xa0\x80\r\n", "553 Absender \ufffd\ufffd\ufffd"),
        ("data", b"554 \x1b[31mrot\x1b[0m\r\n", "554 [31mrot[0m"),
    ],
)
async def test_a_refusal_in_any_bytes_is_for_good_and_shown(
    step: str, answer: bytes, said: str, olga: int
) -> None:
    async with scripted(**{step: answer}) as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        found = await until("failed", mail_id)

    assert found["server_reply"] == said


@pytest.mark.parametrize("step", ["greeting", "ehlo", "quit", "rset"])
async def test_bytes_that_are_no_text_stop_no_mail(step: str, olga: int) -> None:
    code = {"greeting": b"220", "quit": b"221"}.get(step, b"250")
    async with scripted(**{step: code + b" Gr\xfc\xdfe\r\n"}) as server, delivering(server.account()):
        ids = [(await invited(f"{name}@example.org", olga))[2] for name in ("ada", "bea")]
        outbox.wake()

        for mail_id in ids:
            await until("sent", mail_id)

    assert len(server.received) == 2


async def test_a_test_mail_tells_its_steps_in_any_bytes() -> None:
    async with scripted(greeting=b"220 Gr\xfc\xdfe\r\n", taken=b"250 \xfc\r\n") as server:
        steps = await mailer.send_test(
            server.account(), "ada@example.org", host="", templates=mail_steps.TEMPLATES
        )

    assert steps[0].endswith("220 Gr\ufffd\ufffde")
    assert steps[-1] == "taken: 250 \ufffd"
    "".join(steps).encode()


# Secrets


async def test_no_log_holds_a_token_or_the_password(olga: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, link_id, mail_id = await invited("ada@example.org", olga)
    ((nonce,),) = await engine.rows("SELECT nonce FROM links WHERE id = ?", link_id)
    token = mail_steps.SIGNER.token(links.INVITATION, link_id, nonce)
    _, _, dropped = await invited("bea@example.org", olga)

    async with serving(auth=True) as server:
        server.refuse_data["ada@example.org"] = (
            f"554 5.7.1 Spam: {mail_steps.HOST}/user/invitation?token={token}"
        )
        server.drop.add("bea@example.org")
        async with delivering(server.account(user=USER, password=PASSWORD)):
            found = await until("failed", mail_id)
            await until_tried(dropped)
        async with delivering(server.account(user=USER, password="hunter2 hunter2")):
            await invited("cleo@example.org", olga)
            outbox.wake()
            await soon(lambda: "sign in" in caplog.text)

    ours = [record for record in caplog.records if record.name != "mail.log"]
    logged = "\n".join([logging.Formatter().format(record) for record in ours])
    assert found["server_reply"].endswith("?token=…")
    assert "mail 1 (invitation) was not taken" in logged
    for secret in (token, token.partition(".")[2], nonce, PASSWORD, "hunter2"):
        assert secret not in logged
        assert base64.b64encode(secret.encode()).decode() not in logged


# gatehouse check


Loops = Callable[[], asyncio.AbstractEventLoop]
LOOPS: dict[str, Loops] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def loops(request: pytest.FixtureRequest) -> Loops:
    """Event loops differ in how they say what went wrong."""
    return LOOPS[request.param]


async def checked(loops: Loops, account: settings.Mail, tls: ssl.SSLContext | None = None) -> str:
    """What the check says, in an event loop of its own."""

    def check() -> str:
        with asyncio.Runner(loop_factory=loops) as runner:
            return runner.run(mailer.connect_check(account, mail_steps.HOST, tls))

    return await asyncio.to_thread(check)


async def test_the_check_connects_encrypts_and_signs_in(certificates: Certificates, loops: Loops) -> None:
    async with serving(starttls=certificates.server(), auth=True) as server:
        account = server.account(use_tls=True, user=USER, password=PASSWORD)

        assert await checked(loops, account, certificates.trusting()) == ""
    async with serving(tls=certificates.server()) as server:
        assert await checked(loops, server.account(use_ssl=True), certificates.trusting()) == ""


async def test_the_check_says_in_plain_words_what_is_wrong(certificates: Certificates, loops: Loops) -> None:
    trusting, failed = certificates.trusting(), {}
    async with serving() as plain, serving(auth=True) as signs, silent() as silence:
        failed["tls"] = await checked(loops, plain.account(use_tls=True))
        failed["ssl"] = await checked(loops, plain.account(use_ssl=True))
        failed["sign-in"] = await checked(loops, signs.account(user=USER, password="hunter2"))
        failed["silence"] = await checked(loops, silence.account(timeout=0.5))
        failed["host"] = await checked(loops, plain.account(host="nowhere.invalid"))
    failed["refused"] = await checked(loops, plain.account())
    failed["refused at one address"] = await checked(loops, plain.account(host="127.0.0.1"))
    async with serving(starttls=certificates.server(days=-1)) as server:
        failed["expired"] = await checked(loops, server.account(use_tls=True), trusting)
    async with serving(starttls=certificates.server("other.example")) as server:
        failed["name"] = await checked(loops, server.account(use_tls=True), trusting)
    async with serving(tls=certificates.server("other.example")) as server:
        failed["name over TLS"] = await checked(loops, server.account(use_ssl=True), trusting)
    async with serving(starttls=certificates.server()) as server:
        failed["address"] = await checked(loops, server.account(use_tls=True, host="127.0.0.1"), trusting)
        failed["authority"] = await checked(loops, server.account(use_tls=True))
    async with serving(tls=certificates.self_signed()) as server:
        failed["self-signed"] = await checked(loops, server.account(use_ssl=True))

    said = {
        "tls": "offers no STARTTLS",
        "ssl": "perhaps it is no TLS port",
        "sign-in": "doesn't let mail-user sign in: 535 5.7.8 Sign-in … is wrong.",
        "silence": "no answer in time, and EMAIL_TIMEOUT is 0.5 s.",
        "host": "no such host, look at EMAIL_HOST.",
        "refused": "it refuses the connection",
        "refused at one address": "it refuses the connection",
        "expired": "its certificate has expired.",
        "name": "its certificate is for another host, look at EMAIL_HOST.",
        "name over TLS": "its certificate is for another host, look at EMAIL_HOST.",
        "address": "its certificate is for another host, look at EMAIL_HOST.",
        "authority": "its certificate is from no authority this machine knows",
        "self-signed": "its certificate is self-signed",
    }
    assert {name: failed[name] for name, words in said.items() if words not in failed[name]} == {}
    assert all("\n" not in words and " (" not in words for words in failed.values())


async def test_a_relay_that_knows_only_helo_takes_mail(olga: int) -> None:
    no_ehlo = b"502 5.5.1 Command not implemented\r\n"
    async with scripted(ehlo=no_ehlo) as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        await until("sent", mail_id)

    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("changed", "setting"), [({"use_tls": True}, "EMAIL_USE_TLS=false"), ({"user": "ada"}, "EMAIL_HOST_USER")]
)
async def test_a_relay_that_knows_only_helo_names_the_setting_it_cannot_serve(
    changed: dict[str, Any], setting: str
) -> None:
    async with scripted(ehlo=b"500 Unknown\r\n") as server:
        assert setting in await mailer.connect_check(server.account(**changed))


async def test_a_port_for_tls_from_the_start_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    async with silent() as server:
        monkeypatch.setattr(smtp, "TLS_PORT", server.port)
        said = await mailer.connect_check(server.account(use_tls=True, timeout=0.3))

    assert said.endswith("so set EMAIL_USE_SSL=true.")


async def test_a_test_mail_goes_out_at_once_and_tells_its_steps(certificates: Certificates) -> None:
    async with serving(starttls=certificates.server(), auth=True) as server:
        account = server.account(use_tls=True, user=USER, password=PASSWORD)

        steps = await mailer.send_test(
            account,
            "ada@example.org",
            host=mail_steps.HOST,
            templates=mail_steps.TEMPLATES,
            tls=certificates.trusting(),
        )

    assert steps == [
        f"connected to localhost:{server.port}: 220 mail.fenwick.example Python SMTP 1.4.6",
        "encrypted with TLSv1.3",
        "signed in as mail-user: 235 2.7.0 Authentication successful",
        "from members@fenwick.example to ada@example.org",
        "taken: 250 2.0.0 Queued as 4F2A",
    ]
    (taken,) = server.received
    assert taken.message["Subject"] == "A test mail from Gatehouse"
    assert mail_steps.HOST in taken.text


async def test_a_test_mail_that_is_refused_says_so_in_the_words_of_the_server() -> None:
    async with serving() as server:
        server.refuse["ada@example.org"] = "550 5.1.1 No such user"

        with pytest.raises(ServerUnavailable) as refused:
            await mailer.send_test(
                server.account(), "ada@example.org", host=mail_steps.HOST, templates=mail_steps.TEMPLATES
            )

    assert str(refused.value) == f"localhost:{server.port} refuses the mail: 550 5.1.1 No such user."
    assert refused.value.steps[-1] == "from members@fenwick.example to ada@example.org"
