"""A mail whose reason is gone isn't sent."""

from db import engine
from tests.support.servers.smtp import serving
from tests.support.steps.mail_steps import delivering, invited, until


async def test_a_mail_that_is_no_longer_relevant_is_not_sent(olga: int) -> None:
    gone, _, mail_id = await invited("ada@example.org", olga)
    _, _, other_id = await invited("bea@example.org", olga)
    await engine.write(
        engine.execute, "UPDATE invitation SET ended_at = 1, end_reason = 'revoked' WHERE id = ?", gone
    )

    async with serving() as server, delivering(server.account()):
        await until("sent", other_id)
        await until("void", mail_id)

    assert [mail.recipient for mail in server.received] == ["bea@example.org"]
