"""Who gets which notice, by the Owner's settings and the members' own."""

from collections.abc import AsyncIterator
from typing import get_args

import pytest

from db import engine
from db.common import clock
from db.common.dates import DAY_MS
from db.mail import delivery, notices, outbox
from db.mail.notices import Notice
from db.policy import Role
from mailer import contents
from tests.support.steps.mail_steps import founded, person, registers

NOTICES = get_args(Notice)


@pytest.fixture
async def people(database: str) -> AsyncIterator[dict[str, int]]:
    """The Owner, two Administrators of whom tom wants no notices, and a Manager; mail is set up."""
    yield {
        "olga": await founded(),
        "mia": await person("mia", Role.ADMINISTRATOR),
        "tom": await person("tom", Role.ADMINISTRATOR),
        "max": await person("max", Role.MANAGER),
    }
    outbox.use(False)


async def settle(notice: Notice, who: str) -> None:
    await engine.write(engine.execute, f"UPDATE organization SET notice_{notice} = ?", who)


async def without(member_id: int) -> None:
    await engine.write(engine.execute, "UPDATE member SET wants_notices = 0 WHERE id = ?", member_id)


@pytest.mark.parametrize("notice", NOTICES)
@pytest.mark.parametrize(
    ("who", "names"), [("administrators", ("olga", "mia")), ("owner", ("olga",)), ("nobody", ())]
)
async def test_a_notice_goes_to_the_recipients_that_the_owner_chose(
    people: dict[str, int], notice: Notice, who: str, names: tuple[str, ...]
) -> None:
    await without(people["tom"])
    for other in NOTICES:
        await settle(other, "owner" if who == "nobody" else "nobody")

    await settle(notice, who)

    assert [member_id for member_id, _ in await notices.recipients(notice)] == [
        people[name] for name in names
    ]
    assert [await notices.is_recipient(people[name], notice) for name in people] == [
        name in names for name in people
    ]


async def test_the_owner_alone_gets_none_when_they_want_none(people: dict[str, int]) -> None:
    await without(people["olga"])

    await settle("asked", "owner")

    assert await notices.recipients("asked") == []


async def test_the_waiting_notice_goes_to_the_recipients_that_the_owner_chose(people: dict[str, int]) -> None:
    await settle("waiting", "owner")

    await registers("ada")

    assert [mail.member_id for mail in await delivery.claim("one", 20, 100_000)] == [people["olga"]]


async def test_a_notice_that_was_switched_off_meanwhile_is_not_sent(people: dict[str, int]) -> None:
    await registers("ada")
    mail, *_ = await delivery.claim("one", 20, 100_000)

    await settle("waiting", "nobody")

    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(mail)


async def test_the_ending_notice_goes_to_the_member_alone_if_the_owner_chose_nobody(
    people: dict[str, int],
) -> None:
    ends_at = clock.now() + DAY_MS
    await engine.write(engine.execute, "UPDATE member SET ends_at = ? WHERE id = ?", ends_at, people["max"])
    for name in ("max", "olga"):
        await engine.write(
            outbox.queue, "ending", recipient=name, member_id=people[name], subject_id=people["max"]
        )
    own, other = await delivery.claim("one", 20, 100_000)

    await settle("ending", "nobody")

    assert (await contents.read(own)).yours
    with pytest.raises(contents.NoLongerRelevant):
        await contents.read(other)
