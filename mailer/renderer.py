"""The writer: renders templates/mail into mails."""

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from db.common import clock
from db.mail.delivery import Mail
from mailer.account import Account, sender_of
from mailer.contents import Letter
from mailer.text import one_line, tidy
from signing import Signer

MAX_SUBJECT: Final = 150
# Mails that people may answer: the answer goes to whoever invited them.
ANSWERED: Final = frozenset({"invitation", "reminder"})
PATHS: Final = {
    "invitation": "/user/invitation",
    "reset": "/user/password/reset",
    "address": "/user/confirmation",
    "request": "/user/access-request/confirmation",
}


class Writer:
    """Writes mails. host: the public base URL. templates: the folder of all templates."""

    def __init__(self, account: Account, *, host: str, templates: Path) -> None:
        self.sender = sender_of(account, host)
        self._html = Environment(
            loader=FileSystemLoader(templates),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        # The same templates on plain paper: nothing is escaped in text.
        self._text = self._html.overlay(autoescape=False)

    def message(self, kind: str, recipient: str, message_id: str, facts: dict[str, str]) -> EmailMessage:
        """Text and HTML of a template, with the headers every mail has."""
        context = {name: one_line(value) for name, value in facts.items()}
        text = self._text.get_template(f"mail/{kind}.jinja")
        subject = " ".join("".join(text.blocks["subject"](text.new_context(dict(context)))).split())
        # A name that looks like an encoded word would be decoded, line breaks in it included.
        subject = subject.replace("=?", "= ?")
        context["subject"] = subject
        plain = text.render(context, layout="mail/_letter.txt", parts="mail/_parts.txt")
        rich = self._html.get_template(f"mail/{kind}.jinja").render(
            context, layout="mail/_letter.html", parts="mail/_parts.html"
        )
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self.sender
        message["To"] = Address(addr_spec=recipient)
        message["Subject"] = subject if len(subject) <= MAX_SUBJECT else f"{subject[: MAX_SUBJECT - 1]}…"
        message["Date"] = format_datetime(datetime.fromtimestamp(clock.now() / 1000, UTC))
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        # Seven bits pass every server unchanged.
        message.set_content(tidy(plain), cte="quoted-printable")
        message.add_alternative(rich, subtype="html", cte="quoted-printable")
        return message


class LetterWriter(Writer):
    """Writes the letters of the outbox. Their links are made from host alone, at this moment."""

    def __init__(
        self,
        account: Account,
        *,
        signer: Signer,
        host: str,
        app_name: str,
        app_url: str,
        templates: Path,
    ) -> None:
        super().__init__(account, host=host, templates=templates)
        self._signer = signer
        self._app_name = app_name
        self._host = host.rstrip("/")
        self._app_url = app_url

    def write(self, mail: Mail, letter: Letter) -> bytes:
        """The mail as it goes over the line: seven bits, CRLF."""
        facts = {**letter.words(self._app_name), "host": self._host, "app_url": self._app_url}
        if link := letter.link:
            token = self._signer.token(link.purpose, link.id, link.nonce)
            facts["url"] = f"{self._host}{PATHS[link.purpose]}?token={token}"
        message = self.message(letter.kind, mail.recipient, mail.message_id, facts)
        if letter.kind in ANSWERED and letter.other_email:
            message["Reply-To"] = Address(addr_spec=letter.other_email)
        return message.as_bytes(policy=SMTP_POLICY)
