"""Work that takes long: each kind in a thread of its own, where whoever sends much waits for themself.

Of those who wait each network has its turn, and in it each account, so one job of anybody is done at a time.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final, ParamSpec, TypeAlias, TypeVar

from db.policy import Busy

P = ParamSpec("P")
T = TypeVar("T")
ROOM: Final = 200


@dataclass(frozen=True, slots=True)
class Turn:
    """Who waits. network: what limits count by. account: a member's id, or what somebody signs in with."""

    network: str = ""
    account: str = ""


# Where nobody else waits: the command line, and the start.
ALONE: Final = Turn()
Job: TypeAlias = tuple[Future[object], Callable[[], object]]


class Line:
    """A thread, and those who wait for it. name: of the thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._lock = Lock()
        # By network and account; who comes next stands first.
        self._waiting: dict[str, dict[str, deque[Job]]] = {}

    async def do(self, turn: Turn, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What the work returns, or raises. Raises Busy when too many wait, most of them from there."""
        job: tuple[Future[T], Callable[[], T]] = (Future(), partial(work, *args, **kwargs))
        # A ticket for one job; which one, is decided when the thread comes to it.
        self._add(turn, job)  # type: ignore[arg-type]
        self._thread.submit(self._do_next)
        return await asyncio.wrap_future(job[0])

    def waiting(self) -> int:
        """How many wait; those who have given up are counted until their turn comes."""
        with self._lock:
            return self._waiting_now()

    def _waiting_now(self) -> int:
        return sum(map(_size, self._waiting.values()))

    def _add(self, turn: Turn, job: Job) -> None:
        with self._lock:
            accounts = self._waiting.setdefault(turn.network, {})
            accounts.setdefault(turn.account, deque()).append(job)
            dropped = self._drop(turn) if self._waiting_now() > ROOM else None
        if dropped is job:
            raise Busy
        if dropped and dropped[0].set_running_or_notify_cancel():
            dropped[0].set_exception(Busy())

    def _drop(self, newest: Turn) -> Job:
        """Takes away the last job of whoever has most: the others don't go without because of them."""
        network = max(self._waiting, key=lambda key: (_size(self._waiting[key]), key == newest.network))
        accounts = self._waiting[network]
        account = max(accounts, key=lambda key: (len(accounts[key]), key == newest.account))
        job = accounts[account].pop()
        self._forget_empty(network, account)
        return job

    def _do_next(self) -> None:
        with self._lock:
            job = self._take()
        if job is None:
            return
        done, work = job
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    def _take(self) -> Job | None:
        """The next job; its network and account stand last afterwards. None when it was dropped."""
        if not self._waiting:
            return None
        network = next(iter(self._waiting))
        accounts = self._waiting[network] = self._waiting.pop(network)
        account = next(iter(accounts))
        jobs = accounts[account] = accounts.pop(account)
        job = jobs.popleft()
        self._forget_empty(network, account)
        return job

    def _forget_empty(self, network: str, account: str) -> None:
        if not self._waiting[network][account]:
            del self._waiting[network][account]
        if not self._waiting[network]:
            del self._waiting[network]


def _size(accounts: dict[str, deque[Job]]) -> int:
    return sum(map(len, accounts.values()))


# Long lists of people, typed or in files.
LISTS: Final = Line("lists")
