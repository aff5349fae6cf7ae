"""Writes mails from templates/mail and hands them to the SMTP server.

When, in which order and how often is decided in db/courier.py; this is how.
"""

from mailer.account import Account, hello, sender_of
from mailer.line import PATIENCE_AFTER_DATA
from mailer.task import CONNECTIONS, Mailer
from mailer.trial import connect_check, send_test
from mailer.writer import PATHS, LetterWriter, Writer

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
