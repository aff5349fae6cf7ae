"""Renders queued mails and sends them to the SMTP server.

mailer/worker.py decides when, in which order and how often a mail is sent; the other modules do it.
"""

from mailer.account import Account, ehlo_name, sender_of
from mailer.probe import connect_check, send_test
from mailer.renderer import PATHS, OutboxRenderer, Renderer
from mailer.smtp import DATA_TIMEOUT_FACTOR
from mailer.worker import CONNECTIONS, MailWorker

__all__ = (
    "CONNECTIONS",
    "DATA_TIMEOUT_FACTOR",
    "PATHS",
    "Account",
    "MailWorker",
    "OutboxRenderer",
    "Renderer",
    "connect_check",
    "ehlo_name",
    "send_test",
    "sender_of",
)
