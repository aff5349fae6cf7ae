"""Slow work, such as hashing passwords: a thread for each kind, and a fair queue in front of it.

The queue takes turns at four levels: known and unknown requesters, customers of providers, networks,
accounts. So it runs one job at a time for each of them, and a flood from many networks of one customer, or
from many strangers, doesn't delay people who have been here before.
"""

import asyncio
import ipaddress
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final, ParamSpec, TypeAlias, TypeVar

from db.errors import Busy

P = ParamSpec("P")
T = TypeVar("T")
MAX_WAITING: Final = 200


@dataclass(frozen=True, slots=True)
class Requester:
    """Whose job it is. network: what rate limits count by. account: a member's id, or a typed address.

    known: whether they have a role and a session, a password link, or a browser that signed in before.
    """

    network: str = ""
    account: str = ""
    known: bool = False

    def path(self) -> tuple[str, ...]:
        """The levels that take turns, from the widest to the narrowest."""
        return "known" if self.known else "unknown", customer(self.network), self.network, self.account


def customer(network: str) -> str:
    """The block that one customer of a provider can get cheaply: an IPv6 /48, an IPv4 /24."""
    try:
        known = ipaddress.ip_network(network)
    except ValueError:
        return network
    return str(known.supernet(new_prefix=48 if known.version == 6 else 24))


# For the command line and the start, which compete with nobody.
NO_REQUESTER: Final = Requester()
Job: TypeAlias = tuple[Future[object], Callable[[], object]]
# At each level the next one stands first.
Waiting: TypeAlias = dict[str, "Waiting"] | deque[Job]


class FairQueue:
    """One thread and the jobs that wait for it. name: of the thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._lock = Lock()
        self._waiting: Waiting = {}

    async def do(self, requester: Requester, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the work and returns its result. Raises what it raises, and Busy if this requester has too
        many jobs in a full queue.
        """
        job: tuple[Future[T], Callable[[], T]] = (Future(), partial(work, *args, **kwargs))
        # Submits one unspecified job: which one it is, is decided when the thread is free.
        self._add(requester, job)  # type: ignore[arg-type]
        self._thread.submit(self._do_next)
        return await asyncio.wrap_future(job[0])

    def waiting(self) -> int:
        """The number of waiting jobs, cancelled ones included until their turn comes."""
        with self._lock:
            return _size(self._waiting)

    def _add(self, requester: Requester, job: Job) -> None:
        path = requester.path()
        with self._lock:
            _add_at(self._waiting, path, job)
            dropped = _drop(self._waiting, path) if _size(self._waiting) > MAX_WAITING else None
        if dropped is job:
            raise Busy
        if dropped and dropped[0].set_running_or_notify_cancel():
            dropped[0].set_exception(Busy())

    def _do_next(self) -> None:
        with self._lock:
            # The queue is empty if a job was dropped.
            job = _take(self._waiting) if self._waiting else None
        if job is None:
            return
        done, work = job
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)


def _add_at(waiting: Waiting, path: tuple[str, ...], job: Job) -> None:
    if isinstance(waiting, deque):
        waiting.append(job)
    else:
        _add_at(waiting.setdefault(path[0], {} if path[1:] else deque()), path[1:], job)


def _take(waiting: Waiting) -> Job:
    """Takes the next job; its requester goes to the end, at each level."""
    if isinstance(waiting, deque):
        return waiting.popleft()
    first = next(iter(waiting))
    within = waiting.pop(first)
    job = _take(within)
    if within:
        waiting[first] = within
    return job


def _drop(waiting: Waiting, newest: tuple[str, ...]) -> Job:
    """Drops the newest job of the requester with the most jobs, at each level: nobody else loses one."""
    if isinstance(waiting, deque):
        return waiting.pop()
    most = max(waiting, key=lambda key: (_size(waiting[key]), key == newest[0]))
    job = _drop(waiting[most], newest[1:])
    if not waiting[most]:
        del waiting[most]
    return job


def _size(waiting: Waiting) -> int:
    return len(waiting) if isinstance(waiting, deque) else sum(map(_size, waiting.values()))


# Parses long lists of people, typed or in files.
LISTS: Final = FairQueue("lists")
