"""Renders templates/mail into mails."""

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
from mailer.contents import MailContents
from mailer.text import one_line, tidy
from signing import Signer

MAX_SUBJECT: Final = 150
# Templates of mails that people may answer; the answer goes to the person who invited them.
ANSWERED: Final = frozenset({"invitation", "reminder"})
# The page that a link opens, by the link's purpose.
PATHS: Final = {
    "invitation": "/user/invitation",
    "reset": "/user/password/reset",
    "address": "/user/confirmation",
    "request": "/user/access-request/confirmation",
}


class Renderer:
    """Renders any mail. host: the public base URL. templates: the folder of all templates."""

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
        # The same templates for the text part, where nothing is escaped.
        self._text = self._html.overlay(autoescape=False)

    def message(self, template: str, recipient: str, message_id: str, facts: dict[str, str]) -> EmailMessage:
        """A template's mail as text and HTML, with the headers that every mail has."""
        context = {name: one_line(value) for name, value in facts.items()}
        text = self._text.get_template(f"mail/{template}.jinja")
        subject = " ".join("".join(text.blocks["subject"](text.new_context(dict(context)))).split())
        # Otherwise a name that looks like an encoded word would be decoded, with any line breaks in it.
        subject = subject.replace("=?", "= ?")
        context["subject"] = subject
        plain = text.render(context, layout="mail/_layout.txt", parts="mail/_parts.txt")
        html = self._html.get_template(f"mail/{template}.jinja").render(
            context, layout="mail/_layout.html", parts="mail/_parts.html"
        )
        message = EmailMessage(policy=SMTP_POLICY)
        message["From"] = self.sender
        message["To"] = Address(addr_spec=recipient)
        message["Subject"] = subject if len(subject) <= MAX_SUBJECT else f"{subject[: MAX_SUBJECT - 1]}…"
        message["Date"] = format_datetime(datetime.fromtimestamp(clock.now() / 1000, UTC))
        message["Message-ID"] = message_id
        message["Auto-Submitted"] = "auto-generated"
        # Quoted-printable is plain ASCII, which every server passes on unchanged.
        message.set_content(tidy(plain), cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        return message


class OutboxRenderer(Renderer):
    """Renders the mails of the outbox. Their links begin with host and are made here."""

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

    def render(self, mail: Mail, mail_contents: MailContents) -> bytes:
        """The mail as it is sent: ASCII with CRLF."""
        facts = {
            **mail_contents.template_values(self._app_name),
            "host": self._host,
            "app_url": self._app_url,
        }
        if link := mail_contents.link:
            token = self._signer.token(link.purpose, link.id, link.nonce)
            facts["url"] = f"{self._host}{PATHS[link.purpose]}?token={token}"
        message = self.message(mail_contents.template, mail.recipient, mail.message_id, facts)
        if mail_contents.template in ANSWERED and mail_contents.other_email:
            message["Reply-To"] = Address(addr_spec=mail_contents.other_email)
        return message.as_bytes(policy=SMTP_POLICY)
