"""The background task that delivers the outbox, one for each process."""

import ssl
from pathlib import Path
from typing import Final

from mailer.account import Account
from mailer.renderer import LetterWriter
from mailer.smtp import Line
from mailer.worker import Courier
from signing import Signer

CONNECTIONS: Final = 4


class Mailer:
    """Delivers what the outbox owes over up to four connections, until cancelled. One for each process."""

    def __init__(
        self,
        account: Account,
        *,
        signer: Signer,
        host: str,
        app_name: str,
        app_url: str = "",
        templates: Path,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        writer = LetterWriter(
            account, signer=signer, host=host, app_name=app_name, app_url=app_url, templates=templates
        )
        lines = [Line(account, host, writer, tls) for _ in range(CONNECTIONS)]
        self._courier = Courier(lines)

    async def run(self) -> None:
        """Runs until cancelled; what is under way is finished or given back within five seconds."""
        await self._courier.run()
