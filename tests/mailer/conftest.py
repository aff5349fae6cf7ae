"""Fixtures of the tests of mailer/."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvloop

import mailer
import settings
from db.common import clock
from db.mail import outbox
from tests.support.servers.smtp import Certificates
from tests.support.steps import mail_steps
from tests.support.steps.mail_steps import founded


@pytest.fixture
async def olga(database: str) -> AsyncIterator[int]:
    """The Owner's id; mail is set up."""
    yield await founded()
    clock.go_on()
    outbox.use(False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


Loops = Callable[[], asyncio.AbstractEventLoop]


LOOPS: dict[str, Loops] = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def loops(request: pytest.FixtureRequest) -> Loops:
    """Event loops differ in how they say what went wrong."""
    return LOOPS[request.param]


Check = Callable[..., Awaitable[str]]


@pytest.fixture
def checked(loops: Loops) -> Check:
    """mailer.connect_check(account, HOST, tls) in an event loop of each kind; returns what it says."""

    async def check(account: settings.Mail, tls: ssl.SSLContext | None = None) -> str:
        def run() -> str:
            with asyncio.Runner(loop_factory=loops) as runner:
                return runner.run(mailer.connect_check(account, mail_steps.HOST, tls))

        return await asyncio.to_thread(run)

    return check
