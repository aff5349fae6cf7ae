"""What `gatehouse check` asks: can it connect, and does a test mail go out."""

import secrets
import ssl
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path

from aiosmtplib import SMTPException

from db.mail.delivery import ServerUnavailable
from mailer.account import Account, hello
from mailer.renderer import Writer
from mailer.replies import words_of
from mailer.smtp import connect, leave, transfer


async def connect_check(account: Account, host: str = "", tls: ssl.SSLContext | None = None) -> str:
    """Connects, encrypts and signs in as for a mail; what failed as a sentence, "" if all went well."""
    try:
        await leave(await connect(account, host, tls))
    except ServerUnavailable as trouble:
        return str(trouble)
    return ""


async def send_test(
    account: Account,
    recipient: str,
    *,
    host: str,
    templates: Path,
    tls: ssl.SSLContext | None = None,
) -> list[str]:
    """Sends a test mail at once, past the outbox; the steps of the dialogue, a line each, down to its end.

    recipient: an address that db.common.addresses.parse has read. Raises ServerUnavailable; its `heard` has
    the steps before.
    """
    heard: list[str] = []
    writer = Writer(account, host=host, templates=templates)
    message_id = f"<{secrets.token_hex(16)}@{hello(host)}>"
    message = writer.message("test", recipient, message_id, {"title": "Gatehouse", "host": host})
    try:
        smtp = await connect(account, host, tls, heard)
        try:
            heard.append(f"from {writer.sender.addr_spec} to {recipient}")
            reply = await transfer(
                smtp, account, writer.sender.addr_spec, recipient, message.as_bytes(policy=SMTP_POLICY)
            )
            heard.append(f"taken: {reply}")
        except (SMTPException, OSError, ValueError) as error:
            raise ServerUnavailable(
                f"{account.host}:{account.port} refuses the mail: {words_of(error, account)}."
            ) from error
        finally:
            await leave(smtp)
    except ServerUnavailable as trouble:
        trouble.heard = heard
        raise
    return heard
