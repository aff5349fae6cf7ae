"""Connections to the mail server: sign-in, TLS, HELO, rejections and broken connections."""

from typing import Any

import pytest

import mailer
from db.common import clock
from db.mail import outbox
from mailer import smtp
from tests.support.servers.smtp import PASSWORD, USER, Certificates, scripted, serving, silent
from tests.support.steps.mail_steps import (
    delivering,
    invited,
    invited_many,
    soon,
    until,
    until_tried,
    waiting_reason,
)


async def test_a_refused_address_is_refused_for_good_with_the_reply_of_the_server(olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        server.refuse["ada@example.org"] = "550 5.1.1 <ada@example.org>: nobody of that name here"
        _, _, mail_id = await invited("ada@example.org", olga)
        _, _, other_id = await invited("bea@example.org", olga)
        outbox.wake()

        stored = await until("failed", mail_id)
        await until("sent", other_id)

    assert stored["server_reply"] == "550 5.1.1 <ada@example.org>: nobody of that name here"


@pytest.mark.parametrize("step", ["sender", "mail"])
async def test_a_5xx_at_any_step_is_for_good(step: str, olga: int) -> None:
    async with serving() as server, delivering(server.account()):
        if step == "sender":
            server.refuse_sender = "553 5.7.1 Not your address"
        else:
            server.refuse_data["ada@example.org"] = "554 5.7.1 Looks like spam"
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until("failed", mail_id)

    assert stored["server_reply"] in ("553 5.7.1 Not your address", "554 5.7.1 Looks like spam")


async def test_a_mail_is_sent_again_under_its_message_id_if_the_connection_breaks_before_the_reply(
    olga: int,
) -> None:
    async with serving() as server, delivering(server.account()):
        server.drop.add("ada@example.org")
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        postponed = await until_tried(mail_id)
        server.drop.clear()
        clock.stop_at(postponed["due_at"])
        outbox.wake()
        stored = await until("sent", mail_id)

    assert postponed["server_reply"] == "The mail server has not taken it yet: it closed the connection."
    assert [mail.message["Message-ID"] for mail in server.received] == [stored["message_id"]] * 2


async def test_sign_in(olga: int) -> None:
    async with serving(auth=True) as server:
        account = server.account(user=USER, password=PASSWORD)
        async with delivering(account):
            _, _, mail_id = await invited("ada@example.org", olga)
            outbox.wake()

            await until("sent", mail_id)

    assert server.signed_in == [USER]


async def test_all_mails_wait_if_the_sign_in_is_refused_and_the_reason_hides_the_password(olga: int) -> None:
    async with serving(auth=True) as server:
        account = server.account(user=USER, password="hunter2 hunter2")
        async with delivering(account):
            _, _, mail_id = await invited("ada@example.org", olga)
            outbox.wake()

            stored = await until_tried(mail_id)

    assert stored["state"] == "queued"
    assert stored["server_reply"] == (
        f"localhost:{server.port} doesn't let mail-user sign in: 535 5.7.8 Sign-in … is wrong."
    )


async def test_all_mails_wait_if_the_server_wants_a_sign_in(olga: int) -> None:
    async with serving(auth=True) as server, delivering(server.account()):
        await invited_many(3, olga)
        outbox.wake()

        await soon(waiting_reason)
        progress = await outbox.progress(1)

    assert (progress.waiting, progress.refused) == (3, 0)
    assert "takes no mail: 530" in progress.waiting_reason


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
async def test_all_mails_wait_if_the_certificate_is_of_no_known_authority(
    how: str, olga: int, certificates: Certificates
) -> None:
    async with (
        serving(**{how: certificates.self_signed()}) as server,  # type: ignore[arg-type]
        delivering(server.account(use_tls=how == "starttls", use_ssl=how == "tls")),
    ):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until_tried(mail_id)

    assert stored["state"] == "queued"
    assert "its certificate is self-signed" in stored["server_reply"]
    assert server.received == []


@pytest.mark.parametrize("step", ["greeting", "ehlo", "quit", "rset"])
async def test_bytes_that_are_no_text_stop_no_mail(step: str, olga: int) -> None:
    code = {"greeting": b"220", "quit": b"221"}.get(step, b"250")
    async with scripted(**{step: code + b" Gr\xfc\xdfe\r\n"}) as server, delivering(server.account()):
        ids = [(await invited(f"{name}@example.org", olga))[2] for name in ("ada", "bea")]
        outbox.wake()

        for mail_id in ids:
            await until("sent", mail_id)

    assert len(server.received) == 2


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
        reason = await mailer.connect_check(server.account(use_tls=True, timeout=0.3))

    assert reason.endswith("so set EMAIL_USE_SSL=true.")
