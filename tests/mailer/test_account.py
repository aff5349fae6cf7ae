"""The sender's address, and the name of this machine in SMTP."""

from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

import mailer
from tests.support.servers.smtp import Server
from tests.support.steps import mail_steps


@pytest.mark.parametrize(
    ("sender", "user", "is_from"),
    [
        ("Büro <post@büro.example>", "", "Büro <post@xn--bro-hoa.example>"),
        ("post@fenwick.example", "", "post@fenwick.example"),
        ("", "hana@fenwick.example", "hana@fenwick.example"),
        ("", "hana", "gatehouse@members.fenwick.example"),
    ],
)
def test_the_sender_is_from_email_or_something_that_can_be_answered(
    sender: str, user: str, is_from: str
) -> None:
    account = Server(25).account(sender=sender, user=user)
    renderer = mailer.Renderer(account, host=mail_steps.HOST, templates=mail_steps.TEMPLATES)

    message = renderer.message(
        "test", "ada@example.org", "<1@x>", {"title": "Gatehouse", "host": mail_steps.HOST}
    )

    parsed = message_from_bytes(message.as_bytes(), policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    assert str(parsed["From"]) == is_from


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("https://members.fenwick.example/door", "members.fenwick.example"),
        ("http://192.0.2.7:8080", "[192.0.2.7]"),
        ("http://[2001:db8::7]:8080", "[IPv6:2001:db8::7]"),
        ("https://büro.example", "xn--bro-hoa.example"),
        ("", "localhost"),
    ],
)
def test_the_name_of_this_machine_in_smtp(host: str, name: str) -> None:
    assert mailer.ehlo_name(host) == name
