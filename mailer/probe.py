"""What `gatehouse check` tries: can it reach the mail server, and does the server accept a test mail?"""

import secrets
import ssl
from email.policy import SMTP as SMTP_POLICY
from pathlib import Path

from aiosmtplib import SMTPException

from db.mail.delivery import ServerUnavailable
from mailer.account import Account, ehlo_name
from mailer.renderer import Renderer
from mailer.replies import describe
from mailer.smtp import connect, disconnect, transfer


async def connect_check(account: Account, host: str = "", tls: ssl.SSLContext | None = None) -> str:
    """Connects, encrypts and signs in as for a mail. Returns a sentence that says what failed, "" if all
    went well."""
    try:
        await disconnect(await connect(account, host, tls))
    except ServerUnavailable as error:
        return str(error)
    return ""


async def send_test(
    account: Account,
    recipient: str,
    *,
    host: str,
    templates: Path,
    tls: ssl.SSLContext | None = None,
) -> list[str]:
    """Sends a test mail at once, past the outbox. Returns the steps of the dialogue, one line each.

    recipient: an address from db.common.addresses.parse. Raises ServerUnavailable, whose `steps` are those
    before the failure.
    """
    steps: list[str] = []
    renderer = Renderer(account, host=host, templates=templates)
    message_id = f"<{secrets.token_hex(16)}@{ehlo_name(host)}>"
    message = renderer.message("test", recipient, message_id, {"title": "Gatehouse", "host": host})
    try:
        smtp = await connect(account, host, tls, steps)
        try:
            steps.append(f"from {renderer.sender.addr_spec} to {recipient}")
            reply = await transfer(
                smtp, account, renderer.sender.addr_spec, recipient, message.as_bytes(policy=SMTP_POLICY)
            )
            steps.append(f"taken: {reply}")
        except (SMTPException, OSError, ValueError) as error:
            raise ServerUnavailable(
                f"{account.host}:{account.port} refuses the mail: {describe(error, account)}."
            ) from error
        finally:
            await disconnect(smtp)
    except ServerUnavailable as error:
        error.steps = steps
        raise
    return steps
