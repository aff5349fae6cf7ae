"""Writes mails from templates/mail and hands them to the SMTP server.

When, in which order and how often is decided in mailer/worker.py; this is how.
"""

from mailer.account import Account, hello, sender_of
from mailer.probe import connect_check, send_test
from mailer.renderer import PATHS, LetterWriter, Writer
from mailer.smtp import PATIENCE_AFTER_DATA
from mailer.task import CONNECTIONS, Mailer

__all__ = (
    "CONNECTIONS",
    "PATHS",
    "PATIENCE_AFTER_DATA",
    "Account",
    "LetterWriter",
    "Mailer",
    "Writer",
    "connect_check",
    "hello",
    "send_test",
    "sender_of",
)
