"""What `gatehouse check` tries: the connection and a test mail."""

from collections.abc import Awaitable, Callable

import pytest

import mailer
from db.mail.delivery import ServerUnavailable
from tests.support.servers.smtp import PASSWORD, USER, Certificates, scripted, serving
from tests.support.steps import mail_steps

Check = Callable[..., Awaitable[str]]


async def test_a_test_mail_tells_its_steps_in_any_bytes() -> None:
    async with scripted(greeting=b"220 Gr\xfc\xdfe\r\n", taken=b"250 \xfc\r\n") as server:
        steps = await mailer.send_test(
            server.account(), "ada@example.org", host="", templates=mail_steps.TEMPLATES
        )

    assert steps[0].endswith("220 Gr\ufffd\ufffde")
    assert steps[-1] == "taken: 250 \ufffd"
    "".join(steps).encode()


async def test_the_check_connects_encrypts_and_signs_in(certificates: Certificates, checked: Check) -> None:
    async with serving(starttls=certificates.server(), auth=True) as server:
        account = server.account(use_tls=True, user=USER, password=PASSWORD)

        assert await checked(account, certificates.trusting()) == ""
    async with serving(tls=certificates.server()) as server:
        assert await checked(server.account(use_ssl=True), certificates.trusting()) == ""


async def test_a_test_mail_goes_out_at_once_and_tells_its_steps(certificates: Certificates) -> None:
    async with serving(starttls=certificates.server(), auth=True) as server:
        account = server.account(use_tls=True, user=USER, password=PASSWORD)

        steps = await mailer.send_test(
            account,
            "ada@example.org",
            host=mail_steps.HOST,
            templates=mail_steps.TEMPLATES,
            tls=certificates.trusting(),
        )

    assert steps == [
        f"connected to localhost:{server.port}: 220 mail.fenwick.example Python SMTP 1.4.6",
        "encrypted with TLSv1.3",
        "signed in as mail-user: 235 2.7.0 Authentication successful",
        "from members@fenwick.example to ada@example.org",
        "taken: 250 2.0.0 Queued as 4F2A",
    ]
    (received,) = server.received
    assert received.message["Subject"] == "A test mail from Gatehouse"
    assert mail_steps.HOST in received.text


async def test_a_refused_test_mail_raises_the_reply_of_the_server() -> None:
    async with serving() as server:
        server.refuse["ada@example.org"] = "550 5.1.1 No such user"

        with pytest.raises(ServerUnavailable) as refused:
            await mailer.send_test(
                server.account(), "ada@example.org", host=mail_steps.HOST, templates=mail_steps.TEMPLATES
            )

    assert str(refused.value) == f"localhost:{server.port} refuses the mail: 550 5.1.1 No such user."
    assert refused.value.steps[-1] == "from members@fenwick.example to ada@example.org"
