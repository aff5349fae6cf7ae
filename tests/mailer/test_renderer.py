"""Mails that can't be rendered: they stop no other mail."""

import pytest

import mailer
from db import engine
from db.auth import links
from db.mail import outbox
from tests.support.servers.smtp import serving
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import delivering, invited, queued, until, until_tried


async def test_an_address_that_no_server_could_take_is_refused_before_it_is_sent(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        mail_id = await queued("password", "a b@example.org", member_id=olga)
        outbox.wake()

        stored = await until("failed", mail_id)

    assert stored["server_reply"].startswith("No mail can be written to a b@example.org")
    assert server.received == []


async def test_a_mail_that_no_header_can_hold_fails_for_good_and_delays_no_other(olga: int) -> None:
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


async def test_a_mail_that_cannot_be_rendered_waits_and_stops_no_other(
    olga: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(mailer.PATHS, "reset")
    link = await mail_steps.link_for(links.RESET, olga)
    broken_id = await queued("reset", "olga@example.org", member_id=olga, link_id=link.id)
    _, _, mail_id = await invited("ada@example.org", olga)

    async with serving() as server, delivering(server.account()):
        await until("sent", mail_id)
        stored = await until_tried(broken_id)

    assert (stored["state"], stored["server_reply"]) == (
        "queued",
        "Gatehouse could not write this mail; its log says why.",
    )
    assert f"mail {broken_id} (reset) can't be written" in caplog.text
