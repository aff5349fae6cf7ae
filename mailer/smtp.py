"""Connections to the SMTP server: opened, used for one mail after the other, closed."""

import asyncio
import contextlib
import logging
import ssl
from email.errors import MessageError
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

from db.mail.delivery import Mail, ServerUnavailable
from mailer.account import Account, ehlo_name
from mailer.contents import MailContents
from mailer.renderer import OutboxRenderer
from mailer.replies import describe

QUIT_SECONDS: Final = 1.0
# The port of "submissions", where TLS starts with the first byte (RFC 8314, 7.3).
TLS_PORT: Final = 465
# After the text of a mail the server may take this many times EMAIL_TIMEOUT: it may scan the mail before it
# accepts it, and a client that gives up too early sends the mail twice (RFC 5321, 4.5.3.2).
DATA_TIMEOUT_FACTOR: Final = 3
# "Sign in first", "encrypt first": the reply is to one mail, but true of all mails.
SIGN_IN_CODES: Final = frozenset({530, 534, 535, 538})
log = logging.getLogger("gatehouse.mail")


class MessageRejected(Exception):
    """One mail wasn't accepted. The message says why, in the server's words where it gave any.

    permanent: trying again would not help.
    no_reply: the server didn't answer, or the connection broke.
    """

    def __init__(self, message: str, *, permanent: bool, no_reply: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.no_reply = no_reply


async def connect(
    account: Account, host: str, tls: ssl.SSLContext | None = None, steps: list[str] | None = None
) -> SMTP:
    """A connection that is ready for mails: greeted, encrypted and signed in as the settings say.

    host: the public base URL. tls: None for the system's certificate authorities. steps: gets a line for each
    step that succeeds. Raises ServerUnavailable.
    """
    smtp = SMTP(
        hostname=account.host,
        port=account.port,
        timeout=account.timeout,
        use_tls=account.use_ssl,
        start_tls=False,
        local_hostname=ehlo_name(host),
        tls_context=tls,
    )
    steps = steps if steps is not None else []
    failure = "can't be reached"
    try:
        async with asyncio.timeout(DATA_TIMEOUT_FACTOR * account.timeout):
            greeting = await smtp.connect()
            steps.append(f"connected to {account.host}:{account.port}: {describe(greeting, account)}")
            failure = "doesn't answer as a mail server"
            await _greet(smtp)
            if account.use_tls and not account.use_ssl:
                if not smtp.supports_extension("starttls"):
                    raise ServerUnavailable(
                        f"{account.host}:{account.port} offers no STARTTLS: set EMAIL_USE_TLS=false if mail"
                        " may go there unencrypted, else look at EMAIL_PORT and EMAIL_USE_SSL."
                    )
                failure = "can't be spoken to over TLS"
                await smtp.starttls()
                await smtp.ehlo()
            if cipher := smtp.get_transport_info("cipher"):
                steps.append(f"encrypted with {cipher[1]}")
            if account.user:
                if not smtp.supports_extension("auth"):
                    raise ServerUnavailable(
                        f"{account.host}:{account.port} offers no sign-in: unset EMAIL_HOST_USER and"
                        " EMAIL_HOST_PASSWORD if it needs none, else look at EMAIL_PORT and EMAIL_USE_TLS."
                    )
                failure = f"doesn't let {account.user} sign in"
                reply = await smtp.login(account.user, account.password)
                steps.append(f"signed in as {account.user}: {describe(reply, account)}")
    except (SMTPException, OSError, ValueError) as error:
        smtp.close()
        reason = describe(error, account)
        if account.port == TLS_PORT and not account.use_ssl:
            # On this port a server waits for TLS to begin; a client that waits for its greeting gets nothing.
            reason += "; servers speak TLS from the start on this port, so set EMAIL_USE_SSL=true"
        raise ServerUnavailable(f"{account.host}:{account.port} {failure}: {reason}.") from error
    except BaseException:
        smtp.close()
        raise
    return smtp


async def _greet(smtp: SMTP) -> None:
    """EHLO, or HELO for a relay that knows only that, and so has no TLS and no sign-in (RFC 5321, 3.2)."""
    try:
        await smtp.ehlo()
    except SMTPHeloError as error:
        if not 500 <= error.code < 600:
            raise
        await smtp.helo()


async def disconnect(smtp: SMTP) -> None:
    """Sends QUIT, waits a second for the reply, and closes the connection in any case."""
    with contextlib.suppress(SMTPException, OSError):
        await smtp.quit(timeout=QUIT_SECONDS)
    smtp.close()


async def transfer(smtp: SMTP, account: Account, sender: str, recipient: str, message: bytes) -> str:
    """Sends one mail; returns the server's reply. Raises SMTPException, OSError or ValueError."""
    await smtp.mail(sender)
    await smtp.rcpt(recipient)
    reply = await smtp.data(message, timeout=DATA_TIMEOUT_FACTOR * account.timeout)
    return describe(reply, account)


class SmtpConnection:
    """A connection to the mail server that can be opened and closed as often as needed."""

    def __init__(
        self, account: Account, host: str, renderer: OutboxRenderer, tls: ssl.SSLContext | None
    ) -> None:
        self._account = account
        self._host = host
        self._renderer = renderer
        self._tls = tls
        self._smtp: SMTP | None = None

    @property
    def is_open(self) -> bool:
        return self._smtp is not None and self._smtp.is_connected

    async def open(self) -> None:
        """Raises ServerUnavailable."""
        await self.close()
        self._smtp = await connect(self._account, self._host, self._tls)

    async def still_works(self) -> bool:
        """Whether the next mail can be sent over the open connection; if not, it is closed now.

        Asks the server, which may have timed out. RSET also clears what a rejected mail left behind.
        """
        try:
            if self._smtp is not None:
                await self._smtp.rset()
                return True
        except (SMTPException, OSError):
            await self.close()
        return False

    async def send(self, mail: Mail, mail_contents: MailContents) -> str:
        """Sends a mail over the open connection; returns the server's reply.

        Raises MessageRejected and ServerUnavailable.
        """
        assert self._smtp is not None
        message = self._render(mail, mail_contents)
        try:
            return await transfer(
                self._smtp, self._account, self._renderer.sender.addr_spec, mail.recipient, message
            )
        except (SMTPException, OSError, ValueError) as error:
            reason, code = describe(error, self._account), getattr(error, "code", 0)
            if code in SIGN_IN_CODES:
                server = f"{self._account.host}:{self._account.port}"
                raise ServerUnavailable(f"{server} takes no mail: {reason}.") from error
            if isinstance(error, ValueError) or 500 <= code < 600:
                raise MessageRejected(reason, permanent=True) from error
            no_reply = not isinstance(error, SMTPResponseException)
            if no_reply:
                # A late reply would be read as the reply to the next mail.
                await self.close()
            raise MessageRejected(
                f"The mail server has not taken it yet: {reason}.", permanent=False, no_reply=no_reply
            ) from error

    def _render(self, mail: Mail, mail_contents: MailContents) -> bytes:
        try:
            return self._renderer.render(mail, mail_contents)
        except (MessageError, ValueError, IndexError) as error:
            # No header can hold this address or text: Python's email package raises one of these three.
            raise MessageRejected(
                f"No mail can be written to {mail.recipient}: {error}", permanent=True
            ) from error
        except Exception as error:
            log.exception("mail %d (%s) can't be written", mail.id, mail.kind)
            raise MessageRejected(
                "Gatehouse could not write this mail; its log says why.", permanent=False
            ) from error

    async def close(self) -> None:
        """Does nothing if it is closed."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            await disconnect(smtp)
