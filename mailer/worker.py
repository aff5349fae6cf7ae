"""The background task that delivers what the outbox owes; how a mail is carried is the business of its lines.

It claims what is due and hands it to a few lines, so that one mail that hangs doesn't stop the others. Each
mail is marked right after it was taken. Trouble with the server as a whole stops all mails for a while;
trouble with one mail stops that one.

Leases are short and renewed as long as this process lives: what a killed one has claimed soon goes out by
another, and what takes long stays with who sends it. Who can't renew hands nothing more over. When the
database was away for everybody, those who have sent a mail mark it before anybody takes it for forgotten.
"""

import asyncio
import contextlib
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from db import engine
from db.common import clock
from db.mail import delivery, outbox
from db.mail.delivery import Mail, ServerUnavailable
from mailer import contents
from mailer.contents import Letter

CLAIM: Final = 20
LEASE_MS: Final = 30_000
BEAT_SECONDS: Final = 5.0
# Sooner than a lease ends: a mail that was sent while the database was away is marked before it is taken.
LONGEST_WAIT_SECONDS: Final = 8.0
POLL_SECONDS: Final = 5.0
LINGER_SECONDS: Final = 2.0
STOP_SECONDS: Final = 4.0
LAST_SECONDS: Final = 1.0
# How long to wait before a mail that was sent is marked once more.
MARK_AGAIN_SECONDS: Final = (1, 10, 60, 600)

log = logging.getLogger("gatehouse.mail")


class NotTaken(Exception):
    """The server didn't take a mail; the message is in its words.

    for_good: no later try will change that. lost: it said nothing, or the line was cut.
    """

    def __init__(self, words: str, *, for_good: bool, lost: bool = False) -> None:
        super().__init__(words)
        self.for_good = for_good
        self.lost = lost


class Line(Protocol):
    """A connection to the mail server that can be opened and closed as often as needed."""

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> None:
        """Raises ServerUnavailable."""

    async def still_works(self) -> bool:
        """Whether the next mail can go over the open line; if not, it is closed now."""

    async def carry(self, mail: Mail, letter: Letter) -> str:
        """Hands a mail over; returns the server's answer. Raises NotTaken and ServerUnavailable."""

    async def close(self) -> None: ...


class Courier:
    """Delivers until it is cancelled. One for each process."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._trouble: ServerUnavailable | None = None
        self._stopping = False
        self._has_begun = False
        self._lines = lines
        self._busy: set[Line] = set()
        # Ids of mails that are being handed over: what becomes of them isn't known yet.
        self._under_way: set[int] = set()
        # How many mails in a row the server has said nothing to.
        self._lost = 0
        self._lease = secrets.token_hex(8)
        # What this process has claimed and isn't done with, by id: when the lease ends as far as it knows.
        self._held: dict[int, int] = {}
        self._wary_until = 0
        self._claimed: asyncio.Queue[Mail] = asyncio.Queue(maxsize=1)
        self._connecting = asyncio.Lock()
        self._marks: set[asyncio.Task[None]] = set()
        # Ids of mails that were sent and aren't marked yet, however often that is tried.
        self._unmarked: set[int] = set()
        self._pauses = 0
        self._next_try = 0

    async def run(self) -> None:
        """Runs until cancelled; then claims nothing more, finishes what is under way, gives the rest back."""
        tasks = {line: asyncio.create_task(self._work(line)) for line in self._lines}
        beat = asyncio.create_task(self._beat())
        with outbox.woken() as woken:
            try:
                while True:
                    if not await self._hand_out():
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(POLL_SECONDS):
                                await woken.wait()
                    woken.clear()
            finally:
                await self._finish(tasks, beat)

    async def _beat(self) -> None:
        """Renews the leases of what is claimed, again and again."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if not self._held:
                continue
            try:
                kept = await delivery.renew(self._lease, tuple(self._held), LEASE_MS)
            except Exception as error:
                self._be_wary()
                log.warning("leases of mails can't be renewed now: %s", error)
                continue
            # What was settled meanwhile isn't held any more.
            self._held.update((mail_id, until) for mail_id, until in kept.items() if mail_id in self._held)

    def _be_wary(self) -> None:
        """The database was away: others may have sent what they could not mark; their leases are let be."""
        self._wary_until = clock.now() + LEASE_MS

    async def _hand_out(self) -> bool:
        """Claims what is due and hands it to the lines as fast as they take it. False if nothing is."""
        try:
            if not self._has_begun:
                await delivery.take_up()
                self._has_begun = True
            ended = not _ahead(self._wary_until, LEASE_MS)
            mails = await delivery.claim(self._lease, CLAIM, LEASE_MS, ended=ended)
        except Exception as error:
            # Whatever it is, mail goes on when it is over.
            self._be_wary()
            log.warning("the outbox can't be asked now, and is asked again: %s", error)
            return False
        # After a leap of the clock it may find its own leases ended: what is under way here is sent once.
        new = [mail for mail in mails if mail.id not in self._held]
        self._held.update((mail.id, mail.leased_until) for mail in mails)
        for mail in new:
            await self._claimed.put(mail)
        return bool(mails)

    async def _finish(self, tasks: dict[Line, asyncio.Task[None]], beat: asyncio.Task[None]) -> None:
        self._stopping = True
        for line, task in tasks.items():
            if line not in self._busy:
                task.cancel()
        await asyncio.wait(tasks.values(), timeout=STOP_SECONDS)
        for task in tasks.values():
            task.cancel()
        beat.cancel()
        await asyncio.wait([*tasks.values(), *self._marks, beat], timeout=LAST_SECONDS)
        try:
            await delivery.give_back(self._lease, but=self._unmarked)
        except (engine.Unavailable, engine.TookTooLong):
            log.warning("leased mails could not be given back, and go out when their lease has ended")

    async def _work(self, line: Line) -> None:
        """One line's task. An open line is kept for a moment after its last mail."""
        while not self._stopping:
            mail = await self._next(LINGER_SECONDS if line.is_open else None)
            if mail is None:
                await line.close()
                continue
            self._busy.add(line)
            let_go = False
            try:
                let_go = await self._deliver(line, mail)
            except (engine.Unavailable, engine.TookTooLong) as error:
                # It is tried again when its lease has ended.
                log.warning("mail %d waits for the database: %s", mail.id, error)
            except Exception:
                # Whatever it is, the line carries on; the mail is tried again when its lease has ended.
                log.exception("mail %d was not delivered", mail.id)
            finally:
                self._busy.discard(line)
                if not let_go and mail.id not in self._unmarked:
                    self._held.pop(mail.id, None)
            if let_go:
                await asyncio.sleep(POLL_SECONDS)
        await line.close()

    async def _next(self, seconds: float | None) -> Mail | None:
        """The next claimed mail; None if there is none for so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._claimed.get()
        return None

    async def _deliver(self, line: Line, mail: Mail) -> bool:
        """Whether it was left to the other lines, which may have claimed it anew by now."""
        try:
            letter = await contents.read(mail)
            await self._see_to(line)
            if clock.now() > self._held[mail.id] - LEASE_MS // 2:
                # It could not be renewed for so long that somebody else may send it.
                return False
            await self._carry(line, mail, letter)
        except contents.LeaseLost:
            return False
        except contents.CauseEnded:
            await self._mark(delivery.void, mail)
        except NotTaken as refusal:
            log.warning("mail %d (%s) was not taken: %s", mail.id, mail.kind, refusal)
            await self._mark(delivery.failed if refusal.for_good else delivery.again, mail, str(refusal))
            await self._count_lost(refusal)
        except ServerUnavailable as trouble:
            await line.close()
            return await self._put_off(mail, trouble)
        return False

    async def _carry(self, line: Line, mail: Mail, letter: Letter) -> None:
        self._under_way.add(mail.id)
        try:
            said = await line.carry(mail, letter)
            await self._mark_sent(mail, said, letter.newest)
        finally:
            self._under_way.discard(mail.id)
        self._lost = 0
        log.info("mail %d (%s) is sent", mail.id, mail.kind)

    async def _see_to(self, line: Line) -> None:
        """Opens a line that isn't open. One at a time: what another has found meanwhile isn't tried again."""
        if line.is_open and await line.still_works():
            return
        known = self._trouble
        async with self._connecting:
            # Mails that were claimed before the trouble was found come by here until they are put off.
            waits = _ahead(self._next_try, delivery.PAUSES_MS[-1])
            if self._trouble is not known or (self._trouble and waits):
                raise ServerUnavailable(str(self._trouble))
            try:
                await line.open()
            except ServerUnavailable as trouble:
                self._trouble = trouble
                raise
        self._pauses = self._next_try = 0

    async def _put_off(self, mail: Mail, trouble: ServerUnavailable) -> bool:
        """The server can't be used: all mails wait, unless another line works (it may allow only few).

        Whether this one was left to another line.
        """
        if any(line.is_open for line in self._lines):
            # Not held any more before anybody can claim it: what is held already isn't handed out again.
            self._held.pop(mail.id, None)
            await self._mark(delivery.let_go, mail)
            return True
        now = clock.now()
        if not _ahead(self._next_try, delivery.PAUSES_MS[-1]):
            self._next_try = now + delivery.PAUSES_MS[min(self._pauses, len(delivery.PAUSES_MS) - 1)]
            self._pauses += 1
            log.warning("mails wait for %d s: %s", (self._next_try - now) // 1000, trouble)
        await self._pause(str(trouble), self._next_try - now)
        return False

    async def _count_lost(self, refusal: NotTaken) -> None:
        """A server that says nothing to one mail after the other is in trouble as a whole.

        The pause is short, for a few mails at which it stumbles must not keep the others for long.
        """
        self._lost = self._lost + 1 if refusal.lost else 0
        if self._lost >= len(self._lines):
            self._lost = 0
            log.warning("all mails wait for a minute, for the server takes none")
            await self._pause(str(refusal), delivery.PAUSES_MS[0])

    async def _pause(self, words: str, pause_ms: int) -> None:
        await self._mark(delivery.put_off, self._lease, words, pause_ms, tuple(self._under_way))

    async def _mark_sent(self, mail: Mail, said: str, newest: int) -> None:
        """Notes that a mail was taken. While that can't be noted it stays this process's, and is not sent."""
        self._unmarked.add(mail.id)
        try:
            await self._mark(delivery.sent, mail, said, newest)
        except Exception:
            log.exception("mail %d was sent and is marked without the server's words", mail.id)
            self._begin(self._keep_marking(mail))
        else:
            self._unmarked.discard(mail.id)

    async def _keep_marking(self, mail: Mail) -> None:
        for seconds in itertools.chain(MARK_AGAIN_SECONDS, itertools.repeat(MARK_AGAIN_SECONDS[-1])):
            try:
                await delivery.sent_without_words(mail)
                break
            except Exception as error:
                log.warning("mail %d was sent, and is marked in %d s: %s", mail.id, seconds, error)
            await asyncio.sleep(seconds)
        self._unmarked.discard(mail.id)
        self._held.pop(mail.id, None)

    async def _mark(self, marking: Callable[..., Awaitable[object]], *args: object) -> None:
        """Notes what became of a mail, even if the task is cancelled: what was sent isn't sent again."""
        await asyncio.shield(self._begin(insist(marking, *args)))

    def _begin(self, marking: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(marking)
        self._marks.add(task)
        task.add_done_callback(self._marks.discard)
        return task


def _ahead(instant: int, at_most: int) -> bool:
    """Whether it is still to come; one that is further off (ms) is from before the clock was set back."""
    return 0 < instant - clock.now() <= at_most


async def insist(change: Callable[..., Awaitable[object]], *args: object) -> None:
    """Makes a change as soon as the database can be asked again; gives up after some minutes."""
    for seconds in (0.5, 1, 2, 4, *[LONGEST_WAIT_SECONDS] * 22):
        try:
            await change(*args)
            return
        except (engine.Unavailable, engine.TookTooLong) as error:
            log.warning("the outbox can't be changed now, and is in %s s: %s", seconds, error)
        await asyncio.sleep(seconds)
    await change(*args)
