"""Work that takes long: each kind in a thread of its own, where whoever sends much waits for themself.

Those who wait take turns at each of these levels: the known and the unknown, each customer of a provider,
each network, each account. So one job of anybody is done at a time, and a flood from many networks of one
customer, or from many strangers, doesn't keep out those who have been here before.
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
ROOM: Final = 200


@dataclass(frozen=True, slots=True)
class Turn:
    """Who waits. network: what limits count by. account: a member's id, or what somebody signs in with.

    known: whether it is somebody with a role, in a session, by a password link, or in a browser that signed
    in before.
    """

    network: str = ""
    account: str = ""
    known: bool = False

    def path(self) -> tuple[str, ...]:
        """From the widest to the narrowest of what has turns."""
        return "known" if self.known else "unknown", customer(self.network), self.network, self.account


def customer(network: str) -> str:
    """What one customer of a provider may have at little cost: an IPv6 /48, an IPv4 /24."""
    try:
        known = ipaddress.ip_network(network)
    except ValueError:
        return network
    return str(known.supernet(new_prefix=48 if known.version == 6 else 24))


# Where nobody else waits: the command line, and the start.
ALONE: Final = Turn()
Job: TypeAlias = tuple[Future[object], Callable[[], object]]
# Who comes next stands first, at each level.
Waiting: TypeAlias = dict[str, "Waiting"] | deque[Job]


class Line:
    """A thread, and those who wait for it. name: of the thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, name)
        self._lock = Lock()
        self._waiting: Waiting = {}

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
            return _size(self._waiting)

    def _add(self, turn: Turn, job: Job) -> None:
        path = turn.path()
        with self._lock:
            _place(self._waiting, path, job)
            dropped = _drop(self._waiting, path) if _size(self._waiting) > ROOM else None
        if dropped is job:
            raise Busy
        if dropped and dropped[0].set_running_or_notify_cancel():
            dropped[0].set_exception(Busy())

    def _do_next(self) -> None:
        with self._lock:
            # Nobody waits when the job of this ticket was dropped.
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


def _place(waiting: Waiting, path: tuple[str, ...], job: Job) -> None:
    if isinstance(waiting, deque):
        waiting.append(job)
    else:
        _place(waiting.setdefault(path[0], {} if path[1:] else deque()), path[1:], job)


def _take(waiting: Waiting) -> Job:
    """The next job; whoever it belongs to stands last afterwards, at each level."""
    if isinstance(waiting, deque):
        return waiting.popleft()
    first = next(iter(waiting))
    within = waiting.pop(first)
    job = _take(within)
    if within:
        waiting[first] = within
    return job


def _drop(waiting: Waiting, newest: tuple[str, ...]) -> Job:
    """Takes away the last job of whoever has most, at each level: nobody else goes without for them."""
    if isinstance(waiting, deque):
        return waiting.pop()
    most = max(waiting, key=lambda key: (_size(waiting[key]), key == newest[0]))
    job = _drop(waiting[most], newest[1:])
    if not waiting[most]:
        del waiting[most]
    return job


def _size(waiting: Waiting) -> int:
    return len(waiting) if isinstance(waiting, deque) else sum(map(_size, waiting.values()))


# Long lists of people, typed or in files.
LISTS: Final = Line("lists")
