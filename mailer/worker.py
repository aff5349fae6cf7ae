"""The background task that sends queued mail.

It claims the mails that are due and shares them between a few connections, so that a mail that hangs doesn't
stop the others. Each mail is marked as soon as the server has accepted it. If the server is unavailable, all
mails wait for a while; if it rejects one mail, only that one waits.

Leases are short, and this process renews them as long as it lives. So if it is killed, another process soon
sends what it had claimed, and a mail that takes long isn't sent twice. A process that can't renew its leases
sends nothing more. After an outage of the database, each process gets time to mark the mails it has sent,
before another claims those whose leases ended meanwhile.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from db import engine
from db.common import clock
from db.mail import delivery, outbox
from db.mail.delivery import Mail, ServerUnavailable
from mailer import contents
from mailer.account import Account
from mailer.contents import MailContents
from mailer.renderer import OutboxRenderer
from mailer.smtp import MessageRejected, SmtpConnection
from signing import Signer

CONNECTIONS: Final = 4
# How many mails are claimed at once.
CLAIM_SIZE: Final = 20
LEASE_MS: Final = 30_000
HEARTBEAT_SECONDS: Final = 5.0
# How often an idle process looks for mails that another process has queued.
POLL_SECONDS: Final = 5.0
# How long a connection stays open after its last mail.
KEEP_OPEN_SECONDS: Final = 2.0
# At shutdown: how long mails that are being sent may take, and then how long their marks may take.
STOP_SECONDS: Final = 4.0
LAST_MARKS_SECONDS: Final = 1.0
# Shorter than a lease, so that a mail sent during an outage of the database is marked before its lease ends.
MAX_RETRY_SECONDS: Final = 8.0
# When even that has failed: how long to wait before each further attempt to mark a mail as sent.
MARK_RETRY_SECONDS: Final = (1, 10, 60, 600)

log = logging.getLogger("gatehouse.mail")


class MailWorker:
    """Sends queued mail over up to CONNECTIONS connections, until it is cancelled. One for each process."""

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
        renderer = OutboxRenderer(
            account, signer=signer, host=host, app_name=app_name, app_url=app_url, templates=templates
        )
        self._connections = [SmtpConnection(account, host, renderer, tls) for _ in range(CONNECTIONS)]
        self._busy: set[SmtpConnection] = set()
        self._connecting = asyncio.Lock()
        self._server_error: ServerUnavailable | None = None
        self._stopping = False
        self._has_begun = False
        # Ids of mails that are being sent: the server may or may not accept them.
        self._sending: set[int] = set()
        # How many mails in a row got no reply.
        self._unanswered = 0
        self._lease = secrets.token_hex(8)
        # Mails this process has claimed and not finished: id -> end of the lease, as last renewed (ms).
        self._held: dict[int, int] = {}
        # Until then (ms), ended leases of other processes are left alone.
        self._grace_until = 0
        self._claimed: asyncio.Queue[Mail] = asyncio.Queue(maxsize=1)
        self._marks: set[asyncio.Task[None]] = set()
        # Ids of mails that were sent and couldn't be marked so far.
        self._unmarked: set[int] = set()
        self._pauses = 0
        self._next_try = 0

    async def run(self) -> None:
        """Runs until cancelled; then finishes or releases what it has claimed, within five seconds."""
        tasks = {connection: asyncio.create_task(self._work(connection)) for connection in self._connections}
        heartbeat = asyncio.create_task(self._heartbeat())
        with outbox.woken() as woken:
            try:
                while True:
                    if not await self._claim_due():
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(POLL_SECONDS):
                                await woken.wait()
                    woken.clear()
            finally:
                await self._finish(tasks, heartbeat)

    async def _heartbeat(self) -> None:
        """Keeps renewing the leases of claimed mails."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if not self._held:
                continue
            try:
                renewed = await delivery.renew(self._lease, tuple(self._held), LEASE_MS)
            except Exception as error:
                self._begin_grace_period()
                log.warning("leases of mails can't be renewed now: %s", error)
                continue
            # Mails finished during the renewal aren't held any more.
            self._held.update((mail_id, until) for mail_id, until in renewed.items() if mail_id in self._held)

    def _begin_grace_period(self) -> None:
        """The database was unavailable: others may have sent mails that they couldn't mark."""
        self._grace_until = clock.now() + LEASE_MS

    async def _claim_due(self) -> bool:
        """Claims due mails and passes them to the connections as these become free. False if none was due."""
        try:
            if not self._has_begun:
                await delivery.retry_now()
                self._has_begun = True
            ended = not _is_ahead(self._grace_until, LEASE_MS)
            mails = await delivery.claim(self._lease, CLAIM_SIZE, LEASE_MS, ended=ended)
        except Exception as error:
            # Whatever the error is, mail has to go on once it is over.
            self._begin_grace_period()
            log.warning("the outbox can't be asked now, and is asked again: %s", error)
            return False
        # After the clock has jumped, our own leases may look ended: a mail being sent here isn't sent again.
        new = [mail for mail in mails if mail.id not in self._held]
        self._held.update((mail.id, mail.leased_until) for mail in mails)
        for mail in new:
            await self._claimed.put(mail)
        return bool(mails)

    async def _finish(
        self, tasks: dict[SmtpConnection, asyncio.Task[None]], heartbeat: asyncio.Task[None]
    ) -> None:
        self._stopping = True
        for connection, task in tasks.items():
            if connection not in self._busy:
                task.cancel()
        await asyncio.wait(tasks.values(), timeout=STOP_SECONDS)
        for task in tasks.values():
            task.cancel()
        heartbeat.cancel()
        await asyncio.wait([*tasks.values(), *self._marks, heartbeat], timeout=LAST_MARKS_SECONDS)
        try:
            await delivery.release_all(self._lease, but=self._unmarked)
        except (engine.Unavailable, engine.TookTooLong):
            log.warning("leased mails could not be given back, and go out when their lease has ended")

    async def _work(self, connection: SmtpConnection) -> None:
        """The task of one connection: sends claimed mails one after the other."""
        while not self._stopping:
            mail = await self._next(KEEP_OPEN_SECONDS if connection.is_open else None)
            if mail is None:
                await connection.close()
                continue
            self._busy.add(connection)
            released = False
            try:
                released = await self._deliver(connection, mail)
            except (engine.Unavailable, engine.TookTooLong) as error:
                # The mail is sent when its lease has ended.
                log.warning("mail %d waits for the database: %s", mail.id, error)
            except Exception:
                # Whatever the error is, this task goes on; the mail is sent when its lease has ended.
                log.exception("mail %d was not delivered", mail.id)
            finally:
                self._busy.discard(connection)
                if not released and mail.id not in self._unmarked:
                    self._held.pop(mail.id, None)
            if released:
                await asyncio.sleep(POLL_SECONDS)
        await connection.close()

    async def _next(self, seconds: float | None) -> Mail | None:
        """The next claimed mail, or None if none comes within so many seconds (None: no limit)."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._claimed.get()
        return None

    async def _deliver(self, connection: SmtpConnection, mail: Mail) -> bool:
        """Sends one mail, or marks why it wasn't sent. True if it was released for another connection, which
        may have claimed it by now."""
        try:
            mail_contents = await contents.read(mail)
            await self._ensure_open(connection)
            if clock.now() > self._held[mail.id] - LEASE_MS // 2:
                # The lease couldn't be renewed for so long that another process may send the mail.
                return False
            await self._send(connection, mail, mail_contents)
        except contents.LeaseLost:
            return False
        except contents.NoLongerRelevant:
            await self._mark(delivery.void, mail)
        except MessageRejected as rejection:
            log.warning("mail %d (%s) was not taken: %s", mail.id, mail.kind, rejection)
            marking = delivery.failed if rejection.permanent else delivery.retry_later
            await self._mark(marking, mail, str(rejection))
            await self._count_unanswered(rejection)
        except ServerUnavailable as error:
            await connection.close()
            return await self._postpone(mail, error)
        return False

    async def _send(self, connection: SmtpConnection, mail: Mail, mail_contents: MailContents) -> None:
        self._sending.add(mail.id)
        try:
            server_reply = await connection.send(mail, mail_contents)
            await self._mark_sent(mail, server_reply, mail_contents.newest)
        finally:
            self._sending.discard(mail.id)
        self._unanswered = 0
        log.info("mail %d (%s) is sent", mail.id, mail.kind)

    async def _ensure_open(self, connection: SmtpConnection) -> None:
        """Opens the connection unless it is open. Raises ServerUnavailable.

        One connection is opened at a time: if one fails, those waiting behind it don't try the server again.
        """
        if connection.is_open and await connection.still_works():
            return
        error_before = self._server_error
        async with self._connecting:
            # Mails claimed before the error reach this point until they are postponed.
            paused = _is_ahead(self._next_try, delivery.PAUSES_MS[-1])
            if self._server_error is not error_before or (self._server_error and paused):
                raise ServerUnavailable(str(self._server_error))
            try:
                await connection.open()
            except ServerUnavailable as error:
                self._server_error = error
                raise
        self._pauses = self._next_try = 0

    async def _postpone(self, mail: Mail, error: ServerUnavailable) -> bool:
        """After a connection failed to open. True: another is open, and this mail was released for it.
        False: none is, and all mails wait.

        One may be open because a server may allow only a few.
        """
        if any(connection.is_open for connection in self._connections):
            # Not held any more before anybody can claim it: mails that are held aren't passed on again.
            self._held.pop(mail.id, None)
            await self._mark(delivery.release, mail)
            return True
        now = clock.now()
        if not _is_ahead(self._next_try, delivery.PAUSES_MS[-1]):
            self._next_try = now + delivery.PAUSES_MS[min(self._pauses, len(delivery.PAUSES_MS) - 1)]
            self._pauses += 1
            log.warning("mails wait for %d s: %s", (self._next_try - now) // 1000, error)
        await self._postpone_all(str(error), self._next_try - now)
        return False

    async def _count_unanswered(self, rejection: MessageRejected) -> None:
        """Makes all mails wait when the server has answered none for as many mails as there are connections.

        The pause is short: a few mails that break the server shouldn't delay the others for long.
        """
        self._unanswered = self._unanswered + 1 if rejection.no_reply else 0
        if self._unanswered >= len(self._connections):
            self._unanswered = 0
            log.warning("all mails wait for a minute, for the server takes none")
            await self._postpone_all(str(rejection), delivery.PAUSES_MS[0])

    async def _postpone_all(self, reason: str, pause_ms: int) -> None:
        await self._mark(delivery.postpone_all, self._lease, reason, pause_ms, tuple(self._sending))

    async def _mark_sent(self, mail: Mail, server_reply: str, newest: int) -> None:
        """Marks a mail as sent. Until that succeeds this process keeps its lease, so that nobody sends it."""
        self._unmarked.add(mail.id)
        try:
            await self._mark(delivery.sent, mail, server_reply, newest)
        except Exception:
            log.exception("mail %d was sent and is marked without the server's words", mail.id)
            self._begin(self._keep_marking(mail))
        else:
            self._unmarked.discard(mail.id)

    async def _keep_marking(self, mail: Mail) -> None:
        for seconds in itertools.chain(MARK_RETRY_SECONDS, itertools.repeat(MARK_RETRY_SECONDS[-1])):
            try:
                await delivery.sent_without_reply(mail)
                break
            except Exception as error:
                log.warning("mail %d was sent, and is marked in %d s: %s", mail.id, seconds, error)
            await asyncio.sleep(seconds)
        self._unmarked.discard(mail.id)
        self._held.pop(mail.id, None)

    async def _mark(self, marking: Callable[..., Awaitable[object]], *args: object) -> None:
        """Stores what became of a mail, even if the task is cancelled: a sent mail must not be sent again."""
        await asyncio.shield(self._begin(retry_until_stored(marking, *args)))

    def _begin(self, marking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(marking)
        self._marks.add(task)
        task.add_done_callback(self._marks.discard)
        return task


def _is_ahead(instant: int, max_ms: int) -> bool:
    """Whether an instant (ms) lies ahead by at most max_ms. One further ahead was noted before the clock was
    set back, and doesn't count."""
    return 0 < instant - clock.now() <= max_ms


async def retry_until_stored(change: Callable[..., Awaitable[object]], *args: object) -> None:
    """Makes a change, and repeats it while the database is unavailable. After about three minutes the last
    attempt raises its error."""
    for seconds in (0.5, 1, 2, 4, *[MAX_RETRY_SECONDS] * 22):
        try:
            await change(*args)
            return
        except (engine.Unavailable, engine.TookTooLong) as error:
            log.warning("the outbox can't be changed now, and is in %s s: %s", seconds, error)
        await asyncio.sleep(seconds)
    await change(*args)
