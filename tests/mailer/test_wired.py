"""Mail in the running application: queued mail is sent, and the server stops without waiting for more."""

import time

from db.mail import outbox
from settings import Settings
from tests.support.pages.site import SECRET, Site
from tests.support.servers.smtp import serving
from tests.support.steps import mail_steps


async def test_a_running_site_sends_its_mail_and_stops_soon(database: str) -> None:
    async with serving() as server:
        settings = Settings(secret_key=SECRET, host=mail_steps.HOST, mail=server.account())
        async with Site.opened(settings) as site:
            mail_id = await mail_steps.queued("password", "olga@example.org", member_id=site.ids["olga"])
            outbox.wake()
            await mail_steps.until("sent", mail_id)
            stopped = time.monotonic()

    assert time.monotonic() - stopped < 10
    assert "members.fenwick.example" in server.received[0].message["Message-ID"]


async def test_without_a_mail_server_no_mail_is_queued(database: str) -> None:
    async with Site.opened(Settings(secret_key=SECRET)):
        assert not outbox.set_up()
