"""Bodies: their limits of time and memory, and sessions that end while a body arrives."""

import asyncio
import weakref
from collections.abc import AsyncIterator

import httpx
import pytest

from db import engine
from db.errors import Busy
from db.members import roles
from db.policy import COMMAND_LINE, Role
from handlers.http.request import bodies, uploads
from handlers.http.request.bodies import (
    BLOCK_BYTES,
    BLOCK_FOR_LARGE_BYTES,
    ROOM_BYTES,
    ROOM_FOR_LARGE_BYTES,
    SHARE_FOR_LARGE_BYTES,
    Body,
)
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site, Visitor

pytestmark = ON_SQLITE

FORM = "application/x-www-form-urlencoded"
IMPORT = "/organization/invitations/import"
FILE = (
    b'--x\r\nContent-Disposition: form-data; name="role"\r\n\r\nAN\r\n'
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nemail\nada@example.org\n'
    b"\r\n--x--\r\n"
)


class Halves:
    """A body that comes in two pieces, the second when it is let go."""

    def __init__(self, whole: bytes) -> None:
        self.first, self.rest = whole[:-2], whole[-2:]
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        self.begun.set()
        await self.goes_on.wait()
        yield self.rest


async def post(visitor: Visitor, path: str, body: Halves | bytes, kind: str = FORM) -> httpx.Response:
    headers = {"Content-Type": kind, "Sec-Fetch-Site": "same-origin"}
    return await visitor.post(path, content=body, headers=headers)


MULTIPART = "multipart/form-data; boundary=x"


async def test_a_form_that_takes_too_long_is_told_and_the_connection_closed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "TIMEOUT_SECONDS", 0.05)
    olga = await site.sign_in("olga")

    for path in ("/user/login", "/user/account", "/organization/invite-link/reset"):
        answer = await post(olga, path, Halves(b"first_name=Zed"))

        assert (answer.status_code, answer.headers["connection"]) == (408, "close"), path
        assert "That took too long" in answer.text
    assert site.context.room.taken == 0


async def test_any_body_will_do_for_signing_out(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "TIMEOUT_SECONDS", 0.05)
    olga = await site.sign_in("olga")

    answer = await post(olga, "/user/logout", Halves(b"next=/user/account"))

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await olga.get("/user/account")).status_code == 303


async def test_a_client_that_hangs_up_changes_nothing(site: Site) -> None:
    """Not even where no field is needed."""
    token = await site.invite_token()
    olga = await site.sign_in("olga")
    cookie = "; ".join(f"{name}={value}" for name, value in olga.cookies.items())
    messages = []
    headers = {"host": "testserver", "content-type": FORM, "sec-fetch-site": "same-origin", "cookie": cookie}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/organization/invite-link/reset",
        "raw_path": b"/organization/invite-link/reset",
        "query_string": b"",
        "scheme": "http",
        "client": ("192.0.2.1", 40000),
        "server": ("testserver", 80),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    coming: list[dict[str, object]] = [
        {"type": "http.request", "body": b"a", "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, object]:
        return coming.pop(0)

    async def send(message: dict[str, object]) -> None:
        messages.append(message)

    await site.app(scope, receive, send)  # type: ignore[arg-type]

    assert messages[0]["status"] == 400
    assert await site.invite_token() == token


async def test_a_file_is_read_for_nobody_but_owner_and_administrators(site: Site) -> None:
    await site.person("ada", Role.MANAGER)

    for visitor, status in ((site.visitor(), 303), (await site.sign_in("ada"), 403)):
        body = Halves(FILE)
        answer = await post(visitor, IMPORT, body, MULTIPART)

        assert answer.status_code == status
        assert not body.begun.is_set()


@pytest.mark.parametrize(("role", "status"), [(Role.DEACTIVATED, 303), (Role.ANNOTATOR, 403)])
async def test_who_sends_a_file_is_asked_again_once_it_is_there(site: Site, role: Role, status: int) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    body = Halves(FILE)
    sending = asyncio.create_task(post(await site.sign_in("ada"), IMPORT, body, MULTIPART))
    await body.begun.wait()

    await roles.change_role(COMMAND_LINE, member_id=ada, role=role)
    body.goes_on.set()

    assert (await sending).status_code == status
    assert await engine.rows("SELECT 1 FROM upload") == []


FIELD = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
LINE = b"Content-Type: text/csv\r\n"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (FILE, 303),
        (FILE.replace(b"Content-Disposition", LINE + b"content-disposition"), 303),
        (FIELD * 998 + FILE, 303),
        (FIELD * 999 + FILE, 413),
        (FILE[: FILE.rindex(b"--x--")] + FILE[FILE.rindex(b"--x\r\n") :], 422),
        (FILE[: FILE.rindex(b"--x--")], 422),
        (b"nothing of the kind", 422),
        (FILE.replace(b"Content-Disposition", b"Content Disposition"), 422),
    ],
    ids="good header full fuller two cut none broken".split(),
)
async def test_a_form_with_a_file_is_whole_or_refused(site: Site, body: bytes, status: int) -> None:
    answer = await post(await site.sign_in("olga"), IMPORT, body, MULTIPART)

    assert answer.status_code == status
    assert len(await engine.rows("SELECT 1 FROM upload")) == (1 if status == 303 else 0)


async def test_a_form_with_a_file_says_what_stands_between_its_parts(site: Site) -> None:
    answer = await post(await site.sign_in("olga"), IMPORT, FILE, "multipart/form-data")

    assert answer.status_code == 415


async def test_a_file_gets_more_time_for_each_piece_and_no_more_than_that(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "TIMEOUT_SECONDS", 0.3)
    monkeypatch.setattr(uploads, "MIN_BYTES_A_SECOND", 100)
    olga = await site.sign_in("olga")

    async def slowly() -> AsyncIterator[bytes]:
        for start in range(0, len(FILE), 20):
            yield FILE[start : start + 20]
            await asyncio.sleep(0.1)

    headers = {"Content-Type": MULTIPART, "Sec-Fetch-Site": "same-origin"}
    kept = await olga.post(IMPORT, content=slowly(), headers=headers)
    stuck = await post(olga, IMPORT, Halves(FILE[:40]), MULTIPART)

    assert (kept.status_code, stuck.status_code) == (303, 408)


async def test_all_bodies_together_have_so_much_room(site: Site) -> None:
    visitor, begun = site.visitor(), []
    for number in range(ROOM_FOR_LARGE_BYTES // 1_000_000):
        body, sender = Halves(b"x=" + b"a" * 999_998), site.visitor(f"192.0.{number % 3}.2")
        begun.append((asyncio.create_task(post(sender, "/user/signup", body)), body))
        await body.begun.wait()

    large = await post(visitor, "/user/signup", b"x=" + b"a" * 100_000)
    fields = {"email": "olga@example.org", "password": PASSWORD}
    small = await visitor.submit("/user/login", fields)

    assert (large.status_code, "retry-after" in large.headers) == (503, True)
    assert small.status_code == 303, "those who fill it keep nobody from signing in"
    for sending, body in begun:
        body.goes_on.set()
        # The form is wrong, and comes too often: it was read.
        assert (await sending).status_code in (422, 429)
    assert site.context.room.taken == 0
    assert (await post(site.visitor(), "/user/login", b"x=" + b"a" * 100_000)).status_code == 422


async def test_one_network_fills_no_more_than_its_share(site: Site) -> None:
    greedy, begun = site.visitor("192.0.2.66"), []
    for _ in range(SHARE_FOR_LARGE_BYTES // 1_000_000):
        body = Halves(b"x=" + b"a" * 999_998)
        begun.append((asyncio.create_task(post(greedy, "/user/signup", body)), body))
        await body.begun.wait()

    more = await post(greedy, "/user/signup", b"x=" + b"a" * 100_000)
    others = await post(site.visitor("192.0.2.7"), "/user/login", b"x=" + b"a" * 100_000)

    assert (more.status_code, others.status_code) == (503, 422)
    for sending, body in begun:
        body.goes_on.set()
        await sending
    assert (site.context.room.taken, site.context.room.by_network) == (0, {})


async def test_the_networks_of_one_customer_together_leave_room_to_others(site: Site) -> None:
    begun, refused = [], 0
    for number in range(ROOM_FOR_LARGE_BYTES // 1_000_000):
        body, greedy = Halves(b"x=" + b"a" * 999_998), site.visitor(f"2001:db8:0:{number % 3}::1")
        sending = asyncio.create_task(post(greedy, "/user/signup", body))
        waiting = asyncio.create_task(body.begun.wait())
        await asyncio.wait((sending, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        begun.append((sending, body))

    others = await post(site.visitor("2001:db8:1::1"), "/user/login", b"x=" + b"a" * 100_000)

    for sending, body in begun:
        body.goes_on.set()
        refused += (await sending).status_code == 503
    assert others.status_code == 422
    assert refused == (ROOM_FOR_LARGE_BYTES - BLOCK_FOR_LARGE_BYTES) // 1_000_000
    assert (site.context.room.taken, site.context.room.by_network) == (0, {})


async def test_small_ones_of_a_customer_have_room_that_large_ones_have_not(site: Site) -> None:
    room = site.context.room
    room.take(BLOCK_FOR_LARGE_BYTES // 2, "2001:db8:0:1::/64", small=True)
    room.take(BLOCK_FOR_LARGE_BYTES // 2, "2001:db8:0:2::/64", small=True)

    with pytest.raises(Busy):
        room.take(1, "2001:db8:0:3::/64", small=False)
    room.take(1, "2001:db8:0:3::/64", small=True)
    with pytest.raises(Busy):
        room.take(BLOCK_BYTES - BLOCK_FOR_LARGE_BYTES, "2001:db8:0:3::/64", small=True)


async def test_there_is_an_end_of_room_for_small_ones_too(site: Site) -> None:
    room = site.context.room
    room.taken = ROOM_BYTES - 10
    body = Body(room)

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"a" * 11, "more_body": False}

    await body.read(receive)  # type: ignore[arg-type]

    with pytest.raises(Busy):
        body.check()
    assert room.taken == ROOM_BYTES - 10


class Piece(bytearray):
    """What came of a body, whose end can be seen."""


async def test_nothing_is_kept_of_a_body_that_found_no_room(site: Site) -> None:
    room = site.context.room
    room.taken = ROOM_BYTES - 10
    body, pieces = Body(room), [Piece(b"a" * 11)]
    gone = weakref.ref(pieces[0])

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    await body.read(receive)  # type: ignore[arg-type]

    assert gone() is None
    room.taken = 0
