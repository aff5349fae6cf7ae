"""The line to the mail server: opened, spoken over, closed."""

import asyncio
import contextlib
import logging
import ssl
from email.errors import MessageError
from typing import Final

from aiosmtplib import SMTP, SMTPException, SMTPHeloError, SMTPResponseException

from db.mail.delivery import Mail, ServerUnavailable
from mailer.account import Account, hello
from mailer.contents import Letter
from mailer.renderer import LetterWriter
from mailer.replies import words_of
from mailer.worker import NotTaken

QUIT_SECONDS: Final = 1.0
# "submissions", TLS from the first byte (RFC 8314, 7.3).
TLS_PORT: Final = 465
# A server may look at a mail before it says yes; who leaves too early sends it twice (RFC 5321 4.5.3.2).
PATIENCE_AFTER_DATA: Final = 3
# "Sign in first", "encrypt first": said to one mail, but true of all of them.
SIGN_IN_CODES: Final = frozenset({530, 534, 535, 538})
log = logging.getLogger("gatehouse.mail")


async def connect(
    account: Account, host: str, tls: ssl.SSLContext | None = None, heard: list[str] | None = None
) -> SMTP:
    """A connection that is ready for mails: greeted, encrypted and signed in as the settings say.

    tls: None for the machine's own authorities. heard: takes a line for each step. Raises ServerUnavailable.
    """
    smtp = SMTP(
        hostname=account.host,
        port=account.port,
        timeout=account.timeout,
        use_tls=account.use_ssl,
        start_tls=False,
        local_hostname=hello(host),
        tls_context=tls,
    )
    lines = heard if heard is not None else []
    step = "can't be reached"
    try:
        async with asyncio.timeout(PATIENCE_AFTER_DATA * account.timeout):
            greeting = await smtp.connect()
            lines.append(f"connected to {account.host}:{account.port}: {words_of(greeting, account)}")
            step = "doesn't answer as a mail server"
            await _say_hello(smtp)
            if account.use_tls and not account.use_ssl:
                if not smtp.supports_extension("starttls"):
                    raise ServerUnavailable(
                        f"{account.host}:{account.port} offers no STARTTLS: set EMAIL_USE_TLS=false if mail"
                        " may go there unencrypted, else look at EMAIL_PORT and EMAIL_USE_SSL."
                    )
                step = "can't be spoken to over TLS"
                await smtp.starttls()
                await smtp.ehlo()
            if cipher := smtp.get_transport_info("cipher"):
                lines.append(f"encrypted with {cipher[1]}")
            if account.user:
                if not smtp.supports_extension("auth"):
                    raise ServerUnavailable(
                        f"{account.host}:{account.port} offers no sign-in: unset EMAIL_HOST_USER and"
                        " EMAIL_HOST_PASSWORD if it needs none, else look at EMAIL_PORT and EMAIL_USE_TLS."
                    )
                step = f"doesn't let {account.user} sign in"
                reply = await smtp.login(account.user, account.password)
                lines.append(f"signed in as {account.user}: {words_of(reply, account)}")
    except (SMTPException, OSError, ValueError) as error:
        smtp.close()
        words = words_of(error, account)
        if account.port == TLS_PORT and not account.use_ssl:
            # Such a server waits for TLS to begin, and says nothing to anybody who waits for its greeting.
            words += "; servers speak TLS from the start on this port, so set EMAIL_USE_SSL=true"
        raise ServerUnavailable(f"{account.host}:{account.port} {step}: {words}.") from error
    except BaseException:
        smtp.close()
        raise
    return smtp


async def _say_hello(smtp: SMTP) -> None:
    """EHLO, or HELO where a relay knows no other: it offers no TLS and no sign-in then (RFC 5321, 3.2)."""
    try:
        await smtp.ehlo()
    except SMTPHeloError as error:
        if not 500 <= error.code < 600:
            raise
        await smtp.helo()


async def leave(smtp: SMTP | None) -> None:
    """Says goodbye, but doesn't wait for long."""
    if smtp is not None:
        with contextlib.suppress(SMTPException, OSError):
            await smtp.quit(timeout=QUIT_SECONDS)
        smtp.close()


async def transfer(smtp: SMTP, account: Account, sender: str, recipient: str, message: bytes) -> str:
    """Hands one mail over; returns the server's answer. Raises SMTPException, OSError or ValueError."""
    await smtp.mail(sender)
    await smtp.rcpt(recipient)
    reply = await smtp.data(message, timeout=PATIENCE_AFTER_DATA * account.timeout)
    return words_of(reply, account)


class Line:
    """A connection over which the courier's mails go."""

    def __init__(self, account: Account, host: str, writer: LetterWriter, tls: ssl.SSLContext | None) -> None:
        self._account = account
        self._host = host
        self._writer = writer
        self._tls = tls
        self._smtp: SMTP | None = None

    @property
    def is_open(self) -> bool:
        return self._smtp is not None and self._smtp.is_connected

    async def open(self) -> None:
        await self.close()
        self._smtp = await connect(self._account, self._host, self._tls)

    async def still_works(self) -> bool:
        """Asks the server, which may have had enough; this also ends what a refused mail has begun."""
        try:
            if self._smtp is not None:
                await self._smtp.rset()
                return True
        except (SMTPException, OSError):
            await self.close()
        return False

    async def carry(self, mail: Mail, letter: Letter) -> str:
        assert self._smtp is not None
        try:
            message = self._writer.write(mail, letter)
        except (MessageError, ValueError, IndexError) as error:
            # An address or a text that no header can hold: Python's module raises these three for them.
            raise NotTaken(f"No mail can be written to {mail.recipient}: {error}", for_good=True) from error
        except Exception as error:
            log.exception("mail %d (%s) can't be written", mail.id, mail.kind)
            raise NotTaken(
                "Gatehouse could not write this mail; its log says why.", for_good=False
            ) from error
        try:
            return await transfer(
                self._smtp, self._account, self._writer.sender.addr_spec, mail.recipient, message
            )
        except (SMTPException, OSError, ValueError) as error:
            words, code = words_of(error, self._account), getattr(error, "code", 0)
            if code in SIGN_IN_CODES:
                account = f"{self._account.host}:{self._account.port}"
                raise ServerUnavailable(f"{account} takes no mail: {words}.") from error
            if isinstance(error, ValueError) or 500 <= code < 600:
                raise NotTaken(words, for_good=True) from error
            lost = not isinstance(error, SMTPResponseException)
            if lost:
                # What the server says next would be taken for an answer to the next mail.
                await self.close()
            raise NotTaken(
                f"The mail server has not taken it yet: {words}.", for_good=False, lost=lost
            ) from error

    async def close(self) -> None:
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            await leave(smtp)
