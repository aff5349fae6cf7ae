"""Who comes next, of those who wait for work that takes long."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event

import pytest

from db.auth import fair_queue
from db.auth.fair_queue import NO_REQUESTER, FairQueue, Requester
from db.errors import Busy


class Watched:
    """A line whose thread is held until everybody who is to wait waits."""

    def __init__(self) -> None:
        self.line = FairQueue("test")
        self.done: list[str] = []
        self._go_on = Event()

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        begun = Event()

        def hold() -> None:
            begun.set()
            self._go_on.wait(30)

        holding = asyncio.create_task(self.line.do(NO_REQUESTER, hold))
        await asyncio.to_thread(begun.wait, 30)
        yield
        await asyncio.sleep(0.01)
        self._go_on.set()
        await holding

    def send(self, requester: Requester, name: str, times: int = 1) -> list["asyncio.Task[None]"]:
        return [asyncio.create_task(self.line.do(requester, self.done.append, name)) for _ in range(times)]


async def test_each_network_has_its_turn_and_in_it_each_account() -> None:
    watched = Watched()
    async with watched.held():
        sent = watched.send(Requester("a", "eve"), "eve", 5)
        await asyncio.sleep(0)
        sent += watched.send(Requester("a", "ada"), "ada", 2) + watched.send(Requester("b", "bob"), "bob", 2)
    await asyncio.gather(*sent)

    assert watched.done == ["eve", "bob", "ada", "bob", "eve", "ada", "eve", "eve", "eve"]


async def test_when_the_room_is_full_whoever_has_most_in_it_goes_without() -> None:
    watched = Watched()
    async with watched.held():
        eve = watched.send(Requester("a", "eve"), "eve", fair_queue.MAX_WAITING)
        await asyncio.sleep(0)
        others = watched.send(Requester("a", "ada"), "ada") + watched.send(Requester("b", "bob"), "bob", 3)
        await asyncio.sleep(0)
        more = watched.send(Requester("a", "eve"), "eve", 30)
    answers = await asyncio.gather(*eve, *others, *more, return_exceptions=True)

    assert Counter(watched.done) == {"eve": fair_queue.MAX_WAITING - 4, "ada": 1, "bob": 3}
    assert {"ada", "bob"} <= set(watched.done[:4])
    assert sum(isinstance(answer, Busy) for answer in answers) == 4 + 30
    assert watched.line.waiting() == 0
    await watched.line.do(NO_REQUESTER, watched.done.append, "afterwards there is room again")


async def test_among_many_who_have_little_the_newest_is_told_to_come_again() -> None:
    watched = Watched()
    async with watched.held():
        sent = [
            task
            for number in range(fair_queue.MAX_WAITING)
            for task in watched.send(Requester(str(number)), str(number))
        ]
        await asyncio.sleep(0)
        newest = watched.send(Requester("newest"), "newest")
    answers = await asyncio.gather(*sent, *newest, return_exceptions=True)

    assert [isinstance(answer, Busy) for answer in answers] == [False] * fair_queue.MAX_WAITING + [True]


@pytest.mark.parametrize("networks", ["2001:db8:0:{:x}::/64", "192.0.2.{}"])
async def test_a_customer_with_many_networks_has_one_turn_among_others(networks: str) -> None:
    watched = Watched()
    async with watched.held():
        eve = [
            task
            for number in range(fair_queue.MAX_WAITING)
            for task in watched.send(Requester(networks.format(number), str(number)), "eve")
        ]
        await asyncio.sleep(0)
        others = watched.send(Requester("2001:db8:1::/64"), "ada") + watched.send(
            Requester("192.0.3.4"), "bob"
        )
    answers = await asyncio.gather(*eve, *others, return_exceptions=True)

    assert set(watched.done[:3]) == {"eve", "ada", "bob"}
    assert sum(isinstance(answer, Busy) for answer in answers[: fair_queue.MAX_WAITING]) == 2


@pytest.mark.parametrize(
    ("network", "block"),
    [
        ("2001:db8:7:8::/64", "2001:db8:7::/48"),
        ("192.0.2.9", "192.0.2.0/24"),
        ("nothing of the kind", "nothing of the kind"),
        ("", ""),
    ],
)
def test_a_customer_has_a_48_or_a_24(network: str, block: str) -> None:
    assert fair_queue.customer(network) == block


async def test_however_many_strangers_wait_who_is_known_comes_next() -> None:
    watched = Watched()
    async with watched.held():
        strangers = [
            task
            for number in range(fair_queue.MAX_WAITING)
            for task in watched.send(Requester(f"10.{number}.0.1", str(number)), "stranger")
        ]
        await asyncio.sleep(0)
        known = watched.send(Requester("10.0.0.1", "ada", known=True), "ada", 2)
    answers = await asyncio.gather(*strangers, *known, return_exceptions=True)

    assert watched.done[:4] == ["stranger", "ada", "stranger", "ada"]
    assert sum(isinstance(answer, Busy) for answer in answers[: fair_queue.MAX_WAITING]) == 2


async def test_who_gives_up_leaves_no_place_taken_and_nothing_is_done_for_them() -> None:
    watched = Watched()
    async with watched.held():
        sent = watched.send(Requester("a"), "a", 3)
        await asyncio.sleep(0)
        sent[1].cancel()
    await asyncio.gather(*sent, return_exceptions=True)

    assert watched.done == ["a", "a"]
    assert watched.line.waiting() == 0


async def test_what_the_work_raises_reaches_whoever_asked() -> None:
    line = FairQueue("test")

    with pytest.raises(ZeroDivisionError):
        await line.do(NO_REQUESTER, lambda: 1 / 0)

    assert await line.do(NO_REQUESTER, str, 5) == "5"


def test_two_hundred_may_wait() -> None:
    assert fair_queue.MAX_WAITING == 200
