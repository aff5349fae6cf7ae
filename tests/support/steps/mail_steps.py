"""Steps of the tests of mail: an organization, people in it, queued mails, and a mail worker that runs."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from db import engine
from db.auth import links
from db.auth.links import Link
from db.common import clock
from db.common.dates import DAY_MS
from db.mail import notices, outbox
from db.members import new_member
from db.organization import setup
from db.policy import Role
from db.schema.tables import Invitation
from mailer import MailWorker
from settings import CHECKOUT, Mail
from signing import Signer
from tests.support.concurrency import soon as soon
from tests.support.pages.site import SECRET, someone
from tests.support.servers.smtp import Server

HOST = "https://members.fenwick.example/door"
SIGNER = Signer(SECRET)
TITLE = "Fenwick Herbarium"
TEMPLATES = CHECKOUT / "templates"


async def founded(title: str = TITLE) -> int:
    """An organization that olga owns, with mail set up. Returns her id."""
    await setup.found_by_operator(title, someone("olga"))
    outbox.use(True, "members.fenwick.example")
    return await new_member.id_of("olga@example.org")


async def person(name: str, role: Role = Role.PENDING) -> int:
    async def change() -> int:
        return await new_member.insert(someone(name), role, joined_via="signup")

    return await engine.write(change)


async def registers(name: str) -> int:
    """Registers somebody, as the sign-up page does. Returns the member's id."""

    async def change() -> int:
        member_id = await new_member.insert(someone(name), Role.PENDING, joined_via="signup")
        await notices.member_registered()
        return member_id

    return await engine.write(change)


async def queued(kind: str, recipient: str, **about: int) -> int:
    """Queues a mail; returns its id."""

    async def change() -> int:
        return await outbox.queue(kind, recipient=recipient, **about)

    return await engine.write(change)


async def link_for(purpose: str, subject: int) -> Link:
    async def change() -> Link:
        return await links.make(purpose, subject=subject, expires_at=clock.now() + 7 * DAY_MS, max_uses=1)

    return await engine.write(change)


async def _invite(email: str, by: int, role: Role, batch_id: int) -> tuple[int, str, int]:
    link = await links.make(links.INVITATION, expires_at=clock.now() + 7 * DAY_MS, max_uses=1)
    values = {"email": email, "email_key": email, "first_name": "", "last_name": "", "search_text": email}
    numbers = {"invited_by": by, "batch_id": batch_id, "link_id": link.id, "made_at": clock.now()}
    nothing = dict.fromkeys(
        ("mail_id", "link_revealed_at", "new_wanted_at", "reminded_at", "member_id", "ended_at"), 0
    )
    inserted = await Invitation.insert(
        Invitation(**values, role=role.value, **numbers, **nothing, end_reason="")  # type: ignore[arg-type]
    )
    return inserted[0]["id"], email, link.id


async def invited(
    email: str, by: int, *, role: Role = Role.ANNOTATOR, batch_id: int = 0
) -> tuple[int, int, int]:
    """Invites somebody and queues the mail; returns the ids of invitation, link and mail."""

    async def change() -> tuple[int, int, int]:
        invitation_id, _, link_id = await _invite(email, by, role, batch_id)
        mail_id = await outbox.queue(
            "invitation", recipient=email, invitation_id=invitation_id, link_id=link_id, batch_id=batch_id
        )
        return invitation_id, link_id, mail_id

    return await engine.write(change)


async def invited_many(count: int, by: int, batch_id: int = 1) -> list[str]:
    """Invites so many in one transaction; returns their addresses."""
    emails = [f"guest{n}@example.org" for n in range(count)]

    async def change() -> None:
        rows = [await _invite(email, by, Role.ANNOTATOR, batch_id) for email in emails]
        await outbox.queue_many("invitation", rows, batch_id=batch_id)

    await engine.write(change)
    return emails


async def row(mail_id: int) -> dict[str, Any]:
    """A mail's row as it is now."""
    columns = (
        "kind, recipient, message_id, state, tries, made_at, due_at, leased_until, lease, done_at,"
        " server_reply"
    )
    (values,) = await engine.rows(f"SELECT {columns} FROM outbox WHERE id = ?", mail_id)
    return dict(zip(columns.split(", "), values, strict=True))


async def states() -> dict[str, int]:
    """How many mails there are in each state."""
    return dict(await engine.rows("SELECT state, COUNT(*) FROM outbox GROUP BY state"))


async def until(state: str, mail_id: int, seconds: float = 60) -> dict[str, Any]:
    """The row of a mail as soon as it is in this state."""

    async def in_state() -> dict[str, Any] | None:
        mail = await row(mail_id)
        return mail if mail["state"] == state else None

    mail: dict[str, Any] = await soon(in_state, seconds)
    return mail


async def until_tried(mail_id: int, tries: int = 1) -> dict[str, Any]:
    """The row of a mail after so many attempts, once the reason for the last failure is stored."""

    async def tried() -> dict[str, Any] | None:
        mail = await row(mail_id)
        return mail if mail["server_reply"] and mail["tries"] >= tries else None

    mail: dict[str, Any] = await soon(tried)
    return mail


async def waiting_reason() -> str:
    """Why the mails of the first batch wait, "" if nothing is wrong."""
    return (await outbox.progress(1)).waiting_reason


async def all_postponed() -> bool:
    return not await engine.rows("SELECT 1 FROM outbox WHERE server_reply = '' OR lease <> '' LIMIT 1")


async def all_marked() -> bool:
    return "queued" not in await states()


def mail_worker(account: Mail, **more: Any) -> MailWorker:
    values: dict[str, Any] = {"app_name": "Label Studio", "app_url": "https://label.fenwick.example"}
    return MailWorker(account, signer=SIGNER, host=HOST, templates=TEMPLATES, **{**values, **more})


@asynccontextmanager
async def delivering(account: Mail, **more: Any) -> AsyncIterator[None]:
    """A mail worker runs in this process."""
    task = asyncio.create_task(mail_worker(account, **more).run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@asynccontextmanager
async def process(url: str, server: Server) -> AsyncIterator[asyncio.subprocess.Process]:
    """A mail worker in another process."""
    script = str(Path(__file__).parents[1] / "servers" / "mail_process.py")
    child = await asyncio.create_subprocess_exec(
        sys.executable, script, url, str(server.port), "5", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        assert await child.stdout.readline() == b"ready\n"
        yield child
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()
