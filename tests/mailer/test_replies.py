"""What is shown of the mail server's replies and errors: plain sentences without bytes or secrets."""

import base64
import logging
from collections.abc import Awaitable, Callable

import pytest

from db import engine
from db.auth import links
from db.mail import outbox
from tests.support.servers.smtp import PASSWORD, USER, Certificates, scripted, serving, silent
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import delivering, invited, soon, until, until_tried

Check = Callable[..., Awaitable[str]]


async def test_undecodable_bytes_in_the_servers_yes_become_replacement_characters(olga: int) -> None:
    async with scripted(taken=b"250 \xfc\r\n") as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until("sent", mail_id)

    assert (stored["server_reply"], len(server.received)) == ("250 \ufffd", 1)


@pytest.mark.parametrize(
    ("step", "answer", "shown"),
    [
        ("taken", b"550 Empf\xe4nger\r\n", "550 Empf\ufffdnger"),
        ("rcpt", b"550-Empf\xe4nger\r\n550 nicht hier\x00\r\n", "550 Empf\ufffdnger nicht hier"),
        ("mail", b"553 Absender \xed\xa0\x80\r\n", "553 Absender \ufffd\ufffd\ufffd"),
        ("data", b"554 \x1b[31mrot\x1b[0m\r\n", "554 [31mrot[0m"),
    ],
)
async def test_a_refusal_in_any_bytes_is_for_good_and_shown(
    step: str, answer: bytes, shown: str, olga: int
) -> None:
    async with scripted(**{step: answer}) as server, delivering(server.account()):
        _, _, mail_id = await invited("ada@example.org", olga)
        outbox.wake()

        stored = await until("failed", mail_id)

    assert stored["server_reply"] == shown


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
            stored = await until("failed", mail_id)
            await until_tried(dropped)
        async with delivering(server.account(user=USER, password="hunter2 hunter2")):
            await invited("cleo@example.org", olga)
            outbox.wake()
            await soon(lambda: "sign in" in caplog.text)

    ours = [record for record in caplog.records if record.name != "mail.log"]
    logged = "\n".join([logging.Formatter().format(record) for record in ours])
    assert stored["server_reply"].endswith("?token=…")
    assert "mail 1 (invitation) was not taken" in logged
    for secret in (token, token.partition(".")[2], nonce, PASSWORD, "hunter2"):
        assert secret not in logged
        assert base64.b64encode(secret.encode()).decode() not in logged


async def test_the_check_says_in_plain_words_what_is_wrong(
    certificates: Certificates, checked: Check
) -> None:
    trusting, failed = certificates.trusting(), {}
    async with serving() as plain, serving(auth=True) as signs, silent() as silence:
        failed["tls"] = await checked(plain.account(use_tls=True))
        failed["ssl"] = await checked(plain.account(use_ssl=True))
        failed["sign-in"] = await checked(signs.account(user=USER, password="hunter2"))
        failed["silence"] = await checked(silence.account(timeout=0.5))
        failed["host"] = await checked(plain.account(host="nowhere.invalid"))
    failed["refused"] = await checked(plain.account())
    failed["refused at one address"] = await checked(plain.account(host="127.0.0.1"))
    async with serving(starttls=certificates.server(days=-1)) as server:
        failed["expired"] = await checked(server.account(use_tls=True), trusting)
    async with serving(starttls=certificates.server("other.example")) as server:
        failed["name"] = await checked(server.account(use_tls=True), trusting)
    async with serving(tls=certificates.server("other.example")) as server:
        failed["name over TLS"] = await checked(server.account(use_ssl=True), trusting)
    async with serving(starttls=certificates.server()) as server:
        failed["address"] = await checked(server.account(use_tls=True, host="127.0.0.1"), trusting)
        failed["authority"] = await checked(server.account(use_tls=True))
    async with serving(tls=certificates.self_signed()) as server:
        failed["self-signed"] = await checked(server.account(use_ssl=True))

    reasons = {
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
    assert {name: failed[name] for name, words in reasons.items() if words not in failed[name]} == {}
    assert all("\n" not in words and " (" not in words for words in failed.values())
